package transport

import (
	"bufio"
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"io"

	"github.com/pabal/pabal/internal/epoll"
)

// A modelSocket takes as many bytes as a test has given it room for, in pieces
// of any size, and may fail at any call.
type modelSocket struct {
	poller *modelPoller
	random *rand.Rand
	token  uint64

	got    []byte // what the reader has
	room   int    // how many bytes it takes; below 0: any number
	took   time.Time
	writes int
	modelInput
	modelEnd
}

// modelInput is what the client has sent.
type modelInput struct {
	in    []byte
	inEnd error // after in
}

// modelEnd is how a modelSocket ends.
type modelEnd struct {
	fail   error // of each write
	shut   bool  // the loop writes no more
	closed bool
	stuck  bool // a write took less than all: the poller owes an event once there is room
	broken bool // the client has left, or the network failed
}

func (s *modelSocket) Write(b []byte) (int, error) {
	s.writes++
	s.poller.writes.Add(1)
	switch {
	case s.closed || s.shut:
		s.poller.wrong("a write after the end: %q", b)
		return 0, syscall.EBADF
	case s.fail != nil:
		return 0, s.fail
	case len(b) == 0:
		return 0, nil
	}
	n := len(b)
	if s.room >= 0 {
		n = min(n, s.room)
		if n > 1 && s.random.IntN(3) == 0 { // less than there is room for
			n = 1 + s.random.IntN(n)
		}
		s.room -= n
	}
	s.stuck = n < len(b)
	if n > 0 {
		s.took = time.Now()
		if !s.poller.forget {
			s.got = append(s.got, b[:n]...)
		}
	}
	if s.stuck && s.room != 0 {
		s.poller.tell(s)
	}
	if n == 0 {
		return 0, epoll.ErrAgain
	}
	return n, nil
}

func (s *modelSocket) Read(b []byte) (int, error) {
	if s.closed {
		s.poller.wrong("a read after the end")
		return 0, syscall.EBADF
	}
	if len(s.in) == 0 {
		if s.inEnd != nil {
			return 0, s.inEnd
		}
		return 0, epoll.ErrAgain
	}
	n := copy(b, s.in) // all that is there, as the kernel does
	s.in = s.in[n:]
	return n, nil
}

func (s *modelSocket) CloseWrite() { s.shut = true }

func (s *modelSocket) Close() {
	if s.closed {
		s.poller.wrong("closed twice")
	}
	s.closed = true
	delete(s.poller.sockets, s.token)
}

// give makes room for n bytes more; below 0: for any number.
func (s *modelSocket) give(n int) {
	if s.room = n; s.stuck && n != 0 {
		s.poller.tell(s)
	}
}

// send has b come from the client.
func (s *modelSocket) send(b []byte) {
	s.in = append(s.in, b...)
	s.poller.tell(s)
}

// leave has the client end its side, or break the connection with err.
func (s *modelSocket) leave(err error) {
	if s.inEnd != nil {
		return
	}
	if s.inEnd = err; !errors.Is(err, io.EOF) {
		s.in, s.fail, s.broken = nil, syscall.EPIPE, true
	}
	s.poller.tell(s)
}

func (s *modelSocket) event() epoll.Event {
	gone := s.inEnd != nil
	return epoll.Event{Token: s.token, Readable: gone || len(s.in) > 0, Writable: s.room != 0 || s.fail != nil, Gone: gone}
}

// A modelPoller tells of sockets when the test wants it to.
type modelPoller struct {
	wrong   func(format string, args ...any)
	sockets map[uint64]*modelSocket
	pending []*modelSocket
	hold    func(*modelSocket) bool // the event comes later
	stale   []epoll.Event           // given once, whoever they are for
	refuse  bool                    // the next Add fails
	asked   time.Duration           // how long the last Wait was to last
	wakes   int
	writes  atomic.Int64 // of all sockets, some of which begin at the same time
	forget  bool         // what is written to them
	during  func()       // what happens during the next Wait
}

func newModelPoller(wrong func(string, ...any)) *modelPoller {
	return &modelPoller{wrong: wrong, sockets: map[uint64]*modelSocket{}}
}

func (p *modelPoller) tell(s *modelSocket) {
	if p.sockets[s.token] == s && !slices.Contains(p.pending, s) {
		p.pending = append(p.pending, s)
	}
}

func (p *modelPoller) Add(s socket, token uint64) error {
	end := s.(*modelSocket)
	if p.sockets[token] != nil {
		p.wrong("the token %x is given twice", token)
	}
	if end.token = token; p.refuse {
		p.refuse = false
		return errors.New("no more can be waited for")
	}
	p.sockets[token] = end
	p.tell(end)
	return nil
}

func (p *modelPoller) Wait(events []epoll.Event, timeout time.Duration) ([]epoll.Event, error) {
	p.asked = timeout
	if f := p.during; f != nil {
		p.during = nil
		f()
	}
	events = append(events, p.stale...)
	p.stale = nil
	var later []*modelSocket
	for _, s := range p.pending {
		switch {
		case s.closed:
		case p.hold != nil && p.hold(s):
			later = append(later, s)
		default:
			events = append(events, s.event())
		}
	}
	p.pending = later
	return events, nil
}

func (p *modelPoller) Wake()  { p.wakes++ }
func (p *modelPoller) Close() {}

// A modelConn is what net/http would have of a modelSocket.
type modelConn struct {
	net.Conn
	sock  *modelSocket
	early string // what net/http has read already
}

func (c *modelConn) RemoteAddr() net.Addr { return pipeAddr{} }
func (c *modelConn) Close() error         { return nil }

// A modelWriter is the ResponseWriter of a request that can be hijacked.
type modelWriter struct {
	conn     *modelConn
	header   http.Header
	status   int
	body     bytes.Buffer
	hijacked bool
}

func (w *modelWriter) Header() http.Header         { return w.header }
func (w *modelWriter) Write(b []byte) (int, error) { return w.body.Write(b) }
func (w *modelWriter) WriteHeader(status int)      { w.status = status }

func (w *modelWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.hijacked = true
	in := bufio.NewReader(strings.NewReader(w.conn.early))
	if w.conn.early != "" {
		_, _ = in.Peek(1)
	}
	return w.conn, bufio.NewReadWriter(in, bufio.NewWriter(io.Discard)), nil
}
