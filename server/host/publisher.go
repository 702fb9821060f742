// Package host publishes what the machine does, and what Pabal does on it, to
// channels that begin with $host/.
//
//	$host/cpu      {"seq":17,"percent":12.5,"perCore":[10,15]}
//	$host/memory   {"seq","usedBytes","totalBytes","percent"}
//	$host/load     {"seq","load1","load5","load15"}
//	$host/network  {"seq","receivedBytesPerSecond","sentBytesPerSecond"}
//	$host/disk     {"seq","usedBytes","totalBytes","percent","readBytesPerSecond","writtenBytesPerSecond"}
//	$host/pabal    {"seq","goroutines","heapBytes","readers","channels","publishedPerSecond","deliveredPerSecond"}
//
// The sequence counts what was published to a channel since the publisher was
// started.
package host

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// A Publisher publishes the metrics of this host until it is told to end.
type Publisher struct {
	Publish func(ctx context.Context, ch pabal.Channel, p pabal.Publish) error
	Stats   func() pabal.Stats
	Every   time.Duration // between two samples; 500 ms
	Log     *slog.Logger  // nil: slog.Default()
}

// Run publishes until ctx ends, and returns when nothing is under way any
// more. A metric that cannot be had is logged once and keeps none of the
// others from being published.
func (p *Publisher) Run(ctx context.Context) {
	p.run(ctx, metrics(p.Stats))
}

// A metric is one channel and what goes there.
type metric struct {
	channel pabal.Channel
	read    func(ctx context.Context, elapsed time.Duration) (sample, error) // since the last read; 0 at first

	seq    uint64
	failed bool
}

// A sample is a metric at one moment, written as JSON.
type sample interface{ number(seq uint64) }

type numbered struct {
	Seq uint64 `json:"seq"`
}

func (n *numbered) number(seq uint64) { n.Seq = seq }

func (p *Publisher) run(ctx context.Context, all []*metric) {
	every, log := p.Every, p.Log
	if every == 0 {
		every = 500 * time.Millisecond
	}
	if log == nil {
		log = slog.Default()
	}
	for _, m := range all { // rates begin here
		if _, err := m.read(ctx, 0); err != nil {
			m.fail(ctx, log, err)
		}
	}
	last := time.Now()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		var publishing sync.WaitGroup
		for _, m := range all { // at once, so that a broker on disk syncs them together
			publishing.Go(func() {
				if err := p.publish(ctx, m, now.Sub(last)); err != nil {
					m.fail(ctx, log, err)
				}
			})
		}
		publishing.Wait()
		last = now
	}
}

func (p *Publisher) publish(ctx context.Context, m *metric, elapsed time.Duration) error {
	s, err := m.read(ctx, elapsed)
	if err != nil {
		return err
	}
	s.number(m.seq + 1)
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	err = p.Publish(ctx, m.channel, pabal.Publish{Messages: []pabal.Message{{ContentType: "application/json", Data: data}}})
	if err == nil {
		m.seq++
	}
	return err
}

func (m *metric) fail(ctx context.Context, log *slog.Logger, err error) {
	if !m.failed && ctx.Err() == nil {
		m.failed = true
		log.Warn("a metric of this host is missing; this is said once", "channel", m.channel, "error", err)
	}
}
