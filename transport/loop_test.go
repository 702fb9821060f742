package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/epoll"
)

// read has n clients read ch by via, from now on.
func (m *model) read(n int, via string, ch string) (all []*modelReader) {
	for range n {
		all = append(all, m.connect(&modelAsk{via: via, channels: []string{ch}}))
	}
	return all
}

// has reports how many of readers were sent text last.
func has(all []*modelReader, text string) (n int) {
	for _, r := range all {
		if i := bytes.LastIndex(r.sock.got, []byte("\n\r\n")); bytes.Contains(r.sock.got[max(0, i-len(text)-300):], []byte(text)) {
			n++
		}
	}
	return n
}

func closed(all []*modelReader) (n int) {
	for _, r := range all {
		if r.sock.closed {
			n++
		}
	}
	return n
}

// An entry that cannot be written down closes those who would get it, and
// nobody else.
func TestLoopPanics(t *testing.T) {
	encode := sseBare.Encode
	defer func() { sseBare.Encode = encode }()
	sseBare.Encode = func(e *pabal.Entry) []byte {
		if strings.HasPrefix(string(e.Data), "boom") {
			panic("it cannot be written down")
		}
		return encode(e)
	}
	modelled(t, &modelSetup{}, func(m *model) {
		together, others := m.read(3, "sse", "a"), m.read(2, "stream", "a")
		others = append(others, m.read(1, "raw", "a")...)
		elsewhere := m.read(2, "sse", "b")
		m.settle()
		stalled := m.read(1, "sse", "a")
		stalled[0].stall(0)
		m.panics = 2 // one of the cohort, one of who is by itself
		m.publish("a", "before", "boom", "after")
		m.settle()
		stalled[0].sock.give(-1)
		m.settle()
		m.publish("b", "elsewhere")
		m.settle()
		if got := []int{closed(together), closed(stalled), closed(others), closed(elsewhere)}; !slices.Equal(got, []int{3, 1, 0, 0}) {
			t.Errorf("closed: got %v", got)
		}
		if has(others, "after") != 3 || has(elsewhere, "elsewhere") != 2 {
			t.Errorf("%d of 3 and %d of 2 others go on", has(others, "after"), has(elsewhere, "elsewhere"))
		}
		late := m.read(1, "sse", "a")
		m.publish("a", "later")
		m.settle()
		if has(late, "later") != 1 {
			t.Errorf("a newcomer got %q", late[0].sock.got)
		}
		for _, r := range append(together, stalled...) {
			r.sock.fail = errors.New("it was cut off") // as is right
		}
		m.check()
		m.vanish()
		m.settle()
		m.empty()
	})
}

// All who stand at one place of one channel are given the same bytes, which
// are written down once. Who stalls leaves them, and comes back.
func TestLoopCohort(t *testing.T) {
	encode, encoded := sseBare.Encode, 0
	defer func() { sseBare.Encode = encode }()
	sseBare.Encode = func(e *pabal.Entry) []byte { encoded++; return encode(e) }
	modelled(t, &modelSetup{}, func(m *model) {
		all := append(m.read(100, "sse", "a"), m.read(10, "stream", "a")...)
		all = append(all, m.read(10, "raw", "a")...)
		m.settle()
		cohorts := func(want ...int) {
			t.Helper()
			var got []int
			for _, co := range m.l.crowds["a"].cohorts {
				got = append(got, len(co.members))
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("cohorts of %v, want %v", got, want)
			}
		}
		cohorts(10, 10, 100)
		before := m.poller.writes.Load()
		m.publish("a", "1")
		m.publish("a", "2")
		m.settle()
		if got := m.poller.writes.Load() - before; got != 120 || encoded != 2 {
			t.Errorf("%d writes to 120 readers, %d encodings, want one write each and 2", got, encoded)
		}
		for _, r := range all[:3] {
			r.stall(50)
		}
		m.publish("a", "3"+strings.Repeat("x", 100))
		m.publish("a", "4")
		m.settle()
		cohorts(10, 10, 97)
		for _, r := range all[:3] {
			r.sock.give(-1)
		}
		m.settle()
		cohorts(10, 10, 100)
		if encoded != 4 {
			t.Errorf("%d encodings of 4 entries", encoded)
		}
		m.check()
	})
}

// How many writes are made between a publish and its delivery is bounded,
// however many read other channels.
func TestLoopFairness(t *testing.T) {
	modelled(t, &modelSetup{}, func(m *model) {
		m.blind = true
		m.read(3000, "sse", "big")
		for i := range 20 {
			m.publish("slow", fmt.Sprint(i)+strings.Repeat("x", 500_000))
		}
		one := m.read(1, "sse", "small")
		m.settle()
		for i := range 3 {
			text := fmt.Sprintf("<%d>", i)
			m.publish("big", text)
			m.connect(&modelAsk{via: "sse", channels: []string{"slow"}, query: url.Values{"since": {"all"}}})
			for range i {
				m.turn()
			}
			m.publish("small", text)
			synctest.Wait()
			before := m.poller.writes.Load()
			for turns := 0; has(one, text) == 0 && turns < 100; turns++ {
				for len(m.jobs) > 0 {
					m.job(0)
				}
				m.turn()
			}
			if got := m.poller.writes.Load() - before; got > 2*sliceWrites+2 || has(one, text) == 0 {
				t.Errorf("%s: delivered after %d other writes, want at most %d", text, got, 2*sliceWrites)
			}
			m.settle()
		}
	})
}

