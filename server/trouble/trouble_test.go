package trouble

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newHandler returns a handler of proxies that lead nowhere.
func newHandler(t *testing.T) *Handler {
	h := New(func() string { return "127.0.0.1:1" }, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { h.Close(t.Context()) })
	return h
}

// ask sends a request to h alone.
func ask(h http.Handler, method, path, body string) (status int, answer string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestFaults(t *testing.T) {
	h := newHandler(t)
	for _, test := range []struct {
		body   string
		status int
		says   string
	}{
		{`{}`, 200, `{"id":"x","faults":{"delayMs":0,"jitterMs":0,"lifeMs":0,"maxLifeMs":0,"buffer":0,"stripUpgrade":false,"refuse":false,"bandwidth":0,"halfOpen":0},"stats":{"connections":0,"open":0,"cuts":0,"halfOpen":0,"bytesIn":0,"bytesOut":0,"peakPerSecond":0}}`},
		{`{"delayMs":1,"jitterMs":2,"lifeMs":3,"maxLifeMs":4,"buffer":5,"stripUpgrade":true,"refuse":true,"bandwidth":6,"halfOpen":0.5}`, 200,
			`"faults":{"delayMs":1,"jitterMs":2,"lifeMs":3,"maxLifeMs":4,"buffer":5,"stripUpgrade":true,"refuse":true,"bandwidth":6,"halfOpen":0.5}`},
		{``, 400, `the body is empty`},
		{`{"delay":1}`, 400, `unknown field \"delay\"; send one JSON object with some of delayMs, `},
		{`[]`, 400, `send one JSON object`},
		{`{} {}`, 400, `something follows the object`},
		{`{"delayMs":-1}`, 400, `delayMs is -1; write 0, which is none, to 60000`},
		{`{"delayMs":1.5}`, 400, `send one JSON object`},
		{`{"jitterMs":60001}`, 400, `jitterMs is 60001; `},
		{`{"lifeMs":86400001}`, 400, `lifeMs is 86400001; `},
		{`{"maxLifeMs":86400001}`, 400, `maxLifeMs is 86400001; `},
		{`{"buffer":1048577}`, 400, `buffer is 1048577; `},
		{`{"bandwidth":1073741825}`, 400, `bandwidth is 1073741825; `},
		{`{"halfOpen":1.1}`, 400, `halfOpen is 1.1; it is a chance`},
		{`{"delayMs":` + strings.Repeat(" ", mostFaults) + `1}`, 400, `too large`},
	} {
		if status, answer := ask(h, "PUT", "/trouble/x", test.body); status != test.status || !strings.Contains(answer, test.says) {
			t.Errorf("%.80s: got %d %s, want %d and %s", test.body, status, answer, test.status, test.says)
		}
	}
	if _, answer := ask(h, "GET", "/trouble/x", ""); !strings.Contains(answer, `"delayMs":1,`) {
		t.Errorf("after what was refused: got %s, want what was set before", answer)
	}
}

func TestAddresses(t *testing.T) {
	h := newHandler(t)
	long := strings.Repeat("a", 64)
	for _, test := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"PUT", "/trouble/" + long, 200, long},
		{"PUT", "/trouble/" + long + "a", 404, "1 to 64 of letters"},
		{"PUT", "/trouble/a.b", 404, "1 to 64 of letters"},
		{"PUT", "/trouble/a%2Fvia/x", 404, "1 to 64 of letters"},
		{"PUT", "/trouble/", 404, "1 to 64 of letters"},
		{"PUT", "/trouble", 404, "1 to 64 of letters"},
		{"PUT", "/trouble/A-b_9", 200, "A-b_9"},
		{"HEAD", "/trouble/A-b_9", 200, ""},
		{"POST", "/trouble/A-b_9", 405, "GET, HEAD, PUT, DELETE"},
		{"GET", "/trouble/A-b_9/", 404, "a proxy has /cut and /via/"},
		{"GET", "/trouble/A-b_9/viaduct", 404, "a proxy has /cut and /via/"},
		{"GET", "/trouble/A-b_9/cut", 405, "this is asked with POST"},
		{"POST", "/trouble/A-b_9/cut/x", 404, "a proxy has /cut and /via/"},
		{"POST", "/trouble/A-b_9/cut", 200, `"cuts":0`},
		{"DELETE", "/trouble/A-b_9", 204, ""},
		{"DELETE", "/trouble/A-b_9", 404, "make it with PUT /trouble/A-b_9"},
		{"GET", "/trouble/A-b_9", 404, "make it with PUT /trouble/A-b_9"},
		{"POST", "/trouble/A-b_9/cut", 404, "make it with PUT /trouble/A-b_9"},
		{"GET", "/trouble/A-b_9/via/x", 404, "make it with PUT /trouble/A-b_9"},
	} {
		if status, answer := ask(h, test.method, test.path, "{}"); status != test.status || !strings.Contains(answer, test.says) {
			t.Errorf("%s %s: got %d %s, want %d and %s", test.method, test.path, status, answer, test.status, test.says)
		}
	}
	for path, want := range map[string]bool{"/trouble": true, "/trouble/": true, "/trouble/x": true, "/troubles": false, "/": false, "": false} {
		if Owns(path) != want {
			t.Errorf("Owns(%q): got %v", path, !want)
		}
	}
}

