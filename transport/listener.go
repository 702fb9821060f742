package transport

import (
	"context"
	"net"
	"sync"
)

// A Listener hands out the connections of another, and those that come back:
// a long poll that waits is kept by a loop, on Linux, and when it is to be
// answered its connection is accepted once more, with its request to be read
// anew. Use it with [ConnContext]; without, long polls wait in goroutines.
type Listener struct {
	net.Listener
	accepted chan accepted
	back     chan struct{} // something is in queue
	closed   chan struct{}
	begin    sync.Once
	end      sync.Once

	mu    sync.Mutex
	queue []*conn
}

type accepted struct {
	conn net.Conn
	err  error
}

// NewListener returns a listener over l, which it closes when it is closed.
func NewListener(l net.Listener) *Listener {
	return &Listener{Listener: l, accepted: make(chan accepted), back: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.accept() })
	for {
		select {
		case a := <-l.accepted:
			return a.conn, a.err
		case <-l.back:
			if c := l.next(); c != nil {
				return c, nil
			}
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

func (l *Listener) accept() {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			c = &conn{Conn: c, listener: l}
		}
		select {
		case l.accepted <- accepted{c, err}:
		case <-l.closed:
			if err == nil {
				c.Close()
			}
			return
		}
	}
}

// next returns the connection that came back first, if there is one.
func (l *Listener) next() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	if len(l.queue) > 0 {
		l.tell()
	}
	return c
}

func (l *Listener) tell() {
	select {
	case l.back <- struct{}{}:
	default:
	}
}

// giveBack has c accepted. It never waits.
func (l *Listener) giveBack(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		c.Close()
	default:
		l.queue = append(l.queue, c)
		l.tell()
	}
}

// Close implements [net.Listener]. Connections that came back and were not yet
// accepted are closed.
func (l *Listener) Close() error {
	l.end.Do(func() { close(l.closed) })
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	for _, c := range queue {
		c.Close()
	}
	return l.Listener.Close()
}

// A conn is a connection that a loop may serve.
type conn struct {
	net.Conn
	listener *Listener // nil: it cannot come back
	head     []byte    // is read before what comes from the client

	mu     sync.Mutex
	resume *parked // what the request in head has waited for; nil once it is taken
}

// Read reads head, then from the client. Reads come one at a time.
func (c *conn) Read(b []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(b, c.head)
		if c.head = c.head[n:]; len(c.head) == 0 {
			c.head = nil
		}
		return n, nil
	}
	return c.Conn.Read(b)
}

// CloseWrite lets net/http end a connection as it does one of TCP.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.take("")
	return c.Conn.Close()
}

// take returns what the request for uri has waited for, if it is the one that
// did. It is asked once.
func (c *conn) take(uri string) *parked {
	c.mu.Lock()
	p := c.resume
	c.resume = nil
	c.mu.Unlock()
	if p == nil {
		return nil
	}
	p.release()
	if p.uri != uri {
		return nil
	}
	return p
}

type connKey struct{}

// ConnContext is for [net/http.Server.ConnContext]. It lets a [Handler] serve
// the plain HTTP/1.1 connections of that server from loops, on Linux, where
// they need no goroutine and little memory each. Without it, and for all other
// connections, each has a goroutine.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	switch inner := c.(type) {
	case *net.TCPConn:
		return withConn(ctx, &conn{Conn: c})
	case *conn:
		if _, ok := inner.Conn.(*net.TCPConn); ok {
			return withConn(ctx, inner)
		}
	}
	return ctx
}

func withConn(ctx context.Context, c *conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns the connection that ctx is of, if a loop can serve it.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