// An event that is late does not reach who has the seat now.
func TestLoopStaleEvent(t *testing.T) {
	modelled(t, &modelSetup{}, func(m *model) {
		var tokens []uint64
		for range 5 {
			r := m.read(1, "raw", "a")[0]
			m.settle()
			if slices.Contains(tokens, r.sock.token) {
				t.Errorf("the token %x is given twice", r.sock.token)
			}
			for _, old := range tokens {
				m.poller.stale = append(m.poller.stale, epoll.Event{Token: old, Readable: true, Writable: true, Gone: true})
			}
			m.settle()
			if r.sock.closed || m.l.seats.count != 1 || len(m.l.seats.taken) != 1 {
				t.Fatalf("closed: %v; %d connections on %d seats", r.sock.closed, m.l.seats.count, len(m.l.seats.taken))
			}
			tokens = append(tokens, r.sock.token)
			r.sock.leave(errors.New("reset"))
			m.settle()
		}
		for _, token := range []uint64{0, 1, 99, 1<<32 - 1, ^uint64(0)} {
			m.poller.stale = append(m.poller.stale, epoll.Event{Token: token, Gone: true, Readable: true})
		}
		m.settle()
		m.empty()
	})
}

// So many idle connections cost a beat each, and few turns.
func TestLoopIdle(t *testing.T) {
	const n = 20_000
	modelled(t, &modelSetup{handler: Handler{Heartbeat: 15 * time.Second}}, func(m *model) {
		m.blind, m.poller.forget = true, true
		goroutines := runtime.NumGoroutine()
		for i, via := range []string{"sse", "raw"} {
			m.read(n/2, via, "a")
			m.pass(time.Duration(i) * 7 * time.Second)
		}
		if got := runtime.NumGoroutine(); got > goroutines+4 {
			t.Errorf("%d goroutines more than before", got-goroutines)
		}
		for _, r := range m.readers {
			r.mute = true // pings are answered by nobody, which a loop bears for a while
		}
		m.pass(time.Second)
		turns, writes := m.turns, m.poller.writes.Load()
		m.pass(15 * time.Second)
		if got := m.poller.writes.Load() - writes; got < n*9/10 || got > n*11/10 {
			t.Errorf("%d writes in one heartbeat of %d connections", got, n)
		}
		if got := m.turns - turns; got > 300 {
			t.Errorf("%d turns in one heartbeat", got)
		}
		if m.h.Hub.Stats().Sessions != n {
			t.Errorf("%d of %d are still there", m.h.Hub.Stats().Sessions, n)
		}
	})
}

// To give an entry to many allocates nothing for each.
func TestLoopAllocates(t *testing.T) {
	for _, via := range []string{"sse", "stream", "raw", "websocket"} {
		modelled(t, &modelSetup{handler: Handler{RotateBytes: 1 << 40}}, func(m *model) {
			m.blind, m.poller.forget = true, true
			allocs := func() float64 {
				return testing.AllocsPerRun(20, func() {
					m.publish("a", "an entry")
					synctest.Wait()
					for !m.turn() {
					}
				})
			}
			m.read(1, via, "a")
			m.settle()
			one := allocs()
			m.read(999, via, "a")
			m.settle()
			if many := allocs(); many > one+10 {
				t.Errorf("%s: an entry for one reader takes %v allocations, for 1,000 %v", via, one, many)
			}
		})
	}
}

// A loop is woken once a sleep, and only if it sleeps.
func TestLoopWakes(t *testing.T) {
	modelled(t, &modelSetup{}, func(m *model) {
		m.read(2, "sse", "a")
		m.settle()
		before := m.poller.wakes
		m.l.post(func() {})
		m.publish("a", "1")
		if got := m.poller.wakes - before; got != 0 {
			t.Errorf("woken %d times while it did not sleep", got)
		}
		m.settle()
		m.poller.during = func() {
			m.publish("a", "2")
			m.l.post(func() {})
			m.l.post(func() {})
		}
		m.turn()
		if got := m.poller.wakes - before; got != 1 {
			t.Errorf("woken %d times in one sleep, want once", got)
		}
		m.settle()
		m.check()
	})
}

