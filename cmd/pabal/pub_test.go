package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/internal/wire"
)

// A recorder is a server that keeps the bodies of batches.
type recorder struct {
	mu      sync.Mutex
	batches [][]string
	failing func(n int, messages []string) int // the status for the n-th request; 0 is success
	n       int
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	messages := []string{string(body)}
	if req.Header.Get("Content-Type") == "application/x-ndjson" {
		parsed, err := wire.ParseMessages(body, 1000)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		messages = nil
		for _, m := range parsed {
			messages = append(messages, string(m.Data))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	if r.failing != nil {
		if status := r.failing(r.n, messages); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	r.batches = append(r.batches, messages)
	_, _ = fmt.Fprintf(w, `{"cursor":"1-%d"}`, len(r.batches))
}

func publishing(t *testing.T, r *recorder) (*pubCmd, *publisher, *bytes.Buffer) {
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	p, out := &pubCmd{Channel: "a", Verbose: true}, &bytes.Buffer{}
	c := &client.Client{URL: server.URL, HTTP: server.Client(), MaxWait: 1}
	return p, &publisher{client: c, cmd: p, cursors: out}, out
}

func TestLinesGoAsTheyComeAndTogetherWhereTheyWait(t *testing.T) {
	r := &recorder{failing: func(n int, _ []string) int {
		return map[bool]int{true: http.StatusServiceUnavailable}[n%2 == 1]
	}}
	p, to, out := publishing(t, r)
	in, lines := io.Pipe()
	go func() {
		for _, chunk := range []string{"one\ntwo\nth", "ree\r\n", "\nlast"} {
			_, _ = io.WriteString(lines, chunk)
		}
		_ = lines.Close()
	}()
	if err := p.lines(t.Context(), in, to); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%q", r.batches), `[["one" "two"] ["three"] [""] ["last"]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := out.String(), "1-1\n1-2\n1-3\n1-4\n"; got != want {
		t.Errorf("cursors: got %q, want %q", got, want)
	}
}

func TestLinesBeforeARefusedOneArePublished(t *testing.T) {
	r := &recorder{failing: func(_ int, messages []string) int {
		if strings.Contains(strings.Join(messages, ""), "bad") {
			return http.StatusRequestEntityTooLarge
		}
		return 0
	}}
	p, to, _ := publishing(t, r)
	err := p.lines(t.Context(), strings.NewReader("one\ntwo\nbad\nfour\n"), to)
	var refused *client.Error
	if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "message 3: ") {
		t.Errorf("got %v, want the refusal of message 3", err)
	}
	if got, want := fmt.Sprintf("%q", r.batches), `[["one"] ["two"]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestManyLinesGoInBoundedBatches(t *testing.T) {
	r := &recorder{}
	p, to, _ := publishing(t, r)
	if err := p.lines(t.Context(), strings.NewReader(strings.Repeat("line\n", 1201)), to); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, batch := range r.batches {
		sizes = append(sizes, len(batch))
	}
	if got, want := fmt.Sprint(sizes), "[500 500 201]"; got != want {
		t.Errorf("got batches of %s, want %s", got, want)
	}
}

func TestAnInterruptEndsTheWaitForLines(t *testing.T) {
	p, to, _ := publishing(t, &recorder{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, lines := io.Pipe()
	defer func() { _ = lines.Close() }()
	var exit exitError
	if err := interrupted(ctx, p.lines(ctx, in, to)); !errors.As(err, &exit) || exit.code != exitInterrupted {
		t.Errorf("got %v, want to be interrupted", err)
	}
}

func TestNoticesInWords(t *testing.T) {
	for _, reason := range []pabal.Reason{pabal.Trimmed, pabal.Expired, pabal.Evicted, pabal.Deleted, pabal.Lost, pabal.Unknown, pabal.Ahead} {
		if words := why(reason); words == string(reason) {
			t.Errorf("%s has no words", reason)
		}
	}
}

// Batches that are to follow each other do, or it is said where they do not.
func TestIfMatch(t *testing.T) {
	at := "1-0"
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("If-Match"))
		if len(asked) == 3 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = io.WriteString(w, `{"type":"/problems/moved","detail":"moved","cursor":"1-9"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"cursor":"1-%d"}`, len(asked))
	}))
	defer server.Close()
	p := &pubCmd{Channel: "a", IfMatch: at}
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	to := &publisher{client: &client.Client{URL: server.URL, HTTP: server.Client()}, cmd: p, cursors: io.Discard, end: p.IfMatch}
	var err error
	for range 3 {
		err = to.publish(t.Context(), []pabal.Message{{Data: []byte("x")}})
	}
	if got, want := fmt.Sprint(asked), `["1-0" "1-1" "1-2"]`; got != want {
		t.Errorf("got the conditions %s, want %s", got, want)
	}
	if err == nil || !errors.Is(err, pabal.ErrMoved) || !strings.Contains(err.Error(), "message 3: ") || !strings.Contains(err.Error(), "ends at 1-9") {
		t.Errorf("got %v, want where the end is", err)
	}
	p.IfMatch = "x"
	if err := p.check(); err == nil || !strings.Contains(err.Error(), "--if-match") {
		t.Errorf("no cursor: got %v", err)
	}
}
