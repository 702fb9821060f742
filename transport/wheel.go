package transport

import "time"

// A wheel remembers when each connection of a loop is to be looked at, for
// next to nothing, however many there are: to add, to remove and to find who
// is due are a few instructions each. What is due further ahead than the wheel
// reaches is looked at before, and put in again.
type wheel struct {
	slots [wheelSlots][]*loopConn
	full  [wheelSlots / 64]uint64 // which slots have any
	at    int64                   // the tick up to which all was looked at
	count int
}

const (
	wheelTick  = 4 * time.Millisecond
	wheelSlots = 4096 // about 16 s
)

// A spoke is where a connection is in the wheel.
type spoke struct {
	slot  int32 // from 1; 0: nowhere
	index int32
}

// put has c looked at once due is over, or before. It may be in the wheel already.
func (w *wheel) put(c *loopConn, due time.Duration) {
	w.remove(c)
	tick := min(max(int64((due+wheelTick-1)/wheelTick), w.at+1), w.at+wheelSlots-1)
	slot := int32(tick % wheelSlots)
	c.spoke = spoke{slot + 1, int32(len(w.slots[slot]))}
	w.slots[slot] = append(w.slots[slot], c)
	w.full[slot/64] |= 1 << (slot % 64)
	w.count++
}

func (w *wheel) remove(c *loopConn) {
	if c.spoke.slot == 0 {
		return
	}
	slot := c.spoke.slot - 1
	list := w.slots[slot]
	last := list[len(list)-1]
	list[c.spoke.index] = last
	last.spoke.index = c.spoke.index
	list[len(list)-1] = nil
	w.slots[slot] = list[:len(list)-1]
	if len(list) == 1 {
		w.emptied(slot)
	}
	c.spoke = spoke{}
	w.count--
}

// emptied notes that nobody is in slot, and lets go of its memory, if that is much.
func (w *wheel) emptied(slot int32) {
	w.full[slot/64] &^= 1 << (slot % 64)
	w.slots[slot] = w.slots[slot][:0]
	if cap(w.slots[slot]) > 64 {
		w.slots[slot] = nil
	}
}

// turn takes out all that was due by now, a slot at a time.
func (w *wheel) turn(now time.Duration, look func(*loopConn)) {
	until := int64(now / wheelTick)
	if w.count == 0 {
		w.at = max(w.at, until)
	}
	for w.at < until {
		w.at++
		slot := int32(w.at % wheelSlots)
		list := w.slots[slot]
		if len(list) == 0 {
			continue
		}
		w.count -= len(list)
		for _, c := range list {
			c.spoke = spoke{}
		}
		for i, c := range list { // into this slot nothing is put meanwhile
			list[i] = nil
			look(c)
		}
		w.emptied(slot)
	}
}

// next returns how long after now somebody is due, or -1 if nobody is.
func (w *wheel) next(now time.Duration) time.Duration {
	if w.count == 0 {
		return -1
	}
	for tick := w.at + 1; ; tick++ {
		slot := tick % wheelSlots
		if w.full[slot/64] == 0 {
			tick += 63 - slot%64
			continue
		}
		if w.full[slot/64]&(1<<(slot%64)) != 0 {
			return max(0, time.Duration(tick)*wheelTick-now)
		}
	}
}
