package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// A publisher publishes through all lives of the server, one thing after the
// other. What has a name, and of which it does not know the outcome, it
// repeats.
type publisher struct {
	name     string
	world    *world
	route    *route // nil: it goes straight to the server
	channels []string
	random   *rand.Rand
	rest     time.Duration // between two, about
	trail    trail

	count   int      // of tokens
	pending *sending // of unknown outcome
	done    *sending // acknowledged, to be repeated some time
	tally   *tally
}

// A tally is what became of publishes.
type tally struct{ acknowledged, unknown, refused atomic.Int64 }

// A sending is a publish on its way.
type sending struct {
	channel string
	try     *ledger.Publish
	query   url.Values
	header  http.Header
	body    []byte
	named   bool // may be repeated
	batch   bool
}

// run publishes until ctx ends.
func (p *publisher) run(ctx context.Context) error {
	for {
		l, err := p.world.enter(ctx)
		if err != nil {
			return nil
		}
		select {
		case <-l.held:
			err = p.live(ctx, l)
		case <-l.dying.Done():
		case <-ctx.Done():
		}
		l.leave()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("publisher %s: %w\n\nwhat happened to it last:\n%s", p.name, err, &p.trail)
		}
	}
}

// live publishes until l ends.
func (p *publisher) live(ctx context.Context, l *life) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.dying, cancel)()
	client, base := p.client(l)
	defer client.CloseIdleConnections()
	for {
		if err := p.next(ctx, client, base); err != nil || ctx.Err() != nil {
			return err
		}
		if !pause(ctx, time.Duration(p.random.Int64N(int64(2*p.rest)))) {
			return nil
		}
	}
}

func (p *publisher) client(l *life) (*http.Client, string) {
	address := p.world.address
	if p.route != nil {
		address = p.route.proxy.Addr()
	}
	protocol := []string{readers.H1, readers.H2C}[p.random.IntN(2)]
	if l.tls {
		protocol = []string{readers.H1S, readers.H2}[p.random.IntN(2)]
	}
	s := &readers.Server{Plain: "http://" + address, TLS: "https://" + address, Roots: p.world.roots}
	return s.Client(protocol, nil)
}

// next publishes what has to be repeated, or something new, and now and then
// what was acknowledged before.
func (p *publisher) next(ctx context.Context, client *http.Client, base string) (err error) {
	s := p.pending
	if s == nil && p.done != nil && p.random.IntN(6) == 0 {
		s, p.done = p.done, nil
	}
	if s == nil {
		channel := p.channels[p.random.IntN(len(p.channels))]
		if p.random.IntN(3) > 0 {
			s, err = p.single(channel, p.random.IntN(2) == 0)
		} else {
			s, err = p.several(channel, 1+p.random.IntN(8))
		}
		if err != nil {
			return err
		}
	}
	return p.send(ctx, client, base, s)
}

// send sends s and tells the ledger what came of it.
func (p *publisher) send(ctx context.Context, client *http.Client, base string, s *sending) error {
	p.pending = nil
	if s.named {
		p.pending = s
	}
	limited, cancel := context.WithTimeout(ctx, 3*heartbeat)
	defer cancel()
	text, err := do(limited, client, http.MethodPost, base+"/channels/"+s.channel+"?"+s.query.Encode(), s.header, s.body)
	switch {
	case err == nil:
	case isRefusal(err) && p.world.isShaky():
		p.tally.refused.Add(1)
		p.trail.tell("%s was refused: %v", s.channel, err)
		pause(ctx, 100*time.Millisecond)
		return nil
	case limited.Err() != nil, readers.IsBroken(err):
		p.tally.unknown.Add(1)
		p.trail.tell("what became of a publish to %s is not known: %v", s.channel, err)
		return nil
	default:
		return err
	}
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
	p.tally.acknowledged.Add(1)
	p.trail.tell("published to %s at %s (duplicate: %v)", s.channel, r.Cursor, r.Duplicate)
	if p.pending = nil; s.named && (p.done == nil || p.random.IntN(8) == 0) {
		p.done = s
	}
	return s.try.Acknowledged(r.Duplicate, r.Cursors...)
}

// message makes a message that no other is like.
func (p *publisher) message() (ledger.Message, []byte) {
	p.count++
	size := p.random.IntN(200)
	if p.random.IntN(15) == 0 {
		size = p.random.IntN(40_000)
	}
	data := fmt.Appendf(nil, "%s.%d %s", p.name, p.count, strings.Repeat("x", size))
	e := entryOf("", data)
	return ledger.Message{Token: e.Token, Sum: e.Sum}, data
}

// single makes a publish of one message.
func (p *publisher) single(channel string, named bool) (*sending, error) {
	m, data := p.message()
	s := &sending{channel: channel, query: url.Values{}, header: http.Header{"Content-Type": {"text/plain"}}, body: data, named: named}
	if named {
		s.query.Set("id", m.Token)
	}
	var err error
	s.try, err = p.world.ledger.Log(channel).Try("", m)
	return s, err
}

// several makes a publish of n messages: each with an ID, or all with one, or
// none with any.
func (p *publisher) several(channel string, n int) (*sending, error) {
	s := &sending{channel: channel, header: http.Header{"Content-Type": {"application/x-ndjson"}}, batch: true}
	each, all := p.random.IntN(3) == 0, p.random.IntN(2) == 0
	s.named = each || all
	var messages []ledger.Message
	for range n {
		m, data := p.message()
		line := map[string]string{"data": string(data)}
		if each {
			line["id"] = m.Token
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
	s.try, err = p.world.ledger.Log(channel).Try("", messages...)
	return s, err
}

// finish repeats p's publish of unknown outcome until that is known.
func (p *publisher) finish(ctx context.Context, l *life) error {
	client, base := p.client(l)
	defer client.CloseIdleConnections()
	for p.pending != nil {
		if err := p.send(ctx, client, base, p.pending); err != nil {
			return err
		}
		if p.pending != nil && !pause(ctx, 50*time.Millisecond) {
			return errors.New("a publish could not be repeated in time")
		}
	}
	return nil
}

// mark publishes one message to each of channels.
func (p *publisher) mark(ctx context.Context, l *life, channels ...string) error {
	for _, ch := range channels {
		s, err := p.single(ch, true)
		if err != nil {
			return err
		}
		p.pending = s
		if err := p.finish(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", ch, err)
		}
	}
	return nil
}
