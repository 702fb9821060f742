package transport

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/epoll"
)

// A loopConn is one connection of a loop. What it has not yet been sent is not
// here: its session says from where on. Only of the one entry, or of the few
// private bytes, that the socket took a part of is the rest remembered.
type loopConn struct {
	sock    socket
	session *pabal.Session
	framing framing // nil in a cohort, which has it
	ws      *loopWS // nil: a response of HTTP
	parked  *parked // a long poll that waits; then there is no framing
	home    *crowd
	cohort  *cohort // nil: it is stepped by itself
	at      int     // its place in the cohort
	rest    []byte  // to be written first; never written to, as it may be shared
	written int64
	loopClock
	token  uint64
	spoke  spoke
	client string // if it is not the socket's peer
	loopState
}

// loopClock is what of a connection's time counts, since its loop began.
type loopClock struct {
	wrote time.Duration // when it took something last
	until time.Duration // when it ends for its age; once it ends, when it is given up
}

// loopState is what a connection is in the middle of.
type loopState struct {
	phase    phase
	stuck    bool // the socket takes no more, and will say when it does
	readable bool // there may be something to read
	gone     bool // the peer sends no more
	pending  bool // it is in its crowd's list
	lent     bool // a worker has the session
	latest   bool // the session is given only the latest of each key
	leaving  why  // how it is to end when the worker gives the session back
}

type phase uint8

const (
	phaseOpen    phase = iota
	phaseOwing         // a raw WebSocket that has ended hears what it published
	phaseEnding        // what is left is written
	phaseLinger        // the client has time to take that
	phaseDropped       // nothing is left
)

// why is why a connection ends in good order.
type why uint8

const (
	whyNot why = iota
	whyClosed
	whyRotated
	whyDraining
	whyUnavailable
	whyClient // of a WebSocket: its client wants it
	whyAnswer // of a long poll: it is to be answered
)

// adopt takes c in: its first bytes are in rest, its session stands where it
// begins.
func (l *loop) adopt(c *loopConn, channels []pabal.Channel) {
	l.seats.take(c)
	c.wrote = l.now
	l.register(c, channels)
	if err := l.poller.Add(c.sock, c.token); err != nil {
		l.handler.Log.Error("a connection cannot be served", "error", err)
		l.drop(c)
		return
	}
	c.until += l.now
	if c.ws != nil {
		c.ws.came, c.ws.pinged = l.now, l.now
	}
	l.watch(c)
	l.guard(c, func() {
		switch {
		case !l.flush(c):
		case l.handler.draining.Err() != nil:
			l.end(c, whyDraining)
		case c.ws != nil:
			l.goOn(c)
		}
	})
}

// push has b, which stays the caller's, written after all that went before.
func (l *loop) push(c *loopConn, b []byte) {
	n := 0
	if len(c.rest) == 0 && !c.stuck {
		var ok bool
		if n, ok = l.write(c, b); !ok {
			return
		}
	}
	if n < len(b) {
		c.rest = append(c.rest[:len(c.rest):len(c.rest)], b[n:]...)
		l.part(c)
	}
}

// write writes what the socket takes of b. It reports whether c is still there.
func (l *loop) write(c *loopConn, b []byte) (n int, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	n, err := c.sock.Write(b)
	if n > 0 {
		c.wrote = l.now
		c.written += int64(n)
	}
	if err != nil && !errors.Is(err, epoll.ErrAgain) {
		l.drop(c)
		return n, false
	}
	if n < len(b) && !c.stuck {
		c.stuck = true
		c.wrote = l.now
		l.watch(c)
	}
	return n, true
}

// flush writes c's rest, and has it go on when nothing is left. It reports
// whether c is still there.
func (l *loop) flush(c *loopConn) bool {
	n, ok := l.write(c, c.rest)
	if !ok {
		return false
	}
	if c.rest = c.rest[n:]; len(c.rest) > 0 {
		return true
	}
	c.rest = nil
	if c.stuck {
		c.stuck = false
		l.watch(c)
	}
	switch c.phase {
	case phaseOpen, phaseOwing:
		l.pend(c)
	case phaseEnding:
		l.linger(c)
	}
	return c.phase != phaseDropped
}

// step gives c, which is by itself, what there is for it, up to a bound.
func (l *loop) step(c *loopConn) {
	if c.phase >= phaseEnding || c.stuck || c.lent || c.cohort != nil {
		return
	}
	if c.parked != nil {
		l.stepParked(c)
		return
	}
	if c.ws == nil && (l.now >= c.until || c.written >= l.handler.RotateBytes) {
		l.end(c, whyRotated)
		return
	}
	if time.Until(c.session.Due()) > 0 {
		l.watch(c)
		return
	}
	state := l.out.fill(c.session, c.framing)
	n, ok := l.write(c, l.out.bytes)
	if !ok {
		return
	}
	if n < len(l.out.bytes) {
		l.stall(c, n)
		return
	}
	if l.out.ends {
		l.hangUp(c)
		return
	}
	l.stepped(c, state)
}

