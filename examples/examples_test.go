// Package examples has its examples run, as whoever copies them would.
package examples

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal/internal/eventsource"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run builds the example and starts it. Stop ends it as a service manager
// does, and fails the test if it does not end well.
func run(t *testing.T, name string) (address string, stop func()) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(os.Environ(), "LISTEN=127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	out := bufio.NewReader(stderr)
	for address == "" {
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("it does not say where it listens: %q, %v", line, err)
		}
		_, address, _ = strings.Cut(strings.TrimSpace(line), "open ")
	}
	return address, func() {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("SIGTERM: %v", err)
		}
		rest, _ := io.ReadAll(out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("it ended with %v\n%s", err, rest)
		}
	}
}

// A visitor has a browser.
type visitor struct {
	*testing.T
	address string
	header  http.Header
	http    *http.Client
}

func visit(t *testing.T, address, cookie string) *visitor {
	v := &visitor{t, address, http.Header{}, &http.Client{Transport: &http.Transport{}}}
	if cookie != "" {
		v.header.Set("Cookie", "name="+cookie)
	}
	t.Cleanup(v.http.CloseIdleConnections)
	return v
}

// ask returns the status and the body of an answer.
func (v *visitor) ask(method, path, body string) (status int, answer string) {
	v.Helper()
	r, err := http.NewRequestWithContext(v.Context(), method, v.address+path, strings.NewReader(body))
	if err != nil {
		v.Fatal(err)
	}
	r.Header = v.header.Clone()
	resp, err := v.http.Do(r)
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// hear follows path until an event of one of types was heard, and returns its
// data. Then is called when the server first answers.
func (v *visitor) hear(path string, then func(), types ...string) (data string) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), time.Minute)
	defer cancel()
	s := &eventsource.Source{URL: v.address + path, Client: v.http, Header: v.header}
	opened := false
	for e, err := range s.Events(ctx) {
		if err != nil {
			v.Fatal(err)
		}
		if !opened {
			opened = true
			then()
		}
		for _, kind := range types {
			if e.Type == kind {
				return e.Data
			}
		}
	}
	v.Fatalf("%s: none of %q came in a minute", path, types)
	return ""
}

func (v *visitor) want(method, path, body string, status int, answer string) {
	v.Helper()
	if got, text := v.ask(method, path, body); got != status || !strings.Contains(text, answer) {
		v.Errorf("%s %s: got %d %q, want %d and %q", method, path, got, text, status, answer)
	}
}

func TestChat(t *testing.T) {
	address, stop := run(t, "chat")
	kim, lee := visit(t, address, "%EA%B9%80"), visit(t, address, "lee")
	kim.want("GET", "/", "", 200, "new EventSource('/channels/chat?since=50&format=entry&join')")
	entry := kim.hear("/channels/chat?since=50&format=entry&join", func() {
		lee.want("GET", "/presence/chat", "", 200, `{"user":"김","connections":1}`)
		lee.want("POST", "/say", "annyeong", 200, "")
	}, "message")
	var said struct{ Key, Data string }
	if err := json.Unmarshal([]byte(entry), &said); err != nil || said.Key != "lee" || said.Data != "annyeong" {
		t.Errorf("got %s, %v", entry, err)
	}
	if leave := lee.hear("/channels/$presence/chat", func() {}, "leave"); !strings.Contains(leave, `"user":"김"`) {
		t.Errorf("once Kim has left: got %s", leave)
	}
	lee.want("GET", "/presence/chat", "", 200, `"users":[]`)
	lee.want("POST", "/channels/chat", "as somebody else", 403, "may not publish")
	lee.want("GET", "/channels/chat?via=poll", "", 200, "annyeong")
	lee.header.Set("Sec-Fetch-Site", "cross-site")
	lee.want("POST", "/say", "from another site", 403, "")
	stop()
}

func TestScoreboard(t *testing.T) {
	address, stop := run(t, "scoreboard")
	v := visit(t, address, "")
	v.want("GET", "/", "", 200, "EventSource")
	for _, score := range []string{"0:0", "0:1"} {
		v.want("POST", "/score/doosan-lg", score, 200, "")
	}
	path := "/channels/scores?since=all&only=latest&format=entry"
	if got := v.hear(path, func() {}, "message"); !strings.Contains(got, `"key":"doosan-lg","data":"0:1"`) {
		t.Errorf("a late visitor: got %s", got)
	}
	got := v.hear("/channels/scores?format=entry", func() { v.want("POST", "/score/doosan-lg", "1:1", 200, "") }, "message")
	if !strings.Contains(got, `"data":"1:1"`) {
		t.Errorf("as it happens: got %s", got)
	}
	v.want("POST", "/channels/scores", "9:9", 405, "")
	stop()
}

// Each is one file that can be read at a glance.
func TestExamplesAreShort(t *testing.T) {
	for _, name := range []string{"chat", "scoreboard"} {
		files, _ := filepath.Glob(name + "/*")
		text, err := os.ReadFile(name + "/main.go")
		if n := strings.Count(string(text), "\n"); err != nil || len(files) != 1 || n >= 60 {
			t.Errorf("%s: %d files, %d lines of main.go, %v; want one file of less than 60 lines", name, len(files), n, err)
		}
	}
}
