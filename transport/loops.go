package transport

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/epoll"
	"github.com/pabal/pabal/internal/websocket"
)

// loops are those of a handler, one for each core. One runs as long as it has
// connections.
type loops struct {
	handler  *Handler
	reads    pool // what sessions need of the broker
	commands pool // what clients of WebSockets ask for
	system

	mu       sync.Mutex
	running  []*loop // nil where none runs
	reserved []int   // connections that are about to come, for each
	seed     maphash.Seed
}

// A system is what loops wait in, and what they write to: the kernel's, but in
// tests.
type system struct {
	newPoller func() (poller, error)
	take      func(c net.Conn, sendBuffer int) (socket, error)
}

// maxWorkers is how many of each are done at once.
const maxWorkers = 64

// crowdAtHome is up to how many readers of a channel are served by one loop,
// so that a publish wakes no other.
const crowdAtHome = 256

// loopFor returns a loop for the connection of r, which is kept running until
// it is given the connection, or released; nil if r needs a goroutine.
func (h *Handler) loopFor(w http.ResponseWriter, r *http.Request, q *request) *loop {
	if !h.loopable(w, r) {
		return nil
	}
	return h.loops.reserve(q.channels)
}

func (h *Handler) loopable(w http.ResponseWriter, r *http.Request) bool {
	return !h.Goroutines && connOf(r.Context()) != nil && r.TLS == nil && r.ProtoMajor == 1 && r.ProtoMinor == 1 && r.ContentLength == 0 && hijacks(w)
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
		ls.reads.most, ls.commands.most = maxWorkers, maxWorkers
		if ls.newPoller == nil {
			ls.system = system{newPoller, take}
		}
	}
	at := int(maphash.String(ls.seed, home) % uint64(len(ls.running)))
	if home == "" || readers > crowdAtHome {
		at = mathrand.IntN(len(ls.running))
	}
	if ls.running[at] == nil {
		p, err := ls.newPoller()
		if err != nil {
			ls.handler.Log.Warn("no loop can be had; a connection has a goroutine of its own", "error", err)
			return nil
		}
		l := newLoop(ls.handler, p, ls.reads.run)
		l.commands = ls.commands.run
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

// hand gives the connection of w to l, for which it was reserved. After an
// error c's session is closed; where the connection is gone too, that is
// errTaken.
func (h *Handler) hand(w http.ResponseWriter, l *loop, c *loopConn, channels []pabal.Channel) error {
	hijacked, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		c.close(h)
		return fmt.Errorf("taking over a connection: %w", err)
	}
	early, _ := rw.Peek(rw.Reader.Buffered())
	inner := hijacked
	if ours, ok := hijacked.(*conn); ok {
		early = append(bytes.Clone(early), ours.head...)
		inner = ours.Conn
	}
	if c.sock, err = h.loops.take(inner, h.SendBuffer); err != nil {
		h.Log.Error("a connection cannot be taken over", "error", err)
		hijacked.Close()
		c.close(h)
		return errTaken
	}
	switch {
	case len(early) == 0:
	case c.ws != nil:
		c.ws.in = bytes.Clone(early)
	case c.parked != nil:
		c.parked.head = append(c.parked.head, early...)
	}
	if f, ok := c.framing.(wsFraming); ok && f.raw() { // the answer to its handshake is all there is to say as yet
		if n, err := c.sock.Write(c.rest); err == nil {
			c.rest = c.rest[n:]
		}
	}
	h.open.add(1)
	l.post(func() { l.adopt(c, channels) })
	return nil
}

// errTaken says that a connection was lost when it was taken over: there is
// nobody left to tell.
var errTaken = errors.New("the connection is lost")

// streamOnLoop is stream, without a goroutine that stays.
func (h *Handler) streamOnLoop(w http.ResponseWriter, r *http.Request, q *request, l *loop) error {
	defer h.loops.release(l)
	s, err := h.openSession(r.Context(), q, l)
	if err != nil {
		return err
	}
	begun, err := h.begin(w, r, q, s)
	if err != nil || begun == nil {
		s.Close()
		return err
	}
	s.Rewind(&begun.first, 0)
	more, err := h.more(r.Context(), q, s)
	if err != nil {
		s.Close()
		return err
	}
	c := &loopConn{session: s, framing: newHTTPFraming(begun.enc, begun.resp), loopState: loopState{latest: q.options.Latest, more: more}, loopClock: loopClock{until: h.lifetime()}}
	c.rest = appendChunk(appendHead(make([]byte, 0, 1024), begun.fields(w.Header()), time.Now()), begun.enc.begin(nil, begun.resp))
	c.named(r)
	return h.hand(w, l, c, q.channels)
}

// websocketOnLoop is websocket, without goroutines.
func (h *Handler) websocketOnLoop(w http.ResponseWriter, r *http.Request, q *request, hs websocket.Handshake, l *loop) error {
	defer h.loops.release(l)
	s, err := h.openSession(r.Context(), q, l)
	if err != nil {
		return err
	}
	framing := wsFraming{formOf(hs, q), hs.Compress()}
	more, err := h.more(r.Context(), q, s)
	if err != nil {
		s.Close()
		return err
	}
	ws := &loopWS{reading: wsReading{s, q.channels}, id: cmp.Or(q.grant.Connection, rand.Text())}
	if !framing.raw() { // it may come to read others, while the loop knows it by these
		ws.reading.channels = slices.Clone(q.channels)
	}
	c := &loopConn{session: s, framing: framing, ws: ws, loopState: loopState{latest: q.options.Latest, more: more}, loopClock: loopClock{until: math.MaxInt64 / 2}}
	c.rest = hs.AppendResponse(nil, w.Header())
	if open := framing.form.open; open != nil {
		c.rest = open(c.rest, &ws.reading, h.Heartbeat, ws.id)
	}
	c.named(r)
	return h.hand(w, l, c, q.channels)
}

// named remembers who c's client is, where its socket does not say.
func (c *loopConn) named(r *http.Request) {
	tcp, ok := connOf(r.Context()).RemoteAddr().(*net.TCPAddr)
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); !ok || err != nil || tcp.AddrPort() != peer {
		c.client = r.RemoteAddr
	}
}

// lifetime is after how long a response ends for the client to come again.
func (h *Handler) lifetime() time.Duration {
	return h.RotateAfter - h.RotateAfter/10 + chance(h.RotateAfter/5)
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
func take(c net.Conn, sendBuffer int) (socket, error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.New("it is not what it was said to be; leave ConnContext out where connections are wrapped")
	}
	s, err := epoll.Take(tcp, sendBuffer)
	if err != nil {
		return nil, err
	}
	return s, nil
}
