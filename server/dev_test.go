package server

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/pabal/pabal/server/config"
)

// A devNode is a node in development mode, and a client of it.
type devNode struct {
	running
	t    *testing.T
	node *Server
	c    *http.Client
}

func newDevNode(t *testing.T, cfg config.Config) *devNode {
	t.Helper()
	node, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	n := &devNode{running: run(t, node), t: t, node: node, c: client(t, http1, nil)}
	stop := n.stop
	n.stop = sync.OnceFunc(func() {
		n.c.CloseIdleConnections()
		stop()
	})
	t.Cleanup(n.stop)
	return n
}

// do sends a request, and returns its answer.
func (n *devNode) do(method, path, body string, header ...string) (status int, answer string) {
	n.t.Helper()
	req, err := http.NewRequest(method, n.url+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	for _, h := range header {
		if name, value, _ := strings.Cut(h, ": "); name == "Host" {
			req.Host = value
		} else if name != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := n.c.Do(req)
	if err != nil {
		n.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, bodyOf(n.t, res)
}

// must is do, of what is answered with a status of success.
func (n *devNode) must(method, path, body string) (answer string) {
	n.t.Helper()
	status, answer := n.do(method, path, body)
	if status/100 != 2 {
		n.t.Fatalf("%s %s: got %d %s", method, path, status, answer)
	}
	return answer
}

type seenStats struct{ Connections, Open, Cuts, HalfOpen, BytesIn, BytesOut int }

// stats returns what the proxy x has seen.
func (n *devNode) stats() seenStats {
	n.t.Helper()
	var answer struct {
		ID    string
		Stats seenStats
	}
	if err := json.Unmarshal([]byte(n.must("GET", "/trouble/x", "")), &answer); err != nil || answer.ID != "x" {
		n.t.Fatalf("got id %q, %v; want x", answer.ID, err)
	}
	return answer.Stats
}

// until asks for the stats of x until they are as wanted.
func (n *devNode) until(what string, as func(seenStats) bool) {
	n.t.Helper()
	for end := time.Now().Add(30 * time.Second); !as(n.stats()); {
		if time.Now().After(end) {
			n.t.Fatalf("%s: it is not so after 30 s: %+v", what, n.stats())
		}
	}
}

// A rawConn is a connection of a client that writes its bytes itself.
type rawConn struct {
	*net.TCPConn
	t  *testing.T
	in *bufio.Reader
}

// dial connects to n, and sends text.
func (n *devNode) dial(text string) *rawConn {
	n.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	c := &rawConn{conn.(*net.TCPConn), n.t, bufio.NewReader(conn)}
	c.send(text)
	return c
}

// stream reads the channel a through the proxy x, and has got what opens it.
func (n *devNode) stream() *rawConn {
	n.t.Helper()
	c := n.dial("GET /trouble/x/via/channels/a?via=stream&since=all HTTP/1.1\r\nHost: localhost\r\n\r\n")
	c.line("HTTP/1.1 200 OK")
	c.line(`"$open"`)
	return c
}

func (c *rawConn) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// line reads up to a line that has part.
func (c *rawConn) line(part string) {
	c.t.Helper()
	for {
		text, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("got %.200q, %v; want a line with %q", text, err, part)
		}
		if strings.Contains(text, part) {
			return
		}
	}
}

// ends reads to the end, and returns how that came.
func (c *rawConn) ends() error {
	_, err := io.Copy(io.Discard, c.in)
	return err
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// What is published is read through trouble, by each technique, and the other
// way round.
func TestThroughTrouble(t *testing.T) {
	n := newDevNode(t, testConfig())
	if got := n.must("GET", "/dev", ""); !strings.Contains(got, `"trouble":true`) {
		t.Errorf("GET /dev: got %s", got)
	}
	answer := n.must("PUT", "/trouble/x", `{"delayMs":5,"jitterMs":3}`)
	if !contains(answer, `{"id":"x","faults":{"delayMs":5,"jitterMs":3,`, `"halfOpen":0},"stats":{"connections":0,`) {
		t.Errorf("PUT: got %s", answer)
	}
	s := n.stream()
	n.must("POST", "/trouble/x/via/channels/a?type=hi", "one")
	s.line(`"data":"one"`)
	if got := n.must("GET", "/trouble/x/via/channels/a?via=poll&since=all", ""); !strings.Contains(got, `"data":"one"`) {
		t.Errorf("poll: got %s", got)
	}
	n.must("GET", "/trouble/x/via/health", "")
	if got := n.must("GET", "/trouble/x/via/", ""); !strings.Contains(got, "<html") {
		t.Errorf("the page: got %.200s", got)
	}
	if status, got := n.do("GET", "/trouble/x/via/channels//a?via=poll", ""); status != 400 { // it is not cleaned
		t.Errorf("a name that is none: got %d %s, want 400", status, got)
	}
	n.must("PUT", "/trouble/x", `{"stripUpgrade":true}`) // which makes no difference to who reads already
	n.must("POST", "/channels/a", "two")
	s.line(`"data":"two"`)
}

// Bodies pass as they are sent: by length, in chunks, and when asked for.
func TestBodiesThroughTrouble(t *testing.T) {
	n := newDevNode(t, testConfig())
	n.must("PUT", "/trouble/x", "{}")
	const head = "POST /trouble/x/via/channels/a HTTP/1.1\r\nHost: localhost\r\n"
	n.dial(head + "Content-Length: 3\r\n\r\none").line(`"duplicate":false`)
	late := n.dial(head + "Content-Length: 5\r\n\r\n")
	chunks := n.dial(head + "Transfer-Encoding: chunked\r\nTrailer: Z\r\n\r\n3\r\nthr\r\n")
	asked := n.dial(head + "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	asked.line("100 Continue")
	asked.send("four")
	asked.line(`"duplicate":false`)
	late.send("later")
	late.line(`"duplicate":false`)
	chunks.send("2\r\nee\r\n0\r\nZ: z\r\n\r\n")
	chunks.line(`"duplicate":false`)
	all := n.must("GET", "/channels/a?via=poll&since=all", "")
	if !contains(all, `"one"`, `"four"`, `"later"`, `"three"`) {
		t.Errorf("got %s", all)
	}
	if err := late.ends(); err != nil {
		t.Errorf("after the answer: got %v, want the end", err)
	}
	big := strings.Repeat("x", 600<<10)
	n.must("POST", "/trouble/x/via/channels/big", big)
	if got := n.must("GET", "/trouble/x/via/channels/big?via=poll&since=all", ""); !strings.Contains(got, big) {
		t.Errorf("a big entry: got %d bytes back", len(got))
	}
}

// WebSocket passes, unless the proxy is one of those that do not know it: then
// others still do.
func TestWebSocketThroughTrouble(t *testing.T) {
	n := newDevNode(t, testConfig())
	n.must("POST", "/channels/a", "hello")
	dial := func() (*websocket.Conn, error) {
		conn, _, err := websocket.Dial(t.Context(), n.url+"/trouble/x/via/channels/a?via=websocket&since=all",
			&websocket.DialOptions{HTTPClient: n.c, Subprotocols: []string{"pabal.v1"}})
		return conn, err
	}
	n.must("PUT", "/trouble/x", "{}")
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	for text := ""; !strings.Contains(text, "hello"); {
		_, message, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text = string(message)
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("the closing handshake: %v", err)
	}
	n.until("it is closed", func(s seenStats) bool { return s.Open == 0 })

	n.must("PUT", "/trouble/x", `{"stripUpgrade":true}`)
	if conn, err := dial(); err == nil {
		_ = conn.CloseNow()
		t.Error("stripped of what asks for it, a WebSocket was opened")
	}
	sse := n.dial("GET /trouble/x/via/channels/a?via=sse&since=all HTTP/1.1\r\nHost: localhost\r\n\r\n")
	sse.line("hello")
}

// A buffer holds back what is less than it.
func TestBufferOfTrouble(t *testing.T) {
	n := newDevNode(t, testConfig())
	n.must("PUT", "/trouble/x", `{"buffer":100000}`)
	held := n.dial("GET /trouble/x/via/channels/a?via=sse&since=all HTTP/1.1\r\nHost: localhost\r\n\r\n")
	n.must("PUT", "/trouble/y", "{}")
	free := n.dial("GET /trouble/y/via/channels/a?via=sse&since=all HTTP/1.1\r\nHost: localhost\r\n\r\n")
	n.must("POST", "/channels/a", "little")
	free.line("little")
	n.until("it is asked", func(s seenStats) bool { return s.BytesIn > 0 })
	if out := n.stats().BytesOut; out != 0 {
		t.Errorf("%d bytes got through, want none", out)
	}
	n.must("POST", "/channels/a", strings.Repeat("much", 30000))
	held.line("little")
}

// A cut is a reset for the client, and the end of the reader on the node.
func TestCutsOfTrouble(t *testing.T) {
	for _, pump := range []string{"auto", "goroutine"} {
		t.Run(pump, func(t *testing.T) {
			cfg := testConfig()
			cfg.Delivery.Pump = pump
			n := newDevNode(t, cfg)
			n.must("PUT", "/trouble/x", `{"maxLifeMs":100}`)
			aged := n.dial("GET /trouble/x/via/channels/a?via=sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if err := aged.ends(); !isReset(err) {
				t.Errorf("at the most that it lives: got %v, want a reset", err)
			}
			n.must("PUT", "/trouble/x", "{}")
			s, other := n.stream(), n.stream()
			if got := n.must("POST", "/trouble/x/cut", ""); !strings.Contains(got, `"cuts":3`) {
				t.Errorf("cut: got %s, want 3 cuts", got)
			}
			for _, c := range []*rawConn{s, other} {
				if err := c.ends(); !isReset(err) {
					t.Errorf("cut: got %v, want a reset", err)
				}
			}
			s = n.stream()
			n.must("DELETE", "/trouble/x", "")
			if err := s.ends(); !isReset(err) {
				t.Errorf("deleted: got %v, want a reset", err)
			}
			for end := time.Now().Add(30 * time.Second); n.node.parts.hub.Stats().Sessions > 0; n.must("GET", "/health", "") {
				if time.Now().After(end) {
					t.Fatal("the node still has readers")
				}
			}
			n.must("PUT", "/trouble/x", `{"refuse":true}`)
			refused := n.dial("GET /trouble/x/via/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if err := refused.ends(); !isReset(err) {
				t.Errorf("refused: got %v, want a reset", err)
			}
		})
	}
}

// A client that goes away takes its reader along, whether it resets or ends its
// connection.
func TestClientLeavesTrouble(t *testing.T) {
	n := newDevNode(t, testConfig())
	n.must("PUT", "/trouble/x", "{}")
	rude, kind, half := n.stream(), n.stream(), n.stream()
	_ = rude.SetLinger(0)
	for _, c := range []*rawConn{rude, kind} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := half.ends(); err != nil {
		t.Errorf("after its own end: got %v, want the node's", err)
	}
	n.until("none is left", func(s seenStats) bool { return s.Open == 0 && s.Connections == 3 })
	for end := time.Now().Add(30 * time.Second); n.node.parts.hub.Stats().Sessions > 0; n.must("GET", "/health", "") {
		if time.Now().After(end) {
			t.Fatal("the node still has readers")
		}
	}
}

// Trouble is guarded as the rest is, and leads only to the node.
func TestTroubleIsGuarded(t *testing.T) {
	n := newDevNode(t, testConfig())
	n.must("PUT", "/trouble/x", "{}")
	for _, test := range []struct {
		method, path, body, header string
		status                     int
		says                       string
	}{
		{"GET", "/trouble/x/via/trouble/x/via/health", "", "", 508, "through trouble again"},
		{"GET", "/trouble/x/via/%74rouble/x", "", "", 508, "through trouble again"},
		{"GET", "/trouble/x/via/trouble", "", "", 508, "through trouble again"},
		{"GET", "/trouble/x/via/health", "", "Host: evil.example", 421, "evil.example"},
		{"PUT", "/trouble/x", "{}", "Host: evil.example", 421, "evil.example"},
		{"PUT", "/trouble/x", "{}", "Origin: https://evil.example", 403, "may not PUT here"},
		{"POST", "/trouble/x/cut", "", "Origin: https://evil.example", 403, "may not POST here"},
		{"DELETE", "/trouble/x", "", "Sec-Fetch-Site: cross-site", 403, "may not DELETE here"},
		{"POST", "/trouble/x/via/channels/a", "x", "Sec-Fetch-Site: cross-site", 403, "may not POST here"},
		{"GET", "/trouble/x", "", "X-Forwarded-For: 127.0.0.1", 403, "not by way of a proxy"},
		{"GET", "/dev", "", "Forwarded: for=127.0.0.1", 403, "not by way of a proxy"},
		{"POST", "/dev", "", "", 405, "GET or HEAD"},
		{"GET", "/dev/none", "", "", 404, "GET /dev says"},
		{"PUT", "/trouble/x/via/channels/a", "x", "", 400, "PUT has no body here"}, // says the node
		{"PUT", "/channels/a", "x", "", 400, "PUT has no body here"},
	} {
		status, answer := n.do(test.method, test.path, test.body, test.header)
		if status != test.status || !strings.Contains(answer, test.says) {
			t.Errorf("%s %s, %s: got %d %s, want %d and %q", test.method, test.path, test.header, status, answer, test.status, test.says)
		}
	}
	for _, path := range []string{"/trouble/x", "/trouble/x/via/trouble/x"} { // who says that there is a body is not waited for
		c := n.dial("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
		c.line("Connection: close")
		_ = c.Close()
	}
	other := client(t, h2c, nil)
	if status, body := get(t, other, n.url+"/trouble/x/via/health"); status != 501 || !strings.Contains(body, "HTTP/1.1 only") {
		t.Errorf("over HTTP/2: got %d %s, want 501", status, body)
	}
	if status, body := get(t, other, n.url+"/trouble/x"); status != 200 {
		t.Errorf("what the proxy does, over HTTP/2: got %d %s, want 200", status, body)
	}
	other.CloseIdleConnections()
}

// What is encrypted cannot be troubled, and it is said so.
func TestTroubleOverTLS(t *testing.T) {
	files := newPair(t, "server")
	cfg := testConfig()
	cfg.Serving.TLSCert, cfg.Serving.TLSKey = files.certFile, files.keyFile
	cfg.Serving.WebSocketH2 = "off"
	files.write(t, "server")
	n := newDevNode(t, cfg)
	n.c.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
	if got := n.must("GET", "/dev", ""); !strings.Contains(got, `"trouble":false`) {
		t.Errorf("GET /dev: got %s", got)
	}
	if status, got := n.do("PUT", "/trouble/x", "{}"); status != 501 || !strings.Contains(got, "without tls-cert") {
		t.Errorf("PUT: got %d %s, want 501", status, got)
	}
}

// Without development mode there is nothing at all.
func TestNoDevelopmentMode(t *testing.T) {
	closed := closedConfig(t)
	off := testConfig()
	off.Access.Dev = "off"
	for name, cfg := range map[string]config.Config{"keys": closed, "off": off} {
		t.Run(name, func(t *testing.T) {
			n := newDevNode(t, cfg)
			for _, path := range []string{"/dev", "/dev/match", "/trouble/x", "/trouble/x/via/health"} {
				if status, got := n.do("GET", path, "", "Accept: application/json"); status != 404 || !strings.Contains(got, `"status":404`) {
					t.Errorf("%s: got %d %s, want a problem, 404", path, status, got)
				}
			}
			if status, got := n.do("PUT", "/trouble/x", "{}"); status/100 != 4 {
				t.Errorf("PUT: got %d %s", status, got)
			}
		})
	}
	closed.Access.Dev = "on"
	newDevNode(t, closed).must("GET", "/dev", "")
}

// When the node stops, who reads through trouble is told as others are, and
// what does not end is reset.
func TestTroubleStops(t *testing.T) {
	n := newDevNode(t, testConfig())
	n.must("PUT", "/trouble/x", `{"maxLifeMs":50,"halfOpen":1}`)
	var silent []*rawConn
	for range 5 {
		silent = append(silent, n.dial("GET /trouble/x/via/channels/a?via=stream HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	}
	n.until("they are silent", func(s seenStats) bool { return s.HalfOpen == 5 })
	n.must("PUT", "/trouble/x", `{"delayMs":20}`)
	var streams []*rawConn
	for range 5 {
		streams = append(streams, n.stream())
	}
	unfinished := n.dial("POST /trouble/x/via/channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
	n.until("it is there", func(s seenStats) bool { return s.Open == 11 })
	n.stop()
	for _, s := range streams {
		s.line(`"draining"`)
		if err := s.ends(); err != nil {
			t.Errorf("a stream: got %v, want its end", err)
		}
	}
	for _, c := range append(silent, unfinished) {
		if err := c.ends(); !isReset(err) {
			t.Errorf("what does not end: got %v, want a reset", err)
		}
	}
}

// There are bounds, which are said.
func TestLimitsOfTrouble(t *testing.T) {
	n := newDevNode(t, testConfig())
	n.must("PUT", "/trouble/x", "{}")
	for i := range 15 {
		n.must("PUT", fmt.Sprintf("/trouble/p%d", i), "{}")
	}
	if status, got := n.do("PUT", "/trouble/one-more", "{}"); status != 503 || !strings.Contains(got, "16 proxies") {
		t.Errorf("the 17th proxy: got %d %s, want 503", status, got)
	}
	n.must("PUT", "/trouble/p0", `{"refuse":true}`)
	n.must("DELETE", "/trouble/p0", "")
	n.must("PUT", "/trouble/one-more", "{}")
	var streams []*rawConn
	for range 200 {
		streams = append(streams, n.stream())
	}
	if status, got := n.do("GET", "/trouble/one-more/via/health", ""); status != 503 || !strings.Contains(got, "200 requests") {
		t.Errorf("the 201st request: got %d %s, want 503", status, got)
	}
	_ = streams[0].Close()
	n.until("one has left", func(s seenStats) bool { return s.Open == 199 })
	for end := time.Now().Add(30 * time.Second); ; {
		if status, _ := n.do("GET", "/trouble/one-more/via/health", ""); status == 200 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("there is no room, though one has left")
		}
	}
}
