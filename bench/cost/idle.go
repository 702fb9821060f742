package main

import (
	"context"
	"time"
)

// idle measures what each further connection takes that has nothing to do. The
// difference between few and many leaves out what the server takes anyway.
func (b *bench) idle(ctx context.Context, t *technique) (got sample, err error) {
	err = b.withServer(ctx, func(s *server) error {
		var c crowd
		defer func() { c.close() }()
		var few, many memory
		for _, step := range []struct {
			connections int
			*memory
		}{{b.Few, &few}, {b.Many, &many}} {
			for len(c) < step.connections {
				r, err := openReader(s, t, "idle", 4<<10)
				if err != nil {
					return err
				}
				c = append(c, r)
				if t.kind == parked && len(c)%b.Few == 0 { // as readers come: not all at once
					if err := pause(ctx, parkTime); err != nil {
						return err
					}
				}
			}
			if t.kind != polled {
				if err := s.awaitReaders(ctx, len(c)); err != nil {
					return err
				}
			}
			if *step.memory, err = s.memory(ctx); err != nil {
				return err
			}
		}
		n := float64(b.Many - b.Few)
		got = sample{
			"rss":        (many.rss - few.rss) / n,
			"heap":       (many.heap - few.heap) / n,
			"stack":      (many.stack - few.stack) / n,
			"goroutines": (many.goroutines - few.goroutines) / n,
		}
		return nil
	})
	return got, err
}

// parkTime is after how long a poll that waits has surely been given to a loop,
// by the server's default.
const parkTime = 1500 * time.Millisecond

// memory is what a server takes, in bytes.
type memory struct{ rss, heap, stack, goroutines float64 }

func (s *server) memory(ctx context.Context) (memory, error) {
	// Of a response that has begun, what made it has yet to go.
	if err := pause(ctx, 50*time.Millisecond); err != nil {
		return memory{}, err
	}
	m, err := s.settle(ctx)
	if err != nil {
		return memory{}, err
	}
	rss, err := s.rss()
	return memory{
		rss:        float64(rss),
		heap:       m["go_memstats_heap_inuse_bytes"],
		stack:      m["go_memstats_stack_inuse_bytes"],
		goroutines: m["go_goroutines"],
	}, err
}
