package netsim

import (
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A connection is what lies between two ends.
type connection struct {
	from, to    *net.TCPAddr
	there, back *half

	mu     sync.Mutex
	ends   int      // that are closed
	forgot []func() // to be called when both are, or it was cut
	over   bool
}

func newConnection(l Link, r *rand.Rand) *connection {
	// Each way has a source of its own, or they would depend on which is used first.
	return &connection{
		there: newHalf(l, rand.New(rand.NewPCG(r.Uint64(), 0))), back: newHalf(l, rand.New(rand.NewPCG(r.Uint64(), 1))),
	}
}

// forget has f called when c is over.
func (c *connection) forget(f func()) {
	c.mu.Lock()
	c.forgot = append(c.forgot, f)
	c.mu.Unlock()
}

// end notes that so many ends are closed.
func (c *connection) end(n int) {
	c.mu.Lock()
	var forgot []func()
	if c.ends += n; c.ends >= 2 && !c.over {
		c.over, forgot = true, c.forgot
	}
	c.mu.Unlock()
	for _, f := range forgot {
		go f() // who ends it may hold what f needs
	}
}

func (c *connection) cut() {
	c.there.cut()
	c.back.cut()
	c.end(2)
}

func (c *connection) silence(until time.Time) {
	c.there.silence(until)
	c.back.silence(until)
}

// A Conn is one end of a connection.
type Conn struct {
	*connection
	in, out *half
	once    sync.Once
}

func (c *Conn) wrong(op string, err error) error {
	if err == nil || op == "read" && isEnd(err) {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.wrong("read", err)
}

// Write implements [net.Conn].
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.wrong("write", err)
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	err := c.wrong("close", net.ErrClosed)
	c.once.Do(func() {
		err = nil
		unread := c.in.leave()
		c.out.finish(unread)
		c.end(1)
	})
	return err
}

// CloseWrite says that nothing more is written.
func (c *Conn) CloseWrite() error {
	c.out.finish(false)
	return nil
}

// Cut resets the connection. Of what is under way each way, a part arrives
// that ends at any byte.
func (c *Conn) Cut() { c.cut() }

// LocalAddr implements [net.Conn].
func (c *Conn) LocalAddr() net.Addr {
	if c.out == c.there {
		return c.from
	}
	return c.to
}

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr {
	if c.out == c.there {
		return c.to
	}
	return c.from
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // never fails
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.change(func() { c.in.readBy = t })
	return nil
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.change(func() { c.out.writeBy = t })
	return nil
}

var (
	_ net.Conn     = (*Conn)(nil)
	_ net.Listener = (*Listener)(nil)

	errTimeout = os.ErrDeadlineExceeded
	errReset   = error(syscall.ECONNRESET)
	errPipe    = error(syscall.EPIPE)
	errDead    = error(syscall.ETIMEDOUT)
)
