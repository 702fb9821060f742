package transport

import (
	"fmt"
	"slices"

	"github.com/pabal/pabal"
)

// inconsistent returns what is wrong with what l knows of its connections, or
// nothing.
func (l *loop) inconsistent() (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	l.checkSeats(say)
	crowds := map[*crowd]bool{l.mixed: true}
	for ch, c := range l.crowds {
		crowds[c] = true
		if c.channel != ch {
			say("the crowd of %s is of %s", ch, c.channel)
		}
		if len(c.alone)+len(c.cohorts) == 0 {
			say("the crowd of %s is empty", ch)
		}
	}
	for c := range crowds {
		l.checkCrowd(c, say)
	}
	for _, c := range l.queue {
		if !c.queued {
			say("a crowd of %q is in the queue and does not know", c.channel)
		}
		if !crowds[c] && c.busy() {
			say("a crowd of %q that is no more is busy", c.channel)
		}
	}
	return wrong
}

func (l *loop) checkSeats(say func(string, ...any)) {
	count, wheel := 0, 0
	for i := range l.wheel.slots {
		wheel += len(l.wheel.slots[i])
		if full := l.wheel.full[i/64]&(1<<(i%64)) != 0; full != (len(l.wheel.slots[i]) > 0) {
			say("slot %d of the wheel has %d, and is said to have some: %v", i, len(l.wheel.slots[i]), full)
		}
	}
	for _, s := range l.seats.taken {
		c := s.conn
		if c == nil {
			continue
		}
		count++
		l.checkConn(c, say)
	}
	if count != l.seats.count || wheel != count || l.wheel.count != wheel {
		say("%d connections, %d by count; %d in the wheel, %d by count", count, l.seats.count, wheel, l.wheel.count)
	}
	if free := len(l.seats.free); free+count != len(l.seats.taken) {
		say("%d seats taken and %d free of %d", count, free, len(l.seats.taken))
	}
}

func (l *loop) checkConn(c *loopConn, say func(string, ...any)) {
	if c.phase == phaseDropped {
		say("%x is dropped and has a seat", c.token)
	}
	if l.seats.of(c.token) != c {
		say("%x sits elsewhere", c.token)
	}
	switch slot := int(c.spoke.slot) - 1; {
	case slot < 0:
		say("%x in phase %d is not in the wheel", c.token, c.phase)
	case l.wheel.slots[slot][c.spoke.index] != c:
		say("%x is elsewhere in the wheel", c.token)
	}
	home := c.home
	if home == nil || home != l.mixed && l.crowds[home.channel] != home {
		say("%x has no home", c.token)
		return
	}
	if c.pending != slices.Contains(home.pending, c) {
		say("%x is pending: %v, and its crowd does not know", c.token, c.pending)
	}
	if (c.cohort == nil) != (c.framing != nil) {
		say("%x in a cohort: %v, with a framing: %v", c.token, c.cohort != nil, c.framing != nil)
	}
	if co := c.cohort; co != nil {
		if c.at >= len(co.members) || co.members[c.at] != c || !slices.Contains(home.cohorts, co) || co.crowd != home {
			say("%x is not where it is in its cohort", c.token)
		}
		if c.stuck || len(c.rest) > 0 || c.phase != phaseOpen {
			say("%x in phase %d is in a cohort, stuck: %v, with %d bytes left", c.token, c.phase, c.stuck, len(c.rest))
		}
	}
	for _, ch := range c.channels() {
		of := l.crowds[ch]
		if of == nil {
			say("%x reads %s, which nobody reads", c.token, ch)
		} else if _, alone := of.alone[c]; alone != (c.cohort == nil) {
			say("%x reads %s, alone: %v, in a cohort: %v", c.token, ch, alone, c.cohort != nil)
		}
	}
	if len(c.rest) > 0 && !c.stuck && !c.pending {
		say("%x has %d bytes left and is not stuck", c.token, len(c.rest))
	}
}

func (l *loop) checkCrowd(c *crowd, say func(string, ...any)) {
	if c.queued != slices.Contains(l.queue, c) {
		say("the crowd of %q is queued: %v, and the loop does not know", c.channel, c.queued)
	}
	if c.busy() && !c.queued {
		say("the crowd of %q is busy and not queued", c.channel)
	}
	for conn := range c.alone {
		if l.seats.of(conn.token) != conn || conn.cohort != nil || !slices.Contains(conn.channels(), c.channel) {
			say("%x does not belong among those who read %q by themselves", conn.token, c.channel)
		}
	}
	for _, conn := range c.pending {
		if !conn.pending || conn.home != c || conn.phase == phaseDropped {
			say("%x does not belong among those of %q who are pending", conn.token, c.channel)
		}
	}
	for _, co := range c.cohorts {
		checkCohort(co, say)
	}
}

func checkCohort(co *cohort, say func(string, ...any)) {
	name := co.crowd.channel
	if len(co.members) == 0 || !slices.Contains(co.members, co.leader) {
		say("a cohort of %s has %d members, and its leader is not one", name, len(co.members))
	}
	if co.next > len(co.members) || co.burst == nil && co.next != 0 {
		say("a cohort of %s: %d of %d have its burst, which it has: %v", name, co.next, len(co.members), co.burst != nil)
	}
	for i, c := range co.members {
		if c.cohort != co || c.at != i {
			say("%x is not where a cohort of %s has it", c.token, name)
		}
		if c.lent && c != co.leader {
			say("%x is lent and does not lead", c.token)
		}
	}
	if at := co.leader.session.Position(0); co.burst == nil && !co.leader.lent && at != (pabal.Position{}) && at != co.from {
		say("a cohort of %s stands at %v, its leader at %v", name, co.from, at)
	}
}
