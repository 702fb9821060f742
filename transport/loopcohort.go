package transport

import (
	"context"
	"slices"

	"github.com/pabal/pabal"
)

// A crowd is the connections of one channel on a loop. Those of no channel, or
// of several, are together in one that has no name.
type crowd struct {
	channel pabal.Channel
	cohorts []*cohort
	alone   map[*loopConn]struct{} // who is stepped by itself
	pending []*loopConn            // of those, who has something to do
	queued  bool                   // it is in the loop's queue
}

// A cohort is connections that stand at the same place of the same channel and
// are told of it by the same bytes. One of them leads: its session is stepped,
// and what that yields is written down once and given to all.
type cohort struct {
	crowd   *crowd
	framing framing
	alike   any
	leader  *loopConn
	members []*loopConn

	// A pass gives all members one burst.
	burst *burst         // nil: no pass
	next  int            // members before it stand after the burst already
	from  pabal.Position // where the others stand; without a pass, where all do
	state pabal.State    // after the burst
	woken bool           // there is, or may be, more
}

// busy reports whether c wants another slice.
func (c *crowd) busy() bool {
	return len(c.pending) > 0 || slices.ContainsFunc(c.cohorts, func(co *cohort) bool { return co.busy() })
}

func (co *cohort) busy() bool { return !co.leader.lent && (co.burst != nil || co.woken) }

// stir has all who read c's channel look at it.
func (l *loop) stir(c *crowd) {
	for _, co := range c.cohorts {
		co.woken = true
	}
	for conn := range c.alone {
		l.pend(conn)
	}
	if c.busy() {
		l.enqueue(c)
	}
}

// pend has c, which is by itself, stepped.
func (l *loop) pend(c *loopConn) {
	if c.pending || c.phase == phaseDropped || c.cohort != nil {
		return
	}
	c.pending = true
	c.home.pending = append(c.home.pending, c)
	l.enqueue(c.home)
}

// slice makes about so many writes to the connections of c. It returns how
// many it made.
func (l *loop) slice(c *crowd, writes int) (made int) {
	for _, co := range slices.Clone(c.cohorts) {
		if co.busy() {
			made += l.fan(co, max(1, writes-made))
		}
	}
	n := min(len(c.pending), max(1, writes-made))
	turn := slices.Clone(c.pending[:n]) // what they do changes the list
	if c.pending = c.pending[n:]; len(c.pending) == 0 {
		c.pending = nil
	}
	for _, conn := range turn {
		conn.pending = false
	}
	for _, conn := range turn {
		if conn.phase == phaseLinger || conn.readable && conn.ws != nil {
			l.guard(conn, func() { l.read(conn) })
		}
		l.guard(conn, func() { l.step(conn) })
	}
	return made + n
}

// fan goes on with co's pass, or begins one, for at most so many writes.
func (l *loop) fan(co *cohort, writes int) (made int) {
	if co.burst == nil && !l.begin(co) {
		return 1
	}
	b := co.burst
	for made < writes && co.next < len(co.members) {
		c := co.members[co.next]
		made++
		n, ok := l.write(c, b.bytes)
		switch {
		case !ok:
		case n < len(b.bytes):
			l.fall(co, c, n)
		default:
			co.next++
			l.given(co, c)
		}
	}
	if co.burst == b && co.next == len(co.members) && len(co.members) > 0 {
		l.settle(co)
	}
	return made
}

// begin steps co, and reports whether there is something to give.
func (l *loop) begin(co *cohort) (begun bool) {
	co.woken = false
	b := l.takeBurst()
	defer func() {
		if r := recover(); r != nil { // what it stands before cannot be written down
			l.handler.Log.Error("a cohort panicked", "channel", co.crowd.channel, "panic", r)
			for len(co.members) > 0 {
				l.drop(co.members[0])
			}
			begun = false
		}
	}()
	co.from = co.leader.session.Position(0)
	co.state = b.fill(co.leader.session, co.framing, nil)
	co.burst, co.next = b, 0
	if len(b.bytes) == 0 && co.state != pabal.Done {
		co.next = len(co.members)
		l.settle(co)
		return false
	}
	co.leader.session.Gave(&b.batch, 0, len(co.members)-1)
	return true
}

