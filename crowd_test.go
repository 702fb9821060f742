package pabal_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pabal/pabal"
)

// A crowd is many sessions of one channel that one goroutine drives, with one
// waker for all of them.
type crowd struct {
	t        testing.TB
	hub      *pabal.Hub
	bell     bell
	sessions []*pabal.Session
	next     []int // the number of the entry that each expects
	batch    pabal.Batch
}

func newCrowd(t testing.TB, limits pabal.Limits) *crowd {
	c := &crowd{t: t, hub: newHub(t, newMemory(t, pabal.Retention{Entries: 2 * 1000}), limits)}
	t.Cleanup(func() {
		for _, s := range c.sessions {
			s.Close()
		}
	})
	return c
}

// grow has n more sessions subscribe to what comes from now on.
func (c *crowd) grow(n int) {
	c.sessions, c.next = slices.Grow(c.sessions, n), slices.Grow(c.next, n)
	for range n {
		s, err := c.hub.Open(pabal.Grant{}, &c.bell, pabal.Options{})
		if err != nil {
			c.t.Fatal(err)
		}
		c.sessions, c.next = append(c.sessions, s), append(c.next, 0)
		if err := s.Subscribe("a", pabal.FromNow()); err != nil {
			c.t.Fatal(err)
		}
	}
}

// step has each session read all there is and checks that the entries are the
// ones that it expects, which are numbered by their offsets.
func (c *crowd) step() (delivered int) {
	for i, s := range c.sessions {
		for state := pabal.More; state != pabal.Caught; {
			if state = s.Step(&c.batch, 100); state == pabal.Behind {
				if err := s.CatchUp(c.t.Context()); err != nil {
					c.t.Fatal(err)
				}
			}
			for _, item := range c.batch.Items {
				if item.Entry == nil {
					continue
				}
				if c.next[i] > 0 && c.next[i] != int(item.Entry.Offset) {
					c.t.Fatalf("session %d: got entry %d, want %d", i, item.Entry.Offset, c.next[i])
				}
				c.next[i] = int(item.Entry.Offset) + 1
				delivered++
			}
		}
	}
	return delivered
}

// heap returns how many bytes and objects are in use.
func heap() (bytes, objects int) {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), int(m.Mallocs - m.Frees)
}

// Ten thousand sessions cost one goroutine what they read, and nothing else:
// no goroutine, no timer and no channel of their own, and one wake for all.
func TestCrowd(t *testing.T) {
	const n = 10_000
	c := newCrowd(t, pabal.Limits{})
	c.grow(n / 10)
	c.step()
	goroutines := runtime.NumGoroutine()
	bytes, objects := heap()
	c.grow(n - n/10)
	c.step()
	followed, with := heap()
	t.Logf("a session that follows a channel: %d bytes, %.1f allocations", (followed-bytes)/(n-n/10), float64(with-objects)/(n-n/10))
	if per := (followed - bytes) / (n - n/10); per > 512 {
		t.Errorf("a session takes %d bytes, want 512 at most", per)
	}
	if got := runtime.NumGoroutine(); got > goroutines {
		t.Errorf("with %d more sessions there are %d goroutines, want %d as before", n-n/10, got, goroutines)
	}

	for round := range 20 {
		rings := c.bell.rings.Load()
		for range round%3 + 1 {
			publish(t, c.hub, "a", "x")
		}
		if got := c.bell.rings.Load() - rings; got != 1 {
			t.Errorf("round %d: %d wakes for %d sessions of one waker, want 1 until it is taken", round, got, n)
		}
		if got, want := c.step(), n*(round%3+1); got != want {
			t.Errorf("round %d: %d entries delivered, want %d", round, got, want)
		}
		if got := c.bell.rings.Load() - rings; got != 1 {
			t.Errorf("round %d: %d wakes after all sessions had read, want still 1", round, got)
		}
	}
	if after, _ := heap(); (after-followed)/n > 32 {
		t.Errorf("after 39 entries each session takes %d bytes more, want none", (after-followed)/n)
	}
	for i := range c.sessions {
		if c.next[i] != c.next[0] {
			t.Fatalf("session %d has read up to %d, session 0 up to %d", i, c.next[i], c.next[0])
		}
	}
}

// A plain reader at the tail allocates nothing, whether something is there or not.
func TestStepAllocates(t *testing.T) {
	c := newCrowd(t, pabal.Limits{WindowEntries: 2000})
	c.grow(1)
	c.step()
	for range 1500 {
		publish(t, c.hub, "a", "x")
	}
	s := c.sessions[0]
	if got := testing.AllocsPerRun(1000, func() {
		if s.Step(&c.batch, 1) != pabal.More || len(c.batch.Items) != 1 {
			t.Fatal("want one entry, and more")
		}
	}); got != 0 {
		t.Errorf("a delivery costs %v allocations, want 0", got)
	}
	c.step()
	if got := testing.AllocsPerRun(1000, func() {
		if s.Step(&c.batch, 1) != pabal.Caught || len(c.batch.Items) != 0 {
			t.Fatal("want nothing")
		}
	}); got != 0 {
		t.Errorf("a step at the tail costs %v allocations, want 0", got)
	}
}

