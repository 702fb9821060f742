package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/embed"
	"github.com/pabal/pabal/internal/proxy"
	_ "github.com/pabal/pabal/server/xconnect" // for WebSocket over HTTP/2
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A site is a node behind whatever a test puts before it.
type site struct {
	*httptest.Server
	node *embed.Node

	mu         sync.Mutex
	open, most int // connections
}

// serve runs a node until the test ends. Requests pass through before, if there
// is one.
func serve(t *testing.T, c embed.Config, secure bool, before func(http.Handler) http.Handler) *site {
	c.Log = slog.New(slog.DiscardHandler)
	s := &site{node: embed.New(c)}
	var handler http.Handler = s.node
	if before != nil {
		handler = before(handler)
	}
	s.Server = httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = s.count
	if s.EnableHTTP2 = secure; secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		if err := s.node.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func (s *site) count(_ net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open++
		s.most = max(s.most, s.open)
	case http.StateClosed: // one that was hijacked counts on
		s.open--
	}
}

// bounded reports an error if there were more connections than there may be.
func (s *site) bounded(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most > MaxConnections {
		t.Errorf("there were %d connections at once, want %d at most", s.most, MaxConnections)
	}
}

func (s *site) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{RootCAs: pool}
}

// through returns the address of a proxy with faults before s.
func (s *site) through(t *testing.T, f proxy.Faults) string {
	p, err := proxy.Listen(s.Listener.Addr().String(), 7)
	if err != nil {
		t.Fatal(err)
	}
	p.Set(f)
	t.Cleanup(func() { _ = p.Close() })
	return "http://" + p.Addr()
}

// held is how long what is held back is waited for: not so long as to make the
// tests slow, and long enough for what is not held back.
const held = 3 * time.Second

// examine examines. Patience costs no time where all comes.
func examine(t *testing.T, o Options) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	report, err := Examine(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// want compares the results of all rows, and what is made of them.
func want(t *testing.T, r *Report, verdict, order string, results map[string]string, says ...string) {
	t.Helper()
	if r.Verdict != verdict || strings.Join(r.Order, " ") != order {
		t.Errorf("got %s, %q, want %s, %q\n%s", r.Verdict, r.Order, verdict, order, r.Text())
	}
	for _, row := range r.Rows {
		result, ok := results[row.Technique+"/"+row.HTTP]
		if !ok {
			result, ok = results[row.Technique]
		}
		if !ok {
			result = Passes
		}
		if row.Result != result {
			t.Errorf("%s over HTTP/%s: got %s, want %s\n%s", row.Technique, row.HTTP, row.Result, result, r.Text())
		}
	}
	for _, text := range says {
		if !strings.Contains(r.Advice, text) {
			t.Errorf("got %q, want it to say %q", r.Advice, text)
		}
	}
}

const all = "websocket sse stream multipart longpoll poll"

func TestPasses(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, false, nil)
	r := examine(t, Options{URL: s.URL, Watch: 200 * time.Millisecond})
	want(t, r, Passes, all, nil, "use websocket, and where that fails sse, then stream", "an entry is here")
	for _, row := range r.Rows {
		if row.Technique != post && (row.Delivered < rounds || row.Delivery <= 0 || row.Open <= 0 || row.FirstByte <= 0 || row.Late > 0) {
			t.Errorf("%s: got %+v, want all entries, and when they came", row.Technique, row)
		}
	}
	if r.Latency <= 0 || r.Beat == 0 || r.Publish != Allowed || r.Watched < Millis(200*time.Millisecond) {
		t.Errorf("got %+v, want latency, heartbeat, publishing and how long it was watched", r)
	}
	s.bounded(t)
}

