package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pabal/pabal/bench/internal/job"
	"github.com/pabal/pabal/bench/internal/process"
)

const (
	payload    = 128     // bytes of a message
	big        = 8 << 10 // bytes of one to readers that may have stalled
	publishers = 4       // connections that publish to one channel
	posters    = 8       // connections where publishing itself is measured
	ahead      = 2048    // messages that a reader may be behind then
	kept       = 10_000  // messages of history, where it is measured
	perRoom    = 10      // readers of each of many channels
	stallRate  = 2       // messages a second to readers that may have stalled

	warmTime  = 1.0  // seconds at full speed before it is measured, at most
	drainTime = 25.0 // seconds that readers have to get the rest
)

// taken is what sessions measure with a row.
type taken struct {
	*bench
	row  *row
	note func(workload string, s sample)
}

// wants tells whether any of the workloads is to be measured.
func (t *taken) wants(keys ...string) bool {
	for _, w := range workloads(t.sizes) {
		for _, key := range keys {
			if w.key == key && t.bench.wants(w, t.row) {
				return true
			}
		}
	}
	return false
}

// warm is how long to publish before it is measured.
func (t *taken) warm() float64 { return min(warmTime, t.Seconds) }

// sessions are what is measured with one server after the other: each measures
// those of its workloads that are wanted.
var sessions = []func(context.Context, *taken) error{crowd, crowdOfMost, hall, rooms, archive}

// crowd has many readers of one channel.
func crowd(ctx context.Context, t *taken) error {
	if !t.wants("idle", "connect", "rate-2", "rate-10", "rate-20", "full", "stalled") {
		return nil
	}
	return t.with(job.Target{Channels: 1, Publishers: publishers}, 0, func(s *scene) error {
		opened, idle, err := t.gather(ctx, s, t.Readers)
		if err != nil {
			return err
		}
		if t.wants("connect") {
			n := float64(t.Readers - t.Few)
			t.note("connect", sample{"per_s": n / opened.Seconds, "cpu_ms": 1000 * opened.ServerCPU / n, "client": share(opened.OwnCPU, opened.ServerCPU)})
		}
		if t.wants("idle") {
			t.note("idle", idle)
		}
		return t.crowded(ctx, s)
	})
}

// crowded publishes to the crowd, slowly at first.
func (t *taken) crowded(ctx context.Context, s *scene) error {
	for _, phase := range []struct {
		key  string
		rate float64
	}{{"rate-2", 2}, {"rate-10", 10}, {"rate-20", 20}, {"full", 0}} {
		if !t.wants(phase.key) {
			continue
		}
		p := job.Publish{Rate: phase.rate * float64(max(t.row.batch, 1)), Flight: t.Flight, Batch: t.row.batch, Warm: t.warm(), Measure: t.Seconds, Drain: drainTime}
		if phase.rate > 0 {
			p.Warm, p.Measure = 1/phase.rate, max(t.Seconds, 0.5)+0.5
		}
		got, err := s.publish(p)
		if err != nil {
			return fmt.Errorf("%s: %w", phase.key, err)
		}
		t.note(phase.key, delivered(got, p.Rate))
		if got.Wrong() || got.Drained < 0 {
			return nil // what is left of it shows nothing more
		}
	}
	if t.wants("stalled") {
		return t.stalled(ctx, s)
	}
	return nil
}

