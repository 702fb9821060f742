package transport_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"
)

// A node is all that a server is made of, without the server.
type node struct {
	broker *memory.Broker
	hub    *pabal.Hub
	reads  *transport.Handler
	api    *api.Handler
	http2  bool
}

// A setup is what a test changes of a node.
type setup struct {
	memory memory.Config
	limits pabal.Limits
	reads  transport.Handler
	lossy  bool // the broker is not said to be lossless
	http2  bool // [connect] opens a WebSocket over HTTP/2
}

// again returns s for a node of its own.
func (s *setup) again(goroutines bool) *setup {
	fresh := &setup{memory: s.memory, limits: s.limits, lossy: s.lossy, http2: s.http2}
	from, to := reflect.ValueOf(&s.reads).Elem(), reflect.ValueOf(&fresh.reads).Elem()
	for i := range from.NumField() {
		if from.Type().Field(i).IsExported() {
			to.Field(i).Set(from.Field(i))
		}
	}
	fresh.reads.Goroutines = goroutines
	return fresh
}

// pumps runs f with s for each way to serve a connection of HTTP/1.1: by a
// loop, and by a goroutine of its own.
func pumps(t *testing.T, s *setup, f func(t *testing.T, s *setup)) {
	t.Helper()
	for _, goroutines := range []bool{false, true} {
		t.Run(map[bool]string{false: "loop", true: "goroutine"}[goroutines], func(t *testing.T) { f(t, s.again(goroutines)) })
	}
}

// lossy is a broker that does not say of itself that its tails lose nothing.
type lossy struct{ pabal.Broker }

func newNode(t testing.TB, s *setup) *node {
	t.Helper()
	n := &node{broker: memory.New(s.memory), http2: s.http2}
	if s.lossy {
		n.hub = pabal.NewHub(lossy{n.broker}, s.limits)
	} else {
		n.hub = pabal.NewHub(n.broker, s.limits)
	}
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	n.reads = &s.reads
	n.reads.Hub, n.reads.Log = n.hub, log
	n.api = &api.Handler{Hub: n.hub, Log: log}
	t.Cleanup(func() {
		n.hub.Close()
		if err := n.broker.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

type testLog struct{ testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.Helper()
	l.Logf("server: %s", bytes.TrimSpace(p))
	return len(p), nil
}

// ServeHTTP hands reading to transport and the rest to the API.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/commands" {
		n.reads.ServeCommands(w, r)
		return
	}
	reads := r.URL.Path != "/channels" || r.URL.Query().Has("channel") || r.URL.Query().Has("connection") || r.Header.Get("Upgrade") != ""
	if r.Method == http.MethodGet && reads || r.Method == http.MethodConnect {
		n.reads.ServeHTTP(w, r)
		return
	}
	n.api.ServeHTTP(w, r)
}

// listen serves n on the loopback, with TLS and without, until the test ends.
func (n *node) listen(t testing.TB) *readers.Server {
	t.Helper()
	plain := httptest.NewUnstartedServer(n)
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetHTTP1(true)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Config.ConnContext = transport.ConnContext
	plain.Config.ErrorLog = slog.NewLogLogger(n.reads.Log.Handler(), slog.LevelDebug)
	plain.Start()
	secure := httptest.NewUnstartedServer(n)
	secure.EnableHTTP2 = true
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	secure.Config.ErrorLog = plain.Config.ErrorLog
	secure.StartTLS()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := n.reads.Drain(ctx); err != nil {
			t.Errorf("draining: %v", err)
		}
		plain.Close()
		secure.Close()
	})
	if n.http2 {
		overHTTP2.Store(plain.URL, true)
		t.Cleanup(func() { overHTTP2.Delete(plain.URL) })
	}
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	return &readers.Server{Plain: plain.URL, TLS: secure.URL, Roots: roots}
}

// certificate returns one for the loopback, on a curve: those of httptest are
// RSA, which takes most of the time of a test that connects a thousand times.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// pipes is a listener in memory, for a bubble of testing/synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}

	mu     sync.Mutex
	expire chan struct{} // closed while the deadline is over
}

