package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/client"
)

// serving runs a node until the test ends, for pub and sub to find.
func serving(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	printed, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--drain", "0", "--host-metrics=false", "--data", t.TempDir()}, out, io.Discard)
		_ = out.Close()
	}()
	lines := bufio.NewScanner(printed)
	lines.Scan()
	address, _ := strings.CutPrefix(lines.Text(), "pabal: listening on ")
	go func() { _, _ = io.Copy(io.Discard, printed) }()
	t.Setenv("PABAL_SERVER", address)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		<-ended
	})
}

// command runs a command and returns what it printed and how it ended.
func command(ctx context.Context, args ...string) (string, int) {
	var out, errs bytes.Buffer
	code := run(ctx, args, &out, &errs)
	return out.String() + errs.String(), code
}

func expect(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a failure, and not a hang
	defer cancel()
	got, ended := command(ctx, args...)
	if ended != code || !strings.Contains(got, want) || want == "" && got != "" {
		t.Errorf("%q:\n got %d and %q\nwant %d and %q", args, ended, got, code, want)
	}
}

func TestWhatPubPublishesSubPrints(t *testing.T) {
	serving(t)
	file := filepath.Join(t.TempDir(), "a.html")
	if err := os.WriteFile(file, []byte("<p>\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, exitOK, "", "pub", "a", "one", "two words")
	expect(t, exitOK, "-3\n", "pub", "a", "--file", file, "-v")
	expect(t, exitOK, "", "pub", "a", `{"b": 1}`, "--content-type=application/json", "--type=t", "--key=k", "--id=i")
	for _, via := range client.Techniques() {
		expect(t, exitOK, "one\ntwo words\n<p>\n\n{\"b\":", "sub", "a", "--since=all", "--limit=4", "--via", via)
	}
	expect(t, exitOK, `"type":"t","id":"i","key":"k","data":{"b":1}}`, "sub", "a", "--since=1", "--limit=1", "--json")

	printed, _ := command(t.Context(), "pub", "a", "five", "-v")
	cursor := strings.TrimSpace(printed)
	expect(t, exitOK, "", "pub", "a", "six")
	expect(t, exitOK, "six\n", "sub", "a", "--limit=1", "--cursor", cursor)
}

func TestSubEndsWithItsChannels(t *testing.T) {
	serving(t)
	c := &client.Client{URL: os.Getenv("PABAL_SERVER")}
	expect(t, exitOK, "", "pub", "a", "last")
	if _, err := c.CloseChannel(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	for _, via := range client.Techniques() {
		expect(t, exitOK, "last\n", "sub", "a", "--since=all", "--via", via)
	}
	expect(t, exitFailed, "the server says 409: the channel is closed", "pub", "a", "more")
}

func TestPubAndSubSayWhatIsWrong(t *testing.T) {
	serving(t)
	for _, args := range [][]string{
		{"pub", "a b", "x"},
		{"pub", "a", "x", "--file", "y"},
		{"pub", "a", "x", "y", "--id", "i"},
		{"pub", "a", "x", "--type", "$open"},
		{"sub", "a b"},
		{"sub", "a", "--via", "pigeon"},
		{"sub", "a", "--since", "yesterday"},
		{"sub", "a", "--cursor", "here"},
		{"sub", "a", "b", "--cursor", "1-1"},
		{"sub"},
	} {
		if got, code := command(t.Context(), args...); code != exitUsage || !strings.HasPrefix(got, "pabal: ") {
			t.Errorf("%q: got %d and %q, want %d and why", args, code, got, exitUsage)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, code := command(ctx, "sub", "a"); code != exitInterrupted {
		t.Errorf("interrupted: got %d, want %d", code, exitInterrupted)
	}
}
