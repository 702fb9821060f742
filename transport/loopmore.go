package transport

import (
	"slices"
	"time"

	"github.com/pabal/pabal"
)

// ordered reports whether what c reads says what it is to read.
func (c *loopConn) ordered() bool { return c.more != nil && c.more.inbox != "" }

// fill steps c's session and writes down what it yields, obeying what of it are
// orders.
func (l *loop) fill(c *loopConn) pabal.State {
	if !c.ordered() {
		return l.out.fill(c.session, c.framing, nil)
	}
	before, at := slices.Clone(c.channels()), c.more.at
	var refused []*pabal.Notice
	state := l.out.fill(c.session, c.framing, func(it *pabal.Item) (left bool) {
		var n *pabal.Notice
		if f, ok := c.framing.(*httpFraming); ok {
			n, left = c.more.meet(f.resp, it)
		} else if o, ok := c.more.order(it.Entry); ok {
			n = c.more.obey(&o, &c.ws.reading.channels)
		}
		if n != nil {
			refused = append(refused, n)
		}
		return left
	})
	for _, n := range refused {
		l.out.bytes, _ = c.framing.item(l.out.bytes, &pabal.Item{Notice: n, Place: -1})
	}
	after := c.channels()
	if c.ws != nil {
		after = c.ws.reading.channels
	}
	if !slices.Equal(before, after) {
		l.unregisterFrom(c, before)
		l.register(c, slices.Clone(after))
		l.pend(c)
	}
	if !at.Equal(c.more.at) {
		l.watch(c)
	}
	return state
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
