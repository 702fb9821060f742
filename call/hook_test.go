package call

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal"
)

// hooked returns a node whose calls h answers, with what the node logs, and how
// many connections were made to h.
func (w *world) hooked(h http.HandlerFunc, c Config) (n *node, log *logText, connections func() int) {
	server := httptest.NewUnstartedServer(h)
	log = &logText{}
	var mu sync.Mutex
	made := 0
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if s == http.StateNew {
			made++
		}
	}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.Start()
	w.t.Cleanup(server.Close)
	c.Hook = func(ch pabal.Channel) (Hook, bool) {
		return Hook{URL: server.URL + "/secret-path", Secret: []byte("s3cret")}, ch == "shop"
	}
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	return w.node(c), log, func() int {
		mu.Lock()
		defer mu.Unlock()
		return made
	}
}

// logText is what was logged.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// write answers with a content type, if there is one, and a body.
func write(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// What a hook answers is what the asker hears, and nothing that is internal.
func TestHookAnswers(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		hook http.HandlerFunc
		want []string
		log  bool
	}{
		"json":       {write(200, "application/json", `{"a":1}`), []string{`answer {"a":1}`}, false},
		"text":       {write(201, "text/plain", "hi"), []string{"answer hi"}, false},
		"no content": {write(204, "", ""), []string{"answer "}, false},
		"nothing":    {write(200, "application/json", ""), []string{"answer "}, false},
		"lines":      {write(200, "application/x-ndjson; charset=utf-8", "1\n\n{\"a\": 2}\r\n\"x\""), []string{"part 1", `part {"a": 2}`, `answer "x"`}, false},
		"one line":   {write(200, "application/x-ndjson", "1\n"), []string{"answer 1"}, false},
		"no line":    {write(200, "application/x-ndjson", "\n"), []string{"answer "}, false},
		"problem":    {write(409, "application/problem+json", `{"title":"Sold out","status":410,"detail":"for ever"}`), []string{"failed 410"}, false},
		"no status":  {write(409, "application/problem+json; charset=utf-8", `{"title":"Sold out"}`), []string{"failed 409"}, false},
		"odd status": {write(409, "application/problem+json", `{"status":200}`), []string{"failed 409"}, false},
		"no problem": {write(400, "application/problem+json", `<secret>`), []string{"failed 502"}, true},
		"refused":    {write(403, "text/html", "<secret>"), []string{"failed 502"}, true},
		"broken":     {write(500, "application/json", `{"secret":1}`), []string{"failed 502"}, true},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/secret", http.StatusTemporaryRedirect)
		}, []string{"failed 502"}, true},
		"no json":     {write(200, "application/json", "{secret"), []string{"failed 502"}, true},
		"bad line":    {write(200, "application/x-ndjson", "1\n{secret\n2\n"), []string{"part 1", "failed 502"}, true},
		"bad type":    {write(200, strings.Repeat("x", 300), "a"), []string{"failed 502"}, true},
		"too much":    {write(200, "text/plain", strings.Repeat("x", mib)), []string{"failed 502"}, true},
		"long line":   {write(200, "application/x-ndjson", "1\n2\n"+strings.Repeat("3", mib)), []string{"part 1", "failed 502"}, true},
		"panic":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, []string{"failed 502"}, true},
		"cut":         {cut("application/x-ndjson", "1\n2\n3"), []string{"part 1", "part 2", "failed 502"}, true},
		"cut in text": {cut("text/plain", "half"), []string{"failed 502"}, true},
		"garbage":     {raw("SSH-2.0-x\r\n"), []string{"failed 502"}, true},
		"long header": {raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", mib) + "\r\n\r\n"), []string{"failed 502"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n, log, _ := w.hooked(c.hook, Config{})
			n.call(t, "c")
			n.idle(t)
			w.want("c", c.want...)
			for _, e := range w.entries(pabal.Inbox + connection) {
				if e.Type == "failed" && (strings.Contains(string(e.Data), "secret") || strings.Contains(string(e.Data), "127.0.0.1")) {
					t.Errorf("the asker hears what is internal: %s", e.Data)
				}
			}
			if logged := log.String(); (logged != "") != c.log || strings.Contains(logged, "secret-path") {
				t.Errorf("logged %q, want something without the URL: %v", logged, c.log)
			}
		})
	}
}

// raw answers with bytes that need not be HTTP.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// cut answers with less than it says.
func cut(contentType, text string) http.HandlerFunc {
	return raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(text)+9, text))
}

