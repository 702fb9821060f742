package transport

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A wheelModel knows what is in a wheel.
type wheelModel struct {
	*rapid.T
	w     wheel
	now   time.Duration
	conns []*loopConn
	due   map[*loopConn]time.Duration // as it was put; looked at early, it is put again
	far   map[*loopConn]bool          // further than the wheel reaches
	late  time.Duration               // how much of time the wheel has yet to turn over
	moved map[*loopConn]bool          // removed or put during this turn: it may be looked at all the same
}

// TestWheel puts and removes at any time, also while the wheel turns: who is
// due is looked at within a tick, nobody is forgotten, and the wheel never
// sleeps longer than to the first who is due.
func TestWheel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &wheelModel{T: t, due: map[*loopConn]time.Duration{}, far: map[*loopConn]bool{}, moved: map[*loopConn]bool{}}
		for range 12 {
			m.conns = append(m.conns, &loopConn{})
		}
		t.Repeat(map[string]func(*rapid.T){
			"":       m.check,
			"put":    func(*rapid.T) { m.put(m.conn()) },
			"remove": func(*rapid.T) { m.remove(m.conn()) },
			"turn":   func(*rapid.T) { m.turn(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "ms")) * time.Millisecond) },
			"sleep": func(*rapid.T) {
				if next := m.w.next(m.now); next >= 0 {
					m.turn(next)
				}
			},
			"moment": func(*rapid.T) { m.turn(time.Duration(rapid.IntRange(0, 9_000_000).Draw(t, "ns"))) },
		})
	})
}

func (m *wheelModel) conn() *loopConn { return rapid.SampledFrom(m.conns).Draw(m.T, "conn") }

func (m *wheelModel) put(c *loopConn) {
	due := m.now + time.Duration(rapid.SampledFrom([]int{-1, 0, 1, 3, 4, 5, 100, 10_000, 16_380, 16_384, 40_000}).Draw(m.T, "due"))*time.Millisecond
	m.putAt(c, due)
}

func (m *wheelModel) putAt(c *loopConn, due time.Duration) {
	m.w.put(c, due)
	m.moved[c] = true
	m.due[c], m.far[c] = due, due > m.now-m.late+wheelTick*(wheelSlots-2)
}

func (m *wheelModel) remove(c *loopConn) {
	m.w.remove(c)
	delete(m.due, c)
	m.moved[c] = true
}

func (m *wheelModel) turn(d time.Duration) {
	m.now += d
	m.late, m.moved = d, map[*loopConn]bool{}
	m.w.turn(m.now, func(c *loopConn) {
		due, in := m.due[c]
		if m.moved[c] {
			m.w.remove(c) // as it is put again, if it is still of interest
			m.remove(c)
			return
		}
		if early := due > m.now; !in || early && !m.far[c] {
			m.Errorf("at %v: looked at one who is due at %v, in the wheel: %v", m.now, due, in)
		}
		delete(m.due, c)
		switch {
		case due > m.now:
			m.putAt(c, due)
		case rapid.Bool().Draw(m.T, "again"):
			m.put(c)
		case rapid.Bool().Draw(m.T, "others"):
			m.remove(m.conn())
		}
	})
	m.late = 0
}

func (m *wheelModel) check(*rapid.T) {
	first := time.Duration(-1)
	for c, due := range m.due {
		if c.spoke.slot == 0 || m.w.slots[c.spoke.slot-1][c.spoke.index] != c {
			m.Errorf("one who is due at %v is not there", due)
		}
		if due <= m.now-2*wheelTick {
			m.Errorf("at %v: one was due at %v", m.now, due)
		}
		if first < 0 || due < first {
			first = max(0, due)
		}
	}
	if m.w.count != len(m.due) {
		m.Errorf("%d in the wheel, want %d", m.w.count, len(m.due))
	}
	switch next := m.w.next(m.now); {
	case next < 0 != (len(m.due) == 0):
		m.Errorf("next in %v, with %d", next, len(m.due))
	case first >= 0 && m.now+next > max(first, m.now)+2*wheelTick:
		m.Errorf("at %v: sleeps for %v, the first is due at %v", m.now, next, first)
	}
}

// A slot that once was full keeps no memory.
func TestWheelLetsGo(t *testing.T) {
	var w wheel
	conns := make([]loopConn, 10_000)
	for i := range conns {
		w.put(&conns[i], time.Second)
	}
	n := 0
	w.turn(2*time.Second, func(*loopConn) { n++ })
	if n != len(conns) || w.next(2*time.Second) != -1 {
		t.Errorf("%d looked at, want %d; next %v", n, len(conns), w.next(2*time.Second))
	}
	for i := range w.slots {
		if cap(w.slots[i]) > 64 {
			t.Errorf("slot %d keeps room for %d", i, cap(w.slots[i]))
		}
	}
}