// gather opens readers up to many; between, it measures memory.
func (t *taken) gather(ctx context.Context, s *scene, many int) (*job.Opened, sample, error) {
	if _, err := s.open(t.Few, false); err != nil {
		return nil, nil, err
	}
	before, err := t.weigh(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	opened, err := s.open(many-t.Few, false)
	if err != nil {
		return nil, nil, err
	}
	after, err := t.weigh(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	n := float64(many - t.Few)
	idle := sample{"rss": (after.rss - before.rss) / n, "kernel": (after.kernel - before.kernel) / n / 2} // both ends are here
	if t.row.kind == ours || t.row.kind == variant {
		idle["goroutines"] = (after.goroutines - before.goroutines) / n
	}
	return opened, idle, nil
}

type weight struct{ rss, kernel, goroutines float64 }

func (t *taken) weigh(ctx context.Context, s *scene) (w weight, err error) {
	if !t.wants("idle", "idle-most") {
		return w, nil
	}
	if err := s.settle(ctx, t.row); err != nil {
		return w, err
	}
	rss, err := process.RSS(s.processes)
	if err != nil {
		return w, err
	}
	kernel, err := process.Sockets()
	if err != nil {
		return w, err
	}
	w.rss, w.kernel = float64(rss), float64(kernel)
	if t.row.kind == ours || t.row.kind == variant {
		w.goroutines, err = s.goroutines(ctx)
	}
	return w, err
}

// stalled lets some more readers come and read nothing.
func (t *taken) stalled(ctx context.Context, s *scene) error {
	p := job.Publish{Rate: stallRate, Payload: big, Warm: 0.5, Measure: t.Seconds + 1, Drain: drainTime}
	without, err := s.publish(p)
	if err != nil {
		return err
	}
	if _, err := s.open(t.Stalled, true); err != nil {
		return err
	}
	if _, err := s.do(job.Order{Stall: &job.Stall{Readers: t.Stalled}}); err != nil {
		return err
	}
	watch, stop := context.WithCancel(ctx)
	grown := make(chan sample, 1)
	go func() { grown <- growth(watch, s.processes) }()
	p.Measure *= 3
	with, err := s.publish(p)
	stop()
	if err != nil {
		return err
	}
	got := sample{"p99": with.Age.P99, "p99_without": without.Age.P99, "lost": lost(with)}
	if without.Age.P99 > 0 {
		got["ratio"] = with.Age.P99 / without.Age.P99
	}
	for key, value := range <-grown {
		got[key] = value
	}
	t.note("stalled", got)
	return nil
}

// growth watches how memory grows until ctx ends, from when a third of the time
// has passed: by then everything has been used once.
func growth(ctx context.Context, pids []int) sample {
	var rss, buffers []float64
	for {
		r, errRSS := process.RSS(pids)
		b, errBuffers := process.Buffers()
		if errRSS == nil && errBuffers == nil {
			rss, buffers = append(rss, float64(r)), append(buffers, float64(b))
		}
		if pause(ctx, 250*time.Millisecond) != nil {
			break
		}
	}
	if len(rss) < 3 {
		return nil
	}
	third, last := len(rss)/3, len(rss)-1
	return sample{"rss": rss[last], "grown": rss[last] - rss[third], "buffers": buffers[last]}
}

// crowdOfMost has as many idle readers as a process can.
func crowdOfMost(ctx context.Context, t *taken) error {
	if !t.wants("idle-most") {
		return nil
	}
	return t.with(job.Target{Channels: 1, Publishers: 1}, 0, func(s *scene) error {
		_, idle, err := t.gather(ctx, s, t.Most)
		if err == nil {
			t.note("idle-most", idle)
		}
		return err
	})
}

// hall has fewer readers of one channel.
func hall(_ context.Context, t *taken) error {
	if !t.wants("full-fewer") {
		return nil
	}
	return t.with(job.Target{Channels: 1, Publishers: publishers}, 0, func(s *scene) error {
		return t.atFullSpeed(s, "full-fewer", t.Fewer, job.Publish{Flight: t.Flight, Batch: t.row.batch})
	})
}

// rooms has many channels of a few readers.
func rooms(_ context.Context, t *taken) error {
	if !t.wants("rooms") {
		return nil
	}
	return t.with(job.Target{Channels: t.Rooms, Publishers: posters}, 0, func(s *scene) error {
		return t.atFullSpeed(s, "rooms", t.Rooms*perRoom, job.Publish{Flight: t.Flight})
	})
}

func (t *taken) atFullSpeed(s *scene, key string, readers int, p job.Publish) error {
	if _, err := s.open(readers, false); err != nil {
		return err
	}
	p.Warm, p.Measure, p.Drain = t.warm(), t.Seconds, drainTime
	got, err := s.publish(p)
	if err == nil {
		t.note(key, delivered(got, 0))
	}
	return err
}

// archive publishes to a channel that is kept, with no reader or one.
func archive(_ context.Context, t *taken) error {
	for _, batch := range []int{1, 100} {
		for _, readers := range []int{0, 1} {
			key := fmt.Sprintf("publish-%d-%d", batch, readers)
			if !t.wants(key) {
				continue
			}
			err := t.with(job.Target{Channels: 1, Publishers: posters}, kept, func(s *scene) error {
				p := job.Publish{Batch: batch, Warm: t.warm(), Measure: t.Seconds, Drain: drainTime}
				if readers > 0 {
					p.Flight = ahead
					if _, err := s.open(readers, false); err != nil {
						return err
					}
				}
				got, err := s.publish(p)
				if err == nil {
					t.note(key, sample{
						"per_s": float64(got.Sent) / got.Seconds, "cpu_100k": got.ServerCPU / float64(max(got.Sent, 1)) * 100_000,
						"client": share(got.OwnCPU, got.ServerCPU), "lost": lost(got),
					})
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return nil
}

// delivered is what matters of deliveries.
func delivered(p *job.Published, rate float64) sample {
	s := sample{
		"per_s": float64(p.Delivered) / p.Seconds, "cpu_million": p.ServerCPU / float64(max(p.Delivered, 1)) * 1e6,
		"client": share(p.OwnCPU, p.ServerCPU), "per_read": float64(p.Delivered) / float64(max(p.Reads, 1)),
		"p50": p.Age.P50, "p90": p.Age.P90, "p99": p.Age.P99, "p999": p.Age.P999, "lost": lost(p),
	}
	if p.Drained < 0 {
		s["stuck"] = 1
	}
	if rate > 0 {
		s["behind"] = float64(p.Backlog) / rate // seconds
	}
	return s
}

// lost is the part of messages that did not come as they should, in per cent.
func lost(p *job.Published) float64 {
	if !p.Wrong() {
		return 0
	}
	return max(100*float64(p.Lost+p.Repeated+p.Disordered+p.Strange)/float64(max(p.Expected, 1)), 0.001)
}

// share is the part that the load generator took of all CPU time, in per cent.
func share(own, server float64) float64 { return 100 * own / max(own+server, 0.001) }
