package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pabal": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("COLUMNS", "80")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code},
	})
}

// code is "code N command…": the command must end with N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("it ended with %d, want %s", got, args[0])
	}
}

// serve listens, says where, and ends well when told to.
func TestServe(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	printed, out := io.Pipe()
	ended := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		ended <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, out, &stderr)
		_ = out.Close()
	}()
	lines := bufio.NewScanner(printed)
	lines.Scan()
	address, ok := strings.CutPrefix(lines.Text(), "pabal: listening on http://")
	if !ok {
		t.Fatalf("got %q, want where it listens; it also said\n%s", lines.Text(), &stderr)
	}
	go func() { _, _ = io.Copy(io.Discard, printed) }()

	var refused bytes.Buffer
	if code := run(ctx, []string{"serve", "--listen", address, "--broker", "memory"}, io.Discard, &refused); code != exitFailed || !strings.Contains(refused.String(), "--listen 127.0.0.1:0") {
		t.Errorf("a second one on the same address: got %d and\n%s\nwant 1 and what to do", code, &refused)
	}
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("got %d, want 0; it said\n%s", code, &stderr)
	}
}

func TestVersion(t *testing.T) {
	for _, test := range []struct {
		info debug.BuildInfo
		want string
	}{
		{debug.BuildInfo{GoVersion: "go1.26.8"}, "pabal (devel) built with go1.26.8"},
		{debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}}, "pabal v1.2.3 built with go1.26.8"},
		{debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.4-0.2026+dirty"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}}, "pabal v1.2.4-0.2026+dirty commit abc with changes built with go1.26.8"},
	} {
		if got := version(&test.info); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
