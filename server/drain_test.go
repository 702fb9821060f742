package server

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/server/config"
)

// logged runs a server until it has drained as drain does, and returns its log.
func logged(t *testing.T, cfg config.Config, drain func(context.Context) error) (url, log string) {
	t.Helper()
	var out bytes.Buffer
	p := testParts()
	p.drain = drain
	s, err := newServer(cfg, NewLog(cfg.Log, &out), p)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, s)
	r.stop()
	return r.url, out.String()
}

// contains reports whether each of parts is in text, in that order.
func contains(text string, parts ...string) bool {
	for _, part := range parts {
		_, after, ok := strings.Cut(text, part)
		if !ok {
			return false
		}
		text = after
	}
	return true
}

func TestLogOfStopping(t *testing.T) {
	cfg := testConfig()
	url, log := logged(t, cfg, func(context.Context) error { return nil })
	if !contains(log, "msg=listening url="+url+"\n", `msg="stopping; readers are told to leave" readers=0 until=20`, "msg=drained took=") {
		t.Errorf("all left: got\n%s", log)
	}
	cfg.Serving.Drain, cfg.Log.Format = time.Nanosecond, "json"
	_, log = logged(t, cfg, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if !contains(log, `"msg":"stopping; `, `"readers":0,"until":"20`, `"msg":"not all had left in time; the rest is cut off","readers":0,"took":"`, `s","error"`) ||
		strings.Contains(log, "drained") {
		t.Errorf("not all left: got\n%s", log)
	}
}

func TestDurationsInLogs(t *testing.T) {
	for format, want := range map[string]string{"text": "a=1m30s b.c=5ms\n", "json": `"a":"1m30s","b":{"c":"5ms"}}` + "\n"} {
		var out bytes.Buffer
		NewLog(config.Log{Level: "info", Format: format}, &out).Info("x", "a", 90*time.Second, slog.Group("b", "c", 5*time.Millisecond))
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("%s: got %s, want %s", format, &out, want)
		}
	}
}

// What is listened on is what was asked for, and no more.
func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:1": "tcp4", "127.0.0.1:1": "tcp4", "[::]:1": "tcp6", "[fe80::1%lo]:1": "tcp6",
		":1": "tcp", "localhost:1": "tcp", "[::ffff:127.0.0.1]:1": "tcp",
	} {
		if got := network(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	listeners, err := listen(t.Context(), []string{"0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(listeners)
	if got := listeners[0].Addr().(*net.TCPAddr); got.IP.String() != "0.0.0.0" || !strings.HasPrefix(origin(listeners[0], false), "http://0.0.0.0:") {
		t.Errorf("got %v, want 0.0.0.0", got)
	}
}

func TestHealthAndMetricsAreRead(t *testing.T) {
	s := start(t, testConfig(), testParts())
	defer s.stop()
	c := client(t, http1, nil)
	defer c.CloseIdleConnections()
	for _, path := range []string{"/health", "/metrics"} {
		for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405, "OPTIONS": 405} {
			req, err := http.NewRequest(method, s.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, problem := bodyOf(t, res), res.Header.Get("Content-Type") == "application/problem+json"
			if res.StatusCode != want || problem != (want == 405) || problem && (res.Header.Get("Allow") != "GET, HEAD" || !strings.Contains(body, path+" is read with GET or HEAD")) {
				t.Errorf("%s %s: got %s %v %s, want %d", method, path, res.Status, res.Header, body, want)
			}
		}
	}
}

// What a node publishes of itself is read like all else, and not counted.
func TestOwnMessagesAreNotCounted(t *testing.T) {
	s, err := New(testConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	p := pabal.Publish{Messages: []pabal.Message{{Data: []byte("x")}}}
	if err := s.parts.own(t.Context(), "$host/cpu", p); err != nil {
		t.Fatal(err)
	}
	end, _, err := s.parts.hub.End(t.Context(), "$host/cpu")
	if err != nil || end.Offset != 1 {
		t.Errorf("got the end %v, %v; want one entry", end, err)
	}
	if got := s.parts.hub.Stats().Published; got != 0 {
		t.Errorf("got %d published, want 0", got)
	}
}
