package pabal_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

// A truth is what happened to one channel.
type truth struct {
	channel  pabal.Channel
	keep     int
	events   []event
	since    int // the first event after the last deletion
	closed   bool
	closedAt map[pabal.Offset]bool
}

// GoString names c where rapid tells what it has drawn.
func (c *truth) GoString() string { return string(c.channel) }

// An event is an entry, or a deletion.
type event struct {
	offset  pabal.Offset
	data    string
	deleted bool
}

func (c *truth) end() pabal.Offset {
	if len(c.events) == 0 {
		return 0
	}
	return c.events[len(c.events)-1].offset
}

// after returns what happened after offset.
func (c *truth) after(offset pabal.Offset) []event {
	for i, e := range c.events {
		if e.offset > offset {
			return c.events[i:]
		}
	}
	return nil
}

// gone is up to where nothing is kept.
func (c *truth) gone() pabal.Offset {
	if i := max(c.since, len(c.events)-c.keep) - 1; i >= 0 {
		return c.events[i].offset
	}
	return 0
}

// A modelled session knows where it must be.
type modelled struct {
	*pabal.Session
	signal pabal.Signal
	places []*modelledPlace // as in the session
}

type modelledPlace struct {
	truth *truth
	pos   pabal.Position // zero if it is not known yet
	found bool           // the session has looked it up
	end   pabal.Offset   // when it subscribed
	live  bool
	done  bool
}

// GoString names s where rapid tells what it has drawn.
func (s *modelled) GoString() string { return fmt.Sprintf("%p", s) }

// check holds one item against what happened.
func (p *modelledPlace) check(rt *rapid.T, item pabal.Item) {
	c, n := p.truth, item.Notice
	if p.done || n != nil && n.Channel != c.channel || n == nil && item.Entry.Channel != c.channel {
		rt.Fatalf("%s: got %q, of another channel or after its end", c.channel, show(item))
	}
	switch {
	case n == nil:
		rest := c.after(p.pos.Offset)
		if len(rest) == 0 || rest[0].deleted || rest[0].offset != item.Entry.Offset || rest[0].data != string(item.Entry.Data) || item.Entry.Prev != p.pos.Offset {
			rt.Fatalf("%s at %d: got %d after %d, %q, want one of %v", c.channel, p.pos.Offset, item.Entry.Offset, item.Entry.Prev, item.Entry.Data, rest)
		}
	case n.Kind == pabal.NoticeGap || n.Kind == pabal.NoticeReset:
		reason := pabal.Trimmed
		for _, e := range c.after(n.From.Offset) {
			if e.deleted && e.offset <= n.To.Offset {
				reason = pabal.Deleted
			}
		}
		if n.From != p.pos || n.To != n.Cursor || n.To.Offset <= n.From.Offset || n.To.Offset > c.gone() || n.Reason != reason || reason.Reset() != (n.Kind == pabal.NoticeReset) {
			rt.Fatalf("%s at %d: got %q, want it from here to %d at most, %s", c.channel, p.pos.Offset, show(item), c.gone(), reason)
		}
	case n.Kind == pabal.NoticeLive:
		if p.live || n.Cursor != p.pos || p.pos.Offset < p.end {
			rt.Fatalf("%s at %d: got $live at %d, want it once, at %d or later", c.channel, p.pos.Offset, n.Cursor.Offset, p.end)
		}
		p.live = true
	case n.Kind == pabal.NoticeClosed:
		if !c.closedAt[p.pos.Offset] || n.Cursor != p.pos {
			rt.Fatalf("%s at %d: got $closed at %d", c.channel, p.pos.Offset, n.Cursor.Offset)
		}
		p.done = true
	default:
		rt.Fatalf("%s at %d: got %q", c.channel, p.pos.Offset, show(item))
	}
	p.pos = place(item)
}

// step steps s, and checks what came.
func (s *modelled) step(rt *rapid.T, batch *pabal.Batch, most int) (state pabal.State) {
	state = s.Step(batch, most)
	for i, p := range s.places {
		if !p.found && s.Position(i) != (pabal.Position{}) {
			rt.Fatalf("%s has a position before it was looked up: %v", p.truth.channel, s.Position(i))
		}
	}
	taken := rapid.IntRange(0, 2*len(batch.Items)).Draw(rt, "taken") // most often all
	if taken < len(batch.Items) {
		s.Rewind(batch, taken)
		state = pabal.More
	}
	for _, item := range batch.Items[:min(taken, len(batch.Items))] {
		s.places[item.Place].check(rt, item)
	}
	for i, p := range s.places {
		if p.found && s.Position(i) != p.pos {
			rt.Fatalf("%s: position %v, want that of the last item, %v", p.truth.channel, s.Position(i), p.pos)
		}
	}
	if state == pabal.Behind {
		s.catchUp(rt)
	}
	return state
}

func (s *modelled) catchUp(rt *rapid.T) {
	if err := s.CatchUp(rt.Context()); err != nil {
		rt.Fatal(err)
	}
	for i, p := range s.places {
		if at := s.Position(i); p.pos == (pabal.Position{}) || at == p.pos {
			p.pos, p.found = at, true
		} else {
			rt.Fatalf("%s: after a read the position is %v, want it to stay %v", p.truth.channel, at, p.pos)
		}
	}
}

type model struct {
	hub      *pabal.Hub
	truths   []*truth
	sessions []*modelled
	batch    pabal.Batch
}

