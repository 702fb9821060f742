package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// A wholePublisher publishes one thing after the other. What has a name, and
// of which it does not know the outcome, it repeats until it does.
type wholePublisher struct {
	player
	channels []string
	keys     int
	http     *http.Client
	// next publishes something. It is unfinished if that is to be called again, to know what became of something.
	next       func(ctx context.Context) error
	unfinished func() bool

	burst   int      // that are to come one after the other
	count   int      // of tokens
	pending *sending // of unknown outcome
	done    *sending // acknowledged, to be repeated some time
}

// A sending is a publish on its way.
type sending struct {
	channel string
	try     *ledger.Publish
	query   url.Values
	header  http.Header
	body    []byte
	named   bool // may be repeated
	batch   bool
	tokens  []string
}

// errUnsure says that something may have been done.
var errUnsure = errors.New("the outcome is not known")

func (w *whole) newPublisher(p player, keys int, channels ...string) *wholePublisher {
	pub := &wholePublisher{player: p, channels: channels, keys: keys}
	pub.next, pub.unfinished = pub.publish, func() bool { return false }
	w.publishers = append(w.publishers, pub)
	return pub
}

// run publishes until ctx ends, and then until it knows the outcome of what it
// has sent.
func (p *wholePublisher) run(ctx context.Context) error {
	p.http = p.client()
	defer p.http.CloseIdleConnections()
	stopped := false
	for !stopped || p.pending != nil || p.unfinished() {
		var err error
		switch {
		case p.pending != nil:
			err = p.send(p.pending)
		case p.done != nil && !stopped && p.random.IntN(4) == 0:
			again := p.done
			p.done = nil
			err = p.send(again)
		default:
			err = p.next(ctx)
		}
		if err != nil && !errors.Is(err, errUnsure) && !errors.Is(err, errOver) {
			return p.wrong(p.channels, "%w", err)
		}
		if p.whole.over() {
			return nil
		}
		if p.burst--; p.burst < 0 && p.random.IntN(40) == 0 {
			p.burst = p.random.IntN(60)
		}
		least, most := 20*time.Millisecond, 3*time.Second
		if p.burst > 0 && err == nil {
			most = least + 1
		}
		if stopped {
			least, most = time.Second, 2*time.Second
			pause(context.Background(), least)
		}
		stopped = !p.pause(ctx, least, most)
	}
	return nil
}

// publish publishes a message, or a few at once.
func (p *wholePublisher) publish(context.Context) error {
	ch := p.channels[p.random.IntN(len(p.channels))]
	var s *sending
	var err error
	if p.random.IntN(4) == 0 {
		s, err = p.several(ch, 1+p.random.IntN(8))
	} else {
		s, err = p.single(ch, "", p.random.IntN(5) > 0)
	}
	if err != nil {
		return err
	}
	return p.send(s)
}

// send sends s and tells the ledger what came of it.
func (p *wholePublisher) send(s *sending) error {
	p.pending = nil
	if s.named {
		p.pending = s
	}
	life := p.whole.now()
	p.note([]string{s.channel}, "publishes %s to %s", strings.Join(s.tokens, " "), s.channel)
	header, text, err := p.ask(http.MethodPost, "/channels/"+s.channel+"?"+s.query.Encode(), s.header, s.body)
	var status *readers.StatusError
	if errors.As(err, &status) && status.Status == http.StatusPreconditionFailed && s.header.Get("If-Match") != "" {
		return p.whole.take(life, func() error {
			p.note([]string{s.channel}, "is told that %s does not follow the end", s.tokens[0])
			p.pending = nil
			return s.try.Refused()
		})
	}
	if err != nil {
		p.note([]string{s.channel}, "does not know what became of %s: %v", s.tokens[0], err)
		if p.passing(err) {
			err = errUnsure
		}
		return err
	}
	return p.whole.take(life, func() error {
		p.pending = nil
		if s.named && (p.done == nil || p.random.IntN(8) == 0) {
			p.done = s
		}
		return p.told(s, header, text)
	})
}

// told takes the answer to s.
func (p *wholePublisher) told(s *sending, header http.Header, text []byte) error {
	var r struct {
		Cursor    string
		Cursors   []string
		Duplicate bool
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if !s.batch {
		r.Cursors = []string{r.Cursor}
	}
	if last := r.Cursors[len(r.Cursors)-1]; header.Get("Pabal-Cursor") != last || r.Cursor != last {
		return fmt.Errorf("the answer %s has the cursor %s in its head", text, header.Get("Pabal-Cursor"))
	}
	p.note([]string{s.channel}, "is told that %s is at %s (duplicate: %v)", s.tokens[0], strings.Join(r.Cursors, ", "), r.Duplicate)
	return s.try.Acknowledged(r.Duplicate, r.Cursors...)
}

// ask sends a request, and takes so much time for it and no more. An answer
// that is neither 200 nor 204 is a [readers.StatusError].
func (p *wholePublisher) ask(method, path string, header http.Header, body []byte) (http.Header, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, p.url()+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := p.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return nil, nil, &readers.StatusError{Status: resp.StatusCode, Header: resp.Header, Body: text}
	}
	return resp.Header, text, nil
}