// The channel is deleted, also if the examination was ended.
func TestDeletes(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var deleted, channel string
	s := serve(t, embed.Config{}, false, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			switch r.Method {
			case http.MethodPost:
				channel = r.URL.Path
			case http.MethodDelete:
				deleted = r.URL.Path
			}
			mu.Unlock()
			h.ServeHTTP(w, r)
		})
	})
	check := func(what string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !strings.HasPrefix(channel, "/channels/doctor/") || deleted != channel {
			t.Errorf("%s: published to %q and deleted %q", what, channel, deleted)
		}
	}
	if r := examine(t, Options{URL: s.URL}); r.Left {
		t.Error("the channel is said to be left")
	}
	check("whole")

	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := Examine(ctx, Options{URL: s.URL, Watch: time.Hour, Progress: func(text string) {
		if strings.HasPrefix(text, "saying nothing") {
			cancel(interrupted)
		}
	}})
	if !errors.Is(err, interrupted) {
		t.Errorf("got %v, want %v", err, interrupted)
	}
	check("interrupted")

	deleted = ""
	if r := examine(t, Options{URL: s.URL, Channel: "mine"}); r.Channel != "mine" || deleted != "" || r.Verdict != Passes {
		t.Errorf("a channel that was named: got %+v, and deleted %q", r, deleted)
	}
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, true, nil)
	r := examine(t, Options{URL: s.URL, TLS: s.trust(), Watch: 100 * time.Millisecond})
	want(t, r, Passes, all, nil)
	if r.TLS == nil || r.TLS.ALPN != "h2" || r.TLS.Version != "TLS 1.3" || len(r.Rows) != 14 {
		t.Errorf("got %+v and %d rows, want both versions of HTTP\n%s", r.TLS, len(r.Rows), r.Text())
	}
	s.bounded(t)
}

// What offers WebSocket over HTTP/2 and does not relay it takes it from browsers.
func TestHTTP2SocketRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, true, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodConnect {
				w.WriteHeader(http.StatusNotImplemented)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	r := examine(t, Options{URL: s.URL, TLS: s.trust()})
	want(t, r, Degraded, "sse stream multipart longpoll poll", map[string]string{"websocket/2": Refused}, "websocket-h2")
}

// What speaks of HTTP/2 and breaks it leaves HTTP/1.1.
func TestHTTP2Broken(t *testing.T) {
	t.Parallel()
	node := embed.New(embed.Config{Log: slog.New(slog.DiscardHandler)})
	defer node.Close()
	s := &site{Server: httptest.NewUnstartedServer(node)}
	conns := make(chan struct{}, 100)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) {
		conns <- struct{}{}
		_ = c.Close()
	}}
	s.StartTLS()
	defer s.Close()
	r := examine(t, Options{URL: s.URL, TLS: s.trust()})
	broken := map[string]string{}
	for _, technique := range append(slices.Clone(techniques), post) {
		broken[technique+"/2"] = Failed
	}
	want(t, r, Degraded, all, broken, "Nothing passes over HTTP/2")
	if len(conns) == 0 {
		t.Error("HTTP/2 was not tried")
	}
}

func TestStripped(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, false, nil)
	r := examine(t, Options{URL: s.through(t, proxy.Faults{StripUpgrade: true})})
	want(t, r, Degraded, "sse stream multipart longpoll poll", map[string]string{websocket: Stripped}, "takes Upgrade out of the request", "over https", "use sse")
	if row := r.of(websocket); row.Status != http.StatusUpgradeRequired {
		t.Errorf("got %+v, want the status", row)
	}
}