// A proxy that is not used ends; one that is asked for, or through which
// something passes, does not.
func TestUnused(t *testing.T) {
	h := newHandler(t)
	for _, id := range []string{"unused", "asked", "passed"} {
		if status, answer := ask(h, "PUT", "/trouble/"+id, "{}"); status != 200 {
			t.Fatalf("got %d %s", status, answer)
		}
	}
	before := time.Now().Add(-unusedFor)
	h.mu.Lock()
	for _, e := range h.proxies {
		e.used = before
	}
	h.mu.Unlock()
	passing, err := h.admit("passed")
	if err != nil {
		t.Fatal(err)
	}
	ask(h, "GET", "/trouble/asked", "")
	h.endUnused(time.Now())
	for id, want := range map[string]int{"unused": 404, "asked": 200, "passed": 200} {
		if status, answer := ask(h, "GET", "/trouble/"+id, ""); status != want {
			t.Errorf("%s: got %d %s, want %d", id, status, answer, want)
		}
	}
	h.over(passing)
	h.endUnused(time.Now())
	if status, answer := ask(h, "GET", "/trouble/passed", ""); status != 200 {
		t.Errorf("passed just now: got %d %s, want 200", status, answer)
	}
}

// Once it is stopped nothing begins any more.
func TestStopped(t *testing.T) {
	h := newHandler(t)
	ask(h, "PUT", "/trouble/x", "{}")
	h.Stop()
	for _, of := range []string{"PUT /trouble/x", "PUT /trouble/y", "GET /trouble/x/via/health"} {
		method, path, _ := strings.Cut(of, " ")
		if status, answer := ask(h, method, path, "{}"); status != 503 || !strings.Contains(answer, "this server stops") {
			t.Errorf("%s: got %d %s, want 503", of, status, answer)
		}
	}
	h.Close(context.Background())
	h.Close(context.Background()) // again, which changes nothing
	if status, _ := ask(h, "GET", "/trouble/x", ""); status != 404 {
		t.Errorf("after Close: got %d, want 404", status)
	}
}

// The head goes on as it came, but for the path, and for one request alone.
func TestHead(t *testing.T) {
	const first = "GET /trouble/x/via/channels/%61%2F?a=%20&b HTTP/1.1\r\nHost: localhost:8\r\n"
	for _, test := range []struct{ sent, want string }{
		{first + "b: 2\r\na: 1\r\nB: 3\r\nConnection: keep-alive\r\n\r\n", "A: 1\r\nB: 2\r\nB: 3\r\nConnection: close\r\n\r\n"},
		{first + "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", "Connection: keep-alive, Upgrade, close\r\nUpgrade: websocket\r\n\r\n"},
		{first + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", "Connection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"},
		{first + "Transfer-Encoding: chunked\r\nTrailer: Z\r\n\r\n", "Connection: close\r\nTrailer: Z\r\nTransfer-Encoding: chunked\r\n\r\n"},
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(test.sent)))
		if err != nil {
			t.Fatal(err)
		}
		got := string(headOf(r, "/channels/%61%2F"))
		if want := "GET /channels/%61%2F?a=%20&b HTTP/1.1\r\nHost: localhost:8\r\n" + test.want; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// One end that goes on when the other has ended does not do so for ever; nor
// does one that takes nothing.
func TestTunnelEnds(t *testing.T) {
	for name, act := range map[string]func(client, server net.Conn){
		"the server ends": func(_, server net.Conn) { _ = server.Close() },
		"the client ends": func(client, _ net.Conn) { _ = client.Close() },
		"the client takes nothing": func(_, server net.Conn) {
			_, _ = server.Write(make([]byte, 100))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, ours := net.Pipe()
				theirs, server := net.Pipe()
				defer client.Close()
				defer server.Close()
				start := time.Now()
				go act(client, server)
				new(tunnel).run(ours, theirs, nil)
				if took := time.Since(start); took > writeTimeout {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// Who is reset before it began is told at once.
func TestResetBefore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	here, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	other, _ := net.Pipe()
	var late tunnel
	late.reset()
	late.run(wrapped{there}, other, nil)
	if _, err := here.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
	for _, conn := range []net.Conn{other, odd(1)} {
		if tcp, ok := tcpOf(conn); ok {
			t.Errorf("%T: got %v, want none", conn, tcp)
		}
	}
}

type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

// odd is a connection that is no struct.
type odd int

func (odd) Read([]byte) (int, error)         { return 0, io.EOF }
func (odd) Write([]byte) (int, error)        { return 0, io.EOF }
func (odd) Close() error                     { return nil }
func (odd) LocalAddr() net.Addr              { return nil }
func (odd) RemoteAddr() net.Addr             { return nil }
func (odd) SetDeadline(time.Time) error      { return nil }
func (odd) SetReadDeadline(time.Time) error  { return nil }
func (odd) SetWriteDeadline(time.Time) error { return nil }