// given does what follows when c has all of co's burst.
func (l *loop) given(co *cohort, c *loopConn) {
	switch {
	case co.burst.ends:
		l.part(c)
		l.hangUp(c)
	case co.state == pabal.Done:
		if f, ok := co.framing.(wsFraming); !ok || f.raw() {
			l.end(c, whyClosed)
		} else {
			l.part(c)
		}
	case c.ws == nil && c.written >= l.handler.RotateBytes:
		l.end(c, whyRotated)
	}
}

// fall has c, that took n bytes of co's burst, leave the cohort with the rest
// of the item that it took a part of.
func (l *loop) fall(co *cohort, c *loopConn, n int) {
	b := co.burst
	taken, rest := b.split(n, co.framing)
	ends := b.ends && taken == len(b.batch.Items)
	last := &b.batch.Items[taken-1]
	c.session.Gave(&b.batch, taken, -1)
	l.partAt(c, positionAfter(last), last.Notice != nil && last.Notice.Kind == pabal.NoticeClosed)
	c.rest = rest
	if ends {
		l.finishWrites(c)
	}
}

func positionAfter(it *pabal.Item) pabal.Position {
	if it.Entry != nil {
		return it.Entry.Position()
	}
	return it.Notice.Cursor
}

// settle ends co's pass: all members stand after its burst.
func (l *loop) settle(co *cohort) {
	l.giveBurst(co.burst)
	co.burst, co.next = nil, 0
	co.from = co.leader.session.Position(0)
	switch co.state {
	case pabal.More:
		co.woken = true
	case pabal.Behind:
		l.catchUpAll(co)
	case pabal.Caught:
		for c := range co.crowd.alone {
			if !c.pending {
				l.join(c)
			}
		}
	}
	if co.busy() {
		l.enqueue(co.crowd)
	}
}

// catchUpAll has a worker read what co needs.
func (l *loop) catchUpAll(co *cohort) {
	c := co.leader
	l.lend(c, func(s *pabal.Session) error { return s.CatchUp(context.Background()) }, func(err error) {
		switch {
		case co.leader != c: // c is by itself meanwhile, and what went wrong is its own
			l.caughtUp(c, err)
		case err == nil:
			co.woken = true
			l.enqueue(co.crowd)
		default:
			l.handler.Log.Warn("readers closed", "channel", co.crowd.channel, "readers", len(co.members), "reason", err)
			for _, member := range slices.Clone(co.members) {
				l.end(member, whyUnavailable)
			}
		}
	})
}

// join puts c, which has read all there is, where others stand who are given
// the same.
func (l *loop) join(c *loopConn) {
	if !c.sociable() {
		return
	}
	alike := c.framing.alike()
	if alike == nil {
		return
	}
	i := slices.IndexFunc(c.home.cohorts, func(co *cohort) bool { return co.alike == alike })
	if i < 0 {
		co := &cohort{crowd: c.home, framing: c.framing, alike: alike, leader: c, members: []*loopConn{c}, from: c.session.Position(0)}
		c.home.cohorts = append(c.home.cohorts, co)
		l.joined(c, co, 0)
		return
	}
	co := c.home.cohorts[i]
	if co.leader.lent || co.leader.session.Position(0) != c.session.Position(0) {
		return
	}
	c.session.Stand(c.session.Position(0), false)
	co.members = append(co.members, c)
	l.joined(c, co, len(co.members)-1)
	if co.burst != nil { // it has that already
		co.swap(c.at, co.next)
		co.next++
	}
}

func (l *loop) joined(c *loopConn, co *cohort, at int) {
	c.cohort, c.at, c.framing = co, at, nil
	delete(c.home.alone, c)
	if len(c.home.alone) == 0 {
		c.home.alone = nil // a map keeps the room that it once needed
	}
}

