package server

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/server/config"
)

const someConnection = "0123456789abcdefghijklmnopqrstuv"

// Who was present by way of a node has left when it has ended: that is written
// before what keeps the logs is closed.
func TestPresenceEndsWithNode(t *testing.T) {
	cfg := testConfig()
	cfg.Storage = config.Default().Storage
	cfg.Storage.Data = filepath.Join(t.TempDir(), "data")
	begin := func() running {
		node, err := New(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return run(t, node)
	}
	c := client(t, http1, nil)
	s := begin()
	res, err := c.Get(s.url + "/channels/chat?via=stream&join&connection=" + someConnection)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if lines := bufio.NewScanner(res.Body); !lines.Scan() || !strings.Contains(lines.Text(), `"$open"`) {
		t.Fatalf("got %s, %v; want $open", lines.Text(), lines.Err())
	}
	view := func(want string) {
		t.Helper()
		if status, body := get(t, c, s.url+"/presence/chat"); status != 200 || !strings.HasPrefix(body, want) {
			t.Errorf("who is there: got %d %s, want %s…", status, body, want)
		}
	}
	view(`{"users":[],"anonymous":1,"connections":1,"cursor":"`)
	if status, body := get(t, c, s.url+"/channels/$presence/chat?via=poll&since=all"); status != 200 || !strings.Contains(body, `"type":"join"`) || strings.Contains(body, someConnection) {
		t.Errorf("the log of who is there: got %d %s, want a join that does not tell the connection's id", status, body)
	}
	c.CloseIdleConnections()
	s.stop()

	s = begin()
	view(`{"users":[],"anonymous":0,"connections":0,"cursor":"`)
	if status, body := get(t, c, s.url+"/channels/$presence/chat?via=poll&since=all&only=latest"); status != 200 || !strings.Contains(body, `"type":"leave"`) {
		t.Errorf("after the node has ended: got %d %s, want a leave", status, body)
	}
	c.CloseIdleConnections()
	s.stop()
}

// A call goes to the hook of its channel's namespace, signed, and the answer
// comes to the inbox of who asked.
func TestCallByHook(t *testing.T) {
	const secret = "a secret that hooks are signed with, in tests"
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = call.VerifySignature([]byte(secret), r.Header, body)
		}
		if err != nil || r.Header.Get("Pabal-Channel") != "shop/1" {
			t.Errorf("the hook got %v %s, %v", r.Header, body, err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"price":5}`)
	}))
	defer hook.Close()
	cfg := testConfig()
	shop := cfg.Policy
	shop.CallURL, shop.CallSecretFile = config.URL(hook.URL), secretFile(t, secret)
	cfg.Namespaces = config.Namespaces{{Name: "shop", Match: []pattern.Pattern{"shop/*"}, Keep: cfg.Keep, Policy: shop}}
	node, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, node)
	c := client(t, http1, nil)
	status, body, _ := askWith(t, c, "POST", s.url+"/commands?connection="+someConnection, "", `{"id":1,"command":"call","channel":"shop/1","call":"c-1","data":"price?"}`)
	if status != 200 || !strings.Contains(body, `"ok":true`) {
		t.Fatalf("the call: got %d %s", status, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	inbox, err := http.NewRequestWithContext(ctx, "GET", s.url+"/channels/shop/1?via=stream&connection="+someConnection, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && !strings.Contains(lines.Text(), `"type":"answer"`) { // until it comes
	}
	if got := lines.Text(); !strings.Contains(got, `"key":"c-1"`) || !strings.Contains(got, `"data":{"price":5}`) {
		t.Errorf("the answer: got %s, %v", got, lines.Err())
	}
	cancel()
	c.CloseIdleConnections()
	s.stop()
}

func TestCommandsArePosted(t *testing.T) {
	node, err := New(testConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, node)
	defer s.stop()
	c := client(t, http1, nil)
	defer c.CloseIdleConnections()
	if status, body, header := askWith(t, c, "GET", s.url+"/commands", "", ""); status != 405 || header.Get("Allow") != "POST" {
		t.Errorf("GET: got %d %s, Allow: %s; want 405 and POST", status, body, header.Get("Allow"))
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/commands", strings.NewReader(`{"id":1,"command":"ping"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, res); res.StatusCode != 403 {
		t.Errorf("from a foreign page: got %s %s, want 403", res.Status, body)
	}
}