func (m *model) subscribe(rt *rapid.T, s *modelled, c *truth, from pabal.From) {
	for _, p := range s.places {
		if p.truth == c {
			return
		}
	}
	if err := s.Subscribe(c.channel, from); err != nil {
		rt.Fatal(err)
	}
	p := &modelledPlace{truth: c, end: c.end()}
	p.pos, _ = from.After()
	if at := s.Position(len(s.places)); at != (pabal.Position{}) { // it was on the tail
		if p.pos == (pabal.Position{}) && at.Offset != c.end() {
			rt.Fatalf("%s: it begins at %d, want %d, the end", c.channel, at.Offset, c.end())
		}
		p.pos, p.found = at, true
	}
	s.places = append(s.places, p)
}

func (m *model) open(rt *rapid.T) *modelled {
	s := &modelled{signal: pabal.NewSignal()}
	var err error
	if s.Session, err = m.hub.Open(pabal.Grant{}, s.signal, pabal.Options{}); err != nil {
		rt.Fatal(err)
	}
	return s
}

// Whatever is published, deleted, closed and trimmed in between, each session
// gets each entry once and in order, or is told what it missed and why.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keep := rapid.IntRange(1, 8).Draw(rt, "kept")
		var b pabal.Broker
		kept := memory.New(memory.Config{Retention: func(pabal.Channel) pabal.Retention { return pabal.Retention{Entries: keep} }})
		defer func() { _ = kept.Close() }()
		if b = kept; rapid.Bool().Draw(rt, "not lossless") {
			b = &hooked{Broker: kept}
		}
		m := &model{hub: pabal.NewHub(b, pabal.Limits{WindowEntries: rapid.IntRange(1, 8).Draw(rt, "window"), BatchBytes: 100})}
		defer m.hub.Close()
		for _, ch := range []pabal.Channel{"a", "b"} {
			m.truths = append(m.truths, &truth{channel: ch, keep: keep, closedAt: map[pabal.Offset]bool{}})
		}
		for range 3 {
			m.sessions = append(m.sessions, m.open(rt))
		}
		defer func() {
			for _, s := range m.sessions {
				s.Close()
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"publish": m.publish, "close": m.close, "delete": m.delete, "subscribe": m.begin, "resume": m.resume, "unsubscribe": m.unsubscribe,
			"step":       func(rt *rapid.T) { m.any(rt).step(rt, &m.batch, rapid.IntRange(1, 9).Draw(rt, "most")) },
			"step again": func(rt *rapid.T) { m.any(rt).step(rt, &m.batch, rapid.IntRange(1, 9).Draw(rt, "most")) },
		})
		for _, s := range m.sessions {
			m.drain(rt, s)
		}
	})
}

// drain waits until s has all that happened.
func (m *model) drain(rt *rapid.T, s *modelled) {
	for {
		state := s.step(rt, &m.batch, 5)
		missing := false
		for _, p := range s.places {
			missing = missing || !p.done && (p.pos.Offset != p.truth.end() || p.truth.closed || !p.live)
		}
		switch {
		case !missing:
			return
		case state == pabal.Caught:
			<-s.signal
		case state == pabal.Done:
			rt.Fatal("done, but something is missing")
		}
	}
}

func (m *model) any(rt *rapid.T) *modelled { return rapid.SampledFrom(m.sessions).Draw(rt, "session") }
func (m *model) ch(rt *rapid.T) *truth     { return rapid.SampledFrom(m.truths).Draw(rt, "channel") }

func (m *model) publish(rt *rapid.T) {
	c := m.ch(rt)
	var p pabal.Publish
	for i := range rapid.IntRange(1, 5).Draw(rt, "n") {
		p.Messages = append(p.Messages, pabal.Message{Data: fmt.Append(nil, c.end()+pabal.Offset(i))})
	}
	done, err := m.hub.Publish(rt.Context(), pabal.Grant{}, c.channel, p)
	if c.closed != (err != nil) {
		rt.Fatalf("publish to %s, closed %v: %v", c.channel, c.closed, err)
	}
	for i, at := range done.Positions {
		c.events = append(c.events, event{offset: at.Offset, data: string(p.Messages[i].Data)})
	}
}

func (m *model) close(rt *rapid.T) {
	c := m.ch(rt)
	if _, err := m.hub.Publish(rt.Context(), pabal.Grant{}, c.channel, pabal.Publish{Close: true}); err != nil {
		rt.Fatal(err)
	}
	c.closed, c.closedAt[c.end()] = true, true
}

func (m *model) delete(rt *rapid.T) {
	c := m.ch(rt)
	if err := m.hub.Delete(rt.Context(), pabal.Grant{}, c.channel); err != nil {
		rt.Fatal(err)
	}
	if c.closed || len(c.events) > c.since {
		c.events = append(c.events, event{offset: c.end() + 1, deleted: true})
		c.since, c.closed = len(c.events), false
	}
}

func (m *model) begin(rt *rapid.T) {
	from := rapid.SampledFrom([]pabal.From{pabal.FromAll(), pabal.FromNow(), pabal.FromLast(2)}).Draw(rt, "from")
	m.subscribe(rt, m.any(rt), m.ch(rt), from)
}

// resume has a session go on in another, which begins where it stood.
func (m *model) resume(rt *rapid.T) {
	i := rapid.IntRange(0, len(m.sessions)-1).Draw(rt, "session")
	old, s := m.sessions[i], m.open(rt)
	old.Close()
	m.sessions[i] = s
	for _, p := range old.places {
		if p.pos != (pabal.Position{}) {
			m.subscribe(rt, s, p.truth, pabal.After(p.pos))
		}
	}
}

func (m *model) unsubscribe(rt *rapid.T) {
	s := m.any(rt)
	if len(s.places) == 0 {
		return
	}
	i := rapid.IntRange(0, len(s.places)-1).Draw(rt, "place")
	if !s.Unsubscribe(s.places[i].truth.channel) {
		rt.Fatal("it was not there")
	}
	s.places = append(s.places[:i], s.places[i+1:]...)
}
