package pabal

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal/internal/arms"
)

// A Session is one reader: its grant, its places, its options. It belongs to
// one goroutine or one loop, has no lock, no goroutine and no timer, and lives
// as long as one response or one connection; nothing of it must survive.
type Session struct {
	hub     *Hub
	waker   Waker // nil: what is there is read once
	options Options
	address string
	grant   *Grant    // nil: it allows every channel, for ever, and has no inbox
	due     time.Time // of a throttled session: it rests until then
	turn    uint      // which place is stepped first
	places  []place
	first   [1]place // where places begins
	closed  bool
}

// Options are what a session reads.
type Options struct {
	Latest bool          // of each key only the latest entry
	Every  time.Duration // for which the session rests each time it has read all there is
	Limit  int           // of entries read from the broker at once; 0: a page of the hub's own size
}

// A Batch is what one step yields. It is reused by the next.
type Batch struct {
	Items   []Item
	Most    int // bytes of entries after which a step ends; 0: Limits.BatchBytes
	entries int
	bytes   int
}

// An Item of a batch is an entry or a notice.
type Item struct {
	Entry  *Entry
	Notice *Notice
	Place  int      // the index of its channel among those the session reads
	from   Position // where the session stood there before
}

// A State says what is to be done after a step.
type State int

// The states.
const (
	More   State = iota // step again
	Caught              // wait for the waker, or until Due
	Behind              // call CatchUp, then step again
	Done                // every channel is closed and read
)

// A place is where a session stands in one channel.
type place struct {
	channel Channel
	tail    *Tail
	arm     *arms.Arm[Waker]
	at      *link    // on the tail; nil if it is not there
	pos     Position // if at is nil
	catch   *catchUp // what is to be given, or read, before the tail is looked at
	live    bool     // $live was said
	done    bool     // $closed was said, or all was read
}

// A catchUp is a part of the log that a session needs or has beside the tail.
type catchUp struct {
	from    From
	read    bool // what follows is filled in
	notices []*Notice
	entries []*Entry
	end     Position // after the last of entries
	more    bool     // the log goes on after end
	closed  bool     // the log is closed at end
}

// Open opens a session for the holder of g. Without a waker it reads what is
// there and is done with a channel once it has reached its end. The error is a
// *[LimitError] or [ErrHubClosed]. The session must be closed.
func (h *Hub) Open(g Grant, w Waker, o Options) (*Session, error) {
	if err := h.enter(g.Address, g.Own); err != nil {
		return nil, err
	}
	s := &Session{hub: h, waker: w, options: o, address: g.Address}
	if g.Own || g.Rules != nil || g.User != "" || g.Connection != "" || !g.Expires.IsZero() {
		s.grant = &g
	}
	s.places = s.first[:0]
	return s, nil
}

// Refresh has s read on by g, a newer grant of its user, which must allow all
// that it reads. After an error it reads on by the one it had.
func (s *Session) Refresh(g Grant) error {
	old := s.Grant()
	if g.User != old.User {
		return &ForbiddenError{ToRead, "", "the new token is of another user"}
	}
	g.Connection = cmp.Or(old.Connection, g.Connection)
	for i := range s.places {
		if err := g.Check(ToRead, s.places[i].channel); err != nil {
			return err
		}
	}
	s.grant = &g
	return nil
}

// Grant returns what s reads by.
func (s *Session) Grant() Grant {
	if s.grant == nil {
		return Grant{Address: s.address}
	}
	return *s.grant
}

// Close ends s. It may be called more than once.
func (s *Session) Close() {
	if s.closed {
		return
	}
	s.closed = true
	for i := range s.places {
		s.places[i].leave()
	}
	s.places, s.first = nil, [1]place{}
	if s.grant == nil || !s.grant.Own {
		s.hub.leave(s.address)
	}
}

