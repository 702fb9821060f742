package presence_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/presence"
)

// storm has n connections join at the same time, by way of nodes in turn, and
// returns how long it took until all were in the set.
func (w *world) storm(n int, nodes ...*node) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { w.join(nodes[i%len(nodes)], fmt.Sprint("u", i, "/1")) })
	}
	all.Wait()
	return time.Since(began)
}

// Ten thousand joins at once are ten thousand entries in few publishes, and as
// many leaves are no more.
func TestStorm(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const n = 10_000
		node := w.node(presence.Config{})
		if took := w.storm(n, node); took > time.Second {
			t.Errorf("%d joins took %v, want a second at most", n, took)
		}
		if got := len(w.entries()); got != n || node.way.count() > n/1000+10 {
			t.Errorf("%d entries in %d publishes, want %d in few", got, node.way.count(), n)
		}
		node.way.appends = 0
		for i := range n {
			node.Leave(as(fmt.Sprint("u", i, "/1")), "a", false)
		}
		pass(linger + time.Second)
		if got := len(w.read(true)); got != n || node.way.count() > n/1000+10 {
			t.Errorf("%d keys after leaves in %d publishes, want %d in few", got, node.way.count(), n)
		}
		if len(w.set()) != 0 || node.Rooms() != 0 {
			t.Errorf("%d present in %d rooms, want none", len(w.set()), node.Rooms())
		}
	})
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A member costs some memory, and no goroutine. What the broker keeps of it is
// left out: the world's broker is emptied.
func TestMemory(t *testing.T) {
	const n = 10_000
	w := newWorld(t, 0)
	defer w.end()
	node := w.start(presence.Config{Members: n + 1, Coalesce: time.Microsecond}, nil)
	if err := node.Join(t.Context(), as("first/1"), "a", nil, 0); err != nil {
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	grants := make([]pabal.Grant, n)
	for i := range grants {
		grants[i] = as(fmt.Sprint("u", i, "/1"))
	}
	before := heap()
	for _, g := range grants {
		if err := node.Join(t.Context(), g, "a", nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.broker.Delete(t.Context(), pabal.Presence+"a"); err != nil { // what is kept is not the member's
		t.Fatal(err)
	}
	per := (heap() - before) / n
	runtime.KeepAlive(grants)
	t.Logf("a member takes %d bytes", per)
	if per > 512 {
		t.Errorf("a member takes %d bytes, want 512 at most", per)
	}
	if got := runtime.NumGoroutine(); got > goroutines+20 {
		t.Errorf("with %d members there are %d goroutines, want about %d", n, got, goroutines)
	}
}

// Each operation is 10,000 joins at the same time into one channel, until all
// have returned; by one node, and by two that follow each other's.
func BenchmarkStorm(b *testing.B) {
	for _, nodes := range []int{1, 2} {
		b.Run(fmt.Sprint("nodes=", nodes), func(b *testing.B) {
			const n = 10_000
			entries, publishes := 0, 0
			for b.Loop() {
				w := newWorld(b, 0)
				var all []*node
				for range nodes {
					all = append(all, w.start(presence.Config{}, nil))
				}
				w.storm(n, all...)
				entries += len(w.entries())
				for _, node := range all {
					publishes += node.way.count()
				}
				w.end()
			}
			b.ReportMetric(float64(entries)/float64(b.N), "entries/op")
			b.ReportMetric(float64(publishes)/float64(b.N), "publishes/op")
		})
	}
}

// Each operation is a join of one who is present already, and a leave.
func BenchmarkOverlap(b *testing.B) {
	w := newWorld(b, 0)
	defer w.end()
	node := w.start(presence.Config{}, nil)
	w.join(node, "alice/1")
	g := as("alice/1")
	b.ReportAllocs()
	for b.Loop() {
		if err := node.Join(b.Context(), g, "a", nil, 0); err != nil {
			b.Fatal(err)
		}
		node.Leave(g, "a", false)
	}
}
