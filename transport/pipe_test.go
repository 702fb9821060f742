package transport

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pabal/pabal/internal/epoll"
)

// UsePipes has the loops of h serve the ends of pipes.
func UsePipes(h *Handler) {
	h.loops.system = system{
		newPoller: func() (poller, error) {
			return &pipePoller{ends: map[uint64]*pipeSocket{}, ready: map[uint64]bool{}, wake: make(chan struct{}, 1)}, nil
		},
		take: func(c net.Conn, _ int) (socket, error) { return &pipeSocket{end: c.(*pipeEnd)}, nil },
	}
}

// PipeContext is ConnContext for the end of a pipe.
func PipeContext(ctx context.Context, c net.Conn) context.Context {
	switch c := c.(type) {
	case *pipeEnd:
		return withConn(ctx, &conn{Conn: c})
	case *conn:
		return withConn(ctx, c)
	}
	return ctx
}

// NewPipe returns both ends of a connection in memory, which waits for
// channels and timers alone, as a bubble of testing/synctest needs it. It has
// room for a few bytes, and breaks like one of TCP: to close an end where
// bytes lie unread resets the connection.
func NewPipe() (a, b net.Conn) {
	there, back := newHalf(), newHalf()
	return &pipeEnd{in: back, out: there}, &pipeEnd{in: there, out: back}
}

// pipeRoom is how many bytes a pipe holds in each direction.
const pipeRoom = 16 << 10

// A half is one direction of a pipe.
type half struct {
	mu      sync.Mutex
	buf     []byte
	ended   bool  // nothing more is written
	broken  error // of who reads or writes
	readBy  time.Time
	writeBy time.Time
	changed chan struct{}
	told    []func() // the sockets at its ends
}

func newHalf() *half { return &half{changed: make(chan struct{})} }

// change changes h with f, and wakes whoever waits for that.
func (h *half) change(f func()) {
	h.mu.Lock()
	f()
	close(h.changed)
	h.changed = make(chan struct{})
	told := h.told
	h.mu.Unlock()
	for _, tell := range told {
		tell()
	}
}

func (h *half) read(b []byte) (n int, changed chan struct{}, err error) {
	h.mu.Lock()
	switch {
	case len(h.buf) > 0:
	case h.broken != nil:
		err = h.broken
	case h.ended:
		err = io.EOF
	}
	changed, full := h.changed, len(h.buf) == pipeRoom
	n = copy(b, h.buf)
	h.buf = h.buf[n:]
	h.mu.Unlock()
	if full && n > 0 {
		h.change(func() {})
	}
	return n, changed, err
}

func (h *half) write(b []byte) (n int, changed chan struct{}, err error) {
	h.mu.Lock()
	changed = h.changed
	switch {
	case h.broken != nil:
		err = h.broken
	case h.ended:
		err = net.ErrClosed
	default:
		n = min(len(b), pipeRoom-len(h.buf))
		h.buf = append(h.buf[:len(h.buf):len(h.buf)], b[:n]...)
	}
	h.mu.Unlock()
	if n > 0 {
		h.change(func() {})
	}
	return n, changed, err
}

// A pipeEnd is one end of a pipe.
type pipeEnd struct{ in, out *half }

func (e *pipeEnd) Read(b []byte) (int, error) {
	for {
		if wait := e.in.until(&e.in.readBy); wait <= 0 {
			return 0, os.ErrDeadlineExceeded
		}
		n, changed, err := e.in.read(b)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		e.in.wait(changed, &e.in.readBy)
	}
}

func (e *pipeEnd) Write(b []byte) (all int, err error) {
	for {
		if wait := e.out.until(&e.out.writeBy); wait <= 0 {
			return all, os.ErrDeadlineExceeded
		}
		n, changed, err := e.out.write(b[all:])
		if all += n; err != nil || all == len(b) {
			return all, err
		}
		if n == 0 {
			e.out.wait(changed, &e.out.writeBy)
		}
	}
}

const forEver = 1000 * time.Hour

func (h *half) until(deadline *time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if deadline.IsZero() {
		return forEver
	}
	return time.Until(*deadline)
}