// A connection that cannot be taken over leaves nothing.
func TestLoopCannotTake(t *testing.T) {
	modelled(t, &modelSetup{}, func(m *model) {
		m.h.loops.take = func(net.Conn, int) (socket, error) { return nil, errors.New("no descriptor is left") }
		m.panics = 2
		m.read(1, "sse", "a")
		m.read(1, "websocket", "a")
		m.settle()
		m.empty()
	})
}

// Whoever comes while the server drains, or leaves at once, is told of the end.
func TestLoopEndsAtOnce(t *testing.T) {
	for _, via := range []string{"sse", "stream", "multipart", "iframe", "page", "websocket", "raw"} {
		modelled(t, &modelSetup{}, func(m *model) {
			m.read(1, via, "a")
			if via == "raw" || via == "websocket" {
				m.connect(&modelAsk{via: via, channels: []string{"a"}, early: string(masked(nil, 0x88, "\x03\xe8"))})
				m.read(1, via, "a")[0].sock.send(masked(nil, 0x88, "\x03\xe8"))
				m.turn()
			}
			m.drain()
			m.settle()
			for _, r := range m.readers {
				if p, err := r.parse(); err != nil || !p.ended || !r.sock.shut {
					t.Errorf("%s: got %q, %v, no end", r.name, r.sock.got, err)
				}
			}
			m.vanish()
			m.settle()
			m.empty()
		})
	}
}

// What does not fit into one burst follows without another publish.
func TestLoopLongBurst(t *testing.T) {
	modelled(t, &modelSetup{}, func(m *model) {
		all := m.read(3, "sse", "a")
		m.settle()
		m.publish("a", "1"+strings.Repeat("x", 100_000), "2"+strings.Repeat("y", 100_000), "the last")
		m.settle()
		if has(all, "the last") != 3 || len(m.l.crowds["a"].cohorts) != 1 {
			t.Errorf("%d of 3 have all", has(all, "the last"))
		}
		m.check()
	})
}

// The session of a connection that is gone is a worker's until it is done.
func TestLoopDropsWhatIsLent(t *testing.T) {
	modelled(t, &modelSetup{limits: pabal.Limits{WindowEntries: 2, BatchBytes: 2000, MessageBytes: 1000}}, func(m *model) {
		for i := range 20 {
			m.publish("a", fmt.Sprint(i)+strings.Repeat("x", 900))
		}
		r := m.connect(&modelAsk{via: "sse", channels: []string{"a"}, query: url.Values{"since": {"all"}}})
		for range 5 {
			m.turn()
			synctest.Wait()
		}
		if len(m.jobs) != 1 || m.l.lent != 1 {
			t.Fatalf("%d jobs, %d lent, want that the rest is being read", len(m.jobs), m.l.lent)
		}
		r.sock.leave(errors.New("reset"))
		m.turn()
		if got := m.h.Hub.Stats().Sessions; got != 1 || !r.sock.closed || m.l.seats.count != 0 {
			t.Errorf("%d sessions, closed: %v, %d seats; want 1 for the worker", got, r.sock.closed, m.l.seats.count)
		}
		m.settle()
		m.empty()
	})
}

// Who takes nothing is closed after the write timeout, not much later, and
// who takes a little is not.
func TestLoopWriteTimeout(t *testing.T) {
	modelled(t, &modelSetup{handler: Handler{WriteTimeout: 3 * time.Second, Heartbeat: time.Minute}}, func(m *model) {
		nothing, little, all := m.read(2, "sse", "a"), m.read(2, "raw", "a"), m.read(2, "stream", "a")
		m.settle()
		for _, r := range append(nothing, little...) {
			r.stall(100)
		}
		m.publish("a", strings.Repeat("x", 1000))
		m.pass(2990 * time.Millisecond)
		if got := closed(m.readers); got != 0 {
			t.Errorf("%d are closed early", got)
		}
		for range 4 {
			for _, r := range little {
				r.sock.give(10)
			}
			m.pass(10*time.Millisecond + 2*wheelTick)
			if got := closed(nothing); got != 2 {
				t.Errorf("%d of 2 who take nothing are closed", got)
			}
			m.pass(2900 * time.Millisecond)
		}
		if closed(little)+closed(all) != 0 {
			t.Errorf("of others %d and %d are closed", closed(little), closed(all))
		}
		m.check()
	})
}

// Who leads others whose log is being read may speak meanwhile, as much as it
// likes.
func TestLoopLeaderSpeaks(t *testing.T) {
	modelled(t, &modelSetup{limits: pabal.Limits{WindowEntries: 2}}, func(m *model) {
		leader := m.read(2, "raw", "a")[0]
		m.settle()
		m.publish("a", "1", "2", "3", "4", "5", "6") // more than the window holds
		for len(m.jobs) == 0 {
			synctest.Wait()
			m.turn()
		}
		for range 1000 {
			leader.sock.send(leader.say(strings.Repeat("m", 300)))
		}
		for len(m.jobs) < 2 {
			m.turn()
		}
		m.job(1) // it has published before the log is read
		m.turn()
		m.settle()
		m.check()
	})
}