// stall has c, that took n bytes of the burst, keep the rest of the item that
// it took a part of, and stand after that.
func (l *loop) stall(c *loopConn, n int) {
	if c.latest { // what it was told to have skipped is not to be counted again
		c.rest = bytes.Clone(l.out.bytes[n:])
		if l.out.ends {
			l.finishWrites(c)
		}
		return
	}
	taken, rest := l.out.split(n, c.framing)
	c.rest = rest
	if l.out.ends && taken == len(l.out.batch.Items) {
		l.finishWrites(c)
		return
	}
	c.session.Rewind(&l.out.batch, taken)
	if f, ok := c.framing.(*httpFraming); ok {
		f.resync(c.session)
	}
}

// stepped does what follows from a step that c has taken all of.
func (l *loop) stepped(c *loopConn, state pabal.State) {
	if c.ws != nil && l.heard(c) {
		return
	}
	switch state {
	case pabal.More:
		l.pend(c)
	case pabal.Behind:
		l.catchUp(c)
	case pabal.Done:
		l.done(c)
	case pabal.Caught:
		l.join(c)
	}
}

// done ends c, whose channels are closed and read, unless it may go on to
// others.
func (l *loop) done(c *loopConn) {
	if c.phase == phaseOwing {
		l.closeWS(c)
	} else if f, ok := c.framing.(wsFraming); !ok || f.raw() {
		l.end(c, whyClosed)
	}
}

// catchUp has a worker read what c's session needs.
func (l *loop) catchUp(c *loopConn) {
	l.lend(c, func(s *pabal.Session) error { return s.CatchUp(context.Background()) }, func(err error) { l.caughtUp(c, err) })
}

func (l *loop) caughtUp(c *loopConn, err error) {
	if err != nil && c.phase < phaseEnding {
		l.handler.Log.Warn("reader closed", "client", c.name(), "channels", c.channels(), "reason", err)
		l.end(c, whyUnavailable)
	}
}

// lend has a worker do f with c's session, and then back here what follows
// from it, if c is still there.
func (l *loop) lend(c *loopConn, f func(*pabal.Session) error, then func(error)) {
	c.lent = true
	l.lent++
	l.blocked(func() {
		err := safely(func() error { return f(c.session) })
		l.post(func() {
			l.lent--
			c.lent = false
			if c.phase == phaseDropped {
				c.session.Close()
				return
			}
			l.guard(c, func() {
				switch then(err); {
				case c.phase != phaseOpen || c.lent:
				case c.ws != nil && c.ws.waits != nil:
					job := c.ws.waits
					c.ws.waits = nil
					l.withSession(c, job)
				case c.leaving == whyClient:
					l.endedBy(c)
				case c.leaving == whyAnswer:
					l.unpark(c)
				case c.leaving != whyNot:
					l.end(c, c.leaving)
				}
				l.pend(c)
			})
		})
	})
}

// end ends c in good order.
func (l *loop) end(c *loopConn, why why) {
	if c.phase >= phaseEnding {
		return
	}
	if c.lent {
		c.leaving = why
		return
	}
	if c.parked != nil {
		l.unpark(c)
		return
	}
	l.part(c)
	if c.ws != nil {
		l.push(c, appendWSEnd(nil, c, why))
	} else {
		f := c.framing.(*httpFraming)
		l.push(c, f.end(nil, c.session, why, jitter(l.handler.Retry)))
	}
	l.hangUp(c)
}

// hangUp has the connection end once what is left is written.
func (l *loop) hangUp(c *loopConn) {
	if c.phase >= phaseEnding {
		return
	}
	l.finishWrites(c)
	if len(c.rest) == 0 && !c.stuck {
		l.linger(c)
	}
}

func (l *loop) finishWrites(c *loopConn) {
	c.phase = phaseEnding
	c.wrote = l.now
	l.watch(c)
}

// linger lets the client take what was written: a socket that is closed while
// bytes of the client lie unread is reset, and what was sent is lost.
func (l *loop) linger(c *loopConn) {
	c.sock.CloseWrite()
	c.phase = phaseLinger
	c.until = l.now + lingerTime
	c.readable = true
	l.watch(c)
	l.read(c)
}

// drop lets go of all that c has.
func (l *loop) drop(c *loopConn) {
	if c.phase == phaseDropped {
		return
	}
	c.phase = phaseDropped
	c.sock.Close()
	l.leave(c)
	l.unregister(c)
	l.wheel.remove(c)
	l.seats.leave(c)
	c.rest = nil
	if c.ws != nil {
		l.handler.unfinished.give(int64(c.ws.held))
		c.ws.held = 0
	}
	if !c.lent {
		c.session.Close()
	}
	l.handler.open.add(-1)
}

