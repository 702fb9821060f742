package transport

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/pabal/pabal"
)

// A parked is a long poll that waits on a loop. It is a request still: when it
// is to be answered, it is asked anew on the same connection, from the
// positions at which it waited.
type parked struct {
	listener *Listener
	uri      string // that was asked for
	head     []byte // the request, and what came after it
	channels []pabal.Channel
	at       []pabal.Position
	until    time.Time
	grant    pabal.Grant
	release  func() // lets go of its place among what is being answered
}

// parkable reports whether the long poll r can wait on a loop.
func (h *Handler) parkable(w http.ResponseWriter, r *http.Request) bool {
	c := connOf(r.Context())
	return c != nil && c.listener != nil && h.loopable(w, r)
}

// park has a loop wait for r, which has waited at the positions of s until
// now. It reports false if it cannot: then r goes on to wait as it does.
func (h *Handler) park(w http.ResponseWriter, r *http.Request, q *request, s *pabal.Session, until time.Time) bool {
	l := h.loops.reserve(q.channels)
	if l == nil {
		return false
	}
	defer h.loops.release(l)
	p := &parked{
		listener: connOf(r.Context()).listener, uri: r.RequestURI, head: requestBytes(r),
		channels: q.channels, until: until, grant: q.grant, release: func() { h.open.add(-1) },
	}
	on, err := h.Hub.Open(q.grant, l, q.options)
	if err != nil {
		return false
	}
	for i, ch := range q.channels {
		p.at = append(p.at, s.Position(i))
		if err = on.Subscribe(ch, pabal.After(p.at[i])); err != nil {
			on.Close()
			return false
		}
	}
	c := &loopConn{session: on, parked: p, loopClock: loopClock{until: time.Until(until)}}
	c.named(r)
	err = h.hand(w, l, c, q.channels)
	return err == nil || errors.Is(err, errTaken)
}

// requestBytes returns r, which has no body, as it came.
func requestBytes(r *http.Request) []byte {
	var b bytes.Buffer
	b.WriteString("GET " + r.RequestURI + " HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	_ = r.Header.Write(&b) // to memory
	b.WriteString("\r\n")
	return bytes.Clone(b.Bytes()) // without the room that it grew by
}

// stepParked looks whether there is something to answer.
func (l *loop) stepParked(c *loopConn) {
	b := &l.out.batch
	b.Most = 0
	state := c.session.Step(b, 1)
	something := state == pabal.Done || state == pabal.More
	for _, it := range b.Items {
		something = something || it.Entry != nil || it.Notice.Kind != pabal.NoticeLive
	}
	clear(b.Items)
	b.Items = b.Items[:0]
	switch {
	case something:
		l.unpark(c)
	case state == pabal.Behind:
		l.lend(c, func(s *pabal.Session) error { return s.CatchUp(context.Background()) }, func(err error) {
			if err != nil {
				l.unpark(c) // it is told what is wrong
			}
		})
	}
}

// unpark has c's request answered.
func (l *loop) unpark(c *loopConn) {
	if c.lent {
		c.leaving = whyAnswer
		return
	}
	back, err := c.sock.(releaser).Release()
	if err != nil {
		l.handler.Log.Error("a long poll cannot be answered", "client", c.name(), "error", err)
		l.drop(c)
		return
	}
	l.handler.open.add(1) // for the request, which takes that with it
	c.sock = noSocket{}
	l.drop(c)
	p := c.parked
	p.listener.giveBack(&conn{Conn: back, listener: p.listener, head: p.head, resume: p})
}

// A releaser is a socket that can become a connection of net/http again.
type releaser interface{ Release() (net.Conn, error) }

// noSocket is the socket of a connection that was given away.
type noSocket struct{}

func (noSocket) Read([]byte) (int, error)  { return 0, http.ErrServerClosed }
func (noSocket) Write([]byte) (int, error) { return 0, http.ErrServerClosed }
func (noSocket) CloseWrite()               {}
func (noSocket) Close()                    {}

// begins returns where reading begins: where q asks to, or where it has waited.
func (q *request) begins() []pabal.From {
	if q.parked == nil {
		return q.from
	}
	from := slices.Clone(q.from)
	for i, p := range q.parked.at {
		from[i] = pabal.After(p)
	}
	return from
}
