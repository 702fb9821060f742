package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/server/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noBroker keeps nothing: what these tests ask for never reaches it.
type noBroker struct{ pabal.Broker }

// running is a server that runs, with parts that a test gives it.
type running struct {
	url  string
	text string // what it printed
	stop func() // and wait
}

// testParts answers each request with its protocol, peer and part.
func testParts() parts {
	say := func(part string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s %s %s", part, r.Proto, r.URL.Path)
		})
	}
	return parts{
		hub:  pabal.NewHub(noBroker{}, pabal.Limits{}),
		read: say("read"), commands: say("commands"), api: say("api"), pages: say("pages"),
		drain: func(context.Context) error { return nil },
		end:   func(context.Context) {},
		close: func() error { return nil },
	}
}

func testConfig() config.Config {
	c := config.Default()
	c.Serving.Listen = []string{"127.0.0.1:0"}
	c.Log.HostMetrics = false
	c.Storage.Broker = "memory"
	return c
}

// start runs a server until the test ends.
func start(t *testing.T, cfg config.Config, p parts) running {
	t.Helper()
	s, err := newServer(cfg, slog.New(slog.DiscardHandler), p)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, s)
}

func run(t *testing.T, s *Server) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	printed, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(ctx, out)
		_ = out.Close()
	}()
	stop := func() {
		cancel()
		if err, ok := <-ended; ok && err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	go func() { <-ctx.Done(); _ = printed.Close() }()
	lines := bufio.NewScanner(printed)
	r := running{stop: stop}
	for range 4 {
		if !lines.Scan() {
			t.Fatalf("the server said %q and ended", r.text)
		}
		r.text += lines.Text() + "\n"
		if url, ok := strings.CutPrefix(lines.Text(), "pabal: listening on "); ok {
			r.url = url
		}
	}
	t.Cleanup(func() { cancel() })
	return r
}

// client speaks one protocol.
func client(t *testing.T, set func(*http.Protocols), trusted *x509.CertPool) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	set(p)
	transport := &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, bodyOf(t, res)
}

var (
	http1 = func(p *http.Protocols) { p.SetHTTP1(true) }
	http2 = func(p *http.Protocols) { p.SetHTTP2(true) }
	h2c   = func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }
)

func TestProtocols(t *testing.T) {
	files := newPair(t, "server")
	trusted := x509.NewCertPool()
	trusted.AddCert(files.write(t, "server"))
	for _, test := range []struct {
		name string
		tls  bool
		set  func(*http.Protocols)
		want string
	}{
		{"clear", false, http1, "HTTP/1.1"},
		{"clear by prior knowledge", false, h2c, "HTTP/2.0"},
		{"TLS", true, http1, "HTTP/1.1"},
		{"TLS, HTTP/2", true, http2, "HTTP/2.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig()
			if test.tls {
				cfg.Serving.TLSCert, cfg.Serving.TLSKey = files.certFile, files.keyFile
			}
			s := start(t, cfg, testParts())
			c := client(t, test.set, trusted)
			if status, body := get(t, c, s.url+"/channels/a"); status != 200 || body != "read "+test.want+" /channels/a" {
				t.Errorf("got %d %q, want 200 by %s", status, body, test.want)
			}
			c.CloseIdleConnections()
			s.stop()
		})
	}
}

// HTTP/2 in the clear is for who knows: nobody is upgraded to it.
func TestNoUpgradeToH2C(t *testing.T) {
	s := start(t, testConfig(), testParts())
	defer s.stop()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /channels/a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("got %q, %v; want 200 by HTTP/1.1", line, err)
	}
}

func TestRoutes(t *testing.T) {
	s := start(t, testConfig(), testParts())
	defer s.stop()
	c := client(t, http1, nil)
	for _, test := range []struct{ method, path, want string }{
		{"GET", "/channels/a", "read HTTP/1.1 /channels/a"},
		{"GET", "/channels/", "read HTTP/1.1 /channels/"},
		{"GET", "/channels//a", "read HTTP/1.1 /channels//a"}, // refused there, not cleaned here
		{"GET", "/channels/a/../b", "read HTTP/1.1 /channels/a/../b"},
		{"GET", "/channels?channel=a", "read HTTP/1.1 /channels"},
		{"GET", "/channels", "api HTTP/1.1 /channels"},
		{"GET", "/channels?prefix=a", "api HTTP/1.1 /channels"},
		{"POST", "/channels/a", "api HTTP/1.1 /channels/a"},
		{"DELETE", "/channels/a", "api HTTP/1.1 /channels/a"},
		{"PATCH", "/channels/a", "api HTTP/1.1 /channels/a"},
		{"POST", "/commands", "commands HTTP/1.1 /commands"},
		{"GET", "/presence/a", "api HTTP/1.1 /presence/a"},
		{"GET", "/", "pages HTTP/1.1 /"},
		{"GET", "/channelsx", "pages HTTP/1.1 /channelsx"},
		{"GET", "/health", `{"status":"ok"}` + "\n"},
	} {
		req, err := http.NewRequest(test.method, s.url+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if body := bodyOf(t, res); res.StatusCode != 200 || body != test.want {
			t.Errorf("%s %s: got %s %q, want %q", test.method, test.path, res.Status, body, test.want)
		}
	}
	_, metrics := get(t, c, s.url+"/metrics")
	for _, want := range []string{"pabal_readers 0\n", "pabal_channels 0\n", "pabal_published_total 0\n", "pabal_delivered_total 0\n", "go_goroutines "} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q:\n%s", want, metrics)
		}
	}
	c.CloseIdleConnections()
}

