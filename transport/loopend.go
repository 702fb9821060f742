package transport

import (
	"cmp"
	"errors"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/epoll"
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
	whyExpired
)

// done ends c, whose channels are closed and read, unless it may go on to
// others.
func (l *loop) done(c *loopConn) {
	if c.phase == phaseOwing {
		l.closeWS(c)
	} else if f, ok := c.framing.(wsFraming); !ok || f.raw() {
		l.end(c, whyClosed)
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
				if c.more != nil && c.phase != phaseDropped {
					l.watch(c) // its token may have expired meanwhile
				}
				l.partIf(c, c.ws != nil && (c.ws.owes() || c.readable && !c.paused())) // which it could not, while it led
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
	if !c.stuck { // nor need its head have been written
		l.flush(c)
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
	g := c.session.Grant()
	if !c.lent {
		c.session.Close()
	}
	c.absent(l.handler, g)
	l.handler.open.add(-1)
}

// absent has c's client leave where it is present.
func (c *loopConn) absent(h *Handler, g pabal.Grant) {
	c.more.end(h, g)
	if c.ws != nil && c.ws.client != nil {
		g.Connection = cmp.Or(g.Connection, c.ws.id)
		c.ws.client.end(h, g)
	}
}

// close lets go of what c has, which no loop has taken.
func (c *loopConn) close(h *Handler) {
	c.session.Close()
	c.absent(h, c.session.Grant())
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
