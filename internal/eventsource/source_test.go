package eventsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A script is a server that answers one request after the other, over pipes,
// and notes what it was asked and when.
type script struct {
	begun   time.Time
	answers []http.HandlerFunc
	notes   []string
	conns   chan net.Conn
	done    chan struct{}
}

// run serves answers; after the last it answers 204.
func run(t *testing.T, answers ...http.HandlerFunc) (*script, *http.Client) {
	s := &script{begun: time.Now(), answers: answers, conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: s}
	served := make(chan struct{})
	go func() {
		_ = server.Serve(s)
		close(served)
	}()
	client := &http.Client{Transport: &http.Transport{DialContext: s.dial}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
		<-served
	})
	return s, client
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.note("asked %s, last event ID %q", r.Header.Get("Accept"), r.Header.Get("Last-Event-ID"))
	if len(s.answers) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	next(w, r)
}

func (s *script) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf("%v ", time.Since(s.begun))+fmt.Sprintf(format, args...))
}

func (s *script) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case s.conns <- b:
		return a, nil
	case <-s.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *script) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *script) Close() error {
	close(s.done)
	return nil
}

func (s *script) Addr() net.Addr { return &net.UnixAddr{Name: "script"} }

// says answers with a body that ends; cut, that breaks off.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "Text/Event-Stream;charset=utf-8")
		_, _ = io.WriteString(w, body)
	}
}

func cut(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		says(body)(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func broken(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// follow reads to the end of s and returns the error, if one came.
func follow(ctx context.Context, s *script, source *Source) (last error) {
	source.Opened = func() { s.note("open") }
	source.Failed = func(err error) {
		if errors.Is(err, ErrEnded) {
			s.note("error: ended")
		} else {
			s.note("error: broke (%v)", err != nil)
		}
	}
	for e, err := range source.Events(ctx) {
		if err != nil {
			return err
		}
		s.note("%s %q id %q", e.Type, e.Data, e.LastEventID)
	}
	return nil
}

func expect(t *testing.T, s *script, want string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(want), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if !slices.Equal(s.notes, lines) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(s.notes, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// A source asks again when a response ends, breaks off, or does not come, each
// time with the last event ID and after the last reconnection time, until it is
// refused.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := run(t,
			says("id:1\ndata:a\n\nid:2\ndata:b\n"),
			cut("retry:500\nid:3\n\nid:é\nevent:x\ndata:c\n\ndata:d"),
			broken,
			says("data:e\n\nid\n\n"))
		err := follow(t.Context(), s, &Source{URL: "http://s/", Client: client})
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Status != http.StatusNoContent {
			t.Errorf("got the error %v, want a refusal with 204", err)
		}
		expect(t, s, `
			0s asked text/event-stream, last event ID ""
			0s open
			0s message "a" id "1"
			0s error: ended
			3s asked text/event-stream, last event ID "1"
			3s open
			3s x "c" id "é"
			3s error: broke (true)
			3.5s asked text/event-stream, last event ID "é"
			3.5s error: broke (true)
			4s asked text/event-stream, last event ID "é"
			4s open
			4s message "e" id "é"
			4s error: ended
			4.5s asked text/event-stream, last event ID ""`)
	})
}

// What was known before goes into the first request.
func TestBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := run(t, says(""))
		source := &Source{URL: "http://s/", Client: client, LastEventID: "7", Retry: time.Minute, Header: http.Header{"accept": {"x"}}}
		if err := follow(t.Context(), s, source); err == nil {
			t.Error("it ended without a refusal")
		}
		expect(t, s, `
			0s asked text/event-stream, last event ID "7"
			0s open
			0s error: ended
			1m0s asked text/event-stream, last event ID "7"`)
	})
}

func TestRefused(t *testing.T) {
	status := func(code int, media string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.WriteHeader(code)
			if code != http.StatusNoContent {
				_, _ = io.WriteString(w, "data:a\n\n")
			}
		}
	}
	for _, c := range []struct {
		status int
		media  string
		good   bool
	}{
		{200, "text/event-stream", true}, {200, "TEXT/event-stream ; x", true},
		{204, "text/event-stream", false}, {201, "text/event-stream", false}, {404, "text/event-stream", false},
		{500, "text/event-stream", false}, {503, "text/event-stream", false},
		{200, "text/plain", false}, {200, "text/event-streams", false}, {200, "application/json", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, client := run(t, status(c.status, c.media))
			err := follow(t.Context(), s, &Source{URL: "http://s/", Client: client})
			var refused *Refusal
			if !errors.As(err, &refused) || c.good != (refused.Status == 204 && len(s.notes) > 2) || !c.good && (refused.Status != c.status || refused.ContentType != c.media) {
				t.Errorf("status %d of type %q: got %v after %q", c.status, c.media, err, s.notes)
			}
		})
	}
}

// A URL that cannot be asked is an error at once.
func TestURL(t *testing.T) {
	for _, address := range []string{"/relative", "no scheme", "ftp://s/", "http://%zz/"} {
		var last error
		for _, err := range (&Source{URL: address}).Events(t.Context()) {
			last = err
		}
		if last == nil {
			t.Errorf("%q: no error", address)
		}
	}
}

// A source stops at once when its caller or its context does: while it reads,
// and while it waits.
func TestStop(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request) {
		says("data:a\n\n")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	synctest.Test(t, func(t *testing.T) {
		s, client := run(t, hang, hang, says("data:a\n\n"))
		begun := time.Now()
		for range (&Source{URL: "http://s/", Client: client}).Events(t.Context()) {
			break
		}
		for _, after := range []time.Duration{time.Second, 2 * time.Second} { // it reads; it waits
			ctx, cancel := context.WithTimeout(t.Context(), after)
			if err := follow(ctx, s, &Source{URL: "http://s/", Client: client}); err != nil {
				t.Errorf("the end of the context gave %v, want no error", err)
			}
			cancel()
		}
		if got := time.Since(begun); got != 3*time.Second {
			t.Errorf("all three took %v, want 3s", got)
		}
	})
}

// An ID that cannot be a header's value is an error, not silence.
func TestControlCharacter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := run(t, says("id:a\x01\ndata:a\n\n"))
		if err := follow(t.Context(), s, &Source{URL: "http://s/", Client: client}); err == nil || !strings.Contains(err.Error(), "control character") {
			t.Errorf("got %v", err)
		}
	})
}
