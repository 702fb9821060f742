package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pabal/pabal/bench/internal/job"
)

const (
	publishers = 4    // connections that publish to the one channel
	flight     = 64   // messages that the slowest reader may be behind
	drainTime  = 25.0 // seconds that readers have to get the rest
)

// brokers are the ways to keep what many readers get.
var brokers = []struct {
	row  string
	args []string
}{
	{"memory", []string{"--broker=memory"}},
	{"disk", []string{"--sync=always"}},
	{"disk never", []string{"--sync=never"}},
}

// fanout measures deliveries to many readers of one channel, at full speed.
func (b *bench) fanout(ctx context.Context, round int) error {
	for _, broker := range turned(brokers, round) {
		got := sample{}
		for _, crowd := range []struct {
			name    string
			readers int
		}{{"fewer", b.Fewer}, {"many", b.Readers}} {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			p, err := b.deliver(broker.args, crowd.readers)
			if err != nil {
				return fmt.Errorf("%s, %d readers: %w", broker.row, crowd.readers, err)
			}
			n := float64(max(p.Delivered, 1))
			got["per_s-"+crowd.name], got["cpu_million-"+crowd.name] = n/p.Seconds, p.ServerCPU/n*1e6
			got["per_read-"+crowd.name] = n / float64(max(p.Reads, 1))
		}
		b.notes("fanout", broker.row, got)
	}
	return nil
}

func (b *bench) deliver(args []string, readers int) (got *job.Published, err error) {
	dir, err := os.MkdirTemp(b.dir, "fanout-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := b.workshop.pabal(append([]string{"--data=" + dir}, args...)...)
	if err != nil {
		return nil, err
	}
	err = s.with(func() error {
		target := job.Target{Channels: 1, Publishers: publishers, Read: "pabal websocket", Write: "pabal"}
		return b.workshop.withLoad(s, target, func(g *generator) (err error) {
			if _, err := g.do(job.Order{Open: &job.Open{Readers: readers}}); err != nil {
				return err
			}
			got, err = g.publish(job.Publish{Flight: flight, Warm: min(1, b.Seconds), Measure: b.Seconds, Drain: drainTime})
			if err == nil && (got.Wrong() || got.Drained < 0) {
				err = fmt.Errorf("of %d messages %d were lost, %d repeated, %d out of order, %d strange; %d readers broke (%s); the rest came after %.1f s (-1: not at all)",
					got.Expected, got.Lost, got.Repeated, got.Disordered, got.Strange, got.Broken, got.Why, got.Drained)
			}
			return err
		})
	})
	return got, err
}
