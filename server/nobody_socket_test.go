package server

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// connection returns an id for a connection, as a client makes one.
func connection(t *testing.T) string {
	t.Helper()
	return hex.EncodeToString([]byte(rand.Text())[:16])
}

var upgrade = []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}

const v1 = "Sec-WebSocket-Protocol: pabal.v1"

// A socket is a WebSocket of a client that may send whatever it likes.
type socket struct {
	conn net.Conn
	in   *bufio.Reader
}

// socket opens one. Its header may have no Connection of its own.
func (s *siege) socket(t *testing.T, path string, header ...string) *socket {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.address, patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	w := &socket{conn, bufio.NewReader(conn)}
	_, err = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: "+s.address+"\r\n"+strings.Join(append(header, upgrade...), "\r\n")+"\r\n\r\n")
	got, readErr := readAnswer(w.in, http.MethodGet)
	if err != nil || readErr != nil || got.status != http.StatusSwitchingProtocols {
		t.Fatalf("a WebSocket on %s: got %v, %v, %v", path, got, err, readErr)
	}
	return w
}

func (w *socket) close() { _ = w.conn.Close() }

// frame returns a frame, masked with zeros.
func frame(first byte, payload []byte) []byte {
	head := []byte{first, 0x80}
	switch n := len(payload); {
	case n < 126:
		head[1] |= byte(n)
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(n))
	default:
		head = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(n))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

// First bytes of frames: the opcode, and whether it is the last of a message,
// and compressed.
const (
	text, fin, deflated = 1, 0x80, 0x40
)

// say sends a command and returns the reply.
func (w *socket) say(t *testing.T, command string) string {
	t.Helper()
	if _, err := w.conn.Write(frame(fin|text, []byte(command))); err != nil {
		t.Fatal(err)
	}
	return w.hear(t, `{"id":`, `{"error":`)
}

// hear returns the next message that begins with one of prefixes.
func (w *socket) hear(t *testing.T, prefixes ...string) string {
	t.Helper()
	for {
		op, payload, err := serverFrame(w.in)
		if err != nil || op == 8 {
			t.Fatalf("a WebSocket ends: %q, %v; want %q", payload, err, prefixes)
		}
		for _, prefix := range prefixes {
			if bytes.HasPrefix(payload, []byte(prefix)) {
				return string(payload)
			}
		}
	}
}

// send sends bytes meanwhile. Done closes the connection, and waits for that.
func (w *socket) send(sent []byte) (done func()) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = w.conn.Write(sent)
	}()
	return func() { w.close(); <-written }
}

// ends sends bytes, of which the server need not take all, and returns why it
// closes.
func (w *socket) ends(t *testing.T, sent []byte) (code uint16, reason string) {
	t.Helper()
	defer w.send(sent)()
	for {
		op, payload, err := serverFrame(w.in)
		if err != nil {
			t.Errorf("no close frame came: %v", err)
			return 0, ""
		}
		if op == 8 && len(payload) >= 2 {
			return binary.BigEndian.Uint16(payload), string(payload[2:])
		}
	}
}