// A publish that meets a session on its way to wait wakes it.
func TestNoWakeIsLost(t *testing.T) {
	const rounds = 3000
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
	r := newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
	r.next("$live")
	var had atomic.Int64
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for i := range int64(rounds) {
			for had.Load() < i {
				runtime.Gosched()
			}
			publish(t, h, "a", "x")
		}
	})
	for had.Load() < rounds {
		for range rand.IntN(5000) {
			had.Load() // so that the two meet everywhere
		}
		if r.Step(&r.batch, 1) == pabal.Caught { // not in the step that gave an entry
			<-r.signal
		}
		had.Add(int64(len(r.batch.Items)))
	}
	publisher.Wait()
}

// Each operation is one entry published and delivered to all.
func BenchmarkCrowd(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := newCrowd(b, pabal.Limits{})
			before, _ := heap()
			c.grow(n)
			c.step()
			after, _ := heap()
			p := pabal.Publish{Messages: []pabal.Message{{Data: make([]byte, 128)}}}
			var stats [2]runtime.MemStats
			runtime.ReadMemStats(&stats[0])
			for b.Loop() {
				if _, err := c.hub.Publish(b.Context(), pabal.Grant{}, "a", p); err != nil {
					b.Fatal(err)
				}
				if got := c.step(); got != n {
					b.Fatalf("delivered %d, want %d", got, n)
				}
			}
			runtime.ReadMemStats(&stats[1])
			deliveries := float64(n) * float64(b.N)
			b.ReportMetric(float64(after-before)/float64(n), "B/session")
			b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
			b.ReportMetric(float64(stats[1].Mallocs-stats[0].Mallocs)/deliveries, "allocs/delivery")
		})
	}
}

// From history to what is live, whoever joins when and where gets the log:
// nothing lost, nothing twice, in order.
func TestHistoryToLive(t *testing.T) {
	const publishers, each, readers = 4, 500, 24
	for name, b := range map[string]pabal.Broker{"lossless": newMemory(t, pabal.Retention{}), "not lossless": &hooked{Broker: newMemory(t, pabal.Retention{})}} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, b, pabal.Limits{WindowEntries: 16, BatchBytes: 64})
			var published atomic.Int64
			var all sync.WaitGroup
			for i := range publishers {
				all.Go(func() {
					for j := range each {
						p := pabal.Publish{Messages: []pabal.Message{{Data: fmt.Append(nil, i, "-", j)}}}
						if _, err := h.Publish(t.Context(), pabal.Grant{}, "a", p); err != nil {
							t.Error(err)
						}
						published.Add(1)
					}
				})
			}
			logs := make([][]*pabal.Entry, readers)
			for i := range readers {
				all.Go(func() {
					random := rand.New(rand.NewPCG(uint64(i), 0))
					from := pabal.FromAll()
					if i > 0 {
						from = []pabal.From{pabal.FromAll(), pabal.FromNow(), pabal.FromLast(random.IntN(40))}[i%3]
						for join := random.Int64N(publishers * each); published.Load() < join; {
							runtime.Gosched()
						}
					}
					logs[i] = wander(t, h, random, from, publishers*each)
				})
			}
			all.Wait()
			log := logs[0]
			if len(log) != publishers*each {
				t.Fatalf("the reader from all got %d entries, want %d", len(log), publishers*each)
			}
			for i, got := range logs {
				want := log[len(log)-min(len(got), len(log)):]
				if !slices.EqualFunc(got, want, func(a, b *pabal.Entry) bool { return a.Position() == b.Position() && string(a.Data) == string(b.Data) }) {
					t.Errorf("reader %d: got %d entries that are not the end of the log", i, len(got))
				}
			}
		})
	}
}

// wander reads a log up to its end, the entry at offset end. It breaks off now
// and then, also inside a batch, and resumes where it stood.
func wander(t *testing.T, h *pabal.Hub, random *rand.Rand, from pabal.From, end pabal.Offset) (got []*pabal.Entry) {
	for {
		s, err := h.Open(pabal.Grant{}, pabal.NewSignal(), pabal.Options{})
		if err != nil {
			t.Error(err)
			return nil
		}
		defer s.Close()
		if err := s.Subscribe("a", from); err != nil {
			t.Error(err)
			return nil
		}
		for batch, err := range s.Batches(t.Context(), time.Hour) {
			if err != nil {
				t.Error(err)
				return nil
			}
			taken := batch.Items
			if random.IntN(10) == 0 {
				taken = taken[:random.IntN(len(taken))]
			}
			for _, item := range taken {
				from = pabal.After(place(item))
				if item.Entry != nil {
					got = append(got, item.Entry)
				} else if item.Notice.Kind != pabal.NoticeLive {
					t.Errorf("got %s", show(item))
				}
			}
			if at, _ := from.After(); at.Offset == end {
				return got
			}
			if len(taken) < len(batch.Items) {
				break
			}
		}
		s.Close()
	}
}