// read takes what the client has sent, where that is wanted, up to a bound.
func (l *loop) read(c *loopConn) {
	switch {
	case c.phase == phaseLinger:
		l.discard(c)
	case c.ws != nil:
		l.readWS(c)
	case c.gone && c.phase < phaseEnding:
		l.drop(c) // what a client sends that reads a stream is of no interest, but for its end
	}
}

// discard reads away what a client still sends.
func (l *loop) discard(c *loopConn) {
	for range readsAtOnce {
		n, err := c.sock.Read(l.in)
		switch {
		case errors.Is(err, epoll.ErrAgain):
			c.readable = false
			return
		case err != nil || n == 0:
			l.drop(c)
			return
		}
	}
	l.pend(c)
}

// readsAtOnce is how many reads of one socket are made before others have
// their turn.
const readsAtOnce = 8

// watch has c looked at when something is due: a sign of life, or its end.
// What need not be to the moment is gathered, so that a loop sleeps longer.
func (l *loop) watch(c *loopConn) {
	h := l.handler
	due := c.beat() + h.Heartbeat
	if slack := h.Heartbeat / 16; slack > wheelTick {
		due = (due + slack - 1) / slack * slack
	}
	switch {
	case c.parked != nil:
		due = c.until
	case c.stuck:
		due = c.wrote + h.WriteTimeout
	case c.phase == phaseLinger || c.phase == phaseOwing:
		due = c.until
	case c.lent: // what is due is looked at when it comes back
	case c.ws == nil:
		due = min(due, c.until)
	case !c.paused():
		due = min(due, c.ws.came+l.silence())
	}
	if c.phase < phaseEnding && !c.lent && !c.stuck {
		if rest := time.Until(c.session.Due()); rest > 0 {
			due = min(due, l.now+rest)
		}
	}
	l.wheel.put(c, due)
}

// beat returns when c last gave a sign of life. A WebSocket is pinged whatever
// else it is sent, so that its client says something.
func (c *loopConn) beat() time.Duration {
	if c.ws != nil {
		return c.ws.pinged
	}
	return c.wrote
}

// silence is how long nothing may come from a WebSocket: its client answers
// pings.
func (l *loop) silence() time.Duration { return 2*l.handler.Heartbeat + l.handler.WriteTimeout }

// look does what is due with c.
func (l *loop) look(c *loopConn) {
	l.guard(c, func() {
		l.lookAt(c)
		if c.phase != phaseDropped {
			l.watch(c)
		}
	})
}

func (l *loop) lookAt(c *loopConn) {
	h := l.handler
	switch {
	case c.phase == phaseDropped:
	case c.parked != nil:
		if l.now >= c.until {
			l.unpark(c)
		}
	case c.phase == phaseLinger:
		if l.now >= c.until {
			l.drop(c)
		}
	case c.stuck:
		// The poller says that there is room once there is a good deal of it.
		if wrote := c.wrote; l.now >= wrote+h.WriteTimeout && l.flush(c) && c.stuck && c.wrote == wrote {
			h.Log.Info("reader closed", "channels", c.channels(), "client", c.name(), "reason", errSlow)
			l.drop(c)
		}
	case c.phase == phaseOwing && l.now >= c.until: // it does not come to hear all
		l.closeWS(c)
	case c.ws != nil && !c.lent && !c.paused() && l.now >= c.ws.came+l.silence():
		l.drop(c)
	case c.ws == nil && c.phase == phaseOpen && l.now >= c.until:
		l.end(c, whyRotated)
	default:
		if c.cohort == nil {
			l.pend(c) // a rest may be over
		}
		if l.now >= c.beat()+h.Heartbeat && c.phase == phaseOpen && len(c.rest) == 0 {
			l.out.bytes = c.wording().beat(l.out.bytes[:0])
			c.wrote = l.now // also when there is nothing to say
			if c.ws != nil {
				c.ws.pinged = l.now
			}
			l.push(c, l.out.bytes)
		}
	}
}

// wording returns c's framing, or that of its cohort.
func (c *loopConn) wording() framing {
	if c.cohort != nil {
		return c.cohort.framing
	}
	return c.framing
}

// channels returns what c reads.
func (c *loopConn) channels() []pabal.Channel {
	if c.home != nil && c.home.channel != "" {
		return []pabal.Channel{c.home.channel}
	}
	if c.ws != nil {
		return c.ws.known
	}
	if c.parked != nil {
		return c.parked.channels
	}
	return c.framing.(*httpFraming).resp.channels
}

// name returns who is at the other end.
func (c *loopConn) name() string {
	if peer, ok := c.sock.(interface{ Peer() string }); ok && c.client == "" {
		return peer.Peer()
	}
	return c.client
}
