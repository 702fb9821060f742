package transport

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A Listener hands out the connections of another, and those that come back:
// a long poll that waits is kept by a loop, on Linux, and when it is to be
// answered its connection is accepted once more, with its request to be read
// anew. Use it with [ConnContext]; without, long polls wait in goroutines.
type Listener struct {
	net.Listener

	mu     sync.Mutex
	back   []*conn // who came back; as long as there is one, no other Accept waits
	closed bool
}

// NewListener returns a listener over l, which is closed with it. Nobody else
// may set l's deadline. An l that has none, so that its Accept cannot be
// interrupted, serves as before.
func NewListener(l net.Listener) *Listener { return &Listener{Listener: l} }

// wait sets until when Accept waits, and reports whether it can.
func (l *Listener) wait(until time.Time) bool {
	d, ok := l.Listener.(interface{ SetDeadline(time.Time) error })
	return ok && d.SetDeadline(until) == nil
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		if c := l.next(); c != nil {
			return c, nil
		}
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			if _, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); !ok {
				return c, nil
			}
			return &conn{Conn: c, listener: l}, nil
		case !errors.Is(err, os.ErrDeadlineExceeded): // that says that there is somebody
			return nil, err
		}
	}
}

// next returns the connection that came back first, if there is one.
func (l *Listener) next() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.back) == 0 {
		return nil
	}
	c := l.back[0]
	if l.back = l.back[1:]; len(l.back) == 0 {
		l.back = nil
		l.wait(time.Time{})
	}
	return c
}

// giveBack has c accepted. It never waits.
func (l *Listener) giveBack(c *conn) {
	if !l.queue(c) {
		_ = c.Close() // the client comes again
	}
}

// queue puts c where Accept finds it, unless l is closed.
func (l *Listener) queue(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.wait(time.Unix(1, 0)) { // of whoever is in Accept
		return false
	}
	l.back = append(l.back, c)
	return true
}

// Close implements [net.Listener]. Connections that came back and were not yet
// accepted are closed.
func (l *Listener) Close() error {
	l.mu.Lock()
	back := l.back
	l.back, l.closed = nil, true
	l.mu.Unlock()
	for _, c := range back {
		_ = c.Close() // the client comes again
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

// NetConn returns the connection that c wraps, as that of a tls.Conn does.
func (c *conn) NetConn() net.Conn { return c.Conn }

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