// message makes a message that no other is like.
func (p *wholePublisher) message(of string) (m ledger.Message, data []byte) {
	size := p.random.IntN(200)
	if p.random.IntN(40) == 0 {
		size = p.random.IntN(20_000)
	}
	data = fmt.Appendf(nil, "%s %s", of, strings.Repeat("x", size))
	e := entryOf("", data)
	m = ledger.Message{Token: e.Token, Sum: e.Sum}
	if p.keys > 0 {
		m.Key = fmt.Sprint("k", p.random.IntN(p.keys))
	}
	return m, data
}

func (p *wholePublisher) token() string {
	p.count++
	return fmt.Sprintf("%s.%d", p.name, p.count)
}

// single makes a publish of one message, if the log ends at after, unless that
// is empty.
func (p *wholePublisher) single(channel, after string, named bool) (*sending, error) {
	m, data := p.message(p.token())
	s := &sending{channel: channel, query: url.Values{}, header: http.Header{"Content-Type": {"text/plain"}}, body: data, named: named, tokens: []string{m.Token}}
	if named {
		s.query.Set("id", m.Token)
	}
	if m.Key != "" {
		s.query.Set("key", m.Key)
	}
	if after != "" {
		s.header.Set("If-Match", `"`+after+`"`)
	}
	var err error
	s.try, err = p.whole.ledger.Log(channel).Try(after, m)
	return s, err
}

// several makes a publish of n messages: each with an ID, or all with one, or
// none with any.
func (p *wholePublisher) several(channel string, n int) (*sending, error) {
	of := p.token()
	s := &sending{channel: channel, query: url.Values{}, header: http.Header{"Content-Type": {"application/x-ndjson"}}, batch: true}
	each, all := p.random.IntN(2) == 0, p.random.IntN(2) == 0
	s.named = each || all
	if all {
		s.header.Set("Idempotency-Key", of)
	}
	var messages []ledger.Message
	for i := range n {
		m, data := p.message(fmt.Sprintf("%s:%d", of, i))
		line := map[string]string{"data": string(data)}
		if each {
			line["id"] = m.Token
		}
		if m.Key != "" {
			line["key"] = m.Key
		}
		text, err := json.Marshal(line)
		if err != nil {
			return nil, err
		}
		s.body = append(append(s.body, text...), '\n')
		messages, s.tokens = append(messages, m), append(s.tokens, m.Token)
	}
	var err error
	s.try, err = p.whole.ledger.Log(channel).Try("", messages...)
	return s, err
}

// newConditional has a publisher publish what must follow the end that it has
// seen.
func (w *whole) newConditional(p player, channel string) {
	c := w.newPublisher(p, 0, channel)
	c.next = func(context.Context) error {
		header, _, err := c.ask(http.MethodHead, "/channels/"+channel, nil, nil)
		if err != nil && c.passing(err) {
			return errUnsure
		}
		if err != nil {
			return err
		}
		s, err := c.single(channel, header.Get("Pabal-Cursor"), true)
		if err != nil {
			return err
		}
		return c.send(s)
	}
}

// An ender is the only publisher of a channel, which it closes and deletes
// again and again. What it does not know the outcome of, it does again.
type ender struct {
	*wholePublisher
	log    *ledger.Log
	left   int // messages until it closes or deletes
	closed bool
	undone func() error
}

func (w *whole) newEnder(p player, channel string) {
	e := &ender{wholePublisher: w.newPublisher(p, 0, channel), log: w.ledger.Log(channel)}
	e.next, e.unfinished = e.step, func() bool { return e.undone != nil }
}

func (e *ender) step(context.Context) error {
	if e.undone == nil {
		switch {
		case e.closed, e.left == 0 && e.random.IntN(3) == 0:
			e.undone = e.remove
		case e.left == 0:
			e.undone = e.close
		default:
			e.left--
			s, err := e.single(e.channels[0], "", true)
			if err != nil {
				return err
			}
			return e.send(s)
		}
		e.left = 1 + e.random.IntN(12)
	}
	if err := e.undone(); err != nil {
		e.note(e.channels, "does not know whether that was done: %v", err)
		if e.passing(err) {
			err = errUnsure
		}
		return err
	}
	e.undone = nil
	return nil
}

func (e *ender) close() error {
	life := e.whole.now()
	e.log.Closing()
	e.note(e.channels, "closes %s", e.channels[0])
	_, _, err := e.ask(http.MethodPost, "/channels/"+e.channels[0]+"?close", nil, nil)
	if err != nil {
		return err
	}
	return e.whole.take(life, func() error {
		e.log.Closed()
		e.closed = true
		return nil
	})
}

func (e *ender) remove() error {
	life := e.whole.now()
	e.log.Deleting()
	e.note(e.channels, "deletes %s", e.channels[0])
	if _, _, err := e.ask(http.MethodDelete, "/channels/"+e.channels[0], nil, nil); err != nil {
		return err
	}
	return e.whole.take(life, func() error {
		e.log.Deleted()
		e.closed = false
		return nil
	})
}