// A hook is asked by what the documentation says, signed, over few connections.
func TestHookRequest(t *testing.T) {
	w := newWorld(t)
	type asked struct {
		*http.Request
		body []byte
	}
	all := make(chan asked, 10)
	n, _, connections := w.hooked(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		all <- asked{r, body}
		rw.WriteHeader(204)
	}, Config{})
	g := alice
	g.User = "ålice\n 7%"
	ask := func(id string, m pabal.Message) asked {
		t.Helper()
		m.ID = id
		if err := n.Call(t.Context(), g, "shop", m, 0); err != nil {
			t.Fatal(err)
		}
		a := <-all
		n.idle(t)
		return a
	}
	a := ask("c1", pabal.Message{ContentType: "application/json", Data: []byte(`{"buy":1}`)})
	user, err1 := url.PathUnescape(a.Header.Get("Pabal-User"))
	data, err2 := url.PathUnescape(a.Header.Get("Pabal-User-Data"))
	sent, err3 := strconv.ParseInt(a.Header.Get("Pabal-Timestamp"), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || user != g.User || data != `{"vip":true}` || time.Since(time.Unix(sent, 0)).Abs() > time.Minute {
		t.Errorf("asked with %v", a.Header)
	}
	if a.Method != http.MethodPost || string(a.body) != `{"buy":1}` || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Pabal-Channel") != "shop" || a.Header.Get("Pabal-Call") != refOf(connection, "c1") {
		t.Errorf("asked with %v %q", a.Header, a.body)
	}
	if got := a.Header.Get("Pabal-Connection"); got != seenAs(connection) || strings.Contains(fmt.Sprint(a.Header), connection) {
		t.Errorf("asked of the connection %q, want what others see of it", got)
	}
	if err := VerifySignature([]byte("s3cret"), a.Header, a.body); err != nil {
		t.Error(err)
	}
	for i, c := range [][2]string{{"", "text/plain; charset=utf-8"}, {" text/x ", "text/x"}, {"é", "application/octet-stream"}, {"a b", "application/octet-stream"}} {
		a := ask(fmt.Sprint("t", i), pabal.Message{ContentType: c[0], Data: []byte("x")})
		if got := a.Header.Get("Content-Type"); got != c[1] {
			t.Errorf("of the content type %q: asked with %q, want %q", c[0], got, c[1])
		}
		if err := VerifySignature([]byte("s3cret"), a.Header, a.body); err != nil {
			t.Error(err)
		}
	}
	if got := connections(); got != 1 {
		t.Errorf("%d connections were made, want one", got)
	}
}

// A hook that hangs, before it answers or within, is left when the call ends.
func TestHookHangs(t *testing.T) {
	for _, c := range []struct {
		end   string
		early string
		want  []string
	}{
		{"timeout", "", []string{"failed 504"}},
		{"timeout", "1\n2\n", []string{"part 1", "failed 504"}},
		{"cancel", "", []string{"failed 499"}},
		{"cancel", "1\n2\n", []string{"part 1", "failed 499"}},
		{"close", "1\n2\n", []string{"part 1", "failed 503"}},
	} {
		t.Run(c.end+c.early, func(t *testing.T) {
			w := newWorld(t)
			there, left := make(chan struct{}), make(chan struct{})
			config := Config{Timeout: time.Hour}
			if c.end == "timeout" {
				config.Timeout = 300 * time.Millisecond
			}
			n, log, _ := w.hooked(func(rw http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // else it is not seen that the asker has left
				if c.early != "" {
					rw.Header().Set("Content-Type", ndjson)
					_, _ = io.WriteString(rw, c.early)
					_ = http.NewResponseController(rw).Flush()
				}
				close(there)
				<-r.Context().Done()
				close(left)
			}, config)
			n.call(t, "c")
			<-there
			for c.early != "" && len(w.heard("c")) == 0 {
				<-time.After(time.Millisecond)
			}
			switch c.end {
			case "cancel":
				if err := n.Cancel(t.Context(), alice, "c"); err != nil {
					t.Fatal(err)
				}
			case "close":
				n.Close()
			}
			<-left
			n.idle(t)
			w.want("c", c.want...)
			if got := log.String(); got != "" {
				t.Errorf("logged %q, want nothing: it is no failure of the hook", got)
			}
		})
	}
}

// A client that is given is used, and never follows a redirect.
func TestHookClient(t *testing.T) {
	w := newWorld(t)
	var paths []string
	var mu sync.Mutex
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	n, _, connections := w.hooked(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if paths = append(paths, r.URL.Path); len(paths) == 1 {
			http.Redirect(rw, r, "/else", http.StatusTemporaryRedirect)
		}
	}, Config{HTTP: client})
	n.call(t, "c1")
	n.idle(t)
	n.call(t, "c2")
	n.idle(t)
	w.want("c1", "failed 502")
	w.want("c2", "answer ")
	if !slices.Equal(paths, []string{"/secret-path", "/secret-path"}) || connections() != 2 || client.CheckRedirect != nil {
		t.Errorf("asked %q over %d connections, want two without a redirect, and the client as it was", paths, connections())
	}
}
