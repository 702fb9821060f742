package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal/internal/h2connect"
	"github.com/pabal/pabal/internal/h2offer"
)

// selfTestTimeout is how long a server may take to answer itself.
const selfTestTimeout = 5 * time.Second

// streamSockets is whether browsers are told that they may open a WebSocket on
// a connection of HTTP/2. Once told, they open every one so, and where that
// cannot be relayed they have none.
type streamSockets struct {
	mode    string      // of the setting websocket-h2
	offered atomic.Bool // to who connects now
	log     *slog.Logger
}

// newStreamSockets has srv offer what mode says. That is only as much as net/http
// does: see the package xconnect.
func newStreamSockets(srv *http.Server, mode string, log *slog.Logger) (*streamSockets, error) {
	s := &streamSockets{mode: mode, log: log}
	s.offered.Store(mode != "off")
	if mode == "on" {
		return s, nil
	}
	if err := h2offer.Gate(srv, s.offered.Load); err != nil {
		return nil, fmt.Errorf("websocket-h2=%s: %w", mode, err)
	}
	return s, nil
}

// test opens a WebSocket over HTTP/2 on each of listeners, which are served,
// and says how that went. With auto, it is not offered any more if it failed.
// A cert is given for TLS.
func (s *streamSockets) test(ctx context.Context, listeners []net.Listener, cert *certificate) {
	if s.mode == "off" {
		return
	}
	for _, l := range listeners {
		err := selfTest(ctx, l, cert)
		url := origin(l, cert != nil)
		switch {
		case err == nil:
			s.log.Info("a WebSocket over HTTP/2 works", "url", url)
			continue
		case ctx.Err() != nil:
			return
		case errors.Is(err, h2connect.ErrNotOffered) && s.mode != "on":
			s.log.Info("no WebSocket over HTTP/2: the program does not import github.com/pabal/pabal/server/xconnect, or was started with GODEBUG=http2xconnect=0", "url", url)
		case s.mode == "on":
			s.log.Warn("a WebSocket over HTTP/2 does not work, but is offered; start with --websocket-h2=auto to offer it only if it works", "url", url, "error", err)
		default:
			s.log.Warn("a WebSocket over HTTP/2 does not work, and is not offered", "url", url, "error", err)
		}
		if s.mode != "on" {
			s.offered.Store(false)
			return
		}
	}
}

// selfTest opens a WebSocket over HTTP/2 on l, of no channel, has its ping
// answered, and closes it. When it returns nil, nothing of it is left.
func selfTest(ctx context.Context, l net.Listener, cert *certificate) error {
	address := l.Addr().String()
	if at, ok := l.Addr().(*net.TCPAddr); ok && at.IP.IsUnspecified() {
		here := net.IPv6loopback
		if at.IP.To4() != nil {
			here = net.IPv4(127, 0, 0, 1)
		}
		address = (&net.TCPAddr{IP: here, Port: at.Port}).String()
	}
	ctx, cancel := context.WithTimeout(ctx, selfTestTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, l.Addr().Network(), address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	request := h2connect.Request{
		Scheme: "http", Authority: address, Path: "/channels",
		Header: []string{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: pabal.v1"},
	}
	over := conn
	if cert != nil {
		request.Scheme = "https"
		over = tls.Client(conn, onlyWith(cert))
	}
	stream, err := h2connect.Open(over, request)
	if err == nil {
		err = errors.Join(pingPong(stream), stream.Close())
	}
	if cause := ctx.Err(); err != nil && cause != nil {
		return errors.Join(cause, err)
	}
	return err
}

// onlyWith is a client's configuration that trusts cert alone, whatever names
// it is for.
func onlyWith(cert *certificate) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, // VerifyConnection does it
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"h2"},
		VerifyConnection: func(state tls.ConnectionState) error {
			if !bytes.Equal(state.PeerCertificates[0].Raw, cert.get().Certificate[0]) {
				return errors.New("another server answers here: its certificate is not this one's")
			}
			return nil
		},
	}
}

// pingPong has the command ping answered on a WebSocket of pabal.v1, and closes
// it.
func pingPong(conn io.ReadWriter) error {
	const text, closing = 1, 8
	if _, err := conn.Write(clientFrame(text, `{"id":1,"command":"ping"}`)); err != nil {
		return err
	}
	for {
		op, payload, err := serverFrame(conn)
		switch {
		case err != nil:
			return fmt.Errorf("no answer to a ping: %w", err)
		case op == closing:
			return fmt.Errorf("closed with %q instead of an answer to a ping", payload)
		case op == text && bytes.Contains(payload, []byte(`"id":1,"ok":true`)):
			if _, err := conn.Write(clientFrame(closing, "\x03\xe8")); err != nil { // 1000
				return err
			}
			if _, err = io.Copy(io.Discard, conn); err != nil {
				return fmt.Errorf("not closed in good order: %w", err)
			}
			return nil
		}
	}
}

// clientFrame returns a whole frame of less than 126 bytes, masked with zeros:
// what it carries is no secret, and no proxy could take it for HTTP.
func clientFrame(op byte, payload string) []byte {
	return append([]byte{0x80 | op, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// serverFrame reads a whole frame of less than 64 KiB.
func serverFrame(r io.Reader) (op byte, payload []byte, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	if n >= 126 {
		long := make([]byte, 2)
		if _, err := io.ReadFull(r, long); err != nil || n > 126 {
			return 0, nil, errors.Join(errors.New("a frame that is too long"), err)
		}
		n = int(binary.BigEndian.Uint16(long))
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return head[0] & 0x0f, payload, err
}
