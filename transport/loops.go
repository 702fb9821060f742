package transport

import (
	"context"
	"hash/maphash"
	"math"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/epoll"
	"github.com/pabal/pabal/internal/websocket"
)

type connKey struct{}

// ConnContext is for [http.Server.ConnContext]. It lets a [Handler] serve the
// plain HTTP/1.1 connections of that server from loops, on Linux, where they
// need no goroutine and little memory each. Without it, and for all other
// connections, each has a goroutine.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if tcp, ok := c.(*net.TCPConn); ok {
		return context.WithValue(ctx, connKey{}, tcp)
	}
	return ctx
}

// loops are those of a handler, one for each core. One runs as long as it has
// connections.
type loops struct {
	handler *Handler
	workers pool

	mu       sync.Mutex
	running  []*loop // nil where none runs
	reserved []int   // connections that are about to come, for each
	seed     maphash.Seed
}

// maxWorkers is how many of what clients of loops ask for is done at once.
const maxWorkers = 64

// crowdAtHome is up to how many readers of a channel are served by one loop,
// so that a publish wakes no other.
const crowdAtHome = 256

// loopFor returns a loop for the connection of r, which is kept running until
// it is given the connection, or released; nil if r needs a goroutine.
func (h *Handler) loopFor(w http.ResponseWriter, r *http.Request, q *request) *loop {
	_, plain := r.Context().Value(connKey{}).(*net.TCPConn)
	if h.Goroutines || !plain || r.TLS != nil || r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.ContentLength != 0 || !hijacks(w) {
		return nil
	}
	return h.loops.reserve(q.channels)
}

// hijacks reports whether w can be hijacked.
func hijacks(w http.ResponseWriter) bool {
	for {
		switch inner := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default:
			return false
		}
	}
}

func (ls *loops) reserve(channels []pabal.Channel) *loop {
	var home string
	readers := 0
	if len(channels) == 1 {
		home, readers = string(channels[0]), ls.handler.Hub.Readers(channels[0])
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.running == nil {
		n := runtime.GOMAXPROCS(0)
		ls.running, ls.reserved, ls.seed = make([]*loop, n), make([]int, n), maphash.MakeSeed()
		ls.workers.most = maxWorkers
	}
	at := int(maphash.String(ls.seed, home) % uint64(len(ls.running)))
	if home == "" || readers > crowdAtHome {
		at = mathrand.IntN(len(ls.running))
	}
	if ls.running[at] == nil {
		p, err := newPoller()
		if err != nil {
			ls.handler.Log.Warn("no loop can be had; a connection has a goroutine of its own", "error", err)
			return nil
		}
		l := newLoop(ls.handler, p, ls.workers.run)
		l.number = at
		ls.running[at] = l
		go ls.run(l)
	}
	ls.reserved[at]++
	return ls.running[at]
}

// release takes a reservation back.
func (ls *loops) release(l *loop) {
	ls.mu.Lock()
	ls.reserved[l.number]--
	ls.mu.Unlock()
	l.post(func() {}) // it may have waited for that alone
}

// run runs l until it has nothing to do for anybody.
func (ls *loops) run(l *loop) {
	for !ls.ended(l) {
		l.turn()
	}
	l.poller.Close()
}

func (ls *loops) ended(l *loop) bool {
	if l.seats.count > 0 || l.lent > 0 {
		return false
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if ls.reserved[l.number] > 0 || len(l.calls) > 0 {
		return false
	}
	l.ended = true
	ls.running[l.number] = nil
	return true
}

// each has f called by each loop for each of its connections.
func (ls *loops) each(f func(*loop, *loopConn)) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.running {
		if l == nil {
			continue
		}
		l.post(func() {
			for _, s := range l.seats.taken {
				if s.conn != nil {
					l.guard(s.conn, func() { f(l, s.conn) })
				}
			}
		})
	}
}

// drain ends all connections in good order.
func (ls *loops) drain() { ls.each(func(l *loop, c *loopConn) { l.end(c, whyDraining) }) }

// cut ends all connections.
func (ls *loops) cut() { ls.each((*loop).drop) }

// hand gives the connection of w to l, for which it was reserved.
func (h *Handler) hand(w http.ResponseWriter, l *loop, c *loopConn, channels []pabal.Channel) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		h.Log.Error("a connection cannot be taken over", "error", err)
		return
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		h.Log.Error("a connection is not what it was said to be; leave ConnContext out where connections are wrapped")
		conn.Close()
		return
	}
	if c.ws != nil && rw.Reader.Buffered() > 0 {
		early, _ := rw.Peek(rw.Reader.Buffered())
		c.ws.in = append([]byte(nil), early...)
	}
	if c.sock, err = take(tcp, h.SendBuffer); err != nil {
		h.Log.Error("a connection cannot be taken over", "error", err)
		conn.Close()
		return
	}
	h.open.add(1)
	l.post(func() { l.adopt(c, channels) })
}

