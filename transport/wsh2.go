package transport

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/websocket"
)

// checkConnect refuses an extended CONNECT where WebSocket is for HTTP/1.1
// alone.
func (h *Handler) checkConnect(r *http.Request) error {
	if h.NoHTTP2WebSocket && websocket.ExtendedConnect(r) != "" {
		return &problem.Problem{Status: http.StatusNotImplemented, Title: "Not Implemented", Detail: "a WebSocket needs HTTP/1.1 here: the extended CONNECT is switched off"}
	}
	return nil
}

// takeOver takes from net/http what a WebSocket goes over, and with it the
// bytes that came early. The head is to be written before anything else.
func (h *Handler) takeOver(w http.ResponseWriter, r *http.Request, hs websocket.Handshake) (conn net.Conn, head, early []byte, err error) {
	if websocket.ExtendedConnect(r) != "" {
		hs.SetResponse(w.Header())
		return newStreamConn(w, r, h.WriteTimeout), nil, nil, nil
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, nil, problem.BadRequest("a WebSocket needs HTTP/1.1 here, or an extended CONNECT")
	}
	early, _ = rw.Peek(rw.Reader.Buffered())
	return conn, hs.AppendResponse(nil, w.Header()), append([]byte(nil), early...), nil
}

// A streamConn is one stream of a connection of HTTP/2 or 3: what comes is the
// body of the request, what goes that of the response. One goroutine may read
// and another write. It is of no use once the handler has returned, which ends
// the stream.
//
// A deadline of reading that is over stays so. One of writing is not net/http's:
// there, it resets the stream also while nothing is written.
type streamConn struct {
	body io.ReadCloser
	w    http.ResponseWriter
	rc   *http.ResponseController
	from addr

	writeBy time.Time // of who writes
}

// addr is the address of a client, as net/http writes it.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

// newStreamConn answers r, an extended CONNECT, with 200 and the header of w.
// That the client has left already, reading will tell.
func newStreamConn(w http.ResponseWriter, r *http.Request, timeout time.Duration) *streamConn {
	c := &streamConn{body: r.Body, w: w, rc: http.NewResponseController(w), from: addr(r.RemoteAddr)}
	_ = c.rc.SetReadDeadline(time.Time{}) // the server's own, for a body that ends
	w.WriteHeader(http.StatusOK)
	_ = c.SetWriteDeadline(time.Now().Add(timeout))
	_, _ = c.Write(nil)
	return c
}

// Read reads what came: [io.EOF] once the client has ended the stream, another
// error once it has reset it.
func (c *streamConn) Read(p []byte) (int, error) { return c.body.Read(p) }

// SetReadDeadline sets until when Read waits. Once that is over, what the client
// sends is thrown away.
func (c *streamConn) SetReadDeadline(t time.Time) error { return c.rc.SetReadDeadline(t) }

// Write writes p and has it sent. It returns when it is on its way.
func (c *streamConn) Write(p []byte) (n int, err error) {
	until := c.writeBy
	if !until.IsZero() && time.Until(until) <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	_ = c.rc.SetWriteDeadline(until)
	if n, err = c.w.Write(p); err == nil {
		err = c.rc.Flush()
	}
	switch {
	case err == nil:
		_ = c.rc.SetWriteDeadline(time.Time{})
	case !until.IsZero() && time.Until(until) <= 0: // HTTP/2 does not tell
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// SetWriteDeadline sets until when Write waits. It is for who writes.
func (c *streamConn) SetWriteDeadline(t time.Time) error {
	c.writeBy = t
	return nil
}

// SetDeadline implements [net.Conn].
func (c *streamConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close ends reading. The stream ends with the handler.
func (c *streamConn) Close() error { return c.body.Close() }

// LocalAddr implements [net.Conn]. It is not known.
func (c *streamConn) LocalAddr() net.Addr { return addr("") }

// RemoteAddr implements [net.Conn].
func (c *streamConn) RemoteAddr() net.Addr { return c.from }
