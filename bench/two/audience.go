package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A technique is a way to read.
type technique struct {
	key, name    string
	path, header string
	status       int
}

var techniques = []*technique{
	{"sse", "server-sent events", "/channels/fan?via=sse&since=now", "", http.StatusOK},
	{"websocket", "WebSocket", "/channels/fan?since=now", upgrade + v1, http.StatusSwitchingProtocols},
}

// handshakes are how many connections open at once, where nothing is waited for
// but CPU.
const handshakes = 16

// mark is in each message that readers count, once, and in nothing else that
// they are sent.
const mark = "^!^"

// An audience reads what a server sends, and counts it.
type audience struct {
	server  *server
	sockets []*socket
	seen    atomic.Int64 // marks
	failed  chan error   // the first reader to break off
	reading sync.WaitGroup
	over    atomic.Bool
}

// gather opens readers, so many at a time, and has them read.
func gather(ctx context.Context, s *server, atOnce, n int, open func(c *socket, i int) error) (*audience, error) {
	a := &audience{server: s, sockets: make([]*socket, n), failed: make(chan error, 1)}
	err := each(ctx, atOnce, n, func(i int) (err error) {
		if a.sockets[i], err = dial(s.address, 4<<10); err == nil {
			err = open(a.sockets[i], i)
		}
		return err
	})
	if err != nil {
		a.leave()
		return nil, err
	}
	for _, c := range a.sockets {
		a.reading.Go(func() { a.read(c) })
	}
	return a, nil
}

// read counts marks until the connection ends. Those who answer no ping are
// done before one is due.
func (a *audience) read(c *socket) {
	buffer := make([]byte, 16<<10)
	held := 0 // what may be the beginning of a mark
	for {
		n, err := c.in.Read(buffer[held:])
		text := buffer[:held+n]
		if marks := bytes.Count(text, []byte(mark)); marks > 0 {
			a.seen.Add(int64(marks))
		}
		held = copy(buffer, text[max(0, len(text)-len(mark)+1):])
		if err == nil {
			continue
		}
		if !a.over.Load() {
			select {
			case a.failed <- fmt.Errorf("a reader was cut off: %w", err):
			default:
			}
		}
		return
	}
}

// await waits until readers have seen so many marks together, no more.
func (a *audience) await(ctx context.Context, marks int64) error {
	for end := time.Now().Add(waitTime); a.seen.Load() < marks; {
		select {
		case err := <-a.failed:
			return err
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("of %d messages to readers %d came within %v", marks, a.seen.Load(), waitTime)
		}
		if err := pause(ctx, 200*time.Microsecond); err != nil {
			return err
		}
	}
	if seen := a.seen.Load(); seen > marks {
		return fmt.Errorf("%d messages came to readers, and %d were sent", seen, marks)
	}
	return nil
}

// leave closes all connections, and waits until nobody reads.
func (a *audience) leave() {
	a.over.Store(true)
	for _, c := range a.sockets {
		if c != nil {
			c.close()
		}
	}
	a.reading.Wait()
}

// each calls do for all numbers below n, so many at a time.
func each(ctx context.Context, atOnce, n int, do func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var working sync.WaitGroup
	for range atOnce {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	working.Wait()
	return context.Cause(ctx)
}
