package pabal_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
)

// A race is between a publisher, who publishes when the reader has all there
// is, and the reader, who looks just then. A third holds the tail's lock for
// most of the time, so that the two often wait for it, in either order.
type race struct {
	t       *testing.T
	hub     *pabal.Hub
	channel pabal.Channel
	reader  *reader
	rounds  int64
	taken   atomic.Int64 // entries that the reader has
	asked   atomic.Int64 // entries that are published, or about to be
	over    atomic.Bool
}

// publish publishes each entry as soon as the reader has the one before.
func (r *race) publish() {
	one := pabal.Publish{Messages: []pabal.Message{{Data: []byte("1")}}}
	for i := range r.rounds {
		for r.taken.Load() < i && !r.over.Load() {
			runtime.Gosched()
		}
		r.asked.Store(i + 1)
		if r.over.Load() {
			return
		}
		if _, err := r.hub.Publish(r.t.Context(), pabal.Grant{}, r.channel, one); err != nil {
			r.t.Error(err)
			return
		}
	}
}

// read takes every entry, for two seconds at most: the machine may have other
// work.
func (r *race) read() {
	defer r.over.Store(true)
	patience := time.NewTimer(0)
	defer patience.Stop()
	for n, begin := int64(0), time.Now(); n < r.rounds && time.Since(begin) < 2*time.Second; n++ {
		for r.asked.Load() <= n {
			runtime.Gosched()
		}
		for range n % 64 * 64 { // now sooner, now later
			r.asked.Load()
		}
		patience.Reset(10 * time.Second)
		for !r.step() {
			select {
			case <-r.reader.signal:
			case <-patience.C:
				r.t.Errorf("entry %d of %d did not come within 10 s of its publish: its reader waits, and nobody wakes it", n+1, r.rounds)
				return
			}
		}
		r.taken.Store(n + 1)
	}
}

// step reports whether an entry came.
func (r *race) step() bool {
	r.reader.Step(&r.reader.batch, 1)
	return len(r.reader.batch.Items) > 0
}

// hold has the tail find out again and again, under its lock, what is the
// latest of each key in the window, from places that it does not remember.
func (r *race) hold(epoch pabal.Epoch) {
	var b pabal.Batch
	for i := 0; !r.over.Load(); i++ {
		s, err := r.hub.Open(pabal.Grant{}, pabal.NewSignal(), pabal.Options{Latest: true})
		if err != nil {
			r.t.Error(err)
			return
		}
		if err := s.Subscribe(r.channel, pabal.After(pabal.Position{Epoch: epoch, Offset: pabal.Offset(1 + i%100)})); err != nil {
			r.t.Error(err)
		}
		if state := s.Step(&b, 1); state != pabal.More {
			r.t.Errorf("a step of who reads the latest: got state %v, want More", state)
		}
		s.Close()
	}
}

// Whoever arms looks once more: an entry that comes between a reader's look and
// its wish to be woken is not lost on it.
func TestWhoeverArmsLooksOnceMore(t *testing.T) {
	const before, rounds = 4000, 4000
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{WindowEntries: before + rounds})
	r := &race{t: t, hub: h, channel: "a", rounds: rounds, reader: newReader(t, h, pabal.Options{}, "a", pabal.FromNow())}
	r.reader.next("$live")
	for range before / 100 {
		publish(t, h, "a", numbers(1, 100)...)
	}
	r.reader.next(slices.Repeat(numbers(1, 100), before/100)...)
	epoch := r.reader.Position(0).Epoch
	var all sync.WaitGroup
	all.Go(r.publish)
	all.Go(r.read)
	all.Go(func() { r.hold(epoch) })
	all.Wait()
	t.Logf("%d rounds", r.taken.Load())
}

// A session that waits because the tail is being read anew is woken when that
// is done, also if the tail is what it was: here the answer is of the time
// before the store came back, in silence.
func TestWokenWhenTheTailIsAsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hold, held atomic.Bool
		gate := make(chan struct{})
		old := newMemory(t, pabal.Retention{})
		b := &hooked{Broker: old}
		b.read = func(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
			page, err := b.Broker.Read(ctx, ch, q)
			if _, resumed := q.From.After(); resumed && hold.CompareAndSwap(true, false) {
				held.Store(true)
				<-gate
			}
			return page, err
		}
		h := newHub(t, b, pabal.Limits{})
		publish(t, h, "a", "1")
		newReader(t, h, pabal.Options{}, "a", pabal.FromAll()).next("1", "$live")
		synctest.Wait()
		hold.Store(true)
		time.Sleep(checked)
		if !held.Load() {
			t.Fatal("the tail is not being checked")
		}
		back := old.Reopen(nil)
		t.Cleanup(func() { _ = back.Close() })
		b.Broker = back
		r := newReader(t, h, pabal.Options{}, "a", pabal.FromNow())
		r.now("$live")
		publish(t, h, "a", "2")
		synctest.Wait()
		r.now() // it waits for the tail
		close(gate)
		begin := time.Now()
		r.next("2")
		if took := time.Since(begin); took > 0 {
			t.Errorf("the entry came %v after the tail was read, want no time at all", took)
		}
	})
}