func (h *half) wait(changed chan struct{}, deadline *time.Time) {
	timer := time.NewTimer(h.until(deadline))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

func (e *pipeEnd) Close() error {
	e.in.mu.Lock()
	unread := len(e.in.buf) > 0
	e.in.mu.Unlock()
	e.in.change(func() { e.in.broken = syscall.EPIPE; e.in.buf = nil })
	e.out.change(func() {
		if e.out.ended = true; unread {
			e.out.broken, e.out.buf = syscall.ECONNRESET, nil
		}
	})
	return nil
}

func (e *pipeEnd) CloseWrite() error {
	e.out.change(func() { e.out.ended = true })
	return nil
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

func (e *pipeEnd) LocalAddr() net.Addr  { return pipeAddr{} }
func (e *pipeEnd) RemoteAddr() net.Addr { return pipeAddr{} }

func (e *pipeEnd) SetReadDeadline(t time.Time) error {
	e.in.change(func() { e.in.readBy = t })
	return nil
}

func (e *pipeEnd) SetWriteDeadline(t time.Time) error {
	e.out.change(func() { e.out.writeBy = t })
	return nil
}

func (e *pipeEnd) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

// A pipeSocket is an end of a pipe that does not block.
type pipeSocket struct {
	end    *pipeEnd
	closed bool
}

func (s *pipeSocket) Read(b []byte) (int, error)  { return again(s.end.in.read(b)) }
func (s *pipeSocket) Write(b []byte) (int, error) { return again(s.end.out.write(b)) }

func again(n int, _ chan struct{}, err error) (int, error) {
	if n == 0 && err == nil {
		err = epoll.ErrAgain
	}
	return n, err
}

func (s *pipeSocket) CloseWrite() { _ = s.end.CloseWrite() }

func (s *pipeSocket) Close() {
	s.closed = true
	_ = s.end.Close()
}

func (s *pipeSocket) Release() (net.Conn, error) {
	s.closed = true
	return s.end, nil
}

// event returns all that s is ready for, as the kernel does when any of it is new.
func (s *pipeSocket) event(token uint64) epoll.Event {
	ev := epoll.Event{Token: token}
	in, out := s.end.in, s.end.out
	in.mu.Lock()
	ev.Gone = in.ended || in.broken != nil
	ev.Readable = ev.Gone || len(in.buf) > 0
	in.mu.Unlock()
	out.mu.Lock()
	ev.Writable = out.broken != nil || len(out.buf) < pipeRoom
	out.mu.Unlock()
	return ev
}

// A pipePoller waits for pipeSockets.
type pipePoller struct {
	mu    sync.Mutex
	ends  map[uint64]*pipeSocket
	ready map[uint64]bool
	wake  chan struct{}
}

func (p *pipePoller) Add(s socket, token uint64) error {
	end := s.(*pipeSocket)
	p.mu.Lock()
	p.ends[token] = end
	p.mu.Unlock()
	tell := func() {
		p.mu.Lock()
		p.ready[token] = true
		p.mu.Unlock()
		p.Wake()
	}
	for _, h := range []*half{end.end.in, end.end.out} {
		h.mu.Lock()
		h.told = append(h.told, tell)
		h.mu.Unlock()
	}
	tell()
	return nil
}

func (p *pipePoller) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pipePoller) Close() {}

// rest waits until it is woken, or for timeout. None is no timer: a timer that
// is due at once, in a bubble, can crash the runtime under the race detector.
func (p *pipePoller) rest(timeout time.Duration) {
	if timeout == 0 {
		select {
		case <-p.wake:
		default:
		}
		return
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.wake:
	case <-timer.C:
	}
}

func (p *pipePoller) Wait(events []epoll.Event, timeout time.Duration) ([]epoll.Event, error) {
	if timeout < 0 {
		timeout = forEver
	}
	p.rest(timeout)
	p.mu.Lock()
	defer p.mu.Unlock()
	for token := range p.ready {
		if s := p.ends[token]; !s.closed {
			events = append(events, s.event(token))
		}
	}
	clear(p.ready)
	return events, nil
}
