package main

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A loop owns the readers' connections, on a thread of its own. What others
// want of it they hand to do.
type loop struct {
	protocol *protocol
	server   unix.Sockaddr
	channels int
	epoll    int
	conns    []*conn
	ledger   *ledger
	todo     chan func()
	ended    chan struct{}
	now      int64 // microseconds since 1970, as of the last read
	in, out  []byte
	opening  opening
	polls    []poll // in the order in which they are due
}

// opening is a wish for more readers, while it is being fulfilled.
type opening struct {
	toBegin, toOpen int
	tiny            bool
	done            chan error // nil: there is none
}

// A poll is a request that is to be sent.
type poll struct {
	due    time.Time
	conn   *conn
	cursor []byte
}

const (
	handshakes = 128                    // at once
	pollEvery  = 250 * time.Millisecond // how often a poller asks, unless it was told that there is more
	tick       = 5                      // milliseconds; how long the loop may not look at what it is to do
	readBytes  = 256 << 10
)

// newLoop starts a loop.
func newLoop(address string, p protocol, channels int, l *ledger) (*loop, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().Is4() {
		return nil, fmt.Errorf("address %q: it must be one of IPv4, with a port", address)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	lo := &loop{
		protocol: &p, server: &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}, channels: channels,
		epoll: epoll, ledger: l, todo: make(chan func()), ended: make(chan struct{}), in: make([]byte, readBytes),
	}
	go lo.run()
	return lo, nil
}

// do runs f on the loop's thread and waits for it.
func (l *loop) do(f func()) {
	done := make(chan struct{})
	l.todo <- func() {
		f()
		close(done)
	}
	<-done
}

// close closes all connections and ends the loop.
func (l *loop) close() {
	close(l.todo)
	<-l.ended
}

// open opens more readers and waits for them.
func (l *loop) open(n int, tiny bool) error {
	done := make(chan error, 1)
	l.do(func() {
		l.opening = opening{toBegin: n, toOpen: n, tiny: tiny, done: done}
		for range min(n, handshakes) {
			l.begin()
		}
	})
	return <-done
}

// stall makes the last n readers read no more.
func (l *loop) stall(n int) {
	l.do(func() {
		for _, c := range l.conns[max(0, len(l.conns)-n):] {
			l.ledger.leave(&c.reader)
			_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, c.fd, nil) // it cannot fail while it is open
		}
	})
}

func (l *loop) run() {
	runtime.LockOSThread()
	defer close(l.ended)
	events := make([]unix.EpollEvent, 1024)
	for {
		n, err := unix.EpollWait(l.epoll, events, tick)
		if err != nil && !errors.Is(err, unix.EINTR) {
			panic(err) // the descriptor is ours: cannot happen
		}
		l.now = time.Now().UnixMicro()
		for _, e := range events[:max(n, 0)] {
			l.ready(l.conns[e.Fd])
		}
		l.askDue()
		select {
		case f, ok := <-l.todo:
			if !ok {
				l.shut()
				return
			}
			f()
		default:
		}
	}
}

// ready serves a connection that can be read, or was made.
func (l *loop) ready(c *conn) {
	if c.state == closed {
		return
	}
	if c.state == dialing {
		if err := c.dialed(); err != nil {
			l.fail(c, err)
		}
		return
	}
	for range 4 { // more of it when the others had their turn
		n, err := read(c.fd, l.in)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			l.fail(c, err)
			return
		case n == 0:
			l.fail(c, errors.New("the server ends the connection"))
			return
		}
		l.now = time.Now().UnixMicro()
		l.ledger.reads.Add(1)
		if err := c.took(l.in[:n]); err != nil {
			l.fail(c, err)
			return
		}
		if n < len(l.in) || c.state == closed {
			return
		}
	}
}

// begin connects a reader.
func (l *loop) begin() {
	o := &l.opening
	if o.toBegin == 0 {
		return
	}
	o.toBegin--
	c := &conn{loop: l, index: int32(len(l.conns)), channel: len(l.conns) % l.channels}
	l.conns = append(l.conns, c)
	if err := c.dial(o.tiny); err != nil {
		l.fail(c, err)
	}
}

func (c *conn) dial(tiny bool) (err error) {
	if c.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	options := []struct{ level, name, value int }{{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}}
	if tiny { // segments as on a real network, and little room for what is not read
		options = append(options, []struct{ level, name, value int }{{unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1400}, {unix.SOL_SOCKET, unix.SO_RCVBUF, 4 << 10}}...)
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(c.fd, o.level, o.name, o.value); err != nil {
			return err
		}
	}
	// Closing resets the connection: so that thousands of them leave nothing behind.
	if err := unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if err := unix.Connect(c.fd, c.loop.server); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return c.loop.watch(unix.EPOLL_CTL_ADD, c, unix.EPOLLOUT)
}

func (l *loop) watch(op int, c *conn, what uint32) error {
	return unix.EpollCtl(l.epoll, op, c.fd, &unix.EpollEvent{Events: what, Fd: c.index})
}

// opened counts a reader in, and lets another begin.
func (l *loop) opened(c *conn) {
	l.ledger.join(&c.reader, c.channel)
	o := &l.opening
	o.toOpen--
	if o.toOpen == 0 && o.done != nil {
		o.done <- nil
		o.done = nil
		return
	}
	l.begin()
}

// fail closes a connection that broke.
func (l *loop) fail(c *conn, err error) {
	if c.state == closed {
		return
	}
	was := c.state
	c.state = closed
	if c.fd > 0 {
		_ = unix.Close(c.fd)
	}
	if was == open {
		l.ledger.breaks(&c.reader, err.Error())
		return
	}
	if l.opening.done != nil {
		l.opening.done <- fmt.Errorf("reader %d: %w", c.index, err)
		l.opening.done = nil
	}
}

// askLater lets a poller ask after a while.
func (l *loop) askLater(c *conn, cursor []byte) {
	l.polls = append(l.polls, poll{time.UnixMicro(l.now).Add(pollEvery), c, cursor})
}

func (l *loop) askDue() {
	n := 0
	for ; n < len(l.polls) && l.polls[n].due.UnixMicro() <= l.now; n++ {
		if p := l.polls[n]; p.conn.state == open {
			if err := p.conn.ask(p.cursor); err != nil {
				l.fail(p.conn, err)
			}
		}
	}
	l.polls = l.polls[n:]
}

func (l *loop) shut() {
	for _, c := range l.conns {
		if c.state != closed {
			_ = unix.Close(c.fd)
		}
	}
	_ = unix.Close(l.epoll)
}
