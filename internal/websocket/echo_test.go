package websocket

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// echoLimit is the longest message that the echo server takes.
const echoLimit = 16 << 20

// An echoServer sends back every message, as the raw mode of a WebSocket channel does.
type echoServer struct {
	listener net.Listener
	config   Config
	wait     sync.WaitGroup
}

// startEcho starts an echo server on the loopback, and stops it with the test.
func startEcho(t *testing.T, config Config) *echoServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &echoServer{listener: listener, config: config}
	s.wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.wait.Go(func() { s.serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.wait.Wait()
	})
	return s
}

func (s *echoServer) address() string { return s.listener.Addr().String() }

func (s *echoServer) serve(conn *net.TCPConn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	reader := bufio.NewReader(conn)
	r, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	h, err := Negotiate(r, s.config)
	var refused *HandshakeError
	if errors.As(err, &refused) {
		response := http.Response{StatusCode: refused.Status, ProtoMajor: 1, ProtoMinor: 1, Header: refused.Header}
		response.Write(conn)
		return
	}
	if _, err := conn.Write(h.AppendResponse(nil, nil)); err != nil {
		return
	}
	if echo(conn, reader, h) {
		conn.CloseWrite()
		io.Copy(io.Discard, reader)
	}
}

// echo answers until the close frame is written; false means that the connection failed before.
func echo(conn io.Writer, reader io.Reader, h Handshake) (closed bool) {
	p := Parser{MaxMessage: echoLimit, Deflate: h.Deflate}
	buf := make([]byte, 64<<10)
	for {
		n, err := reader.Read(buf)
		if err != nil {
			return false
		}
		var out []byte
		for in := buf[:n]; len(in) > 0 && !closed; {
			var ev Event
			ev, in, err = p.Next(in)
			switch {
			case err != nil:
				out, closed = AppendError(out, err), true
			case ev.Op == OpClose:
				out, closed = AppendClose(out, ev.Code, ev.Reason), true
			case ev.Op == OpPing:
				out = AppendFrame(out, OpPong, ev.Payload)
			case ev.Op == OpText, ev.Op == OpBinary:
				out = append(out, Message(ev.Op, ev.Payload, h.Compress().May(len(ev.Payload)))...)
			}
		}
		if _, err := conn.Write(out); err != nil || closed {
			return closed && err == nil
		}
	}
}

// A rawClient speaks bytes to the echo server, and reads its frames.
type rawClient struct {
	t      *testing.T
	conn   *net.TCPConn
	reader *bufio.Reader
	head   *http.Response
}

// dialRaw opens a WebSocket with the extensions offered, if any.
func dialRaw(t *testing.T, s *echoServer, extensions string) *rawClient {
	t.Helper()
	head := goodRequest
	if extensions != "" {
		head += "Sec-WebSocket-Extensions: " + extensions + "\r\n"
	}
	c := dialHead(t, s, head)
	if c.head.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got status %d, want 101", c.head.StatusCode)
	}
	return c
}

// dialHead sends head and reads the head of the response.
func dialHead(t *testing.T, s *echoServer, head string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	c := &rawClient{t: t, conn: conn.(*net.TCPConn), reader: bufio.NewReader(conn)}
	t.Cleanup(func() { conn.Close() })
	if c.head, err = http.ReadResponse(c.reader, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// send writes b in pieces of size bytes, each a packet of its own; the server may have closed before it is all written.
func (c *rawClient) send(b []byte, size int) {
	for len(b) > 0 {
		n := min(size, len(b))
		if _, err := c.conn.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

// receive reads frames up to the end of the connection, and returns them as text.
func (c *rawClient) receive() (got []string) {
	c.t.Helper()
	for {
		ev, ok := c.next()
		if !ok {
			return got
		}
		got = append(got, ev.String())
	}
}

// next reads one frame. It checks that it is whole and unmasked, and inflates what is compressed.
func (c *rawClient) next() (ev Event, ok bool) {
	c.t.Helper()
	var head [10]byte
	if _, err := io.ReadFull(c.reader, head[:2]); err == io.EOF {
		return ev, false
	} else if err != nil {
		c.t.Fatalf("reading a frame: %v", err)
	}
	size := map[byte]int{length16: 2, length64: 8}[head[1]]
	if _, err := io.ReadFull(c.reader, head[2:2+size]); err != nil {
		c.t.Fatalf("reading a frame: %v", err)
	}
	length := int(head[1])
	if size > 0 {
		length = 0
		for _, b := range head[2 : 2+size] {
			length = length<<8 | int(b)
		}
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(c.reader, payload); err != nil {
		c.t.Fatalf("reading a payload of %d bytes: %v", length, err)
	}
	ev, bad := Event{Op: Opcode(head[0] & maskOp), Payload: payload}, (*Error)(nil)
	switch {
	case head[0]&bitFin == 0 || head[0]&bitsRSV != 0 || head[1]&bitMask != 0:
		c.t.Fatalf("a frame begins % x", head)
	case ev.Op == OpClose:
		ev, bad = parseClose(payload)
	case head[0]&bitRSV1 != 0:
		ev.Payload, bad = inflate(payload, echoLimit, ev.Op == OpText)
	}
	if bad != nil {
		c.t.Fatalf("the server sent what it would not take: %v", bad)
	}
	return ev, true
}
