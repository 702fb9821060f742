package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal/internal/h2connect"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"

	_ "github.com/pabal/pabal/server/xconnect"
)

// overHTTP2 are the URLs of servers at which [connect] opens a WebSocket by the
// extended CONNECT.
var overHTTP2 sync.Map

// handshakeHTTP2 opens a WebSocket by an extended CONNECT on conn.
func handshakeHTTP2(t testing.TB, conn net.Conn, scheme, path string, headers ...string) *socket {
	t.Helper()
	s, err := tryHTTP2(t, conn, h2connect.Request{Scheme: scheme, Path: path}, headers...)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return s
}

// tryHTTP2 asks for a WebSocket on conn.
func tryHTTP2(t testing.TB, conn net.Conn, r h2connect.Request, headers ...string) (*socket, error) {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r.Authority = "pabal.test"
	if r.Header = headers; !strings.Contains(strings.Join(headers, "\n"), "Sec-WebSocket-Version") {
		r.Header = append(r.Header, "Sec-WebSocket-Version: 13")
	}
	s, err := h2connect.Open(conn, r)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { s.Close() })
	return &socket{t, s, bufio.NewReader(s)}, nil
}

// dialHTTP2 connects to server, with TLS if protocol is H2.
func dialHTTP2(t testing.TB, server *readers.Server, protocol string) (conn net.Conn, scheme string) {
	t.Helper()
	address, scheme := strings.TrimPrefix(server.Plain, "http://"), "http"
	if protocol == readers.H2 {
		address, scheme = strings.TrimPrefix(server.TLS, "https://"), "https"
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if protocol == readers.H2 {
		conn = tls.Client(conn, &tls.Config{RootCAs: server.Roots, ServerName: "127.0.0.1", NextProtos: []string{"h2"}})
	}
	return conn, scheme
}

// What holds of a WebSocket over HTTP/1.1 holds over HTTP/2.
func TestWebSocketOverHTTP2(t *testing.T) {
	for name, f := range map[string]func(*testing.T, *setup){
		"raw echo": rawEcho, "fragments": rawFragments, "close hears all": rawCloseHearsAll, "burst": rawBurst,
		"ping storm": pingStorm, "commands": commands, "commands during backlog": commandsDuringBacklog,
		"several channels": webSocketOfSeveralChannels,
	} {
		t.Run(name, func(t *testing.T) { f(t, &setup{http2: true}) })
	}
}

// overStreams has a client that knows only HTTP/1.1 open its WebSockets by the
// extended CONNECT: it answers the client's upgrade itself.
type overStreams struct {
	testing.TB
	server   *readers.Server
	protocol string
}

func (o overStreams) RoundTrip(r *http.Request) (*http.Response, error) {
	var headers []string
	for name, values := range r.Header {
		switch name {
		case "Upgrade", "Connection", "Sec-Websocket-Key":
			continue
		}
		headers = append(headers, name+": "+strings.Join(values, ", "))
	}
	conn, scheme := dialHTTP2(o, o.server, o.protocol)
	s, err := h2connect.Open(conn, h2connect.Request{Scheme: scheme, Authority: "pabal.test", Path: r.URL.RequestURI(), Header: headers})
	var refused *h2connect.Refused
	if errors.As(err, &refused) {
		return &http.Response{StatusCode: refused.Status, Body: io.NopCloser(strings.NewReader(refused.Body))}, nil
	}
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])}}
	if protocols := r.Header["Sec-Websocket-Protocol"]; protocols != nil {
		answer["Sec-Websocket-Protocol"] = protocols // a server that knows none of them has refused
	}
	return &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: answer, Body: s}, nil
}

