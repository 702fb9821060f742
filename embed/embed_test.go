package embed_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/embed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, c embed.Config) *embed.Node {
	c.Log = slog.New(slog.DiscardHandler)
	n := embed.New(c)
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// ask asks h, without a network. A header is "Name: value".
func ask(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const connection = "0123456789abcdef0123456789abcdef"

// All that a node answers is reached under its paths.
func TestRoutes(t *testing.T) {
	n := start(t, embed.Config{})
	if _, err := n.Publish(t.Context(), "a", pabal.Message{Data: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	ping := `{"id":1,"command":"ping"}`
	for _, c := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"GET", "/channels/a?via=poll", "", 200, `"data":"one"`},
		{"GET", "/channels?via=poll&channel=a&channel=b&since=all", "", 200, `"data":"one"`},
		{"GET", "/channels?connection=" + connection + "", "", 200, `"entries":[]`},
		{"GET", "/channels", "", 200, `"a"`},
		{"POST", "/channels/a", `"two"`, 200, `"cursor"`},
		{"HEAD", "/channels/a", "", 200, ""},
		{"POST", "/commands", ping, 200, `"ok":true`},
		{"GET", "/presence/a", "", 200, `"connections":0`},
		{"GET", "/channels//a", "", 400, "segment"},
		{"GET", "/channelsa", "", 404, "/channels/{name}"},
		{"GET", "/", "", 404, "/channels/{name}"},
	} {
		if w := ask(n, c.method, c.target, c.body, "Content-Type: application/json"); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: got %d %s, want %d and %s", c.method, c.target, w.Code, w.Body, c.status, c.want)
		}
	}
}

// A page of another site changes nothing, unless the caller trusts it.
func TestCrossOrigin(t *testing.T) {
	from := []string{"Origin: https://friend.example", "Sec-Fetch-Site: cross-site", "Content-Type: application/json"}
	trusting := http.NewCrossOriginProtection()
	if err := trusting.AddTrustedOrigin("https://friend.example"); err != nil {
		t.Fatal(err)
	}
	for status, c := range map[int]embed.Config{403: {}, 200: {CrossOrigin: trusting}} {
		n := start(t, c)
		for _, target := range []string{"/channels/a", "/commands"} {
			if w := ask(n, "POST", target, `{"id":1,"command":"ping"}`, from...); w.Code != status {
				t.Errorf("%s: got %d %s, want %d", target, w.Code, w.Body, status)
			}
		}
		if w := ask(n, "GET", "/channels/a?via=poll", "", from...); w.Code != 200 {
			t.Errorf("to read: got %d %s", w.Code, w.Body)
		}
	}
}

type reads struct{}

func (reads) Allow(a pabal.Action, ch pabal.Channel) bool { return a == pabal.ToRead && ch == "news" }

// Who is known is told 403 of what it may not, who is not 401.
func TestAccessFunc(t *testing.T) {
	n := start(t, embed.Config{Access: embed.AccessFunc(func(r *http.Request) (pabal.Grant, error) {
		return pabal.Grant{User: r.Header.Get("User"), Rules: reads{}}, nil
	})})
	for user, status := range map[string]int{"alice": 403, "": 401} {
		for _, c := range [][]string{{"GET", "/channels/secret?via=poll"}, {"POST", "/channels/news"}, {"GET", "/presence/news"}} {
			if w := ask(n, c[0], c[1], "x", "User: "+user); w.Code != status {
				t.Errorf("%q: %s: got %d %s, want %d", user, c, w.Code, w.Body, status)
			}
		}
		if w := ask(n, "GET", "/channels/news?via=poll", "", "User: "+user); w.Code != 200 {
			t.Errorf("%q: news: got %d", user, w.Code)
		}
		w := ask(n, "POST", "/commands?connection="+connection, `{"command":"refresh","token":"x"}`, "User: "+user, "Content-Type: application/json")
		if w.Code != 400 || !strings.Contains(w.Body.String(), "no tokens to refresh") {
			t.Errorf("refresh: got %d %s", w.Code, w.Body)
		}
	}
	if _, err := n.Publish(t.Context(), pabal.InboxOf("alice"), pabal.Message{Data: []byte("hi")}); err != nil {
		t.Error(err)
	}
	if _, err := n.Publish(t.Context(), pabal.Presence+"news", pabal.Message{Data: []byte("hi")}); err == nil {
		t.Error("the program writes to Pabal's own")
	}
}

// A call is answered by the program, over a broker of its own, which stays open.
func TestCallsAndBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := memory.New(memory.Config{Retention: embed.Retention})
		var mux call.Mux
		if err := mux.Handle("shop/*", func(_ context.Context, r *call.Request) iter.Seq2[pabal.Message, error] {
			return func(yield func(pabal.Message, error) bool) {
				yield(pabal.Message{Data: append([]byte("sold "), r.Message.Data...)}, nil)
			}
		}); err != nil {
			t.Fatal(err)
		}
		n := embed.New(embed.Config{Broker: broker, Calls: &mux, Log: slog.New(slog.DiscardHandler)})
		w := ask(n, "POST", "/commands?connection="+connection, `{"command":"call","channel":"shop/tea","call":"c","data":"tea"}`, "Content-Type: application/json")
		if w.Code != 200 {
			t.Fatalf("call: got %d %s", w.Code, w.Body)
		}
		synctest.Wait()
		if w := ask(n, "GET", "/channels?via=poll&since=all&connection="+connection, ""); !strings.Contains(w.Body.String(), "sold tea") {
			t.Errorf("the answer: got %s", w.Body)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if _, err := broker.Append(t.Context(), "a", pabal.Publish{Messages: []pabal.Message{{Data: []byte("x")}}}); err != nil {
			t.Errorf("the caller's broker: %v", err)
		}
		broker.Close()
	})
}

