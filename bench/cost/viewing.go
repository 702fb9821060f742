package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pabal/pabal/bench/cost/predict"
)

// A viewing is the measurement of one way in one phase.
type viewing struct {
	*bench
	way
	phase
	turn  time.Duration // after which its messages begin
	ready func()        // says that all viewers read
	all   func()        // waits until all viewings are ready
}

func (v *viewing) channel() string { return "cost/" + v.phase.name }

func (v *viewing) measure(ctx context.Context) (got sample, err error) {
	err = v.withServerOver(ctx, v.certificate(v.way), func(s *server) error {
		a := newAudience(s, v.way)
		got, err = v.view(ctx, s, a)
		if stopErr := a.stop(); stopErr != nil { // what ends one is why the rest fails
			err = stopErr
		}
		return err
	})
	return got, err
}

// view has an audience read what comes, and counts in the middle of it.
func (v *viewing) view(ctx context.Context, s *server, a *audience) (sample, error) {
	if err := a.grow(ctx, s, v.way, v.channel(), viewersOf, v.bare); err != nil {
		return nil, err
	}
	publisher, err := newPoster(s, v.channel(), "text/plain", 0)
	if err != nil {
		return nil, err
	}
	defer publisher.conn.Close()
	_ = publisher.conn.SetDeadline(time.Time{}) // it may have to wait
	ctx = a.start(ctx)
	if err := publisher.one(); err != nil { // message 0
		return nil, err
	}
	if err := a.await(ctx, 1); err != nil {
		return nil, err
	}
	v.ready()
	v.all()
	begun := time.Now().Add(tablePoll/10 + v.turn)
	a.plan.every = v.every
	a.plan.begun.Store(begun.UnixNano())
	published := make(chan error, 1)
	go func() { published <- publisher.follow(ctx, &a.plan, v.messages()) }()
	used, err := v.count(ctx, s, a, begun)
	if err != nil {
		return nil, firstError(err, <-published)
	}
	if err := <-published; err != nil {
		return nil, err
	}
	if err := a.await(ctx, 1+v.messages()); err != nil {
		return nil, err
	}
	return v.sample(s, a, used, publisher.last)
}

// count counts in the window.
func (v *viewing) count(ctx context.Context, s *server, a *audience, begun time.Time) (used state, err error) {
	if err := pause(ctx, time.Until(begun.Add(v.lead()))); err != nil {
		return used, err
	}
	before, err := a.state(s)
	if err != nil {
		return used, err
	}
	if err := pause(ctx, time.Until(begun.Add(v.lead()+v.window))); err != nil {
		return used, err
	}
	after, err := a.state(s)
	return after.since(before), err
}

// follow publishes n messages as the plan says.
func (p *poster) follow(ctx context.Context, plan *plan, n int) error {
	for i := range n {
		if err := pause(ctx, time.Until(plan.due(i+1))); err != nil {
			return err
		}
		if err := p.one(); err != nil {
			return err
		}
	}
	return nil
}

// sample makes figures of what was counted, with what was to be expected. The
// cursor is the last message's.
func (v *viewing) sample(s *server, a *audience, used state, cursor string) (sample, error) {
	cost, err := v.predicted(s, cursor)
	if err != nil {
		return nil, err
	}
	if v.every == 0 {
		perHour := float64(time.Hour) / float64(v.window) / float64(len(a.viewers))
		bytes := float64(used.in+used.out) * perHour
		return sample{
			"bytes": bytes, "down": float64(used.in) * perHour, "up": float64(used.out) * perHour, "requests": float64(used.requests) * perHour,
			"predicted": cost.Total(), "predicted_requests": cost.Requests, "of_predicted": bytes / cost.Total(),
			"cpu_us": float64(used.run.Microseconds()) * perHour,
		}, nil
	}
	if used.got == 0 {
		return nil, errors.New("nothing was delivered while it was counted")
	}
	each, ages := 1/float64(used.got), a.ages()
	bytes := float64(used.in+used.out) * each
	return sample{
		"bytes": bytes, "down": float64(used.in) * each, "up": float64(used.out) * each, "requests": float64(used.requests) * each,
		"predicted": cost.Total(), "predicted_requests": cost.Requests, "of_predicted": bytes / cost.Total(),
		"age50_ms": quantile(ages, 0.5), "age99_ms": quantile(ages, 0.99),
		"cpu_us": float64(used.run.Microseconds()) * each,
	}, nil
}

// predicted returns what was to be expected: the mean over the messages in the
// window, whose cursors have more and more digits.
func (v *viewing) predicted(s *server, cursor string) (mean predict.Cost, err error) {
	epoch, last, err := cutCursor(cursor)
	if err != nil {
		return mean, err
	}
	r := v.request(s, v.channel(), v.bare)
	if v.every == 0 {
		return v.prediction(r, v.channel(), epoch, last, 0).PerHour(), nil
	}
	first := max(1, last-int(v.window/v.every)+1)
	for offset, part := range lengths(first, last) {
		mean = mean.Plus(v.prediction(r, v.channel(), epoch, offset, v.every).PerMessage().Times(part))
	}
	return mean, nil
}

// memories measures what each further viewer takes of the server's memory.
func (b *bench) memories(ctx context.Context, r *tableReport, round int) error {
	for _, w := range ways() {
		if !b.only.MatchString("table/memory/" + w.String()) {
			continue
		}
		err := b.withServerOver(ctx, b.certificate(w), func(s *server) error {
			a := newAudience(s, w)
			defer func() { _ = a.stop() }()
			var at [2]memory
			for i, n := range []int{b.Few, b.Many} {
				err := a.grow(ctx, s, w, "cost/memory", n, b.bare)
				if err == nil {
					at[i], err = s.memory(ctx)
				}
				if err != nil {
					return err
				}
			}
			got := sample{"rss": (at[1].rss - at[0].rss) / float64(b.Many-b.Few)}
			r.addMemory(w, round, got)
			progress("table/memory", w.String(), got)
			return nil
		})
		if err != nil {
			return fmt.Errorf("memory, %v: %w", w, err)
		}
	}
	return nil
}
