package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A workshop is where the servers are built, and what they need.
type workshop struct {
	root, dir string
	pumps     []string          // ways to deliver that Pabal lets one choose
	versions  map[string]string // by peer
}

// at returns the path of a program that was built.
func (w *workshop) at(name string) string { return filepath.Join(w.dir, name) }

// source returns the folder of a peer.
func (w *workshop) source(name string) string { return filepath.Join(w.root, "bench", "peers", name) }

// build builds all that is compared, into dir.
func build(ctx context.Context, dir string) (*workshop, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" || filepath.Base(filepath.Dir(mod)) != "bench" {
		return nil, fmt.Errorf("run it from the bench folder of the repository: cd bench && go run ./peers")
	}
	w := &workshop{root: filepath.Dir(filepath.Dir(mod)), dir: dir, versions: map[string]string{}}
	steps := []struct {
		in   string
		what []string
	}{
		{w.root, []string{"go", "build", "-o", w.at("pabal"), "./cmd/pabal"}},
		{filepath.Join(w.root, "bench"), []string{"go", "build", "-o", w.at("load"), "./load"}},
		{w.source("centrifuge"), []string{"go", "build", "-o", w.at("centrifuge"), "."}},
		{w.source("mercure"), []string{"go", "build", "-o", w.at("mercure"), "."}},
		{w.source("gorilla"), []string{"go", "build", "-o", w.at("gorilla"), "."}},
		{w.source("limit"), []string{"gcc", "-O2", "-o", w.at("limit"), "limit.c"}},
	}
	for _, s := range steps {
		cmd := exec.CommandContext(ctx, s.what[0], s.what[1:]...)
		cmd.Dir = s.in
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s, in %s: %w\n%s", strings.Join(s.what, " "), s.in, err, bytes.TrimSpace(out))
		}
	}
	if help, err := exec.CommandContext(ctx, w.at("pabal"), "serve", "--help").Output(); err != nil {
		return nil, err
	} else if bytes.Contains(help, []byte("--pump=")) {
		w.pumps = []string{"loop", "goroutine"}
	}
	return w, w.findVersions(ctx)
}

// findVersions finds out what is compared.
func (w *workshop) findVersions(ctx context.Context) error {
	for name, module := range map[string]string{
		"centrifuge": "github.com/centrifugal/centrifuge", "mercure": "github.com/dunglas/mercure", "gorilla": "github.com/gorilla/websocket",
	} {
		mod, err := os.ReadFile(filepath.Join(w.source(name), "go.mod"))
		if err != nil {
			return err
		}
		found := regexp.MustCompile(regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(mod)
		if found == nil {
			return fmt.Errorf("%s/go.mod does not require %s", w.source(name), module)
		}
		w.versions[name] = strings.TrimPrefix(module, "github.com/") + " " + string(found[1])
	}
	const advice = "run scripts/setup-peers.sh"
	if _, err := os.Stat(nchanModule); err != nil {
		return fmt.Errorf("nginx with Nchan is missing: %s", advice)
	}
	text, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Package} ${Version}, ", "nginx", "libnginx-mod-nchan").Output()
	if err != nil {
		return fmt.Errorf("the versions of nginx and Nchan: %w", err)
	}
	w.versions["nchan"] = strings.TrimSuffix(string(text), ", ")
	lock, err := os.ReadFile(filepath.Join(w.source("socketio"), "node_modules", "socket.io", "package.json"))
	if err != nil {
		return fmt.Errorf("Socket.IO is missing: %s", advice)
	}
	version := regexp.MustCompile(`"version": "(.*?)"`).FindSubmatch(lock)
	node, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil || version == nil {
		return fmt.Errorf("the versions of Node.js and Socket.IO are not to be found (%w): %s", err, advice)
	}
	w.versions["socketio"] = "socket.io " + string(version[1]) + ", Node.js " + strings.TrimSpace(string(node))
	return nil
}