func TestBuffered(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, false, nil)
	results := map[string]string{sse: Buffered, stream: Buffered, multipart: Buffered}
	t.Run("all of it", func(t *testing.T) {
		t.Parallel()
		s := serve(t, embed.Config{}, false, nil)
		r := examine(t, Options{URL: s.through(t, proxy.Faults{Buffer: 1 << 20}), Patience: held})
		s.bounded(t)
		want(t, r, Degraded, "websocket longpoll poll", results, "sse, stream and multipart comes late, or only when the response ends")
		if row := r.of(sse); row.Detail != "nothing comes until the response has ended" {
			t.Errorf("got %q", row.Detail)
		}
	})
	t.Run("8 KiB", func(t *testing.T) {
		t.Parallel()
		r := examine(t, Options{URL: s.through(t, proxy.Faults{Buffer: 8 << 10}), Patience: held})
		want(t, r, Degraded, "websocket longpoll poll", results, "until about 16 KiB are together")
	})
	t.Run("after the head", func(t *testing.T) { // what opens a response passes, and a message is held
		t.Parallel()
		r := examine(t, Options{URL: s.through(t, proxy.Faults{Buffer: 400}), Patience: held})
		want(t, r, Degraded, "websocket longpoll poll", results, "Something on the way buffers")
	})
	t.Run("and no right to publish", func(t *testing.T) {
		t.Parallel()
		s := serve(t, embed.Config{Access: rights("read").access()}, false, nil)
		r := examine(t, Options{URL: s.through(t, proxy.Faults{Buffer: 1 << 20}), Patience: held})
		want(t, r, Degraded, "websocket longpoll poll", map[string]string{sse: Buffered, stream: Buffered, multipart: Buffered, post: Refused}, "is not allowed (403)")
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, false, nil)
	cut := map[string]string{websocket: Cut, sse: Cut, stream: Cut, multipart: Cut, longpoll: Cut}
	r := examine(t, Options{URL: s.through(t, proxy.Faults{MaxLife: time.Second}), Watch: 10 * time.Second})
	want(t, r, Degraded, "poll websocket sse stream multipart longpoll", cut, "use poll, and where", "cuts connections", "too soon")
	if row := r.of(sse); row.Cut < Millis(900*time.Millisecond) || row.Cut > Millis(5*time.Second) {
		t.Errorf("sse: cut after %v, want about 1 s", time.Duration(row.Cut))
	}
	if r.Watched > Millis(9*time.Second) {
		t.Errorf("watched for %v, though nothing was left to watch", time.Duration(r.Watched))
	}
}

// A connection over which nothing passes any more is cut, though it is open.
func TestSilentCut(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, false, nil)
	url := s.through(t, proxy.Faults{MaxLife: 3 * time.Second, HalfOpen: 1, HalfOpenFor: time.Minute})
	r := examine(t, Options{URL: url, Watch: 4 * time.Second, Patience: held})
	cut := map[string]string{websocket: Cut, sse: Cut, stream: Cut, multipart: Cut, longpoll: Cut}
	want(t, r, Degraded, "poll websocket sse stream multipart longpoll", cut, "cuts connections")
	if row := r.of(sse); !strings.Contains(row.Detail, "it fell silent within ") {
		t.Errorf("got %q, want that it fell silent", row.Detail)
	}
}

func TestDelayed(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, false, nil)
	r := examine(t, Options{URL: s.through(t, proxy.Faults{Delay: 100 * time.Millisecond})})
	want(t, r, Passes, all, nil)
	if r.Latency < Millis(200*time.Millisecond) {
		t.Errorf("a request takes %v, want 200 ms and more", time.Duration(r.Latency))
	}
	if row := r.of(sse); row.Delivery < Millis(200*time.Millisecond) {
		t.Errorf("a delivery takes %v, want 200 ms and more", time.Duration(row.Delivery))
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, false, nil)
	r := examine(t, Options{URL: s.through(t, proxy.Faults{Refuse: true}), Words: func(error) string { return "it broke" }})
	want(t, r, Nothing, "", nil, "Nothing could be tried", "it broke")
	if len(r.Rows) != 0 {
		t.Errorf("got %+v, want no rows", r.Rows)
	}
}

// rights are what all may do: "read", or nothing.
type rights string

// Allow implements [pabal.Rules].
func (a rights) Allow(action pabal.Action, _ pabal.Channel) bool {
	return action == pabal.ToRead && a == "read"
}

