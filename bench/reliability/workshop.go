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

// A workshop is where the servers are built, and what is compared.
type workshop struct {
	root, dir string
	versions  map[string]string // by server
}

// at returns the path of a program that was built.
func (w *workshop) at(name string) string { return filepath.Join(w.dir, name) }

// peer returns the folder of another server.
func (w *workshop) peer(name string) string { return filepath.Join(w.root, "bench", "peers", name) }

// clients returns the folder of the clients that Node.js runs.
func (w *workshop) clients() string { return filepath.Join(w.root, "bench", "reliability", "clients") }

// build builds all that is compared, into dir.
func build(ctx context.Context, dir string) (*workshop, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" || filepath.Base(filepath.Dir(mod)) != "bench" {
		return nil, fmt.Errorf("run it from the bench folder of the repository: cd bench && go run ./reliability")
	}
	w := &workshop{root: filepath.Dir(filepath.Dir(mod)), dir: dir, versions: map[string]string{}}
	for _, s := range []struct{ in, name, what string }{
		{w.root, "pabal", "./cmd/pabal"}, {w.peer("centrifuge"), "centrifuge", "."}, {w.peer("mercure"), "mercure", "."},
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", w.at(s.name), s.what)
		cmd.Dir = s.in
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build, in %s: %w\n%s", s.in, err, bytes.TrimSpace(out))
		}
	}
	return w, w.findVersions(ctx)
}

// findVersions finds out what is compared.
func (w *workshop) findVersions(ctx context.Context) error {
	const advice = "run scripts/setup-peers.sh"
	for name, module := range map[string]string{"centrifuge": "github.com/centrifugal/centrifuge", "mercure": "github.com/dunglas/mercure"} {
		mod, err := os.ReadFile(filepath.Join(w.peer(name), "go.mod"))
		if err != nil {
			return err
		}
		found := regexp.MustCompile(regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(mod)
		if found == nil {
			return fmt.Errorf("%s/go.mod does not require %s", w.peer(name), module)
		}
		w.versions[name] = string(found[1])
	}
	if _, err := os.Stat(nchanModule); err != nil {
		return fmt.Errorf("nginx with Nchan is missing: %s", advice)
	}
	text, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Package} ${Version}, ", "nginx", "libnginx-mod-nchan").Output()
	if err != nil {
		return fmt.Errorf("the versions of nginx and Nchan: %w", err)
	}
	w.versions["nchan"] = strings.TrimSuffix(string(text), ", ")
	for name, dir := range map[string]string{"socket.io": w.peer("socketio"), "socket.io-client": w.clients(), "centrifuge-js": w.clients(), "ws": w.clients()} {
		text, err := os.ReadFile(filepath.Join(dir, "node_modules", strings.TrimSuffix(name, "-js"), "package.json"))
		version := regexp.MustCompile(`"version": "(.*?)"`).FindSubmatch(text)
		if err != nil || version == nil {
			return fmt.Errorf("%s is missing: %s", name, advice)
		}
		w.versions[name] = string(version[1])
	}
	node, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return fmt.Errorf("node.js is missing: %s", advice)
	}
	w.versions["node"] = strings.TrimSpace(string(node))
	return nil
}
