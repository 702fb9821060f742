package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// errSilent ends what nothing has come from for too long.
var errSilent = errors.New("nothing comes any more")

// A watch ends a response from which nothing has come for too long: a real
// client cannot tell a connection that is half open from one where nothing is
// said, but for that.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	limit  atomic.Int64
	timer  *time.Timer
	broke  atomic.Bool // a connection has
	reset  bool        // connections are closed by a reset

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
}

func newWatch(ctx context.Context, limit time.Duration, random *rand.Rand) *watch {
	w := &watch{reset: random.IntN(4) > 0} // most: a port that is closed otherwise stays in use for a minute
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.limit.Store(int64(limit))
	w.timer = time.AfterFunc(limit, func() { w.cancel(errSilent) })
	return w
}

// most sets how long it may be silent.
func (w *watch) most(limit time.Duration) {
	w.limit.Store(int64(limit))
	w.seen()
}

func (w *watch) seen() { w.timer.Reset(time.Duration(w.limit.Load())) }

// over has all connections of client watched.
func (w *watch) over(client *http.Client) {
	t := client.Transport.(*http.Transport)
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.closed {
			conn.Close()
			return nil, net.ErrClosed
		}
		w.conns = append(w.conns, conn)
		return &watched{conn, w}, nil
	}
}

// end closes all connections.
func (w *watch) end() {
	w.timer.Stop()
	w.cancel(nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, conn := range w.conns {
		if tcp, ok := conn.(*net.TCPConn); ok && w.reset {
			_ = tcp.SetLinger(0)
		}
		conn.Close()
	}
}

// silent reports whether w has ended its response.
func (w *watch) silent() bool { return errors.Is(context.Cause(w.ctx), errSilent) }

type watched struct {
	net.Conn
	watch *watch
}

func (c *watched) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.watch.seen()
	}
	if err != nil {
		c.watch.broke.Store(true)
	}
	return n, err
}
