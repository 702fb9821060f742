package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/pabal/pabal/bench/internal/process"
)

// timed is how long things took.
type timed struct {
	n     int
	times *hdrhistogram.Histogram
}

func (t *timed) add(d time.Duration) {
	t.n++
	_ = t.times.RecordValue(d.Microseconds()) // one over a minute does not count
}

// memory measures what s takes, at once and when it has had time to tidy up: it
// has collected garbage twice, and a few seconds have passed for the system to
// get back what is free.
func (b *bench) memory(ctx context.Context, s *server) (sample, error) {
	first, err := process.RSS(s.pids())
	if err != nil {
		return nil, err
	}
	c, err := dial(s.address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.collect(ctx); err != nil {
		return nil, err
	}
	if err := pause(ctx, time.Duration(b.Tidy*float64(time.Second))); err != nil {
		return nil, err
	}
	m, err := c.metrics()
	if err != nil {
		return nil, err
	}
	last, err := process.RSS(s.pids())
	return sample{"rss_first": float64(first), "rss": float64(last), "heap": m["go_memstats_heap_inuse_bytes"]}, err
}

const collectTime = 3 * time.Minute // Go collects every two minutes at least

// collect has the server collect its garbage twice, by asking for much of it.
func (c *connection) collect(ctx context.Context) error {
	const collections = "go_gc_duration_seconds_count"
	ctx, cancel := context.WithTimeoutCause(ctx, collectTime, fmt.Errorf("the server collected no garbage within %v", collectTime))
	defer cancel()
	m, err := c.metrics()
	for until := m[collections] + 2; err == nil && m[collections] < until; m, err = c.metrics() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return err
}

// metrics returns what the server tells of itself, by name without labels.
func (c *connection) metrics() (map[string]float64, error) {
	text, err := c.get("/metrics")
	if err != nil {
		return nil, err
	}
	found := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		var number float64
		if _, err := fmt.Sscan(value, &number); err == nil && !strings.HasPrefix(name, "#") {
			found[name] = number
		}
	}
	return found, nil
}
