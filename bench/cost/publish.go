package main

import (
	"bufio"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A manner is how messages are published.
type manner struct {
	name     string
	messages int
	at       func(context.Context, *publishing) error
}

var manners = []manner{
	{"POST, one message each", 16_000, func(ctx context.Context, p *publishing) error {
		return p.post(ctx, "text/plain", 1, (*poster).one)
	}},
	{"POST, batches of 100", 100_000, func(ctx context.Context, p *publishing) error {
		return p.post(ctx, "application/x-ndjson", batchMessages, func(p *poster) error { return p.batch(batchMessages) })
	}},
	{"raw WebSocket", 60_000, func(ctx context.Context, p *publishing) error { return p.webSocket(ctx) }},
}

const (
	batchMessages = 100
	posters       = 4    // connections that POST at the same time
	aheadMost     = 4000 // of the slowest reader; the server keeps 10,000 entries of a channel
)

// A publishing is a run of one manner.
type publishing struct {
	server  *server
	channel string
	total   int
	readers crowd
	sent    atomic.Int64
}

// publishing measures each manner with 0 and 1 readers.
func (b *bench) publishing(ctx context.Context, r *report, round int) error {
	return b.withServer(ctx, func(s *server) error {
		for i, m := range manners {
			for readers := range 2 {
				name := fmt.Sprintf("%s, %d readers", m.name, readers)
				if readers == 1 {
					name = m.name + ", 1 reader"
				}
				if !b.only.MatchString("publish/" + name) {
					continue
				}
				p := &publishing{server: s, channel: fmt.Sprintf("publish/%d/%d", i, readers)}
				p.total = (b.work(m.messages)-1)/(posters*batchMessages)*posters*batchMessages + posters*batchMessages
				got, err := p.measure(ctx, m, readers)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				r.Publish.add(name, round, got)
				progress("publish", name, got)
			}
		}
		return nil
	})
}

func (p *publishing) measure(ctx context.Context, m manner, readers int) (sample, error) {
	defer func() { p.readers.close() }()
	for range readers {
		r, err := openReader(p.server, sse, p.channel, readBytes)
		if err != nil {
			return nil, err
		}
		p.readers = append(p.readers, r)
	}
	meter, err := newMeter(p.server)
	if err != nil {
		return nil, err
	}
	if err := m.at(ctx, p); err != nil {
		return nil, err
	}
	used, err := meter.read()
	return sample{
		"per_s":        float64(p.total) / used.time.Seconds(),
		"cpu_s":        used.cpu.Seconds() / float64(p.total) * 100_000,
		"client_share": used.share(),
	}, err
}

// post publishes by POST over several connections, n messages a request.
func (p *publishing) post(ctx context.Context, contentType string, n int, one func(*poster) error) error {
	wait := p.readers.start(ctx, int64(p.total))
	var all sync.WaitGroup
	errs := make([]error, posters)
	for i := range posters {
		all.Go(func() {
			publisher, err := newPoster(p.server, p.channel, contentType, i)
			if err != nil {
				errs[i] = err
				return
			}
			defer publisher.conn.Close()
			for errs[i] == nil && publisher.sent < p.total/posters {
				if errs[i] = p.wait(ctx, n); errs[i] == nil {
					errs[i] = one(publisher)
				}
			}
		})
	}
	all.Wait()
	err := firstError(errs...)
	if err != nil {
		p.readers.close() // else they would wait for what does not come
	}
	return firstError(err, wait())
}

// webSocket publishes by one raw WebSocket, which hears all that it publishes.
func (p *publishing) webSocket(ctx context.Context) error {
	echo, err := openReader(p.server, rawWebSocket, p.channel, readBytes)
	if err != nil {
		return err
	}
	p.readers = append(p.readers, echo)
	wait := p.readers.start(ctx, int64(p.total))
	if err := p.sendFrames(ctx, echo.conn); err != nil {
		p.readers.close()
		return firstError(wait(), err)
	}
	return wait()
}

func (p *publishing) sendFrames(ctx context.Context, conn *wire) error {
	out := bufio.NewWriterSize(conn, 4<<10) // some 30 frames
	var payload, frame []byte
	for i := range p.total {
		if p.tooFar(1) {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if err := p.wait(ctx, 1); err != nil {
			return err
		}
		payload = appendPayload(payload[:0], i)
		frame = appendFrame(frame[:0], payload)
		if _, err := out.Write(frame); err != nil {
			return err
		}
	}
	return out.Flush()
}

// wait waits until n more messages leave no reader so far behind that what it
// has yet to read may be dropped.
func (p *publishing) wait(ctx context.Context, n int) error {
	for begun := time.Now(); p.tooFar(n); {
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
		if time.Since(begun) > startTime {
			return fmt.Errorf("a reader got nothing for %v", startTime)
		}
	}
	p.sent.Add(int64(n))
	return nil
}

func (p *publishing) tooFar(n int) bool {
	for _, r := range p.readers {
		if p.sent.Load()+int64(n)-r.got.Load() > aheadMost {
			return true
		}
	}
	return false
}
