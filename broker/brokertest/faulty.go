package brokertest

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
)

// Faults are what goes wrong with the tails of a [FaultyBroker]: each a
// chance from 0 to 1 for each entry, and each time a tail is told nil.
type Faults struct {
	Seed   uint64
	Drop   float64       // it is not told
	Repeat float64       // it is told twice, the second time perhaps after later ones
	Delay  float64       // it is told later, and so is what follows it
	Swap   float64       // it is told after the one that follows it, and not at all if none does
	Most   time.Duration // of delay; 20 ms
}

// A FaultyBroker is a broker like any other, as it holds to all that
// [pabal.Broker] promises: Read is the truth. But its tails lose, repeat,
// delay and reorder what they tell. It is not lossless, and does not list its
// channels.
type FaultyBroker struct {
	pabal.Broker
	faults Faults
	tails  atomic.Uint64
	mute   atomic.Bool
	told   atomic.Uint64
	lost   atomic.Uint64
}

// Faulty returns b with faulty tails. The same seed has the same faults befall
// the n-th tail, whatever the others do.
func Faulty(b pabal.Broker, f Faults) *FaultyBroker {
	if f.Most == 0 {
		f.Most = 20 * time.Millisecond
	}
	return &FaultyBroker{Broker: b, faults: f}
}

// Mute has all tails lose, in silence, all that happens until Mute(false):
// the last entry, too, after which no other shows that it is missing.
func (f *FaultyBroker) Mute(on bool) { f.mute.Store(on) }

// Told returns how many times tails have told something, and how many times
// they lost it.
func (f *FaultyBroker) Told() (told, lost uint64) { return f.told.Load(), f.lost.Load() }

// Tail is b's, with faults. Calls of fn do not overlap, and come from a
// goroutine that ends with ctx.
func (f *FaultyBroker) Tail(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &line{
		faulty: f, fn: fn, news: make(chan struct{}, 1),
		rand: rand.New(rand.NewPCG(f.faults.Seed, f.tails.Add(1))),
	}
	end, err := f.Broker.Tail(ctx, ch, l.push)
	if err != nil {
		cancel()
		return end, err
	}
	go func() {
		defer cancel()
		l.run(ctx)
	}()
	return end, nil
}

// A line is what is under way to one tail.
type line struct {
	faulty *FaultyBroker
	fn     func(*pabal.Entry)
	rand   *rand.Rand
	later  []*pabal.Entry // to be told after the next one

	mu    sync.Mutex
	queue []*pabal.Entry
	news  chan struct{}
}

func (l *line) push(e *pabal.Entry) {
	if l.faulty.mute.Load() {
		l.faulty.lost.Add(1)
		return
	}
	l.mu.Lock()
	l.queue = append(l.queue, e)
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

func (l *line) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.news:
		}
		l.mu.Lock()
		queue := l.queue
		l.queue = nil
		l.mu.Unlock()
		for _, e := range queue {
			l.pass(ctx, e)
		}
	}
}

// pass has e meet its fate.
func (l *line) pass(ctx context.Context, e *pabal.Entry) {
	f := &l.faulty.faults
	// Each fate is drawn, so that those of the next entry do not depend on it.
	drop, repeat, delay, swap := l.rand.Float64() < f.Drop, l.rand.Float64() < f.Repeat, l.rand.Float64() < f.Delay, l.rand.Float64() < f.Swap
	pause := time.Duration(l.rand.Int64N(int64(f.Most)))
	if delay {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	switch {
	case drop:
		l.faulty.lost.Add(1)
		return
	case swap:
		l.later = append(l.later, e)
		return
	}
	l.tell(ctx, e)
	for _, old := range l.later {
		l.tell(ctx, old)
	}
	l.later = nil
	if repeat {
		l.tell(ctx, e)
	}
}

func (l *line) tell(ctx context.Context, e *pabal.Entry) {
	if ctx.Err() == nil {
		l.faulty.told.Add(1)
		l.fn(e)
	}
}
