package transport_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A socket is the client's end of a WebSocket, frame by frame: it can do what
// a well-behaved library would not.
type socket struct {
	testing.TB
	net.Conn
	in *bufio.Reader
}

// A frame is one that a server sent.
type frame struct {
	first   byte // FIN, RSV and opcode
	payload []byte
}

func (f frame) String() string { return fmt.Sprintf("%x %.80q", f.first, f.payload) }

// The first bytes of whole frames.
const (
	textFrame   = 0x81
	binaryFrame = 0x82
	closeFrame  = 0x88
	pingFrame   = 0x89
	pongFrame   = 0x8a
)

// connect opens a WebSocket at url, which begins with http.
func connect(t testing.TB, url string, headers ...string) *socket {
	t.Helper()
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := overHTTP2.Load("http://" + host); ok {
		return handshakeHTTP2(t, conn, "http", "/"+path, headers...)
	}
	return handshake(t, conn, "/"+path, headers...)
}

func handshake(t testing.TB, conn net.Conn, path string, headers ...string) *socket {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	s := &socket{t, conn, bufio.NewReader(conn)}
	request := "GET " + path + " HTTP/1.1\r\nHost: pabal.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, h := range headers {
		request += h + "\r\n"
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: %v, %v", path, resp, err)
	}
	return s
}

// appendFrame appends a masked frame.
func appendFrame(dst []byte, first byte, payload []byte) []byte {
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, first, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, first, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, 0x80|127), uint64(n))
	}
	key := [4]byte{1, 2, 3, 4}
	dst = append(dst, key[:]...)
	at := len(dst)
	dst = append(dst, payload...)
	for i := range payload {
		dst[at+i] ^= key[i&3]
	}
	return dst
}

func closing(code uint16, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, code), reason...)
}

func (s *socket) send(first byte, payload string) {
	s.Helper()
	s.write(appendFrame(nil, first, []byte(payload)))
}

func (s *socket) write(raw []byte) {
	s.Helper()
	if _, err := s.Write(raw); err != nil {
		s.Fatal(err)
	}
}

// next returns the next frame, or an error at the end.
func (s *socket) next() (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return frame{}, err
	}
	n := uint64(head[1])
	var long [8]byte
	switch n {
	case 126:
		if _, err := io.ReadFull(s.in, long[6:]); err != nil {
			return frame{}, err
		}
		n = binary.BigEndian.Uint64(long[:])
	case 127:
		if _, err := io.ReadFull(s.in, long[:]); err != nil {
			return frame{}, err
		}
		n = binary.BigEndian.Uint64(long[:])
	}
	f := frame{head[0], make([]byte, n)}
	_, err := io.ReadFull(s.in, f.payload)
	return f, err
}

func (s *socket) want(first byte, payload string) {
	s.Helper()
	got, err := s.next()
	if err != nil || got.first != first || string(got.payload) != payload {
		s.Fatalf("got %v, %v, want %v", got, err, frame{first, []byte(payload)})
	}
}

// wantClose reads up to a close frame with code, then the end.
func (s *socket) wantClose(code uint16, reason string) {
	s.Helper()
	for {
		got, err := s.next()
		if err != nil {
			s.Fatalf("ended with %v, want a close frame with %d first", err, code)
		}
		if got.first != closeFrame {
			continue
		}
		if len(got.payload) < 2 || binary.BigEndian.Uint16(got.payload) != code || !bytes.Contains(got.payload[2:], []byte(reason)) {
			s.Fatalf("closed with %q, want %d and something about %q", got.payload, code, reason)
		}
		break
	}
	if rest, err := s.next(); err == nil {
		s.Fatalf("after the close frame came %v", rest)
	}
}

// A said is what a server of pabal.v1 says: an entry, a notice or a reply.
type said struct {
	Notice, Channel, Cursor, Reason string
	URL                             string
	Data                            any
	ID                              any
	OK                              bool
	Duplicate                       *bool
	Error                           *struct {
		Status int
		Detail string
		Limit  string
	}
	text string
}

// hear returns what is said next, but for signs of life.
func (s *socket) hear() (m said) {
	s.Helper()
	for {
		got, err := s.next()
		if err != nil {
			s.Fatal(err)
		}
		if got.first == textFrame && len(got.payload) == 0 || got.first == pingFrame {
			continue
		}
		if err := json.Unmarshal(got.payload, &m); err != nil || got.first != textFrame {
			s.Fatalf("got %v: %v", got, err)
		}
		m.text = string(got.payload)
		return m
	}
}

// reply sends a command and returns the reply to it.
func (s *socket) reply(command string) said {
	s.Helper()
	s.send(textFrame, command)
	for {
		if m := s.hear(); m.OK || m.Error != nil {
			return m
		}
	}
}
