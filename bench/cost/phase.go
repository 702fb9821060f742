package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A phase is one rate at which messages come, or none.
type phase struct {
	name     string        // as -only knows it
	every    time.Duration // between messages; 0: none come
	window   time.Duration // for which is counted; of a multiple of every and of tablePoll
	together int           // ways that are measured at the same time, each with a server of its own; 0: all
}

var (
	quiet = phase{name: "idle", window: time.Minute}
	rates = []phase{
		{name: "0.1", every: 10 * time.Second, window: time.Minute},
		{name: "1", every: time.Second, window: 30 * time.Second}, // with whole numbers of pings
		{name: "10", every: 100 * time.Millisecond, window: 3 * time.Second, together: 4},
		{name: "50", every: 20 * time.Millisecond, window: 2 * time.Second, together: 1},
	}
	quickRates = []phase{
		{name: "1", every: time.Second, window: 2 * time.Second},
		{name: "10", every: 100 * time.Millisecond, window: time.Second, together: 4},
		{name: "50", every: 20 * time.Millisecond, window: time.Second, together: 1},
	}
)

const (
	viewersOf = 50              // an audience
	quietLead = 2 * time.Second // before an idle window, so that no sign of life falls on its edge
)

// perSecond is the rate, in messages a second.
func (p phase) perSecond() float64 { return 1 / p.every.Seconds() }

// lead is for how long messages come before those that are counted: each poll
// in the window then has as many as any other.
func (p phase) lead() time.Duration {
	if p.every == 0 {
		return quietLead
	}
	return max(p.every, tablePoll) + p.every/2
}

// messages is how many come in all.
func (p phase) messages() int {
	if p.every == 0 {
		return 0
	}
	return int((p.lead()+p.window)/p.every) + 1
}

// table measures every way at every rate and idle, once.
func (b *bench) table(ctx context.Context, r *tableReport, round int) error {
	slow := b.rates
	if !b.quick { // these two are long and do next to nothing, so they run side by side
		slow = b.rates[1:]
		ctx, cancel := context.WithCancelCause(ctx)
		var both sync.WaitGroup
		for _, p := range []phase{quiet, b.rates[0]} {
			both.Go(func() {
				if err := b.phase(ctx, r, round, p); err != nil {
					cancel(err)
				}
			})
		}
		both.Wait()
		err := context.Cause(ctx)
		if cancel(nil); err != nil {
			return err
		}
	}
	for _, p := range slow {
		if err := b.phase(ctx, r, round, p); err != nil {
			return err
		}
	}
	return b.memories(ctx, r, round)
}

// phase measures every way in p.
func (b *bench) phase(ctx context.Context, r *tableReport, round int, p phase) error {
	var measured []way
	for _, w := range ways() {
		if b.only.MatchString("table/" + p.name + "/" + w.String()) {
			measured = append(measured, w)
		}
	}
	together := p.together
	if together == 0 {
		together = max(1, len(measured))
	}
	for group := range slices.Chunk(measured, together) {
		samples, err := b.side(ctx, group, p)
		if err != nil {
			return err
		}
		for i, w := range group {
			r.add(p, w, round, samples[i])
			progress("table/"+p.name, w.String(), samples[i])
		}
	}
	return nil
}

// side measures the ways of group side by side. Their messages come one way
// after the other, evenly.
func (b *bench) side(ctx context.Context, group []way, p phase) ([]sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	samples := make([]sample, len(group))
	var all, ready sync.WaitGroup
	ready.Add(len(group))
	for i, w := range group {
		all.Go(func() {
			v := &viewing{bench: b, way: w, phase: p, turn: p.every * time.Duration(i) / time.Duration(len(group))}
			v.ready = sync.OnceFunc(ready.Done)
			v.all = ready.Wait
			got, err := v.measure(ctx)
			v.ready() // if it failed before
			if err != nil {
				cancel(fmt.Errorf("%v: %w", w, err))
			}
			samples[i] = got
		})
	}
	all.Wait()
	return samples, context.Cause(ctx)
}