// The whole chain: a foreign name is refused by the listener that the request
// came in by.
func TestHostOfListener(t *testing.T) {
	s := start(t, testConfig(), testParts())
	defer s.stop()
	c := client(t, http1, nil)
	defer c.CloseIdleConnections()
	req, err := http.NewRequest("GET", s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, res); res.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(body, "ask "+s.url+" instead") {
		t.Errorf("got %s %s, want 421 and where to ask", res.Status, body)
	}
}

func TestAnnounce(t *testing.T) {
	s := start(t, testConfig(), testParts())
	s.stop()
	want := strings.ReplaceAll(`pabal: listening on URL
  read     curl -N 'URL/channels/chat?via=sse&since=all'
  publish  curl -d hello URL/channels/chat
  look     URL/
`, "URL", s.url)
	if s.text != want || strings.HasSuffix(s.url, ":0") {
		t.Errorf("got\n%swant\n%s", s.text, want)
	}
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll([]net.Listener{l})
	if got, want := reachable(l, true), fmt.Sprintf("https://localhost:%d", l.Addr().(*net.TCPAddr).Port); got != want {
		t.Errorf("on all addresses: got %s, want %s", got, want)
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll([]net.Listener{l})
	cfg := testConfig()
	cfg.Serving.Listen = []string{"127.0.0.1:0", l.Addr().String()}
	s, err := newServer(cfg, slog.New(slog.DiscardHandler), testParts())
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("cannot listen on %s: something listens there already; stop it, or let the system choose a free port with --listen 127.0.0.1:0", l.Addr())
	if err := s.Run(t.Context(), io.Discard); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// While readers leave, the listeners stay open and say that the server drains.
func TestDrain(t *testing.T) {
	cfg := testConfig()
	p := testParts()
	leave, told := make(chan struct{}), make(chan time.Time, 1)
	p.drain = func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		told <- deadline
		select {
		case <-leave:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s := start(t, cfg, p)
	c := client(t, http1, nil)
	stopped := make(chan struct{})
	go func() {
		s.stop()
		close(stopped)
	}()
	if left := time.Until(<-told); left <= 0 || left > cfg.Serving.Drain {
		t.Errorf("readers have %v to leave, want the %v configured", left, cfg.Serving.Drain)
	}
	if status, body := get(t, c, s.url+"/health"); status != 503 || body != `{"status":"draining"}`+"\n" {
		t.Errorf("/health: got %d %q, want 503 and draining", status, body)
	}
	close(leave)
	c.CloseIdleConnections()
	<-stopped
	if res, err := c.Get(s.url + "/health"); err == nil {
		_ = res.Body.Close()
		t.Error("the server still listens after it has drained")
	}
}

// Who does not leave in time is cut off.
func TestDrainEnds(t *testing.T) {
	cfg := testConfig()
	cfg.Serving.Drain = time.Nanosecond
	p := testParts()
	entered, left := make(chan struct{}), make(chan struct{})
	p.read = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(left)
	})
	p.drain = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	s := start(t, cfg, p)
	c := client(t, http1, nil)
	failed := make(chan error, 1)
	go func() {
		res, err := c.Get(s.url + "/channels/a")
		if err == nil {
			_ = res.Body.Close()
		}
		failed <- err
	}()
	<-entered
	s.stop()
	<-left
	if err := <-failed; err == nil {
		t.Error("the reader that did not leave was answered as if all were well")
	}
}

// Not all that the system refuses is a taken port.
func TestExplainListen(t *testing.T) {
	_, err := listen(t.Context(), []string{"192.0.2.1:8080"})
	if want := "cannot listen on 192.0.2.1:8080: this machine does not have that address; "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
}
