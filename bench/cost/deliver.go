package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A pace is how fast messages are published to the readers.
type pace struct {
	name     string
	messages int
	every    time.Duration // 0: as soon as the last one is acknowledged
}

var (
	fullSpeed = pace{name: "deliver", messages: 1000}
	oneByOne  = pace{name: "each", messages: 75, every: 20 * time.Millisecond}
)

// delivering measures deliveries by each of order, at both paces.
func (b *bench) delivering(ctx context.Context, r *report, round int, order []*technique) error {
	return b.withServer(ctx, func(s *server) error {
		for _, t := range order {
			for _, p := range []struct {
				pace
				into *section
			}{{fullSpeed, r.Deliver}, {oneByOne, r.Each}} {
				if !b.only.MatchString(p.name + "/" + t.name) {
					continue
				}
				p.messages = b.work(p.messages)
				got, err := b.deliver(ctx, s, t, p.pace)
				if err != nil {
					return fmt.Errorf("delivery by %s: %w", t.name, err)
				}
				p.into.add(t.name, round, got)
				progress(p.name, t.name, got)
			}
		}
		return nil
	})
}

// deliver measures what it takes to have a number of readers of one channel
// read all that is published to it.
func (b *bench) deliver(ctx context.Context, s *server, t *technique, p pace) (sample, error) {
	channel := "deliver/" + p.name + "/" + strings.ReplaceAll(t.name, " ", "-")
	if err := s.awaitReaders(ctx, 0); err != nil { // those of the last measurement
		return nil, err
	}
	crowd, err := b.openCrowd(ctx, s, t, channel)
	if err != nil {
		return nil, err
	}
	defer crowd.close()
	publisher, err := newPoster(s, channel, "text/plain", 0)
	if err != nil {
		return nil, err
	}
	defer publisher.conn.Close()
	before := crowd.traffic()
	m, err := newMeter(s)
	if err != nil {
		return nil, err
	}
	wait := crowd.start(ctx, int64(p.messages))
	publishErr := publisher.atPace(ctx, p)
	if publishErr != nil {
		crowd.close() // else they would wait for what does not come
	}
	if err := wait(); publishErr != nil || err != nil {
		return nil, firstError(publishErr, err)
	}
	used, err := m.read()
	if err != nil {
		return nil, err
	}
	after, deliveries := crowd.traffic(), float64(p.messages*len(crowd))
	return sample{
		"cpu_us":       float64(used.cpu.Microseconds()) / deliveries,
		"bytes_down":   float64(after.in-before.in) / deliveries,
		"bytes_up":     float64(after.out-before.out) / deliveries,
		"requests":     float64(after.requests-before.requests) / deliveries,
		"per_read":     deliveries / float64(after.reads-before.reads),
		"per_s":        deliveries / used.time.Seconds(),
		"client_share": used.share(),
	}, nil
}

// atPace publishes p's messages.
func (p *poster) atPace(ctx context.Context, at pace) error {
	begun := time.Now()
	for i := range at.messages {
		if at.every > 0 {
			if err := pause(ctx, time.Until(begun.Add(time.Duration(i)*at.every))); err != nil {
				return err
			}
		}
		if err := p.one(); err != nil {
			return err
		}
	}
	return nil
}

// A crowd is readers of one channel by one technique.
type crowd []*reader

func (b *bench) openCrowd(ctx context.Context, s *server, t *technique, channel string) (c crowd, err error) {
	for range b.Readers {
		r, err := openReader(s, t, channel, readBytes)
		if err != nil {
			c.close()
			return nil, err
		}
		c = append(c, r)
	}
	if t.kind != polled {
		err = s.awaitReaders(ctx, len(c))
	}
	if err != nil {
		c.close()
	}
	return c, err
}

func (c crowd) close() {
	for _, r := range c {
		r.conn.Close()
	}
}

// start has all read until each has total messages. The function that it
// returns waits for that.
func (c crowd) start(ctx context.Context, total int64) (wait func() error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	for i, r := range c {
		all.Go(func() {
			var err error
			if r.kind == polled { // pollers come one after the other, not all at once
				err = pause(ctx, time.Duration(i)*pollEvery/time.Duration(len(c)))
			}
			if err == nil {
				err = r.run(ctx, total)
			}
			if err != nil {
				cancel(err)
				c.close()
			}
		})
	}
	return func() error {
		all.Wait()
		err := context.Cause(ctx)
		cancel(nil)
		return err
	}
}

// traffic is what went over the connections of a crowd.
type traffic struct{ in, out, reads, requests int64 }

func (c crowd) traffic() (t traffic) {
	for _, r := range c {
		t.in += r.conn.in.Load()
		t.out += r.conn.out.Load()
		t.reads += r.conn.reads.Load()
		t.requests += r.requests.Load()
	}
	return t
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
