package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// A publisher publishes through all lives of the server, one thing after the
// other. What has a name, and of which it does not know the outcome, it
// repeats in the next life.
type publisher struct {
	name   string
	world  *world
	ledger *ledger.Ledger
	random *rand.Rand
	// next publishes something.
	next func(ctx context.Context, t *target) error

	count   int      // of tokens
	pending *sending // of unknown outcome
	done    *sending // acknowledged, to be repeated some time
}

// A target is a server that may be killed at any time.
type target struct {
	*life
	client *http.Client
}

// errBroken ends a life: the server was killed.
var errBroken = errors.New("the connection broke")

// run publishes until ctx ends.
func (p *publisher) run(ctx context.Context) error {
	for {
		l, err := p.world.enter(ctx)
		if err != nil {
			return nil
		}
		if l.until(ctx, l.held) {
			err = p.live(ctx, l)
		}
		l.leave()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("publisher %s: %w", p.name, err)
		}
	}
}

// live publishes until l ends.
func (p *publisher) live(ctx context.Context, l *life) error {
	t := &target{life: l}
	t.client, _ = (&readers.Server{Plain: l.URL()}).Client([]string{readers.H1, readers.H2C}[p.random.IntN(2)], nil)
	defer t.client.CloseIdleConnections()
	for {
		err := p.again(ctx, t)
		if err == nil {
			err = p.next(ctx, t)
		}
		if errors.Is(err, errBroken) {
			return nil
		}
		if err != nil {
			return err
		}
		if !l.pause(ctx, time.Duration(p.random.IntN(3000))*time.Microsecond) {
			return nil
		}
	}
}

// again repeats what has to be repeated, and now and then something else.
func (p *publisher) again(ctx context.Context, t *target) error {
	if s := p.pending; s != nil {
		return p.send(ctx, t, s)
	}
	if s := p.done; s != nil && p.random.IntN(4) == 0 {
		p.done = nil
		return p.send(ctx, t, s)
	}
	return nil
}

// A sending is a publish on its way.
type sending struct {
	channel string
	try     *ledger.Publish
	query   url.Values
	header  http.Header
	body    []byte
	named   bool // may be repeated
	n       int  // messages
	batch   bool
}

// send sends s and tells the ledger what came of it.
func (p *publisher) send(ctx context.Context, t *target, s *sending) error {
	p.pending = nil
	if s.named {
		p.pending = s
	}
	header, text, err := t.do(ctx, http.MethodPost, "/channels/"+s.channel+"?"+s.query.Encode(), s.header, s.body)
	var status *readers.StatusError
	switch {
	case errors.As(err, &status) && status.Status == http.StatusPreconditionFailed && s.header.Get("If-Match") != "":
		p.pending = nil
		return s.try.Refused()
	case err != nil:
		return err
	}
	var r receipt
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if !s.batch {
		r.Cursors = []string{r.Cursor}
	}
	if last := r.Cursors[len(r.Cursors)-1]; header.Get("Pabal-Cursor") != last || r.Cursor != last {
		return fmt.Errorf("the answer %s has the cursor %s in its head", text, header.Get("Pabal-Cursor"))
	}
	p.pending = nil
	if s.named && (p.done == nil || p.random.IntN(8) == 0) {
		p.done = s
	}
	return s.try.Acknowledged(r.Duplicate, r.Cursors...)
}

// do sends a request. An error is errBroken if the server was being killed.
func (t *target) do(ctx context.Context, method, path string, header http.Header, body []byte) (http.Header, []byte, error) {
	got, text, err := do(ctx, t.client, method, t.URL()+path, header, body)
	if err == nil {
		return got, text, nil
	}
	return nil, nil, t.judge(ctx, err)
}

// judge returns errBroken if err is for the server's end, else err.
func (t *target) judge(ctx context.Context, err error) error {
	var status *readers.StatusError
	if errors.As(err, &status) {
		if isStopping(err) && t.isDying() {
			return errBroken
		}
		return err
	}
	if ctx.Err() != nil || readers.IsBroken(err) && !t.pause(ctx, time.Second) {
		return errBroken
	}
	return fmt.Errorf("the connection broke, though nobody killed the server: %w", err)
}

// message makes a message that no other is like.
func (p *publisher) message(key string) (ledger.Message, []byte) {
	p.count++
	size := p.random.IntN(200)
	if p.random.IntN(60) == 0 {
		size = p.random.IntN(40_000)
	}
	data := fmt.Appendf(nil, "%s.%d %s", p.name, p.count, strings.Repeat("x", size))
	e := entryOf("", data)
	return ledger.Message{Token: e.Token, Sum: e.Sum, Key: key}, data
}

// single makes a publish of one message.
func (p *publisher) single(channel, key, after string, named bool) (*sending, error) {
	m, data := p.message(key)
	s := &sending{channel: channel, query: url.Values{}, header: http.Header{"Content-Type": {"text/plain"}}, body: data, named: named, n: 1}
	if named {
		s.query.Set("id", m.Token)
	}
	if key != "" {
		s.query.Set("key", key)
	}
	if after != "" {
		s.header.Set("If-Match", `"`+after+`"`)
	}
	var err error
	s.try, err = p.ledger.Log(channel).Try(after, m)
	return s, err
}

// batch makes a publish of n messages: each with an ID, or all with one, or
// none with any.
func (p *publisher) several(channel string, n int, key func() string) (*sending, error) {
	s := &sending{channel: channel, header: http.Header{"Content-Type": {"application/x-ndjson"}}, n: n, batch: true}
	each, all := p.random.IntN(3) == 0, p.random.IntN(2) == 0
	s.named = each || all
	var messages []ledger.Message
	for range n {
		line := map[string]string{"key": key()}
		m, data := p.message(line["key"])
		line["data"] = string(data)
		if each {
			line["id"] = m.Token
		}
		if line["key"] == "" {
			delete(line, "key")
		}
		text, err := json.Marshal(line)
		if err != nil {
			return nil, err
		}
		s.body = append(append(s.body, text...), '\n')
		messages = append(messages, m)
	}
	if all {
		s.header.Set("Idempotency-Key", `"batch of `+messages[0].Token+`"`)
	}
	var err error
	s.try, err = p.ledger.Log(channel).Try("", messages...)
	return s, err
}

// newGeneral returns a publisher of whatever to any of channels.
func newGeneral(p publisher, keys int, channels ...string) *publisher {
	key := func() string {
		if keys == 0 {
			return ""
		}
		return fmt.Sprintf("k%d", p.random.IntN(keys))
	}
	p.next = func(ctx context.Context, t *target) error {
		channel := channels[p.random.IntN(len(channels))]
		var s *sending
		var err error
		if p.random.IntN(3) > 0 {
			s, err = p.single(channel, key(), "", p.random.IntN(2) == 0)
		} else {
			s, err = p.several(channel, 1+p.random.IntN(12), key)
		}
		if err != nil {
			return err
		}
		return p.send(ctx, t, s)
	}
	return &p
}

// newConditional returns a publisher of what must follow the end of channel
// that it has seen.
func newConditional(p publisher, channel string) *publisher {
	p.next = func(ctx context.Context, t *target) error {
		header, _, err := t.do(ctx, http.MethodHead, "/channels/"+channel, nil, nil)
		if err != nil {
			return err
		}
		s, err := p.single(channel, "", header.Get("Pabal-Cursor"), true)
		if err != nil {
			return err
		}
		return p.send(ctx, t, s)
	}
	return &p
}
