package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A crew is publishers on one road, each on a connection of its own.
type crew struct {
	road       *road
	server     *server
	publishers []*publisher
}

// A publisher has some messages under way.
type publisher struct {
	*socket
	road          *road
	number        int
	sent          int // so far
	text, command []byte
}

func hire(r *road, s *server, n int) (c *crew, err error) {
	c = &crew{road: r, server: s}
	for i := range n {
		p := &publisher{road: r, number: i}
		if p.socket, err = dial(s.address, 16<<10); err == nil {
			c.publishers = append(c.publishers, p)
			err = p.greet()
		}
		if err != nil {
			c.close()
			return nil, fmt.Errorf("publisher %d of %s: %w", i, r.row, err)
		}
	}
	return c, nil
}

func (c *crew) close() {
	for _, p := range c.publishers {
		p.close()
	}
}

// greet opens the WebSocket, if there is to be one.
func (p *publisher) greet() error {
	r := p.road
	if r.path == "" {
		return nil
	}
	if err := p.upgrade(strings.Replace(r.path, "%d", fmt.Sprint(p.number), 1), r.header); err != nil || r.hello == "" {
		return err
	}
	if _, err := p.conn.Write(appendFrame(nil, opText, []byte(r.hello))); err != nil {
		return err
	}
	_, err := p.frame()
	return err
}

// send sends the next n messages, in one write.
func (p *publisher) send(n int) error {
	p.text = p.text[:0]
	for range n {
		p.command = p.road.command(p.command[:0], p.number, p.sent)
		if p.sent++; p.road.path != "" {
			p.text = appendFrame(p.text, opText, p.command)
			continue
		}
		head := strings.Replace(p.road.header, "%d", fmt.Sprint(p.number), 1)
		p.text = fmt.Appendf(p.text, "%sContent-Length: %d\r\n\r\n%s", head, len(p.command), p.command)
	}
	_, err := p.conn.Write(p.text)
	return err
}

// hear returns how many messages were acknowledged by what came: at least one
// answer, and all that came with it.
func (p *publisher) hear() (n int, err error) {
	for n == 0 || p.in.Buffered() > 0 {
		text, err := p.next()
		if err != nil {
			return n, err
		}
		more, err := p.road.acknowledged(text)
		if n += more; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (p *publisher) next() ([]byte, error) {
	if p.road.path == "" {
		return p.answer()
	}
	return p.frame()
}

// A burst is what a crew did in a time.
type burst struct {
	acknowledged int64
	cpu          time.Duration // of the server
	took         time.Duration
}

// burst has all publishers publish, each with so many messages under way, for a
// while before it is measured, and then for so many seconds.
func (c *crew) burst(ctx context.Context, flight int, seconds float64) (b burst, err error) {
	var acknowledged atomic.Int64
	var stop atomic.Bool
	var working sync.WaitGroup
	failed := make(chan error, len(c.publishers))
	for _, p := range c.publishers {
		working.Go(func() {
			if err := p.publish(flight, &acknowledged, &stop); err != nil {
				failed <- fmt.Errorf("%s: %w", c.road.row, err)
			}
		})
	}
	length := time.Duration(seconds * float64(time.Second))
	err = pause(ctx, length/4)
	if err == nil {
		b, err = c.count(ctx, &acknowledged, length)
	}
	stop.Store(true)
	working.Wait()
	close(failed)
	for more := range failed {
		err = errors.Join(err, more)
	}
	if err == nil && b.acknowledged == 0 {
		err = fmt.Errorf("%s: nothing was acknowledged in %v", c.road.row, length)
	}
	return b, err
}

func (c *crew) count(ctx context.Context, acknowledged *atomic.Int64, length time.Duration) (b burst, err error) {
	b.cpu, err = c.server.spent(func() error {
		n, begun := acknowledged.Load(), time.Now()
		err := pause(ctx, length)
		b.acknowledged, b.took = acknowledged.Load()-n, time.Since(begun)
		return err
	})
	return b, err
}

// publish keeps so many messages under way until it is to stop, and waits for
// the acknowledgements of all.
func (p *publisher) publish(flight int, acknowledged *atomic.Int64, stop *atomic.Bool) error {
	_ = p.conn.SetDeadline(time.Now().Add(2 * waitTime))
	if err := p.send(flight); err != nil {
		return err
	}
	for under := flight; under > 0; {
		n, err := p.hear()
		acknowledged.Add(int64(n))
		under -= n
		if err == nil && !stop.Load() {
			err = p.send(n)
			under += n
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
