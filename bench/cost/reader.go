package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

const (
	pollEvery    = 100 * time.Millisecond // how often a poller asks, unless it was told that there is more
	connTime     = time.Minute            // what nothing here takes
	readBytes    = 32 << 10
	publishers   = 10               // of one channel, at most
	perPublisher = 1e8 / publishers // numbers that each of them has
)

// A wire is a connection that counts its bytes, and how often it was read.
type wire struct {
	net.Conn
	in, out, reads atomic.Int64
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.in.Add(int64(n))
	w.reads.Add(1)
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.out.Add(int64(n))
	return n, err
}

// A reader reads one channel from its beginning by one technique. It parses no
// more than it has to.
type reader struct {
	*technique
	channel  string
	conn     *wire
	in       *bufio.Reader
	cursor   string
	asked    bool // a request is to be answered
	requests atomic.Int64
	got      atomic.Int64
	next     [publishers]int // by publisher, the number that comes next
}

// openReader connects to s. When it returns, the response has begun, or was
// asked for where that has to wait for a message.
func openReader(s *server, t *technique, channel string, bufferBytes int) (*reader, error) {
	conn, err := s.dial()
	if err != nil {
		return nil, err
	}
	r := &reader{technique: t, channel: channel, conn: &wire{Conn: conn}}
	r.in = bufio.NewReaderSize(r.conn, bufferBytes)
	_ = conn.SetDeadline(time.Now().Add(connTime))
	if err = r.ask(); err == nil {
		switch t.kind {
		case streamed:
			_, err = readHead(r.in)
		case polled:
			_, err = r.answer()
		}
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("reading by %s: %w", t.name, err)
	}
	return r, nil
}

// ask sends a request for what follows what was read.
func (r *reader) ask() error {
	from := "since=all"
	if r.cursor != "" {
		from = "cursor=" + r.cursor
	}
	r.requests.Add(1)
	r.asked = true
	_, err := r.conn.Write([]byte("GET /channels/" + r.channel + "?" + r.query + "&" + from + " HTTP/1.1\r\nHost: localhost\r\n" + r.header + "\r\n"))
	return err
}

// run reads until it has got total messages.
func (r *reader) run(ctx context.Context, total int64) error {
	err := r.read(ctx, total)
	if err != nil {
		return fmt.Errorf("reading by %s, after %d of %d messages: %w", r.name, r.got.Load(), total, err)
	}
	return nil
}

func (r *reader) read(ctx context.Context, total int64) error {
	if r.kind == streamed {
		return r.follow(total)
	}
	for r.got.Load() < total {
		if !r.asked {
			if err := r.ask(); err != nil {
				return err
			}
		}
		more, err := r.answer()
		if err != nil {
			return err
		}
		if r.kind == polled && !more && r.got.Load() < total {
			if err := pause(ctx, pollEvery); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow reads a response without end. (A mark lies within one chunk or
// frame, since each of these holds whole messages.)
func (r *reader) follow(total int64) error {
	rest := 0
	for r.got.Load() < total {
		if _, err := r.in.Peek(rest + 1); err != nil {
			return err
		}
		p, _ := r.in.Peek(r.in.Buffered())
		var err error
		if rest, err = scanMarks(p, r.found); err != nil {
			return err
		}
		_, _ = r.in.Discard(len(p) - rest)
	}
	return nil
}

// found notes the n-th message. Of each publisher all come, once, in order.
func (r *reader) found(n int) error {
	of, n := n/perPublisher, n%perPublisher
	switch next := r.next[of]; {
	case n > next:
		return fmt.Errorf("message %d came where %d was due: some were lost", n, next)
	case n < next:
		return fmt.Errorf("message %d came where %d was due: repeated, or out of order", n, next)
	}
	r.next[of]++
	r.got.Add(1)
	return nil
}

// answer reads the answer to a request, and whether there is more.
func (r *reader) answer() (more bool, err error) {
	r.asked = false
	h, err := readHead(r.in)
	if err != nil {
		return false, err
	}
	r.cursor = h.cursor
	for length := h.length; length > 0; {
		p, err := r.in.Peek(min(length, r.in.Size()))
		if err != nil {
			return false, err
		}
		rest, err := scanMarks(p, r.found)
		if err != nil {
			return false, err
		}
		if len(p) == length {
			rest = 0
		}
		_, _ = r.in.Discard(len(p) - rest)
		length -= len(p) - rest
	}
	return !h.later, nil
}
