package server

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
)

func TestHealth(t *testing.T) {
	full := &pabal.StorageError{What: "the disk is full: make room", Full: true, Retry: time.Minute, Err: errors.New("write /secret/path")}
	for _, c := range []struct {
		name, target string
		storage      error
		draining     bool
		status       int
		body, retry  string
	}{
		{"well", "/health", nil, false, 200, `{"status":"ok"}`, ""},
		{"well, for publishers", "/health?publish", nil, false, 200, `{"status":"ok"}`, ""},
		{"full", "/health", full, false, 200, `{"status":"degraded","storage":"the disk is full: make room"}`, ""},
		{"full, for publishers", "/health?publish", full, false, 503, `{"status":"degraded","storage":"the disk is full: make room"}`, "60"},
		{"broken", "/health?publish", errors.New("/secret/path"), false, 503, `{"status":"degraded","storage":"the storage failed; the server's log says why"}`, "5"},
		{"draining", "/health", nil, true, 503, `{"status":"draining"}`, "5"},
		{"draining and full", "/health", full, true, 503, `{"status":"draining","storage":"the disk is full: make room"}`, "60"},
	} {
		h := &health{storage: func() error { return c.storage }}
		h.draining.Store(c.draining)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", c.target, nil))
		if w.Code != c.status || w.Body.String() != c.body+"\n" || w.Header().Get("Retry-After") != c.retry {
			t.Errorf("%s: got %d %q, Retry-After %q; want %d %q, %q", c.name, w.Code, w.Body, w.Header().Get("Retry-After"), c.status, c.body, c.retry)
		}
	}
}

func TestStorageMetrics(t *testing.T) {
	for _, c := range []struct {
		err  error
		want []string
	}{
		{nil, []string{"pabal_storage_ok 1\n", "pabal_storage_full 0\n"}},
		{&pabal.StorageError{Full: true}, []string{"pabal_storage_ok 0\n", "pabal_storage_full 1\n"}},
		{&pabal.StorageError{}, []string{"pabal_storage_ok 0\n", "pabal_storage_full 0\n"}},
	} {
		p := testParts()
		p.health = func() error { return c.err }
		s := start(t, testConfig(), p)
		client := client(t, http1, nil)
		_, metrics := get(t, client, s.url+"/metrics")
		for _, want := range c.want {
			if !strings.Contains(metrics, want) {
				t.Errorf("%v: /metrics lacks %q", c.err, want)
			}
		}
		if status, body := get(t, client, s.url+"/health?publish"); (status == 503) != (c.err != nil) {
			t.Errorf("%v: /health?publish is %d %s", c.err, status, body)
		}
		client.CloseIdleConnections()
		s.stop()
	}
}
