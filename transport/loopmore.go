package transport

import (
	"context"
	"slices"
	"time"

	"github.com/pabal/pabal"
)

// ordered reports whether what c reads says what it is to read.
func (c *loopConn) ordered() bool { return c.more != nil && c.more.inbox != "" }

// obey does what items, which c was given, ask for, where they are orders.
func (l *loop) obey(c *loopConn, items []pabal.Item) {
	if !c.ordered() || c.phase != phaseOpen {
		return
	}
	channels := slices.Clone(c.channels())
	refused, changed := c.more.obey(context.Background(), items, &channels)
	if !changed {
		return
	}
	l.unregister(c)
	if f, ok := c.framing.(*httpFraming); ok {
		if err := f.resp.follow(c.session, channels); err != nil { // there were too many, of which the session had said so
			l.handler.Log.Error("a response cannot go on", "client", c.name(), "error", err)
			l.register(c, channels)
			l.end(c, whyUnavailable)
			return
		}
	} else {
		c.ws.reading.channels = slices.Clone(channels)
	}
	l.register(c, channels)
	for _, n := range refused {
		said, _ := c.framing.item(nil, &pabal.Item{Notice: n, Place: -1})
		l.push(c, said)
	}
	if c.phase == phaseOpen {
		l.watch(c)
		l.pend(c)
	}
}

// renew takes up that a command gave c's session another token.
func (l *loop) renew(c *loopConn) {
	if at := c.session.Grant().Expires; c.more != nil || !at.IsZero() {
		c.more = c.more.until(at)
		l.watch(c)
	}
}

// expired says, once, that the token by which c reads expires soon, and ends c
// if it has.
func (l *loop) expired(c *loopConn) bool {
	if c.more == nil || c.parked != nil || c.lent || c.phase != phaseOpen || c.more.at.IsZero() || time.Now().Before(c.more.next()) {
		return false
	}
	if !time.Now().Before(c.more.at) {
		l.end(c, whyExpired)
		return true
	}
	l.part(c)
	n := c.more.soon(c.session, c.channels())
	said, _ := c.framing.item(nil, &pabal.Item{Notice: n, Place: -1})
	l.push(c, said)
	if c.phase == phaseOpen {
		l.pend(c)
	}
	return false
}