func (p *pipes) Accept() (net.Conn, error) {
	p.mu.Lock()
	expired := p.expire
	p.mu.Unlock()
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-expired:
		return nil, os.ErrDeadlineExceeded
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// SetDeadline implements what a [net.TCPListener] has: a time is over, and none
// is not.
func (p *pipes) SetDeadline(at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.expire:
		p.expire = make(chan struct{})
	default:
	}
	if !at.IsZero() {
		close(p.expire)
	}
	return nil
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := transport.NewPipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	client.Close()
	server.Close()
	return nil, net.ErrClosed
}

// A world is a node behind pipes, in a bubble.
type world struct {
	*node
	*testing.T
	pipes  *pipes
	client *http.Client
}

// newWorld serves a node on pipes until the test ends. It is for a bubble.
func newWorld(t *testing.T, s *setup) *world {
	t.Helper()
	w := &world{node: newNode(t, s), T: t, pipes: &pipes{conns: make(chan net.Conn), closed: make(chan struct{}), expire: make(chan struct{})}}
	transport.UsePipes(w.reads)
	server := &http.Server{Handler: w.node, ConnContext: transport.PipeContext, ErrorLog: slog.NewLogLogger(w.reads.Log.Handler(), slog.LevelDebug)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(transport.NewListener(w.pipes))
	}()
	w.client = &http.Client{Transport: &http.Transport{DialContext: w.pipes.Dial, DisableCompression: true}}
	t.Cleanup(func() {
		if err := w.reads.Drain(context.Background()); err != nil {
			t.Error(err)
		}
		w.client.CloseIdleConnections()
		server.Close()
		<-served
	})
	return w
}

// A response is one that was read to its end.
type response struct {
	status int
	header http.Header
	body   string
}

func (r *response) String() string { return fmt.Sprintf("%d %v %.400q", r.status, r.header, r.body) }

// request asks for path; headers are "Name: value".
func newRequest(t testing.TB, ctx context.Context, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ": ")
		if !ok {
			t.Fatalf("%q is no header", h)
		}
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	return r
}

func do(t testing.TB, client *http.Client, r *http.Request) *response {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return &response{resp.StatusCode, resp.Header, string(body)}
}

func (w *world) do(method, path, body string, headers ...string) *response {
	w.Helper()
	return do(w, w.client, newRequest(w, w.Context(), method, "http://pabal.test"+path, body, headers...))
}

func (w *world) get(path string, headers ...string) *response {
	w.Helper()
	return w.do("GET", path, "", headers...)
}

// open asks for a response that goes on. Its body must be closed.
func (w *world) open(path string, headers ...string) *http.Response {
	w.Helper()
	resp, err := w.client.Do(newRequest(w, w.Context(), "GET", "http://pabal.test"+path, "", headers...))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { resp.Body.Close() })
	return resp
}

// publish publishes each text to channel, and returns the cursors.
func (w *world) publish(channel string, texts ...string) (cursors []string) {
	w.Helper()
	for _, text := range texts {
		resp := w.do("POST", "/channels/"+channel, text)
		var receipt struct{ Cursor string }
		if err := json.Unmarshal([]byte(resp.body), &receipt); err != nil || resp.status != 200 {
			w.Fatalf("publish: %v", resp)
		}
		cursors = append(cursors, receipt.Cursor)
	}
	return cursors
}

// target reads channels of w by a client of its own.
func (w *world) target(channels ...string) *readers.Target {
	return &readers.Target{URL: "http://pabal.test", Client: w.client, Channels: channels}
}

// problem returns the problem that resp is, or fails.
func (w *world) problem(resp *response, status int) readers.Problem {
	w.Helper()
	p, ok := (&readers.StatusError{Body: []byte(resp.body)}).Problem()
	if !ok || resp.status != status || p.Status != status || resp.header.Get("Content-Type") != "application/problem+json" {
		w.Fatalf("got %v, want a problem of status %d", resp, status)
	}
	if resp.header.Get("Cache-Control") != "no-store" {
		w.Errorf("a problem may be cached: %v", resp)
	}
	return p
}
