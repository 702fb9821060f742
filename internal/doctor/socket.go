package doctor

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 has it so
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	ws "github.com/coder/websocket"

	"github.com/pabal/pabal/internal/h2connect"
)

// subprotocol is that of which each message is an entry's or a notice's JSON
// form.
const subprotocol = "pabal.v1"

// readSocket reads a WebSocket.
func (r *reader) readSocket(ctx context.Context) error {
	client := *r.client
	client.Transport = watching{client.Transport, r}
	header := http.Header{}
	for name, values := range r.exam.options.Header {
		header[name] = values
	}
	conn, resp, err := ws.Dial(ctx, r.exam.target(websocket, nil), &ws.DialOptions{HTTPClient: &client, HTTPHeader: header, Subprotocols: []string{subprotocol}}) //nolint:bodyclose // Dial says that it needs no closing
	if err != nil {
		if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
			return bare(err)
		}
		body, _ := io.ReadAll(resp.Body) // Dial has kept the first of it
		return refusal{(&answer{status: resp.StatusCode, header: resp.Header, body: body}).failure()}
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 20)
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(text, []byte("{")) {
			r.take(text)
		}
	}
}

// watching notes when bytes come on a connection that has become a WebSocket:
// signs of life too.
type watching struct {
	http.RoundTripper
	reader *reader
}

// RoundTrip implements [http.RoundTripper].
func (w watching) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if both, ok := resp.Body.(io.ReadWriteCloser); ok {
		resp.Body = struct {
			watched
			io.Writer
		}{watched{both, w.reader}, both}
	}
	return resp, nil
}

// A socketRoad opens a WebSocket by the extended CONNECT of HTTP/2, which
// net/http's client cannot, and answers as if it had been by HTTP/1.1.
type socketRoad struct{ roads *roads }

// RoundTrip implements [http.RoundTripper].
func (s *socketRoad) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if through, err := http.ProxyFromEnvironment(req); err != nil || through != nil {
		return nil, errUntried
	}
	conn, err := s.dial(ctx, req)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	ask := h2connect.Request{Scheme: "https", Authority: req.URL.Host, Path: req.URL.RequestURI()}
	for name, values := range req.Header {
		switch name {
		case "Connection", "Upgrade", "Sec-Websocket-Key":
		default:
			for _, value := range values {
				ask.Header = append(ask.Header, name+": "+value)
			}
		}
	}
	opened, err := h2connect.Open(conn, ask)
	if err != nil {
		stop()
		_ = conn.Close()
		return refusedBy(req, err)
	}
	return &http.Response{
		StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 2, Request: req,
		Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Protocol": {subprotocol},
			"Sec-Websocket-Accept": {accept(req.Header.Get("Sec-WebSocket-Key"))},
		},
		Body: &h2Socket{opened, stop},
	}, nil
}

// h2Socket is what was opened; closing it also ends the watch over its context.
type h2Socket struct {
	*h2connect.Stream
	stop func() bool
}

// Close implements [io.Closer].
func (s *h2Socket) Close() error {
	s.stop()
	return s.Stream.Close()
}

// dial makes a connection of HTTP/2.
func (s *socketRoad) dial(ctx context.Context, req *http.Request) (*tls.Conn, error) {
	address := req.URL.Host
	if req.URL.Port() == "" {
		address = net.JoinHostPort(req.URL.Hostname(), "443")
	}
	plain, err := s.roads.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	config := s.roads.config()
	config.NextProtos = []string{"h2"}
	if config.ServerName == "" {
		config.ServerName = req.URL.Hostname()
	}
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return conn, nil
}

// refusedBy makes an answer of what the extended CONNECT was refused with.
func refusedBy(req *http.Request, err error) (*http.Response, error) {
	var refused *h2connect.Refused
	if !errors.As(err, &refused) {
		return nil, fmt.Errorf("extended CONNECT: %w", err)
	}
	return &http.Response{
		StatusCode: refused.Status, ProtoMajor: 2, Request: req, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader([]byte(refused.Body))),
	}, nil
}

// errUntried says that WebSocket over HTTP/2 was not tried.
var errUntried = errors.New("not tried, as connections go through a proxy that the environment names")

// accept is the answer to a Sec-WebSocket-Key (RFC 6455 section 4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see above
	return base64.StdEncoding.EncodeToString(sum[:])
}
