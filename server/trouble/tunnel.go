package trouble

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// writeTimeout is how long one end may take nothing. A node's own limit is
	// less, unless it is configured otherwise.
	writeTimeout = time.Minute
	// lingerTimeout is how long one end may stay once the other has ended.
	lingerTimeout = 10 * time.Second
)

// A tunnel passes one request, or what it becomes, through a proxy.
type tunnel struct {
	entry *entry

	mu     sync.Mutex
	ends   []net.Conn  // the client's, and that towards the proxy; of both CloseWrite is known
	linger *time.Timer // nil: neither end has ended
	ended  bool
}

// run passes early and all that follows between client and server, both ways,
// until both have ended, or one was reset, which the other is then.
func (t *tunnel) run(client, server net.Conn, early []byte) {
	if !t.begin(client, server) {
		return
	}
	defer t.close()
	var both sync.WaitGroup
	both.Go(func() {
		if t.write(server, early) {
			t.carry(server, client)
		}
	})
	both.Go(func() { t.carry(client, server) })
	both.Wait()
}

// begin gives t its ends. It reports false if t was reset before.
func (t *tunnel) begin(ends ...net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		resetAll(ends...)
		return false
	}
	t.ends = ends
	return true
}

// carry passes what comes from one end on to the other, and its end.
func (t *tunnel) carry(to, from net.Conn) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !t.write(to, buffer[:n]) {
			return
		}
		if errors.Is(err, io.EOF) {
			t.half(to)
			return
		}
		if err != nil {
			t.reset()
			return
		}
	}
}

// write writes b, or resets t.
func (t *tunnel) write(to net.Conn, b []byte) bool {
	_ = to.SetWriteDeadline(time.Now().Add(writeTimeout)) // if it has ended, Write says so
	if _, err := to.Write(b); err != nil {
		t.reset()
		return false
	}
	return true
}

// half passes the end of one end on to the other, which has some time to end
// too.
func (t *tunnel) half(to net.Conn) {
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // it may have been reset meanwhile: then reading it says so
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.linger == nil && !t.ended {
		t.linger = time.AfterFunc(lingerTimeout, t.close)
	}
}

// close closes both ends.
func (t *tunnel) close() {
	for _, conn := range t.take() {
		_ = conn.Close() // nobody is left to tell
	}
}

// reset resets both ends.
func (t *tunnel) reset() { resetAll(t.take()...) }

// take ends t, and returns its ends to whom does so first.
func (t *tunnel) take() []net.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.linger != nil {
		t.linger.Stop()
	}
	ends := t.ends
	t.ends, t.ended = nil, true
	return ends
}

// resetAll ends each of conns that is there with an RST.
func resetAll(conns ...net.Conn) {
	for _, conn := range conns {
		if conn == nil {
			continue
		}
		if tcp, ok := tcpOf(conn); ok {
			_ = tcp.SetLinger(0) // it may have ended
		}
		_ = conn.Close()
	}
}

// tcpOf returns the connection of TCP that conn is, or wraps.
func tcpOf(conn net.Conn) (tcp *net.TCPConn, ok bool) {
	for {
		if tcp, ok = conn.(*net.TCPConn); ok {
			return tcp, true
		}
		wraps, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil, false
		}
		conn = wraps.NetConn()
	}
}