// Each way to read by a WebSocket reads the whole log over HTTP/2, with TLS and
// without.
func TestReadersOverHTTP2(t *testing.T) {
	for _, protocol := range []string{readers.H2, readers.H2C} {
		server := newNode(t, &setup{}).listen(t)
		client, base := server.Client(readers.H1, nil)
		defer client.CloseIdleConnections()
		b := newBook(server)
		const entries = 300
		for i := range entries {
			item := readers.Item{Data: []byte(strings.Repeat("파발 ", 1+i*i%5000)), ID: fmt.Sprint(i)}
			if _, err := b.post(t.Context(), client, base, "chat", []readers.Item{item}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"websocket", "raw-entry", "raw"} {
			target := &readers.Target{URL: base, Client: &http.Client{Transport: overStreams{t, server, protocol}}, Channels: []string{"chat"}}
			got := 0
			for it, err := range readers.Named(name).Read(t.Context(), target) {
				if err != nil {
					t.Fatalf("%s %s: after %d entries: %v", protocol, name, got, err)
				}
				if it.Notice != "" {
					continue
				}
				if want := len("파발 ") * (1 + got*got%5000); len(it.Data) != want {
					t.Fatalf("%s %s: entry %d has %d bytes, want %d", protocol, name, got, len(it.Data), want)
				}
				if got++; got == entries {
					break
				}
			}
			if got != entries {
				t.Errorf("%s %s: ended after %d of %d entries", protocol, name, got, entries)
			}
		}
	}
}

// A WebSocket that is idle for longer than the write timeout goes on, one whose
// client says nothing at all ends, and one that is read by nobody is reset.
func TestTimeoutsOverHTTP2(t *testing.T) {
	s := &setup{reads: transport.Handler{WriteTimeout: 200 * time.Millisecond, Heartbeat: 300 * time.Millisecond}}
	n := newNode(t, s)
	var log bytes.Buffer // read when all that would write it has ended
	n.reads.Log = slog.New(slog.NewTextHandler(&log, nil))
	server := n.listen(t)
	conn, scheme := dialHTTP2(t, server, readers.H2)
	idle := handshakeHTTP2(t, conn, scheme, "/channels/chat")
	for range 4 {
		got, err := idle.next()
		if err != nil || got.first != pingFrame {
			t.Fatalf("got %v, %v, want a ping", got, err)
		}
		idle.send(pongFrame, string(got.payload))
	}
	for { // it says nothing any more
		if _, err := idle.next(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("the silent one ended with %v, want the end of the stream", err)
			}
			break
		}
	}

	conn, scheme = dialHTTP2(t, server, readers.H2)
	slow := handshakeHTTP2(t, conn, scheme, "/channels/chat")
	client, base := server.Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	b, big := newBook(server), readers.Item{Data: []byte(strings.Repeat("x", 900_000))}
	for range 6 { // more than the client's window of 4 MiB
		if _, err := b.post(t.Context(), client, base, "chat", []readers.Item{big}); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, "the slow reader to be closed", func() bool { return n.hub.Readers("chat") == 0 })
	if _, err := io.Copy(io.Discard, slow.in); !errors.Is(err, h2connect.ErrReset) {
		t.Errorf("the slow one ended with %v, want %v", err, h2connect.ErrReset)
	}
	for _, reason := range []string{"nothing came from the client", "took nothing for the write timeout"} {
		if strings.Count(log.String(), reason) != 1 {
			t.Errorf("%q is not there once: logged\n%s", reason, log.String())
		}
	}
}