// Subscribe adds ch to what s reads, if its grant allows that. It does not
// block: where reading begins is resolved by the next [Session.CatchUp].
func (s *Session) Subscribe(ch Channel, from From) error {
	g := s.Grant()
	if err := g.Check(ToRead, ch); err != nil {
		return err
	}
	if slices.ContainsFunc(s.places, func(p place) bool { return p.channel == ch }) {
		return invalid("channel %q is subscribed to already", ch)
	}
	if limit := s.hub.limits.ChannelsPerResponse; len(s.places) >= limit {
		return &LimitError{Limit: "channels-per-response", Max: limit, What: "one more channel"}
	}
	p := place{channel: ch, pos: from.at}
	if s.waker != nil {
		t, err := s.hub.follow(ch)
		if err != nil {
			return err
		}
		p.channel, p.tail, p.arm = t.channel, t, t.register(s.waker)
		if s.hub.lossless {
			p.at = t.begin(from)
		}
	}
	if p.at == nil {
		p.catch = &catchUp{from: from}
	}
	s.places = append(s.places, p)
	return nil
}

// Unsubscribe removes ch from what s reads. It reports whether it was there.
func (s *Session) Unsubscribe(ch Channel) bool {
	i := slices.IndexFunc(s.places, func(p place) bool { return p.channel == ch })
	if i < 0 {
		return false
	}
	s.places[i].leave()
	s.places = slices.Delete(s.places, i, i+1)
	return true
}

func (p *place) leave() {
	if p.tail != nil {
		p.tail.unregister(p.arm)
		p.tail.hub.unfollow(p.tail)
	}
}

// Position returns where s stands in its i-th channel: after the last item
// that was given. Until the first CatchUp it is where it was told to.
func (s *Session) Position(i int) Position {
	p := &s.places[i]
	if p.at != nil {
		return p.at.Position()
	}
	return p.pos
}

// Due returns until when a throttled session rests. It is in the past for
// every other.
func (s *Session) Due() time.Time { return s.due }

// Step fills b with what s has not yet been given: at most limit items,
// and bytes up to b.Most and one entry. It never waits. A plain reader at the
// tail costs no allocation.
func (s *Session) Step(b *Batch, limit int) State {
	clear(b.Items)
	b.Items, b.entries, b.bytes, b.Most = b.Items[:0], 0, 0, cmp.Or(b.Most, s.hub.limits.BatchBytes)
	if s.options.Every > 0 && time.Now().Before(s.due) {
		return Caught
	}
	state := Done
	s.turn++
	for i := range s.places {
		i = (i + int(s.turn%uint(len(s.places)))) % len(s.places)
		switch s.stepPlace(i, b, limit) {
		case More:
			s.hub.delivered.Add(uint64(b.entries))
			return More
		case Behind:
			state = Behind
		case Caught:
			if state == Done {
				state = Caught
			}
		}
	}
	if len(b.Items) > 0 {
		s.hub.delivered.Add(uint64(b.entries))
		if s.options.Every > 0 && state == Caught {
			s.due = time.Now().Add(s.options.Every)
		}
	}
	if len(s.places) == 0 {
		return Caught
	}
	return state
}

func (s *Session) stepPlace(i int, b *Batch, limit int) State {
	p := &s.places[i]
	for !p.done {
		if len(b.Items) >= limit || b.bytes >= b.Most {
			return More
		}
		switch {
		case p.catch != nil:
			if !p.catch.read {
				return Behind
			}
			s.give(i, b)
		case p.at == nil:
			if late := p.find(); late {
				s.sayLive(i, b)
				return Caught
			}
		default:
			if caught := s.walk(i, b); caught {
				return Caught
			}
		}
	}
	return Done
}

// give gives one item of what was read beside the tail, or ends that.
func (s *Session) give(i int, b *Batch) {
	p := &s.places[i]
	c := p.catch
	switch {
	case len(c.notices) > 0:
		n := c.notices[0]
		c.notices = c.notices[1:]
		b.say(i, n, p.pos)
		p.pos = n.Cursor
	case len(c.entries) > 0:
		e := c.entries[0]
		c.entries = c.entries[1:]
		b.add(e, i, p.pos)
		p.pos = e.Position()
	case c.more:
		p.pos = c.end
		p.catch = &catchUp{from: After(c.end)}
	case c.closed:
		p.pos = c.end
		s.sayClosed(i, b)
	default:
		p.pos, p.catch = c.end, nil
		p.done = s.waker == nil
	}
}

func (b *Batch) add(e *Entry, i int, from Position) {
	b.Items = append(b.Items, Item{Entry: e, Place: i, from: from})
	b.entries++
	b.bytes += e.Size()
}

