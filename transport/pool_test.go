package transport

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// A pool does so many things at a time and not more, begins with what was
// given first, and has no goroutine when there is nothing to do.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{most: 3}
		var mu sync.Mutex
		var begun []int
		running, most := 0, 0
		goOn := make(chan struct{})
		for i := range 20 {
			p.run(func() {
				mu.Lock()
				begun = append(begun, i)
				running++
				most = max(most, running)
				mu.Unlock()
				<-goOn
				mu.Lock()
				running--
				mu.Unlock()
			})
		}
		for want := 3; want <= 20; want++ {
			synctest.Wait()
			if len(begun) != want || running != 3 {
				t.Fatalf("%d begun, %d running, want %d and 3", len(begun), running, want)
			}
			slices.Sort(begun[max(0, want-3):]) // those that run began at once
			if begun[want-1] != want-1 {
				t.Errorf("begun: %v", begun)
			}
			goOn <- struct{}{}
		}
		close(goOn)
		synctest.Wait()
		if p.running != 0 || p.waiting != nil || most != 3 {
			t.Errorf("%d running, %d waiting; at most %d at a time, want 3", p.running, len(p.waiting), most)
		}
		done := false
		p.run(func() { done = true })
		synctest.Wait()
		if !done {
			t.Error("after it was idle it does nothing")
		}
	})
}

func TestSafely(t *testing.T) {
	wrong := errors.New("wrong")
	if err := safely(func() error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	err := safely(func() error { panic("a bug") })
	if err == nil || !strings.Contains(err.Error(), "a bug") || !strings.Contains(err.Error(), "pool_test.go") {
		t.Errorf("a panic: got %v, want its value and where it was", err)
	}
}

func TestQuota(t *testing.T) {
	var q quota
	for _, c := range []struct {
		n    int64
		ok   bool
		used int64
	}{{6, true, 6}, {5, false, 6}, {4, true, 10}, {1, false, 10}, {0, true, 10}, {-3, true, 7}, {3, true, 10}, {-10, true, 0}} {
		if ok := q.take(c.n, 10); ok != c.ok || q.used.Load() != c.used {
			t.Errorf("take %d: got %v and %d, want %v and %d", c.n, ok, q.used.Load(), c.ok, c.used)
		}
	}
	q.take(4, 10)
	q.give(4)
	if got := q.used.Load(); got != 0 {
		t.Errorf("given back: %d are used", got)
	}
}