// sociable reports whether c can be given what others are.
func (c *loopConn) sociable() bool {
	return c.phase == phaseOpen && c.parked == nil && !c.stuck && !c.lent && len(c.rest) == 0 && c.cohort == nil &&
		c.home.channel != "" && !c.ordered() && c.session.Plain() && (c.ws == nil || !c.ws.owes())
}

func (co *cohort) swap(i, j int) {
	co.members[i], co.members[j] = co.members[j], co.members[i]
	co.members[i].at, co.members[j].at = i, j
}

// part has c leave its cohort, if it is in one, and go on by itself from where
// it stands.
func (l *loop) part(c *loopConn) {
	co := c.cohort
	if co == nil {
		return
	}
	at := co.from
	if co.burst != nil && c.at < co.next {
		at = positionAfter(&co.burst.batch.Items[len(co.burst.batch.Items)-1])
	} else if co.burst != nil {
		c.session.Gave(&co.burst.batch, 0, -1)
	}
	done := co.burst != nil && c.at < co.next && co.state == pabal.Done
	l.partAt(c, at, done)
}

// partAt is part for c that stands at p, and there is done if the channel is
// closed and c knows.
func (l *loop) partAt(c *loopConn, p pabal.Position, done bool) {
	co := c.cohort
	c.framing = co.framing
	if f, ok := co.framing.(*httpFraming); ok {
		c.framing = f.at(p)
	}
	l.leave(c)
	if !c.lent {
		c.session.Stand(p, done)
	}
	if c.home.alone == nil {
		c.home.alone = map[*loopConn]struct{}{}
	}
	c.home.alone[c] = struct{}{}
}

// leave takes c out of its cohort. Another leads it then.
func (l *loop) leave(c *loopConn) {
	co := c.cohort
	if co == nil {
		return
	}
	if c.at < co.next {
		co.next--
		co.swap(c.at, co.next)
	}
	last := len(co.members) - 1
	co.swap(c.at, last)
	co.members[last] = nil
	co.members = co.members[:last]
	c.cohort = nil
	if last == 0 {
		l.disband(co)
		return
	}
	if co.leader == c {
		l.follow(co)
	}
}

// follow makes another member of co its leader.
func (l *loop) follow(co *cohort) {
	at := co.from
	if b := co.burst; b != nil && len(b.batch.Items) > 0 {
		at = positionAfter(&b.batch.Items[len(b.batch.Items)-1])
	}
	co.leader = co.members[0]
	done := co.burst != nil && co.state == pabal.Done
	co.leader.session.Stand(at, done)
	if !done {
		co.state = pabal.More // what the one before had read is not this one's
		co.woken = true
		l.enqueue(co.crowd)
	}
}

func (l *loop) disband(co *cohort) {
	if co.burst != nil {
		l.giveBurst(co.burst)
		co.burst = nil
	}
	co.woken = false
	co.crowd.cohorts = slices.DeleteFunc(co.crowd.cohorts, func(other *cohort) bool { return other == co })
}

// register puts c where it is woken for channels.
func (l *loop) register(c *loopConn, channels []pabal.Channel) {
	c.home = l.mixed
	for i, ch := range channels {
		of := l.crowds[ch]
		if of == nil {
			of = &crowd{channel: ch}
			l.crowds[ch] = of
		}
		if of.alone == nil {
			of.alone = map[*loopConn]struct{}{}
		}
		of.alone[c] = struct{}{}
		channels[i] = of.channel // one string for all, and not a part of each one's URL
		if len(channels) == 1 {
			c.home = of
		}
	}
	if c.ws != nil {
		c.ws.known = channels
	}
}

// unregister undoes register.
func (l *loop) unregister(c *loopConn) {
	l.unregisterFrom(c, c.channels())
}

func (l *loop) unregisterFrom(c *loopConn, channels []pabal.Channel) {
	if c.pending {
		c.home.pending = slices.DeleteFunc(c.home.pending, func(other *loopConn) bool { return other == c })
		c.pending = false
	}
	for _, ch := range channels {
		of := l.crowds[ch]
		delete(of.alone, c)
		if len(of.alone) == 0 && len(of.cohorts) == 0 {
			delete(l.crowds, ch)
		}
	}
}
