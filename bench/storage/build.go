package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// A workshop is where the servers are built.
type workshop struct{ root, dir string }

// at returns the path of a program that was built.
func (w *workshop) at(name string) string { return filepath.Join(w.dir, name) }

// build builds Pabal and the load generator into dir, and Mercure if it is
// wanted: it is a module of its own, with much to fetch.
func build(ctx context.Context, dir string, mercure bool) (*workshop, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" || filepath.Base(filepath.Dir(mod)) != "bench" {
		return nil, fmt.Errorf("run it from the bench folder of the repository: cd bench && go run ./storage")
	}
	w := &workshop{root: filepath.Dir(filepath.Dir(mod)), dir: dir}
	steps := [][]string{{".", "pabal", "./cmd/pabal"}, {"bench", "load", "./load"}}
	if mercure {
		steps = append(steps, []string{"bench/peers/mercure", "mercure", "."})
	}
	for _, s := range steps {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", w.at(s[1]), s[2])
		cmd.Dir = filepath.Join(w.root, s[0])
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s, in %s: %w\n%s", s[2], cmd.Dir, err, bytes.TrimSpace(out))
		}
	}
	return w, nil
}