// find puts p on the tail where it stands. It reports whether the tail is late.
func (p *place) find() (late bool) {
	at, ahead := p.tail.locate(p.pos)
	if ahead {
		p.tail.arm(p.arm)
		at, ahead = p.tail.locate(p.pos)
	}
	if p.at = at; at == nil && !ahead {
		p.catch = &catchUp{from: After(p.pos)}
	}
	return ahead
}

// walk gives the next entry of the tail, or what is the latest in it. It
// reports whether there is none.
func (s *Session) walk(i int, b *Batch) (caught bool) {
	p := &s.places[i]
	closed := p.tail.closed.Load()
	next := p.at.next.Load()
	if next == nil && !closed {
		p.tail.arm(p.arm)
		closed = p.tail.closed.Load()
		next = p.at.next.Load()
	}
	switch {
	case next == severed:
		p.pos, p.at = p.at.Position(), nil
	case next == nil && closed:
		s.sayClosed(i, b)
	case next == nil:
		s.sayLive(i, b)
		return true
	case s.options.Latest:
		p.latest()
	default:
		b.add(&next.Entry, i, p.at.Position())
		p.at = next
	}
	return false
}

// latest has only the last entry of each key given of all that follow p on
// the tail.
func (p *place) latest() {
	p.pos, p.at = p.at.Position(), nil
	c := p.tail.conflate(p.pos)
	if c == nil {
		return
	}
	p.catch = &catchUp{read: true, entries: c.entries, end: c.to}
	p.catch.skip(p.channel, p.pos, c.skipped)
}

// skip has it said that n entries after at are left out.
func (c *catchUp) skip(ch Channel, at Position, n int) {
	if n > 0 {
		c.notices = append(c.notices, &Notice{Kind: NoticeSkipped, Channel: ch, Cursor: at, Count: n})
	}
}

func (s *Session) sayLive(i int, b *Batch) {
	if p := &s.places[i]; !p.live {
		p.live = true
		b.say(i, &Notice{Kind: NoticeLive, Channel: p.channel, Cursor: s.Position(i)}, s.Position(i))
	}
}

func (s *Session) sayClosed(i int, b *Batch) {
	p := &s.places[i]
	p.done = true
	b.say(i, &Notice{Kind: NoticeClosed, Channel: p.channel, Cursor: s.Position(i), Reason: ClosedByPublisher}, s.Position(i))
}

func (b *Batch) say(i int, n *Notice, from Position) {
	b.Items = append(b.Items, Item{Notice: n, Place: i, from: from})
}

// CatchUp reads from the broker what s needs to go on, and resolves where new
// subscriptions begin. It may block. After an error s is unchanged, and
// CatchUp may be called again.
func (s *Session) CatchUp(ctx context.Context) error {
	var behind []*place
	for i := range s.places {
		if c := s.places[i].catch; c != nil && !c.read {
			behind = append(behind, &s.places[i])
		}
	}
	if len(behind) == 1 {
		return s.catchUp(ctx, behind[0])
	}
	var all sync.WaitGroup
	errs := make([]error, len(behind))
	for i, p := range behind {
		all.Go(func() { errs[i] = s.catchUp(ctx, p) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *Session) catchUp(ctx context.Context, p *place) error {
	if p.tail != nil {
		started := p.tail.started()
		select {
		case <-started.done:
			if started.err != nil {
				return started.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	q := s.hub.query(p.catch.from)
	q.Latest = s.options.Latest
	if s.options.Limit > 0 {
		q.MaxEntries = min(q.MaxEntries, s.options.Limit)
	}
	page, err := s.hub.read(ctx, p.channel, q)
	if err != nil {
		return err
	}
	p.pos = page.Start
	p.catch = &catchUp{read: true, entries: page.Entries, more: page.More, closed: page.Closed && !page.More, end: page.End}
	if page.Lost != nil {
		p.pos = page.Lost.From
		p.catch.notices = append(p.catch.notices, page.Lost.notice(p.channel))
	}
	p.catch.skip(p.channel, page.Start, page.Skipped)
	if n := len(page.Entries); page.More && n > 0 {
		p.catch.end = page.Entries[n-1].Position()
	}
	if p.tail != nil && !page.More {
		p.tail.seen(page.End)
	}
	return nil
}
