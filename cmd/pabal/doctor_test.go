package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal/internal/proxy"
)

var update = flag.Bool("update", false, "write the golden files anew")

// examined runs doctor, which is to end with code, and returns what it printed.
func examined(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	if got := run(ctx, append([]string{"doctor", "--for=50ms", "--patience=3s"}, args...), &out, &errs); got != code {
		t.Fatalf("%q: it ended with %d, want %d\n%s%s", args, got, code, &out, &errs)
	}
	return out.String(), errs.String()
}

// Where all passes, it says so, as text and as JSON of a shape that stays.
func TestDoctor(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("node", func(t *testing.T) {
		serving(t)
		stdout, stderr := examined(t, exitOK)
		for _, text := range []string{"websocket  1.1   passes", "poll       1.1   passes", "All that was tried passes", "use websocket"} {
			if !strings.Contains(stdout, text) || stderr != "" {
				t.Errorf("got\n%s%s\nwant %q", stdout, stderr, text)
			}
		}
		stdout, _ = examined(t, exitOK, "--json", os.Getenv("PABAL_SERVER"))
		golden(t, "doctor.json", stdout)
	})
}

var (
	numbers = regexp.MustCompile(`Ms": [0-9.]+`)
	address = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)
	own     = regexp.MustCompile(`doctor/[a-z2-7]+`)
	took    = regexp.MustCompile(`[0-9.]+(µs|ms|s) after`)
)

// golden compares a report with a file, but for what differs from run to run.
func golden(t *testing.T, name, text string) {
	t.Helper()
	if !json.Valid([]byte(text)) {
		t.Fatalf("it is not JSON:\n%s", text)
	}
	text = numbers.ReplaceAllString(text, `Ms": 1`)
	text = address.ReplaceAllString(text, "127.0.0.1:8080")
	text = own.ReplaceAllString(text, "doctor/x")
	text = took.ReplaceAllString(text, "1ms after")
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("got\n%s\nwant\n%s\nrun the test with -update if that is right", text, want)
	}
}

// Through a road that does not carry all, it says what is left.
func TestDoctorThroughTrouble(t *testing.T) {
	serving(t)
	through, err := proxy.Listen(strings.TrimPrefix(os.Getenv("PABAL_SERVER"), "http://"), 7)
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()
	through.Set(proxy.Faults{StripUpgrade: true, Buffer: 1 << 20})
	stdout, stderr := examined(t, exitFailed, through.Addr())
	for _, text := range []string{"websocket  1.1   stripped", "sse        1.1   buffered", "longpoll   1.1   passes", "use longpoll, and where that fails poll"} {
		if !strings.Contains(stdout, text) {
			t.Errorf("got\n%s\nwant %q", stdout, text)
		}
	}
	if want := "pabal: not all passes: use longpoll, poll\n"; stderr != want {
		t.Errorf("got %q, want %q", stderr, want)
	}
	through.Set(proxy.Faults{Refuse: true})
	stdout, stderr = examined(t, exitNothing, through.Addr(), "--json")
	if want := "pabal: nothing passes: the connection broke off\n"; stderr != want || !strings.Contains(stdout, `"verdict": "nothing"`) {
		t.Errorf("got\n%s%s\nwant %q", stdout, stderr, want)
	}
}

func TestDoctorWhereThereIsNone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	address := server.Listener.Addr().String()
	if stdout, _ := examined(t, exitNothing, address); !strings.Contains(strings.Join(strings.Fields(stdout), " "), "is this the right address, with the right path?") {
		t.Errorf("got\n%s", stdout)
	}
	server.Close()
	if _, stderr := examined(t, exitNothing, address); stderr != "pabal: nothing passes: nothing listens on "+address+"\n" {
		t.Errorf("got %q", stderr)
	}
}

// A token is sent with each request, by each technique; without it nothing can
// be tried.
func TestDoctorToken(t *testing.T) {
	serving(t)
	node := os.Getenv("PABAL_SERVER")
	locked := httptest.NewServer(guarded(node))
	defer locked.Close()
	stdout, _ := examined(t, exitNothing, locked.URL)
	if !strings.Contains(stdout, "--token") {
		t.Errorf("got\n%s\nwant what to do", stdout)
	}
	examined(t, exitOK, locked.URL, "--token=abc.def")
}

// guarded passes on what has the token.
func guarded(node string) http.Handler {
	to, err := url.Parse(node)
	if err != nil {
		panic(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer abc.def" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"status":401,"detail":"this needs a token"}`)
			return
		}
		r.Header.Del("Authorization")
		pass.ServeHTTP(w, r)
	})
}

func TestDoctorUsage(t *testing.T) {
	for _, args := range [][]string{
		{"ftp://a"}, {"a b"}, {"--channel", "a b"}, {"--for=-1s"}, {"--for=soon"}, {"--patience=0"}, {"--ca-file=go.none"}, {"--token", "a b"}, {"a", "b"},
	} {
		if got, code := command(t.Context(), append([]string{"doctor"}, args...)...); code != exitUsage || !strings.HasPrefix(got, "pabal: ") {
			t.Errorf("%q: got %d and %q, want %d and why", args, code, got, exitUsage)
		}
	}
	serving(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, code := command(ctx, "doctor"); code != exitInterrupted || got != "pabal: interrupted\n" {
		t.Errorf("interrupted: got %d and %q, want %d", code, got, exitInterrupted)
	}
}
