package transport

import "time"

// loopClock is what of a connection's time counts, since its loop began.
type loopClock struct {
	wrote time.Duration // when it took something last
	until time.Duration // when it ends for its age; once it ends, when it is given up
}

// watch has c looked at when something is due: a sign of life, or its end.
// What need not be to the moment is gathered, so that a loop sleeps longer.
func (l *loop) watch(c *loopConn) {
	h := l.handler
	due := c.beat() + h.Heartbeat
	if slack := h.Heartbeat / 16; slack > wheelTick {
		due = (due + slack - 1) / slack * slack
	}
	switch {
	case c.parked != nil && !c.lent:
		due = c.until
	case c.stuck:
		due = min(c.wrote+h.WriteTimeout, l.now+h.WriteTimeout/4)
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
	if c.more != nil && c.phase == phaseOpen && !c.lent {
		if at := c.more.next(); !at.IsZero() {
			due = min(due, l.now+max(0, time.Until(at)))
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
	case c.phase == phaseDropped, l.expired(c):
	case c.parked != nil:
		c.wrote = l.now // it gives no signs of life
		if l.now >= c.until {
			l.unpark(c)
		}
	case c.phase == phaseLinger:
		if l.now >= c.until {
			l.drop(c)
		}
	case c.stuck:
		// The poller says that there is room once there is a good deal of it. To fill
		// what little there is now and then tells who is slow from who takes nothing.
		if l.flush(c) && c.stuck && l.now >= c.wrote+h.WriteTimeout {
			h.Log.Info("reader closed", "channels", c.channels(), "client", c.name(), "reason", errSlow)
			l.drop(c)
		}
	case c.phase == phaseOwing && l.now >= c.until: // it does not come to hear all
		l.closeWS(c)
	case c.ws != nil && !c.lent && !c.paused() && l.now >= c.ws.came+l.silence():
		h.Log.Info("reader closed", "channels", c.channels(), "client", c.name(), "reason", errSilent)
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
