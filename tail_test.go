package pabal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/brokertest"
)

func numbers(from, to int) (list []string) {
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// checked is within what time a tail that has missed something is mended.
const checked = 5*time.Second*11/10 + time.Second

// Whatever a tail drops, repeats, holds back or reorders, readers get all, once,
// also when it loses the last entry and is silent from then on.
func TestFaultyTail(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			b := brokertest.Faulty(newMemory(t, pabal.Retention{}), brokertest.Faults{Seed: seed, Drop: 0.2, Repeat: 0.3, Delay: 0.3, Swap: 0.3})
			h := newHub(t, b, pabal.Limits{WindowEntries: 1 + random.IntN(20)})
			publish(t, h, "a", "1", "2")
			early, late := newReader(t, h, pabal.Options{}, "a", pabal.FromAll()), newReader(t, h, pabal.Options{}, "a", pabal.FromLast(1))
			early.next("1", "2", "$live")
			late.next("2", "$live")
			for i := 3; i <= 40; i++ {
				b.Mute(i == 40)
				publish(t, h, "a", fmt.Sprint(i))
				time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
			}
			last := time.Now()
			early.next(numbers(3, 40)...)
			late.next(numbers(3, 40)...)
			if took := time.Since(last); took > checked {
				t.Errorf("seed %d: the last entry came after %v, want it within %v", seed, took, checked)
			}
			closeChannel(t, h, "a")
			early.next("$closed")
			late.next("$closed")
		})
	}
}

// A tail that loses the last entry and says nothing more shows no hole.
func TestSilentTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &hooked{Broker: newMemory(t, pabal.Retention{})}
		b.tail = func(ctx context.Context, ch pabal.Channel, _ func(*pabal.Entry)) (pabal.Position, error) {
			return b.Broker.Tail(ctx, ch, func(*pabal.Entry) {})
		}
		h := newHub(t, b, pabal.Limits{TailCheck: time.Second})
		r := newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
		r.next("$live")
		for _, want := range numbers(1, 5) {
			publish(t, h, "a", want)
			said := time.Now()
			r.next(want)
			if took := time.Since(said); took > 1200*time.Millisecond {
				t.Errorf("%s came after %v, want it within 1.1 s", want, took)
			}
		}
	})
}

// A session that has come to another epoch than a tail, which cannot be read
// anew for a while, waits for that: it does not read again and again. (Found by
// make sim SEED=16.)
func TestTailInAnotherEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, reads, broken := newMemory(t, pabal.Retention{}), atomic.Int64{}, atomic.Bool{}
		broken.Store(true)
		b := &hooked{Broker: old}
		b.read = func(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
			reads.Add(1)
			if after, ok := q.From.After(); broken.Load() && ok && after.Offset == 1 {
				return pabal.Page{}, errors.New("not now")
			}
			return b.Broker.Read(ctx, ch, q)
		}
		h := newHub(t, b, pabal.Limits{})
		publish(t, h, "a", "1")
		newReader(t, h, pabal.Options{}, "a", pabal.FromAll()).next("1", "$live")
		synctest.Wait()
		back := old.Reopen(nil)
		t.Cleanup(func() { _ = back.Close() })
		b.Broker = back
		r, before := newReader(t, h, pabal.Options{}, "a", pabal.FromNow()), reads.Load()
		r.now("$live")
		if n := reads.Load() - before; n > 3 {
			t.Errorf("a session that waits for the tail has the broker read %d times", n)
		}
		broken.Store(false)
		publish(t, h, "a", "2")
		r.next("2")
	})
}

// A session that read more than the tail has heard of waits for the tail.
func TestLateTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late []*pabal.Entry
		var give func(*pabal.Entry)
		b := &hooked{Broker: newMemory(t, pabal.Retention{})}
		b.tail = func(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
			give = fn
			return b.Broker.Tail(ctx, ch, func(e *pabal.Entry) { late = append(late, e) })
		}
		h := newHub(t, b, pabal.Limits{})
		before := newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
		before.next("$live")
		synctest.Wait()
		publish(t, h, "a", "1", "2")
		after := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
		after.next("1", "2", "$live")
		publish(t, h, "a", "3")
		before.now()
		after.now()
		give(late[0])
		before.now("1")
		after.now()
		give(late[1])
		give(late[0])
		give(late[2])
		before.now("2", "3")
		after.now("3")
	})
}

