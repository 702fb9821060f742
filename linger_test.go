package pabal_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/pabal/pabal"
)

// A tail is let go a while after its last reader left, and not before.
func TestTailLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, ended atomic.Int32
		b := &hooked{Broker: newMemory(t, pabal.Retention{})}
		b.tail = func(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
			begun.Add(1)
			context.AfterFunc(ctx, func() { ended.Add(1) })
			return b.Broker.Tail(ctx, ch, fn)
		}
		h := newHub(t, b, pabal.Limits{})
		for i := range 3 {
			r := newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
			r.next("$live")
			r.Close()
			time.Sleep(29 * time.Second)
			if begun.Load() != 1 || ended.Load() != 0 {
				t.Fatalf("29 s after reader %d left: %d tails begun, %d ended, want 1 and 0", i, begun.Load(), ended.Load())
			}
		}
		time.Sleep(time.Second + checked)
		synctest.Wait()
		if ended.Load() != 1 || h.Stats().Channels != 0 {
			t.Errorf("long after: %d tails ended, %d channels followed, want 1 and 0", ended.Load(), h.Stats().Channels)
		}
		newReader(t, h, pabal.Options{}, "a", pabal.FromNow()).next("$live")
		if begun.Load() != 2 {
			t.Errorf("with a new reader: %d tails begun, want 2", begun.Load())
		}
	})
}

// A tail that the broker never begins is given up with its last reader.
func TestHangingTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int32
		b := &hooked{Broker: newMemory(t, pabal.Retention{})}
		b.tail = func(ctx context.Context, _ pabal.Channel, _ func(*pabal.Entry)) (pabal.Position, error) {
			defer ended.Add(1)
			<-ctx.Done()
			return pabal.Position{}, ctx.Err()
		}
		h := newHub(t, b, pabal.Limits{})
		r := newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.CatchUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("catch up: got %v, want the end of its context", err)
		}
		r.Close()
		time.Sleep(30*time.Second + checked)
		synctest.Wait()
		if ended.Load() != 1 {
			t.Error("the broker's Tail still hangs after the linger time")
		}
	})
}

type bell struct {
	rings atomic.Int64
	_     *bell // so that its weak pointers tell bells apart
}

func (b *bell) Wake(*pabal.Tail) { b.rings.Add(1) }

// Sessions that come and go on a channel where nothing happens leave nothing.
func TestChurnLeavesNoWakers(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
	keeper := newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
	keeper.next("$live")
	var left []weak.Pointer[bell]
	var churn sync.WaitGroup
	churn.Go(func() { // a goroutine of its own, so that its stack keeps none alive
		for i := range 300 {
			w := &bell{}
			left = append(left, weak.Make(w))
			s, err := h.Open(pabal.Grant{}, w, pabal.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(s.Subscribe("a", pabal.FromNow()), s.CatchUp(t.Context())); err != nil {
				t.Error(err)
			}
			var batch pabal.Batch
			s.Step(&batch, 10)
			if i%2 == 0 {
				s.Unsubscribe("a")
			}
			s.Close()
		}
	})
	churn.Wait()
	runtime.GC()
	alive := 0
	for _, w := range left {
		if w.Value() != nil {
			alive++
		}
	}
	if alive > 1 {
		t.Errorf("%d of %d wakers are still known", alive, len(left))
	}
	if got := h.Readers("a"); got != 1 {
		t.Errorf("readers: got %d, want 1", got)
	}
	publish(t, h, "a", "1")
	keeper.next("1")
}

// A tail that only lingers makes room for a channel that is read.
func TestLingeringTailMakesRoom(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{Channels: 2})
	served := newReader(t, h, pabal.Options{}, "served", pabal.FromNow())
	served.next("$live")
	for _, ch := range []pabal.Channel{"a", "b", "c", "a"} {
		r := newReader(t, h, pabal.Options{}, ch, pabal.FromNow())
		r.next("$live")
		publish(t, h, ch, "1")
		r.next("1")
		r.Close()
	}
	publish(t, h, "served", "2")
	served.next("2")
}
