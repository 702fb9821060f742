package transport

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/websocket"
)

// subprotocol is spoken on a WebSocket that asks for it. Without one the
// WebSocket is raw.
const subprotocol = "pabal.v1"

// A wsConn is one WebSocket. Its session and all its writes belong to one
// goroutine; another reads frames, and does what they ask, one at a time.
type wsConn struct {
	handler *Handler
	request *http.Request
	conn    net.Conn
	wsReading
	signal  pabal.Signal
	framing wsFraming
	more    *more                       // nil: there is nothing
	granted atomic.Pointer[pabal.Grant] // a newer one than the reader has, or nil

	wsAsks

	buf  []byte
	owed pabal.Position // what the reader wants to have heard
}

// wsAsks is what the goroutine that reads asks of the one that writes.
type wsAsks struct {
	frames chan []byte                // control frames and replies to be written, in order
	tasks  chan func(context.Context) // what is to be done with the session
	ended  chan wsEnd                 // why the reader stopped: once
	hear   chan pabal.Position        // up to where the reader wants to have heard its echo,
	heard  chan struct{}              // and that it has
}

// wsEnd is why a WebSocket ends, and what its close frame says.
type wsEnd struct {
	code   websocket.Code
	reason string
	last   pabal.Position // what a raw client published last: it hears that before the close
	gone   bool           // nobody is there to read a close frame
	said   bool           // the close frame is written
}

// Close codes of Pabal's own. The reason is the cursor from which to go on.
const (
	closeGap     websocket.Code = 4000
	closeReset   websocket.Code = 4001
	closeExpired websocket.Code = 4002 // the reason is "expired"
)

func (h *Handler) websocket(w http.ResponseWriter, r *http.Request, q *request) error {
	hs, err := h.handshake(w, r, q)
	if err != nil {
		return err
	}
	if l := h.loopFor(w, r, q); l != nil {
		return h.websocketOnLoop(w, r, q, hs, l)
	}
	signal := pabal.NewSignal()
	s, err := h.openSession(r.Context(), q, signal)
	if err != nil {
		return err
	}
	defer s.Close()
	more, err := h.more(r.Context(), q, s)
	if err != nil {
		return err
	}
	defer more.end(h, q.grant)
	conn, head, early, err := h.takeOver(w, r, hs)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := &wsConn{
		handler: h, request: r, conn: conn, wsReading: wsReading{s, q.channels}, signal: signal, more: more,
		wsAsks: wsAsks{
			frames: make(chan []byte, 16), tasks: make(chan func(context.Context)), ended: make(chan wsEnd, 1),
			hear: make(chan pabal.Position), heard: make(chan struct{}, 1),
		},
		framing: wsFraming{formOf(hs, q), hs.Compress()},
	}
	c.buf = head
	g := q.grant
	g.Connection = cmp.Or(g.Connection, rand.Text())
	c.run(early, hs, g)
	return nil
}

// handshake checks that r asks for a WebSocket that can be served.
func (h *Handler) handshake(w http.ResponseWriter, r *http.Request, q *request) (hs websocket.Handshake, err error) {
	if err = h.checkConnect(r); err != nil {
		return hs, err
	}
	if !headerHas(r.Header, "Upgrade", "websocket") && websocket.ExtendedConnect(r) == "" {
		if r.ProtoMajor == 1 { // later versions have no such fields
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
		}
		return hs, &problem.Problem{Status: http.StatusUpgradeRequired, Title: "Upgrade Required", Detail: "?via=websocket is for WebSocket clients: connect to ws://…, or use another technique"}
	}
	if hs, err = websocket.Negotiate(r, websocket.Config{Subprotocols: []string{subprotocol}, Deflate: true}); err != nil {
		return hs, handshakeProblem(w, err)
	}
	if offered := r.Header.Values("Sec-WebSocket-Protocol"); len(offered) > 0 && hs.Subprotocol == "" {
		return hs, problem.BadRequest("a subprotocol is offered that is not known here; offer %s, with pabal.token.<token> beside it if need be, or none for bare data", subprotocol)
	}
	if (len(q.channels) != 1 || q.inbox) && hs.Subprotocol == "" {
		return hs, problem.BadRequest("a WebSocket without the subprotocol %s is of one channel: ws://…/channels/{name}", subprotocol)
	}
	return hs, nil
}