// wait waits until it is so.
func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	for !so() {
		select {
		case <-t.Context().Done():
			t.Fatalf("gave up waiting for %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// The client's END_STREAM and its RST_STREAM end a WebSocket, and a drain says
// so on it.
func TestEndsOverHTTP2(t *testing.T) {
	n := newNode(t, &setup{})
	server := n.listen(t)
	for name, end := range map[string]func(*h2connect.Stream) error{
		"END_STREAM": (*h2connect.Stream).CloseWrite, "RST_STREAM": (*h2connect.Stream).Reset, "the connection": (*h2connect.Stream).Close,
	} {
		conn, scheme := dialHTTP2(t, server, readers.H2C)
		s := handshakeHTTP2(t, conn, scheme, "/channels/chat")
		wait(t, "the reader", func() bool { return n.hub.Readers("chat") == 1 })
		if err := end(s.Conn.(*h2connect.Stream)); err != nil {
			t.Fatal(err)
		}
		wait(t, name+" to end it", func() bool { return n.hub.Readers("chat") == 0 })
		if _, err := s.next(); name == "END_STREAM" && !errors.Is(err, io.EOF) {
			t.Errorf("after END_STREAM: got %v, want the end of the stream", err)
		}
	}

	conn, scheme := dialHTTP2(t, server, readers.H2)
	s := handshakeHTTP2(t, conn, scheme, "/channels/chat")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.reads.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	s.wantClose(1001, "draining")
}

// A close frame that waits for the client to read arrives, although the client
// goes on to send what nobody reads.
func TestCloseWhileFloodedOverHTTP2(t *testing.T) {
	server := newNode(t, &setup{}).listen(t)
	conn, scheme := dialHTTP2(t, server, readers.H2C)
	s := handshakeHTTP2(t, conn, scheme, "/channels/chat")
	client, base := server.Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	b := newBook(server)
	const entries, head = 4, 10 // which fill the client's window of 4 MiB to the byte
	big := readers.Item{Data: []byte(strings.Repeat("x", 1<<20-head))}
	for range entries {
		if _, err := b.post(t.Context(), client, base, "chat", []readers.Item{big}); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, "the window to be full", func() bool { return s.Conn.(*h2connect.Stream).Buffered()+s.in.Buffered() == 4<<20 })
	s.send(0x83, "an opcode that nobody knows")
	for range 40 {
		s.write(make([]byte, 1000))
		<-time.After(5 * time.Millisecond)
	}
	for i := range entries {
		if got, err := s.next(); err != nil || got.first != textFrame || len(got.payload) != len(big.Data) {
			t.Fatalf("entry %d: got %v, %v", i, got, err)
		}
	}
	s.wantClose(1002, "")
}

// What is wrong with a handshake is said as over HTTP/1.1.
func TestRefusalsOverHTTP2(t *testing.T) {
	server := newNode(t, &setup{}).listen(t)
	off := newNode(t, &setup{reads: transport.Handler{Services: transport.Services{NoHTTP2WebSocket: true}}}).listen(t)
	for _, c := range []struct {
		name    string
		server  *readers.Server
		request h2connect.Request
		headers []string
		status  int
		says    string
	}{
		{"another protocol", server, h2connect.Request{Path: "/channels/chat", Protocol: "connect-udp"}, nil, 501, "websocket"},
		{"switched off", off, h2connect.Request{Path: "/channels/chat"}, nil, 501, "switched off"},
		{"version 8", server, h2connect.Request{Path: "/channels/chat"}, []string{"Sec-WebSocket-Version: 8"}, 400, "Sec-WebSocket-Version: 13"},
		{"END_STREAM", server, h2connect.Request{Path: "/channels/chat", Ended: true}, nil, 400, "END_STREAM"},
		{"a length", server, h2connect.Request{Path: "/channels/chat"}, []string{"Content-Length: 5"}, 400, "Content-Length"},
		{"another subprotocol", server, h2connect.Request{Path: "/channels/chat"}, []string{"Sec-WebSocket-Protocol: mqtt"}, 400, "pabal.v1"},
		{"no channel", server, h2connect.Request{Path: "/channels"}, nil, 400, "one channel"},
		{"a name", server, h2connect.Request{Path: "/channels/a%20b"}, nil, 400, "is not allowed"},
		{"a foreign page", server, h2connect.Request{Path: "/channels/chat"}, []string{"Origin: https://evil.test"}, 403, "evil.test"},
	} {
		conn, scheme := dialHTTP2(t, c.server, readers.H2C)
		c.request.Scheme = scheme
		_, err := tryHTTP2(t, conn, c.request, c.headers...)
		var refused *h2connect.Refused
		if !errors.As(err, &refused) || refused.Status != c.status || !strings.Contains(refused.Body, c.says) {
			t.Errorf("%s: got %v, want status %d and something about %q", c.name, err, c.status, c.says)
		}
	}
	conn, scheme := dialHTTP2(t, server, readers.H2C)
	handshakeHTTP2(t, conn, scheme, "/channels/chat", "Origin: http://pabal.test", "Sec-WebSocket-Key: no key at all")
}
