package readers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// A Server is where one listens: without TLS for HTTP/1.1, and for HTTP/2 by
// prior knowledge; with TLS for both.
type Server struct {
	Plain, TLS string // URLs
	Roots      *x509.CertPool
}

// The protocols of [Server.Client].
const (
	H1  = "h1"
	H1S = "h1s" // with TLS
	H2  = "h2"
	H2C = "h2c"
)

// Client returns a client that speaks protocol, over connections of its own
// that cut breaks, and the URL for it. Close it with CloseIdleConnections.
func (s *Server) Client(protocol string, cut *Cut) (*http.Client, string) {
	t := &http.Transport{DialContext: cut.dial, Protocols: new(http.Protocols), DisableCompression: true}
	t.Protocols.SetHTTP1(protocol == H1 || protocol == H1S)
	t.Protocols.SetHTTP2(protocol == H2)
	t.Protocols.SetUnencryptedHTTP2(protocol == H2C)
	at := s.Plain
	if protocol == H2 || protocol == H1S {
		at = s.TLS
		t.TLSClientConfig = &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS13}
	}
	if cut != nil && cut.body {
		return &http.Client{Transport: &cutter{t, cut}}, at
	}
	return &http.Client{Transport: t}, at
}

// A Cut breaks what is read, at a byte.
type Cut struct {
	body  bool // counted in the bodies of responses, else on the connections
	left  atomic.Int64
	fired atomic.Bool
}

// CutConnection returns a cut after n bytes of all connections together.
func CutConnection(n int) *Cut { return newCut(n, false) }

// CutBody returns a cut after n bytes of all responses' bodies. After none, it
// is between head and body.
func CutBody(n int) *Cut { return newCut(n, true) }

func newCut(n int, body bool) *Cut {
	c := &Cut{body: body}
	c.left.Store(int64(n))
	return c
}

// Fired reports whether c has cut.
func (c *Cut) Fired() bool { return c != nil && c.fired.Load() }

var errCut = errors.New("cut")

// read reads from r until the cut.
func (c *Cut) read(r io.Reader, p []byte) (int, error) {
	left := c.left.Load()
	if left <= 0 {
		c.fired.Store(true)
		return 0, errCut
	}
	n, err := r.Read(p[:min(int64(len(p)), left)])
	if c.left.Add(-int64(n)) <= 0 {
		c.fired.Store(true)
		err = errCut
	}
	return n, err
}

func (c *Cut) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 20 * time.Second}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil || c == nil || c.body {
		return conn, err
	}
	return &cutConn{conn, c}, nil
}

type cutConn struct {
	net.Conn
	cut *Cut
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.cut.read(c.Conn, p)
	if errors.Is(err, errCut) {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset; else the port would stay in use for a minute
		}
		c.Close()
	}
	return n, err
}

// A cutter cuts bodies.
type cutter struct {
	http.RoundTripper
	cut *Cut
}

func (c *cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &cutBody{resp.Body, c.cut}
	}
	return resp, err
}

func (c *cutter) CloseIdleConnections() {
	c.RoundTripper.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

type cutBody struct {
	io.ReadCloser
	cut *Cut
}

func (b *cutBody) Read(p []byte) (int, error) { return b.cut.read(b.ReadCloser, p) }
