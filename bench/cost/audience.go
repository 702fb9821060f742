package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal/bench/cost/line"
)

// An audience is viewers of one channel in one way.
type audience struct {
	viewers []*viewer
	plan    plan
	tally   tally
	dialer  line.Dialer
	running sync.WaitGroup
	end     context.CancelCauseFunc
	ended   context.Context
}

func newAudience(s *server, w way) *audience {
	a := &audience{}
	a.dialer = line.Dialer{Address: s.address, TLS: s.tls, HTTP2: w.h2, Streams: 1, Count: &a.tally.Count}
	if w.shared {
		a.dialer.Streams = streamsMost
	}
	return a
}

// grow opens further viewers until there are n.
func (a *audience) grow(ctx context.Context, s *server, w way, channel string, n int, bare bool) error {
	for len(a.viewers) < n {
		l, err := a.dialer.Dial(ctx)
		if err != nil {
			return err
		}
		v := &viewer{way: w, line: l, request: w.request(s, channel, bare), plan: &a.plan, tally: &a.tally, buf: make([]byte, readBytes)}
		a.viewers = append(a.viewers, v)
		if err := v.open(); err != nil {
			return fmt.Errorf("reading by %v: %w", w, err)
		}
	}
	for i, v := range a.viewers { // their polls do not come all at once
		v.pollTurn = (time.Duration(2*i) + 1) * tablePoll / time.Duration(2*len(a.viewers))
	}
	if w.kind == polled {
		return nil
	}
	return s.awaitReaders(ctx, n)
}

// start has all read until stop is called, or one of them fails: then the
// context that it returns ends.
func (a *audience) start(ctx context.Context) context.Context {
	a.ended, a.end = context.WithCancelCause(ctx)
	for _, v := range a.viewers {
		a.running.Go(func() {
			if err := v.run(a.ended); err != nil {
				a.end(err)
			}
		})
	}
	return a.ended
}

// stop ends all, and returns why one of them failed.
func (a *audience) stop() error {
	if a.end != nil {
		a.end(errStopped)
		a.running.Wait()
	}
	for _, v := range a.viewers {
		v.line.Close()
	}
	if a.ended == nil {
		return nil
	}
	if err := context.Cause(a.ended); !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

var errStopped = errors.New("all was read")

// await waits until each has got n messages.
func (a *audience) await(ctx context.Context, n int) error {
	late := fmt.Errorf("not all viewers got %d messages within %v", n, startTime)
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, late)
	defer cancel()
	for a.tally.got.Load() < int64(n*len(a.viewers)) {
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// ages returns how old messages were when they came, the youngest first.
func (a *audience) ages() (ages []time.Duration) {
	for _, v := range a.viewers {
		v.mu.Lock()
		ages = append(ages, v.ages...)
		v.mu.Unlock()
	}
	slices.Sort(ages)
	return ages
}

// A state is what an audience and its server had done at a moment.
type state struct {
	in, out, requests, got int64
	run                    time.Duration
}

func (a *audience) state(s *server) (state, error) {
	run, err := s.runTime()
	t := &a.tally
	return state{t.In.Load(), t.Out.Load(), t.requests.Load(), t.got.Load(), run}, err
}

// since returns what was done after earlier.
func (s state) since(earlier state) state {
	return state{s.in - earlier.in, s.out - earlier.out, s.requests - earlier.requests, s.got - earlier.got, s.run - earlier.run}
}

// quantile returns the q-quantile of ages, which are sorted, in milliseconds.
func quantile(ages []time.Duration, q float64) float64 {
	if len(ages) == 0 {
		return 0
	}
	return float64(ages[min(len(ages)-1, int(q*float64(len(ages))))].Microseconds()) / 1000
}