func handshakeProblem(w http.ResponseWriter, err error) error {
	var refused *websocket.HandshakeError
	if !errors.As(err, &refused) {
		return err
	}
	for name, values := range refused.Header {
		w.Header()[name] = values
	}
	return &problem.Problem{Status: refused.Status, Title: http.StatusText(refused.Status), Detail: refused.Message}
}

// run serves c until it ends, then closes the connection in good order.
func (c *wsConn) run(early []byte, hs websocket.Handshake, g pabal.Grant) {
	// The request's context ends with the handler's return; a hijacked
	// connection has nobody else to watch it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.request.Context()))
	reading := make(chan struct{})
	client := c.handler.newClient(g, c.more.attendance())
	defer client.end(c.handler, g)
	go func() {
		defer close(reading)
		limit := c.handler.longest(c.framing.form)
		reader := &wsReader{c: c, parser: websocket.Parser{MaxMessage: limit, Deflate: hs.Deflate}}
		reader.commands = commander{c.handler, g, client, &wsVia{reader.withSession}}
		c.ended <- reader.run(ctx, early)
	}()
	end := c.write(ctx, g.Connection)
	cancel()
	_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // the reader looks at ctx after it has set its own
	<-reading
	if !end.gone {
		if !end.said {
			c.buf = websocket.AppendClose(c.buf, end.code, end.reason)
		}
		if c.flush() == nil {
			c.linger()
		}
	}
}

// longest returns how many bytes a message of the client may have. A command
// has more than the message that it publishes: base64 takes a third more, and
// escapes up to as much again.
func (h *Handler) longest(form *wsForm) int {
	limit := h.Hub.Limits().MessageBytes
	if form == &v1Form {
		return 2*limit + commandBytes
	}
	return limit
}

// commandBytes is what a command may have beside its data.
const commandBytes = 4 << 10

// lingerBytes and lingerTime bound what is read after the close frame.
const (
	lingerBytes = 64 << 20
	lingerTime  = 2 * time.Second
)

// linger lets the client take the close frame: a socket that is closed while
// bytes of the client lie unread is reset, and what was sent is lost.
func (c *wsConn) linger() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.Copy(io.Discard, io.LimitReader(c.conn, lingerBytes))
}

// write writes what the session yields, and what the reader asks for, until
// the WebSocket ends.
func (c *wsConn) write(ctx context.Context, connection string) wsEnd {
	if open := c.framing.form.open; open != nil {
		c.buf = open(c.buf, &c.wsReading, c.handler.Heartbeat, connection)
	}
	ping := time.NewTicker(c.handler.Heartbeat)
	defer ping.Stop()
	var b pabal.Batch
	for {
		state := c.session.Step(&b, 256)
		c.takeFrames() // what answers a ping comes before the echo of what followed it
		end, ended := c.encode(&b)
		if err := c.flush(); err != nil {
			return wsEnd{gone: true}
		}
		if ended {
			return end
		}
		obeyed := c.obey(&b)
		if c.owed != (pabal.Position{}) && c.said(c.owed) {
			c.owed = pabal.Position{}
			c.heard <- struct{}{}
		}
		switch state {
		case pabal.Behind:
			if err := c.session.CatchUp(ctx); err != nil {
				c.handler.Log.Warn("reader closed", "channels", c.channels, "client", c.request.RemoteAddr, "reason", err)
				return wsEnd{code: 1013, reason: "unavailable"}
			}
		case pabal.Done:
			if c.framing.raw() {
				return wsEnd{code: 1000, reason: "closed"}
			}
		}
		if end, ended := c.wait(ctx, ping.C, state == pabal.More || state == pabal.Behind || obeyed); ended {
			return end
		}
	}
}

