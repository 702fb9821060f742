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

// A workshop is where the servers are built.
type workshop struct {
	root, dir string
	version   string // of the centrifuge library
}

// at returns the path of a program that was built.
func (w *workshop) at(name string) string { return filepath.Join(w.dir, name) }

// build builds Pabal into dir, and the centrifuge server if it is wanted: it is
// a module of its own, with much to fetch.
func build(ctx context.Context, dir string, centrifuge bool) (*workshop, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" || filepath.Base(filepath.Dir(mod)) != "bench" {
		return nil, fmt.Errorf("run it from the bench folder of the repository: cd bench && go run ./two")
	}
	w := &workshop{root: filepath.Dir(filepath.Dir(mod)), dir: dir}
	steps := [][]string{{".", "pabal", "./cmd/pabal"}}
	if centrifuge {
		steps = append(steps, []string{"bench/two/centrifuge", "centrifuge", "."})
	}
	for _, s := range steps {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", w.at(s[1]), s[2])
		cmd.Dir = filepath.Join(w.root, s[0])
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s, in %s: %w\n%s", s[2], cmd.Dir, err, bytes.TrimSpace(out))
		}
	}
	text, err := os.ReadFile(filepath.Join(w.root, "bench", "two", "centrifuge", "go.mod"))
	if err != nil {
		return nil, err
	}
	if found := regexp.MustCompile(`centrifugal/(centrifuge v\S+)`).FindSubmatch(text); found != nil {
		w.version = string(found[1])
	}
	return w, nil
}
