package flight_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/pabal/pabal/internal/flight"
)

func spawn(f func()) bool { go f(); return true }

// Who asks before the work has begun shares it; who asks after gets one of
// their own, which waits for the first.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string, int]
		begin, end := make(chan struct{}), make(chan struct{})
		works := 0
		work := func(begun func()) (int, error) {
			<-begin
			begun()
			works++
			n := works
			<-end
			if n == 2 {
				return n, errors.New("the second fails")
			}
			return n, nil
		}
		var asking sync.WaitGroup
		got, errs := make([]int, 4), make([]error, 4)
		ask := func(i int) {
			asking.Go(func() { got[i], errs[i] = group.Do(t.Context(), "key", spawn, nil, work) })
			synctest.Wait()
		}
		ask(0)
		ask(1)
		begin <- struct{}{}
		synctest.Wait()
		ask(2)
		ask(3)
		end <- struct{}{}
		begin <- struct{}{}
		end <- struct{}{}
		asking.Wait()
		if want := [4]int{1, 1, 2, 2}; [4]int(got) != want {
			t.Errorf("got %v, want %v", got, want)
		}
		for i, err := range errs {
			if (err != nil) != (i > 1) {
				t.Errorf("%d got %v", i, err)
			}
		}
	})
}

// Who leaves takes nothing from the others; what cannot be spawned is refused.
func TestLeftAndRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group flight.Group[string, int]
		end, ended, full := make(chan struct{}), errors.New("ended"), errors.New("full")
		work := func(begun func()) (int, error) { begun(); <-end; return 7, full }
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := group.Do(ctx, "key", spawn, ended, work); left <- err }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left got %v", err)
		}
		close(end)
		if n, err := group.Do(t.Context(), "key", spawn, ended, work); n != 7 || !errors.Is(err, full) {
			t.Errorf("got %d, %v", n, err)
		}
		if _, err := group.Do(t.Context(), "key", func(func()) bool { return false }, ended, work); !errors.Is(err, ended) {
			t.Errorf("what was not spawned: %v", err)
		}
	})
}