// always is ready to be received from.
var always = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// wait waits until there is something to do, and does what is no reading. With
// more to read it does not wait, but also then whatever else there is to do
// gets its turn.
func (c *wsConn) wait(ctx context.Context, ping <-chan time.Time, more bool) (wsEnd, bool) {
	var due <-chan time.Time
	var signal <-chan struct{} = c.signal
	if rest := time.Until(c.session.Due()); rest > 0 {
		due, signal = time.After(rest), nil
	}
	if more {
		signal = always
	}
	var expiry <-chan time.Time
	if at := c.session.Grant().Expires; !at.IsZero() {
		c.more = c.more.until(at)
		expiry = time.After(time.Until(c.more.next()))
	}
	select {
	case <-signal:
	case c.owed = <-c.hear:
	case <-due:
	case frame := <-c.frames:
		c.buf = append(c.buf, frame...)
	case task := <-c.tasks:
		task(ctx)
	case <-ping:
		c.buf = c.framing.beat(c.buf)
	case end := <-c.ended:
		c.takeFrames()
		return c.finish(ctx, end), true
	case <-expiry:
		if !time.Now().Before(c.more.at) {
			c.buf = c.framing.appendClosed(c.buf, &c.wsReading, pabal.Expired)
			return wsEnd{code: closeExpired, reason: string(pabal.Expired)}, true
		}
		if n := c.more.soon(c.session, c.channels); n != nil {
			c.buf, _ = c.framing.item(c.buf, &pabal.Item{Notice: n, Place: -1})
		}
	case <-c.handler.draining.Done():
		c.buf = c.framing.appendClosed(c.buf, &c.wsReading, reasonDraining)
		return wsEnd{code: 1001, reason: "draining"}, true
	}
	return wsEnd{}, false
}

// obey does what the entries of b ask for, where they are orders, and reports
// whether any were.
func (c *wsConn) obey(b *pabal.Batch) (any bool) {
	for i := range b.Items {
		o, ok := c.more.order(b.Items[i].Entry)
		if !ok {
			continue
		}
		any = true
		if n := c.more.obey(&o, &c.channels); n != nil {
			c.buf, _ = c.framing.item(c.buf, &pabal.Item{Notice: n, Place: -1})
		}
		if o.Command == "refresh" {
			g := c.session.Grant()
			c.granted.Store(&g)
		}
	}
	return any
}

// said reports whether all up to p, in the channel of a raw WebSocket, was
// written, or never will be.
func (c *wsConn) said(p pabal.Position) bool {
	at := c.session.Position(0)
	return at.Epoch != p.Epoch || at.Offset >= p.Offset
}

// finish lets a raw client that closes hear all that it published.
func (c *wsConn) finish(ctx context.Context, end wsEnd) wsEnd {
	if end.gone || end.last == (pabal.Position{}) {
		return end
	}
	timeout := time.NewTimer(c.handler.WriteTimeout + max(0, time.Until(c.session.Due())))
	defer timeout.Stop()
	var b pabal.Batch
	for !c.said(end.last) {
		state := c.session.Step(&b, 256)
		if _, ended := c.encode(&b); ended || state == pabal.Done {
			return end
		}
		if c.flush() != nil {
			return wsEnd{gone: true}
		}
		if state == pabal.Behind && c.session.CatchUp(ctx) != nil {
			return end
		}
		if state == pabal.Caught && !c.said(end.last) {
			select {
			case <-c.signal:
			case <-time.After(max(time.Until(c.session.Due()), c.handler.WriteTimeout/16)): // it rests
			case <-timeout.C:
				return end
			}
		}
	}
	return end
}

// takeFrames moves what the reader wants written to the buffer.
func (c *wsConn) takeFrames() {
	for {
		select {
		case frame := <-c.frames:
			c.buf = append(c.buf, frame...)
		default:
			return
		}
	}
}

// encode writes b down.
func (c *wsConn) encode(b *pabal.Batch) (end wsEnd, ended bool) {
	for i := range b.Items {
		if c.buf, ended = c.framing.item(c.buf, &b.Items[i]); ended {
			return wsEnd{said: true}, true
		}
		if len(c.buf) >= writeBytes && c.flush() != nil {
			return wsEnd{gone: true}, true
		}
	}
	return wsEnd{}, false
}

func (c *wsConn) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	err := writePieces(c.conn, c.conn.SetWriteDeadline, c.handler.WriteTimeout, c.buf)
	if c.buf = c.buf[:0]; cap(c.buf) > 2*writeBytes {
		c.buf = nil
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.handler.Log.Info("reader closed", "channels", c.channels, "client", c.request.RemoteAddr, "reason", errSlow)
	}
	return err
}
