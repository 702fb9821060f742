package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pabal/pabal/client"
)

func TestParseServer(t *testing.T) {
	for text, want := range map[string]string{
		"":                       defaultServer,
		"127.0.0.1:8080":         "http://127.0.0.1:8080",
		"localhost:8080":         "http://localhost:8080",
		"example.com":            "http://example.com",
		"[::1]:80":               "http://[::1]:80",
		"https://example.com/at": "https://example.com/at",
	} {
		if got, err := parseServer(text); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"ftp://a", "://a", "http://", "http:// a", "a b", "::1", ":8080", "a:http", "a:99999", "http://a?b", "http://a#b"} {
		if got, err := parseServer(text); err == nil || !strings.Contains(err.Error(), "write it as") {
			t.Errorf("%q: got %q, %v; want an error that says how to write it", text, got, err)
		}
	}
}

func TestServerWithoutScheme(t *testing.T) {
	serving(t)
	bare := strings.TrimPrefix(os.Getenv("PABAL_SERVER"), "http://")
	expect(t, exitOK, "", "pub", "a", "one", "--server", bare)
	expect(t, exitOK, "one\n", "sub", "a", "--since=all", "--limit=1", "--server", bare)
	expect(t, exitOK, "", "pub", "a", `{"a":1}`, "--server", bare, "--content-type", "application/json")
}

// Where nothing listens, that is said once, and that nothing was published.
func TestDeadServer(t *testing.T) {
	dead := httptest.NewServer(nil)
	address := dead.Listener.Addr().String()
	dead.Close()
	for _, args := range [][]string{{"pub", "a", "x"}, {"sub", "a"}} {
		got, code := command(t.Context(), append(args, "--server", address, "--connect-timeout=300ms")...)
		end := "pabal: http://" + address + " was not reached in 300ms"
		if args[0] == "pub" {
			end += "; nothing was published"
		}
		if want := "pabal: nothing listens on " + address + "; trying again\n" + end + "\n"; code != exitFailed || got != want {
			t.Errorf("%s: got %d and\n%swant 1 and\n%s", args[0], code, got, want)
		}
	}
	expect(t, exitFailed, "was not reached in 1ns; nothing was published", "pub", "a", "x", "--server", address, "--connect-timeout=1ns")
}

// A server that takes a message and says nothing may have published it.
func TestSilentServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then it is seen that the client has left
		<-r.Context().Done()
	}))
	defer server.Close()
	expect(t, exitFailed, "; it did not answer, so the outcome is unknown", "pub", "a", "x", "--server", server.URL, "--connect-timeout=300ms")
}

func TestCAFile(t *testing.T) {
	server := httptest.NewUnstartedServer(&recorder{})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, exitOK, "", "pub", "a", "x", "--server", server.URL, "--ca-file", file)

	for _, args := range [][]string{{"pub", "a", "x"}, {"sub", "a"}, {"sub", "a", "--via=sse"}, {"sub", "a", "--via=poll"}} {
		got, code := command(t.Context(), append(args, "--server", server.URL, "--connect-timeout=0")...) // which never gives up
		if code != exitFailed || strings.Contains(got, "trying again") || !strings.Contains(got, "--ca-file") {
			t.Errorf("%q: got %d and %q, want 1 at once, and --ca-file", args, code, got)
		}
	}
	if err := os.WriteFile(file, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, exitUsage, "has no certificate in PEM", "sub", "a", "--ca-file", file)
}

// A node over TLS is read by each technique, WebSocket too.
func TestCAFileReads(t *testing.T) {
	serving(t)
	expect(t, exitOK, "", "pub", "a", "x")
	to, err := url.Parse(os.Getenv("PABAL_SERVER"))
	if err != nil {
		t.Fatal(err)
	}
	node := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	})
	node.EnableHTTP2 = true
	node.StartTLS()
	defer node.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: node.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, via := range client.Techniques() {
		expect(t, exitOK, "x\n", "sub", "a", "--since=all", "--limit=1", "--via", via, "--server", node.URL, "--ca-file", file)
	}
}

func TestCursorsOfEachChannel(t *testing.T) {
	serving(t)
	expect(t, exitOK, "", "pub", "a", "x")
	got, _ := command(t.Context(), "sub", "a", "b", "--since=all", "--limit=1", "-v")
	for _, ch := range []string{"a", "b"} {
		if _, after, _ := strings.Cut(got, "pabal: "+ch+": connected, at "); !strings.Contains(strings.SplitN(after, "\n", 2)[0], "-0") {
			t.Errorf("got %q, want where it begins in %s", got, ch)
		}
	}
}

func TestPlainWords(t *testing.T) {
	refused := &client.Error{Status: 503, Title: "Later"}
	for want, err := range map[string]error{
		"the connection broke off":       fmt.Errorf("failed to get reader: %w", io.ErrUnexpectedEOF),
		"the server says 503: Later":     refused,
		"something else":                 errors.New("something else"),
		context.DeadlineExceeded.Error(): context.DeadlineExceeded,
	} {
		if got := plain(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

// A token is sent with each request, is not shown, and may be in the environment.
func TestToken(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer abc.def" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"status":401,"detail":"this needs a token"}`)
			return
		}
		(&recorder{}).ServeHTTP(w, r)
	}))
	defer server.Close()
	for _, args := range [][]string{{"pub", "a", "x"}, {"sub", "a"}} {
		got, code := command(t.Context(), append(args, "--server", server.URL, "--token=wrong")...)
		if code != exitFailed || !strings.Contains(got, "this needs a token") || strings.Contains(got, "wrong") {
			t.Errorf("%q: got %d and %q", args, code, got)
		}
	}
	expect(t, exitUsage, "--token: it has characters", "pub", "a", "x", "--server", server.URL, "--token", "abc def")
	expect(t, exitOK, "", "pub", "a", "x", "--server", server.URL, "--token=abc.def")
	t.Setenv("PABAL_TOKEN", "abc.def")
	expect(t, exitOK, "", "pub", "a", "x", "--server", server.URL)
}