// streamOnLoop is stream, without a goroutine that stays.
func (h *Handler) streamOnLoop(w http.ResponseWriter, r *http.Request, q *request, l *loop) error {
	defer h.loops.release(l)
	s, err := h.openSession(r.Context(), r, q, l)
	if err != nil {
		return err
	}
	begun, err := h.begin(w, r, q, s)
	if err != nil || begun == nil {
		s.Close()
		return err
	}
	s.Rewind(&begun.first, 0)
	c := &loopConn{session: s, framing: newHTTPFraming(begun.enc, begun.resp), until: h.lifetime()}
	c.rest = appendChunk(appendHead(nil, w.Header(), time.Now()), begun.enc.open(nil, begun.resp))
	c.named(r)
	h.hand(w, l, c, q.channels)
	if c.sock == nil {
		s.Close()
	}
	return nil
}

// websocketOnLoop is websocket, without goroutines.
func (h *Handler) websocketOnLoop(w http.ResponseWriter, r *http.Request, q *request, hs websocket.Handshake, l *loop) error {
	defer h.loops.release(l)
	s, err := h.openSession(r.Context(), r, q, l)
	if err != nil {
		return err
	}
	framing := wsFraming{formOf(hs, q), hs.Compress()}
	ws := &loopWS{reading: wsReading{s, q.channels}, grant: grant(r)}
	if !framing.raw() { // it may come to read others, while the loop knows it by these
		ws.reading.channels = slices.Clone(q.channels)
	}
	c := &loopConn{session: s, framing: framing, ws: ws, until: math.MaxInt64 / 2}
	c.rest = hs.AppendResponse(nil, w.Header())
	if open := framing.form.open; open != nil {
		c.rest = open(c.rest, &ws.reading, h.Heartbeat)
	}
	c.named(r)
	h.hand(w, l, c, q.channels)
	if c.sock == nil {
		s.Close()
	}
	return nil
}

// named remembers who c's client is, where its socket does not say.
func (c *loopConn) named(r *http.Request) {
	tcp := r.Context().Value(connKey{}).(*net.TCPConn)
	if peer := tcp.RemoteAddr().String(); peer != r.RemoteAddr {
		c.client = r.RemoteAddr
	}
}

// lifetime is after how long a response ends for the client to come again.
func (h *Handler) lifetime() time.Duration {
	return h.RotateAfter - h.RotateAfter/10 + mathrand.N(h.RotateAfter/5+1)
}

// newPoller returns what loops wait in.
func newPoller() (poller, error) {
	p, err := epoll.New()
	if err != nil {
		return nil, err
	}
	return epollPoller{p}, nil
}

type epollPoller struct{ *epoll.Poller }

func (p epollPoller) Add(s socket, token uint64) error {
	return p.Poller.Add(s.(*epoll.Socket), token)
}

// take takes over c's descriptor.
func take(c *net.TCPConn, sendBuffer int) (socket, error) {
	s, err := epoll.Take(c, sendBuffer)
	if err != nil {
		return nil, err
	}
	return s, nil
}