// Serve ends in good order: who reads is told, who is present has left.
func TestServe(t *testing.T) {
	broker := memory.New(memory.Config{Retention: embed.Retention})
	defer broker.Close()
	n := embed.New(embed.Config{Broker: broker, Log: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- n.Serve(ctx, &http.Server{Handler: n, ReadHeaderTimeout: time.Minute}, l) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+"/channels/a?via=stream&join", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "$open") {
		t.Fatalf("got %q, %v", line, err)
	}
	cancel()
	rest, err := io.ReadAll(in)
	if err != nil || !strings.Contains(string(rest), `"draining"`) {
		t.Errorf("at the end: got %q, %v", rest, err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: got %v", err)
	}
	after := embed.New(embed.Config{Broker: broker, Log: slog.New(slog.DiscardHandler)})
	defer after.Close()
	var who struct{ Connections int }
	w := ask(after, "GET", "/presence/a", "")
	if err := json.Unmarshal(w.Body.Bytes(), &who); err != nil || who.Connections != 0 {
		t.Errorf("present after the end: got %s", w.Body)
	}
}

// Each of Pabal's own channels is kept as it must be.
func TestRetention(t *testing.T) {
	for ch, age := range map[pabal.Channel]time.Duration{
		"$conn/x": 24 * time.Hour, "$user/x": 7 * 24 * time.Hour, "$calls/x": 10 * time.Minute, "$-/call/x": 10 * time.Minute, "$-/x": 24 * time.Hour, "chat": 0,
	} {
		if got := embed.Retention(ch); got.Age != age || (got.Namespace == "") != (ch == "chat") {
			t.Errorf("%s: got %+v, want it kept for %v", ch, got, age)
		}
	}
	for _, ch := range []pabal.Channel{"$presence/x", "$-/leases"} {
		if !embed.Retention(ch).Latest {
			t.Errorf("%s: the last entry of each key is not kept", ch)
		}
	}
}

// What ends serving before its time is said.
func TestServeFails(t *testing.T) {
	n := embed.New(embed.Config{Log: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := n.Serve(t.Context(), &http.Server{Handler: n, ReadHeaderTimeout: time.Minute}, l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want that the listener is closed", err)
	}
}
