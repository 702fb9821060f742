// Package line carries requests to a server over HTTP/1.1, HTTP/1.1 with TLS
// and HTTP/2 with TLS, and counts every byte of it that TCP carries.
package line

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal/bench/cost/browser"
)

// A Line carries one request after the other. It belongs to one goroutine, but
// for Close, which ends whatever waits.
type Line interface {
	// Ask sends a request. The body of the last answer has been read.
	Ask(r browser.Request) error

	// Head waits for the head of the answer. It is an error if that is none of
	// a success.
	Head() (Head, error)

	// Reader reads the body of the answer as far as it has come. Of a WebSocket
	// it reads the payload of what it carries; pings are answered.
	io.Reader

	// Close ends the request, and the connection with its last line.
	io.Closer
}

// A Head is what is wanted of the head of an answer.
type Head struct {
	Status int
	Cursor string // Pabal-Cursor
}

// A Count is of bytes that went over connections: what TCP carries, so with
// TLS records and HTTP/2 frames, and without the headers of TCP and IP.
type Count struct{ In, Out atomic.Int64 }

// counted is a connection whose bytes are counted.
type counted struct {
	net.Conn
	count *Count
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.count.In.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.count.Out.Add(int64(n))
	return n, err
}

// A Dialer makes lines to one server.
type Dialer struct {
	Address string
	TLS     *tls.Config // nil: none
	HTTP2   bool
	Streams int // lines that share a connection of HTTP/2, one after the other; at least 1
	Count   *Count

	shared *conn2
	lines  int // on shared
}

const dialTime = 10 * time.Second

// Dial makes a line. Lines of HTTP/2 share a connection as far as d.Streams
// says. It is for one goroutine at a time.
func (d *Dialer) Dial(ctx context.Context) (Line, error) {
	if !d.HTTP2 {
		conn, err := d.Connect(ctx, "http/1.1")
		if err != nil {
			return nil, err
		}
		return newLine1(conn), nil
	}
	if d.shared == nil || d.lines >= d.Streams {
		conn, err := d.Connect(ctx, "h2")
		if err != nil {
			return nil, err
		}
		if d.shared, err = newConn2(conn); err != nil {
			conn.Close()
			return nil, err
		}
		d.lines = 0
	}
	d.lines++
	return d.shared.line(), nil
}

// Connect makes a counted connection that is to speak protocol.
func (d *Dialer) Connect(ctx context.Context, protocol string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTime}
	tcp, err := dialer.DialContext(ctx, "tcp", d.Address)
	if err != nil {
		return nil, err
	}
	conn := net.Conn(&counted{tcp, d.Count})
	if d.TLS == nil {
		return conn, nil
	}
	config := d.TLS.Clone()
	config.NextProtos = []string{protocol}
	client := tls.Client(conn, config)
	if err := client.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", d.Address, err)
	}
	if got := client.ConnectionState().NegotiatedProtocol; got != protocol {
		conn.Close()
		return nil, fmt.Errorf("the server speaks %q, not %q", got, protocol)
	}
	return client, nil
}
