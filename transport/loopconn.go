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
	more     *more
}

type phase uint8

const (
	phaseOpen    phase = iota
	phaseOwing         // a raw WebSocket that has ended hears what it published
	phaseEnding        // what is left is written
	phaseLinger        // the client has time to take that
	phaseDropped       // nothing is left
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
		case l.handler.draining.Err() != nil:
			l.end(c, whyDraining)
		case c.ws != nil && len(c.ws.in) > 0: // they are not to wait for what the client said ahead
			if l.flush(c) {
				l.goOn(c)
			}
		}
		l.pend(c)
	})
}

// push has b, which stays the caller's, written after all that went before.
func (l *loop) push(c *loopConn, b []byte) {
	switch {
	case len(b) == 0:
		return
	case len(c.rest) > 0:
		b = append(c.rest[:len(c.rest):len(c.rest)], b...)
	}
	n := 0
	if !c.stuck {
		var ok bool
		if n, ok = l.write(c, b); !ok {
			return
		}
	}
	if n == len(b) {
		c.rest = nil
		return
	}
	c.rest = bytes.Clone(b[n:])
	l.part(c)
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
	state := l.fill(c)
	all := l.out.bytes
	if len(c.rest) > 0 { // a new connection begins with its head
		all = append(c.rest[:len(c.rest):len(c.rest)], all...)
	}
	n, ok := l.write(c, all)
	if !ok {
		return
	}
	if n < len(all) {
		l.stall(c, n, len(c.rest))
		return
	}
	c.rest = nil
	if l.out.ends {
		l.hangUp(c)
		return
	}
	l.stepped(c, state)
}

// stall has c, that took n bytes of its head and of the burst, keep the rest of
// the item that it took a part of, and stand after that.
func (l *loop) stall(c *loopConn, n, head int) {
	switch {
	case c.ordered(): // what it was given may have changed its places, so that there is no way back
		c.rest = append(c.rest[:head:head], l.out.bytes...)[n:]
		return
	case n < head:
		c.rest = c.rest[n:]
		c.session.Rewind(&l.out.batch, 0)
	case c.latest: // what it was told to have skipped is not to be counted again
		c.rest = bytes.Clone(l.out.bytes[n-head:])
		if l.out.ends {
			l.finishWrites(c)
		}
		return
	default:
		var taken int
		taken, c.rest = l.out.split(n-head, c.framing)
		if l.out.ends && taken == len(l.out.batch.Items) {
			l.finishWrites(c)
			return
		}
		c.session.Rewind(&l.out.batch, taken)
	}
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