func (a rights) access() embed.AccessFunc {
	return func(*http.Request) (pabal.Grant, error) { return pabal.Grant{User: "kim", Rules: a}, nil }
}

func TestMayNotPublish(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{Access: rights("read").access()}, false, nil)
	r := examine(t, Options{URL: s.URL, Watch: 50 * time.Millisecond})
	want(t, r, Passes, all, map[string]string{post: Refused}, "is not allowed (403)", "--channel")
	if r.Publish != Forbidden {
		t.Errorf("got %q, want %q", r.Publish, Forbidden)
	}
}

func TestMayNotRead(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{Access: rights("").access()}, false, nil)
	r := examine(t, Options{URL: s.URL})
	want(t, r, Nothing, "", nil, "403", "--token", "--channel")
}

func TestNotPabal(t *testing.T) {
	t.Parallel()
	for want, handler := range map[string]http.HandlerFunc{
		"is this the right address, with the right path?": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"is Pabal running behind it?":                     http.NotFound,
		"give that server's address": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com/", http.StatusFound)
		},
		"the answer is 502 Bad Gateway": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"the server says 503: later; to be tried again in 7s": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"detail":"later"}`)
		},
	} {
		server := httptest.NewServer(handler)
		r := examine(t, Options{URL: server.URL})
		server.Close()
		if r.Verdict != Nothing || !strings.Contains(r.Advice, want) {
			t.Errorf("got %s and %q, want nothing, and %q", r.Verdict, r.Advice, want)
		}
	}
}

// Who stands on the way may say that it carries no response that goes on.
func TestIncrementalRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, false, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Via", "1.1 tollhouse")
			switch r.URL.Query().Get("via") {
			case sse, stream:
				w.Header().Set("Proxy-Status", "tollhouse; error=incremental_refused")
				w.WriteHeader(http.StatusNotImplemented)
			case multipart:
				w.Header().Set("Proxy-Status", "tollhouse; error=connection_limit_reached")
				w.Header().Set("Retry-After", "30")
				w.WriteHeader(http.StatusTooManyRequests)
			default:
				h.ServeHTTP(w, r)
			}
		})
	})
	r := examine(t, Options{URL: s.URL})
	want(t, r, Degraded, "websocket longpoll poll", map[string]string{sse: Refused, stream: Refused, multipart: Refused}, "incremental_refused")
	if row := r.of(multipart); row.Status != http.StatusTooManyRequests || row.RetryAfter != Millis(30*time.Second) || !strings.Contains(row.ProxyStatus, "tollhouse") {
		t.Errorf("got %+v", row)
	}
	if r.Via != "1.1 tollhouse" {
		t.Errorf("got %q", r.Via)
	}
}

// Something may let reading pass, and publishing not.
func TestPostBlocked(t *testing.T) {
	t.Parallel()
	s := serve(t, embed.Config{}, false, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	r := examine(t, Options{URL: s.URL})
	want(t, r, Degraded, all, map[string]string{post: Refused}, "Publishing does not pass: the answer is 403")
}

// Text is a table with the advice below.
func TestText(t *testing.T) {
	r := &Report{
		Server: "https://a.test", Via: "1.1 b", TLS: &TLS{"TLS 1.3", "h2"}, Latency: Millis(23 * time.Millisecond), Left: true, Channel: "doctor/x",
		Rows: []Row{{Technique: sse, HTTP: "1.1", Result: Passes, Open: Millis(time.Second)}, {Technique: post, HTTP: "1.1", Result: Passes}},
	}
	r.decide()
	lines := strings.Split(r.Text(), "\n")
	for _, want := range []string{
		"https://a.test, TLS 1.3, h2, via 1.1 b, a request takes 23ms",
		"The channel doctor/x could not be deleted.",
		"sse        1.1   passes  –           1s    –",
		"All that was tried passes between here and https://a.test: use sse.",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("got\n%s\nwant a line %q", r.Text(), want)
		}
	}
}