// While a tail is compared with its log, what it hears goes on, whether the log
// is read before that or after.
func TestSlowCheck(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var slow atomic.Bool
			gate := make(chan struct{})
			b := &hooked{Broker: newMemory(t, pabal.Retention{Entries: 1})}
			b.read = func(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
				if slow.Load() && late {
					<-gate
				}
				page, err := b.Broker.Read(ctx, ch, q)
				if slow.Load() && !late {
					<-gate
				}
				return page, err
			}
			h := newHub(t, b, pabal.Limits{})
			r, resting := newReader(t, h, pabal.Options{}, "a", pabal.FromNow()), newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
			r.next("$live")
			resting.next("$live")
			synctest.Wait()
			slow.Store(true)
			time.Sleep(checked) // it is under way
			for _, want := range numbers(1, 5) {
				publish(t, h, "a", want)
				r.now(want)
			}
			close(gate)
			synctest.Wait()
			publish(t, h, "a", "6")
			r.now("6")
			resting.now(numbers(1, 6)...)
		})
	}
}

// What happens after a tail's log was read, but before that is known, is not
// forgotten: a lossless broker says it only once.
func TestChangeDuringRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		b := &losslessHooked{hooked{Broker: newMemory(t, pabal.Retention{})}}
		b.read = func(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
			page, err := b.Broker.Read(ctx, ch, q)
			if _, resumed := q.From.After(); resumed {
				<-gate
			}
			return page, err
		}
		h := newHub(t, b, pabal.Limits{})
		r := newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
		r.next("$live")
		synctest.Wait() // a tail looks once more when it has begun
		closeChannel(t, h, "a")
		close(gate)
		begin := time.Now()
		r.next("$closed")
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %v, want no time at all", took)
		}
	})
}

// Errors of the broker reach who catches up, who may try again; a tail tries
// again by itself.
func TestBrokerErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tails, reads, checks atomic.Int32
		down := errors.New("the broker is down")
		b := &hooked{Broker: newMemory(t, pabal.Retention{})}
		b.tail = func(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
			if tails.Add(-1) >= 0 {
				return pabal.Position{}, down
			}
			return b.Broker.Tail(ctx, ch, func(*pabal.Entry) { fn(nil) })
		}
		b.read = func(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
			fail := &reads
			if _, resumed := q.From.After(); resumed {
				fail = &checks
			}
			if fail.Add(-1) >= 0 {
				return pabal.Page{}, down
			}
			return b.Broker.Read(ctx, ch, q)
		}
		h := newHub(t, b, pabal.Limits{})
		publish(t, h, "a", "1")
		r := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
		for _, fail := range []*atomic.Int32{&tails, &reads} {
			fail.Store(2)
			for range 2 {
				if err := r.CatchUp(t.Context()); !errors.Is(err, down) {
					t.Fatalf("catch up: got %v, want the broker's error", err)
				}
				if state := r.Step(&r.batch, 1); state != pabal.Behind || len(r.batch.Items) > 0 {
					t.Fatalf("after an error: got %v items, state %v, want none and Behind", r.batch.Items, state)
				}
				synctest.Wait()
			}
		}
		r.next("1", "$live")
		synctest.Wait()
		checks.Store(6)
		publish(t, h, "a", "2")
		said := time.Now()
		r.next("2")
		if took := time.Since(said); took > 15*time.Second {
			t.Errorf("after 6 errors the tail took %v to recover", took)
		}
	})
}

// Readers that fall out of the window go on from the broker.
func TestWindow(t *testing.T) {
	for name, limits := range map[string]pabal.Limits{"entries": {WindowEntries: 3}, "one": {WindowEntries: 1}, "bytes": {WindowBytes: 4}, "less": {WindowBytes: 1}} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, newMemory(t, pabal.Retention{}), limits)
			r := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
			r.next("$live")
			for i := 1; i < 40; i += i {
				for _, data := range numbers(i, 2*i-1) {
					publish(t, h, "a", data)
				}
				r.next(numbers(i, 2*i-1)...)
			}
		})
	}
}

// Who stands on a link that left the window keeps alive neither what followed
// it then nor what came later.
func TestStalledReaderPinsNothing(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{Entries: 4}), pabal.Limits{WindowEntries: 4})
	stalled, other := newReader(t, h, pabal.Options{}, "a", pabal.FromNow()), newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
	stalled.next("$live")
	other.next("$live")
	publish(t, h, "a", "1")
	stalled.next("1")
	other.next("1")
	var seen []weak.Pointer[pabal.Entry]
	for i := 2; i <= 100; i++ {
		publish(t, h, "a", fmt.Sprint(i))
		other.Step(&other.batch, 10)
		seen = append(seen, weak.Make(other.batch.Items[0].Entry))
	}
	runtime.GC()
	alive := 0
	for _, e := range seen {
		if e.Value() != nil {
			alive++
		}
	}
	if alive > 5 { // the window, and the place it begins at
		t.Errorf("%d of %d entries are alive, want the window's 4 and a place", alive, len(seen))
	}
	stalled.next(append([]string{"$gap trimmed 1-96"}, numbers(97, 100)...)...)
	runtime.KeepAlive(other)
}
