package demo

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/demo/crowd"
	"github.com/pabal/pabal/transport"
)

// A status is what /dev/match answers.
type status struct {
	Match State
	crowd.Status
}

// A site is a server of channels and of /dev/match.
type site struct {
	t     *testing.T
	url   string
	match *Match
	stop  func() // of the match
}

func newSite(t *testing.T) *site {
	kept := memory.New(memory.Config{})
	t.Cleanup(func() { _ = kept.Close() })
	hub := pabal.NewHub(kept, pabal.Limits{})
	t.Cleanup(hub.Close)
	reads := &transport.Handler{Hub: hub}
	s := &site{t: t, match: New(Config{
		Hub: hub, Log: slog.New(slog.DiscardHandler), Seed: seed,
		Refuse: func(w http.ResponseWriter, status int, detail string) { http.Error(w, detail, status) },
	})}
	mux := http.NewServeMux()
	mux.Handle("/channels/", reads)
	mux.Handle("/dev/match", s.match)
	mux.Handle("/dev/match/", s.match)
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnContext = transport.ConnContext
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := reads.Drain(ctx); err != nil {
			t.Errorf("not all readers have left: %v", err)
		}
	})
	s.url = server.URL
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.match.Run(ctx); close(done) }()
	s.stop = func() { cancel(); <-done }
	t.Cleanup(s.stop)
	return s
}

// ask sends a request to /dev/match and what is below, and wants that status.
func (s *site) ask(method, path, body string, want int) (got status, text string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+"/dev/match"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	var all strings.Builder
	raw := json.NewDecoder(answer.Body)
	if answer.StatusCode == http.StatusOK {
		if err := raw.Decode(&got); err != nil {
			s.t.Fatal(err)
		}
	} else {
		_ = answer.Write(&all)
	}
	if answer.StatusCode != want {
		s.t.Fatalf("%s %s %s: %s, want %d\n%s", method, path, body, answer.Status, want, all.String())
	}
	return got, all.String()
}

// until asks until what is answered is as expected.
func (s *site) until(what string, holds func(status) bool) status {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		now, _ := s.ask("GET", "", "", http.StatusOK)
		if holds(now) {
			return now
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("not within 30 s: %s; at the end %+v", what, now)
		}
	}
}

// A crowd of two hundred sees the match, at once, whole and in order, and
// leaves when it is told to, or the server stops.
func TestCrowdWatches(t *testing.T) {
	s := newSite(t)
	s.ask("POST", "", `{"speed":50}`, http.StatusOK)
	s.ask("POST", "/crowd", `{"viewers":200,"via":"stream"}`, http.StatusOK)
	s.until("200 viewers", func(now status) bool { return now.Viewers == 200 })
	now := s.until("each saw ten plays", func(now status) bool { return now.Read >= 2000 })
	if now.Lost != 0 || now.Repeated != 0 || now.Trouble != "" || now.Wanted != 200 || now.Via != "stream" || now.Lag == nil || now.Match.Phase != "playing" {
		t.Errorf("got %+v with lag %+v", now, now.Lag)
	}
	s.ask("POST", "/crowd", `{"viewers":0}`, http.StatusOK)
	s.until("nobody is there", func(now status) bool { return now.Viewers == 0 })
	s.ask("POST", "/crowd", `{"viewers":30}`, http.StatusOK)
	s.until("30 viewers", func(now status) bool { return now.Viewers == 30 })
	s.stop()
	if now := s.match.crowd.Status(); now.Viewers != 0 || now.Wanted != 0 {
		t.Errorf("got %+v, want all to have left when the server stops", now)
	}
	if _, why := s.ask("POST", "/crowd", `{"viewers":3}`, http.StatusBadRequest); !strings.Contains(why, "stopping") {
		t.Errorf("got %s, want it to say that the server stops", why)
	}
}

func TestRefusals(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "", `{"speed":0}`, 400, "0.1 to 100"},
		{"POST", "", `{"speed":101}`, 400, "0.1 to 100"},
		{"POST", "", `{"speed":"x"}`, 400, "not what is asked for"},
		{"POST", "", `{"speed":1,"seed":2}`, 400, "seed"},
		{"POST", "", `{"speed":1}{}`, 400, "one object"},
		{"POST", "", ``, 400, "not what is asked for"},
		{"POST", "/crowd", `{"via":"sse"}`, 400, "how many"},
		{"POST", "/crowd", `{"viewers":-1}`, 400, "0 to "},
		{"POST", "/crowd", `{"viewers":5001}`, 400, "0 to "},
		{"POST", "/crowd", `{"viewers":1,"via":"jsonp"}`, 400, "choose sse, stream, websocket or longpoll"},
		{"DELETE", "", ``, 405, "GET and POST"},
		{"GET", "/else", ``, 404, "POST /dev/match/crowd"},
	} {
		if _, got := s.ask(c.method, c.path, c.body, c.status); !strings.Contains(got, c.says) {
			t.Errorf("%s %s %s: %s, want it to say %q", c.method, c.path, c.body, got, c.says)
		}
	}
	if now, _ := s.ask("GET", "", "", 200); now.Match.Speed != 1 || now.Wanted != 0 {
		t.Errorf("got %+v, want nothing to have changed", now)
	}
}

// A crowd that nobody asks about goes: the page that wanted it was closed.
func TestForgottenCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := memory.New(memory.Config{})
		defer kept.Close()
		hub := pabal.NewHub(kept, pabal.Limits{})
		defer hub.Close()
		m := New(Config{Hub: hub, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { m.Run(ctx); close(done) }()
		defer func() { cancel(); <-done }()
		m.ask()
		if err := m.crowd.Set(crowd.Target{Address: "127.0.0.1:1"}, "sse", 3); err != nil { // where nobody listens
			t.Fatal(err)
		}
		for range 4 {
			time.Sleep(patience - 2*look)
			if s := m.crowd.Status(); s.Wanted != 3 || s.Trouble == "" {
				t.Fatalf("got %+v, want three that try in vain", s)
			}
			m.ask()
		}
		time.Sleep(patience + 2*look)
		if s := m.crowd.Status(); s.Wanted != 0 {
			t.Errorf("got %+v, want nobody after a minute without a question", s)
		}
	})
}

// Viewers may what the one who asked for them may.
func TestViewersHaveTheToken(t *testing.T) {
	heads := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case heads <- r.Header.Clone():
		default:
		}
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer server.Close()
	m := New(Config{Log: slog.New(slog.DiscardHandler)})
	defer m.crowd.Close()
	at, err := net.ResolveTCPAddr("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/dev/match/crowd", strings.NewReader(`{"viewers":1}`))
	r.Header.Set("Authorization", "Bearer x")
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(at)))
	if err := m.setCrowd(r); err != nil {
		t.Fatal(err)
	}
	if got := <-heads; got.Get("Authorization") != "Bearer x" {
		t.Errorf("a viewer asks with %v, want the token", got)
	}
}
