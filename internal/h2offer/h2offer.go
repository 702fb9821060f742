// Package h2offer lets one [http.Server] keep quiet about the extended CONNECT
// of HTTP/2 (RFC 8441) in a program in which net/http was told to offer it:
// net/http knows that only for the whole program.
//
// The offer is one of the settings with which a server begins a connection of
// HTTP/2. [Gate] takes it out of the first bytes that are written. It stands on
// what net/http promises of [http.Server].TLSNextProto, and on how it hands over
// a connection of HTTP/2 without TLS, which golang.org/x/net/http2 uses too.
package h2offer

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

const (
	overTLS   = "h2"
	overClear = "unencrypted_http2" // net/http's name for HTTP/2 without TLS
)

// Gate has srv, which does not serve yet, make the offer only on connections
// that begin while offers says so. It is to be called when the protocols and the
// TLS configuration of srv are set, and before its BaseContext is. An error says
// that this version of Go cannot be had to.
func Gate(srv *http.Server, offers func() bool) error {
	// Serving has net/http fill in TLSNextProto, once.
	if err := srv.Serve(nowhere{}); !errors.Is(err, errNowhere) {
		return fmt.Errorf("net/http could not be made ready for HTTP/2: %w", err)
	}
	secure, plain := srv.TLSNextProto[overTLS], srv.TLSNextProto[overClear]
	if secure == nil || plain == nil {
		return errors.New("this version of net/http hands over HTTP/2 in a way that is not known here: start with GODEBUG=http2xconnect=0 to have no WebSocket over HTTP/2")
	}
	srv.TLSNextProto[overTLS] = func(srv *http.Server, conn *tls.Conn, h http.Handler) {
		if offers() {
			secure(srv, conn, h)
			return
		}
		plain(srv, handOver(&secureConn{conn, quiet{}, prefaceReader{}}), h)
	}
	srv.TLSNextProto[overClear] = func(srv *http.Server, conn *tls.Conn, h http.Handler) {
		inner, ok := conn.NetConn().(unencrypted)
		if !offers() && ok {
			conn = handOver(&plainConn{inner.UnencryptedNetConn(), quiet{}})
		}
		plain(srv, conn, h)
	}
	return nil
}

// unencrypted is what net/http asks of the connection inside a [tls.Conn] that
// stands for one without TLS.
type unencrypted interface{ UnencryptedNetConn() net.Conn }

type handedOver struct {
	net.Conn // nil: nobody asks anything of it
	inner    net.Conn
}

func (h handedOver) UnencryptedNetConn() net.Conn { return h.inner }

func handOver(conn net.Conn) *tls.Conn { return tls.Client(handedOver{inner: conn}, nil) }

// A plainConn keeps quiet.
type plainConn struct {
	net.Conn
	quiet quiet
}

// Write implements [net.Conn].
func (c *plainConn) Write(p []byte) (int, error) { return c.quiet.write(c.Conn, p) }

// A secureConn keeps quiet, and is handed over as if the client's preface had
// been read. Beside what a [net.Conn] has, net/http asks it for the state of TLS.
type secureConn struct {
	*tls.Conn
	quiet   quiet
	preface prefaceReader
}

// Write implements [net.Conn].
func (c *secureConn) Write(p []byte) (int, error) { return c.quiet.write(c.Conn, p) }

// Read implements [net.Conn].
func (c *secureConn) Read(p []byte) (int, error) {
	if err := c.preface.read(c.Conn); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// prefaceReader reads what a client sends first.
type prefaceReader struct{ done bool }

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func (r *prefaceReader) read(from io.Reader) error {
	if r.done {
		return nil
	}
	got := make([]byte, len(preface))
	if _, err := io.ReadFull(from, got); err != nil {
		return err
	}
	if string(got) != preface {
		return errors.New("the client does not begin as HTTP/2 does")
	}
	r.done = true
	return nil
}

// A quiet writes all but the offer.
type quiet struct{ begun bool }

func (q *quiet) write(to io.Writer, p []byte) (int, error) {
	if q.begun {
		return to.Write(p)
	}
	q.begun = true
	if _, err := to.Write(withoutOffer(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

const (
	headBytes     = 9 // of a frame
	settingsFrame = 4
	settingBytes  = 6
	offer         = 8 // SETTINGS_ENABLE_CONNECT_PROTOCOL
)

// withoutOffer returns p, the first bytes of a server, without the offer. p
// itself is not changed.
func withoutOffer(p []byte) []byte {
	if len(p) < headBytes || p[3] != settingsFrame {
		return p
	}
	end := headBytes + int(p[0])<<16 + int(p[1])<<8 + int(p[2])
	if end > len(p) {
		return p
	}
	out := append(make([]byte, 0, len(p)), p[:headBytes]...)
	for s := p[headBytes:end]; len(s) >= settingBytes; s = s[settingBytes:] {
		if binary.BigEndian.Uint16(s) != offer {
			out = append(out, s[:settingBytes]...)
		}
	}
	n := len(out) - headBytes
	out[0], out[1], out[2] = byte(n>>16), byte(n>>8), byte(n)
	return append(out, p[end:]...)
}

var errNowhere = errors.New("nobody comes")

// nowhere is a listener that nobody can reach.
type nowhere struct{}

func (nowhere) Accept() (net.Conn, error) { return nil, errNowhere }
func (nowhere) Close() error              { return nil }
func (nowhere) Addr() net.Addr            { return &net.TCPAddr{} }
