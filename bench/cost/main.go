// Command cost measures what Pabal costs: to publish, to deliver a message by
// each technique, and to keep an idle connection of each.
//
//	cd bench && go run ./cost
//
// It builds the real binary, runs it on a loopback port, and takes the CPU and
// the memory from the server's own process (Linux only). A reader that gets
// less than all, or anything twice or out of order, fails the run. The table goes
// to standard output and, unless -docs is empty, into docs/benchmarks.md, with
// the figures of each round beside it in docs/benchmarks/cost.json.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// sizes are how much is measured.
type sizes struct {
	Rounds  int `json:"rounds"`  // of everything, one after the other
	Readers int `json:"readers"` // of one channel, for deliveries
	Few     int `json:"few"`     // idle connections at first
	Many    int `json:"many"`    // idle connections at last
	Work    int `json:"work"`    // per cent of the usual number of messages
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("cost: ")
	var s sizes
	flag.IntVar(&s.Rounds, "rounds", 3, "how often everything is measured")
	flag.IntVar(&s.Readers, "readers", 200, "readers of a channel, for deliveries")
	flag.IntVar(&s.Few, "few", 200, "idle connections to begin with")
	flag.IntVar(&s.Many, "many", 1000, "idle connections to end with")
	flag.IntVar(&s.Work, "work", 100, "per cent of the usual number of messages")
	only := flag.String("only", "", "regular expression; measure only what matches, as 'deliver/sse' or '^idle/'")
	docs := flag.String("docs", "", "folder of benchmarks.md; \"-\" writes no file (default: docs of the repository)")
	flag.Parse()
	if err := run(s, *only, *docs); err != nil {
		log.Fatal(err)
	}
}

func run(s sizes, only, docs string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	filter, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if s.Rounds < 1 || s.Readers < 1 || s.Few < 1 || s.Many <= s.Few || s.Work < 1 {
		return fmt.Errorf("-rounds, -readers, -few and -work must be at least 1, and -many more than -few")
	}
	root, err := repository(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pabal-cost-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{sizes: s, binary: filepath.Join(dir, "pabal"), only: filter}
	if err := build(ctx, root, b.binary); err != nil {
		return err
	}
	r := newReport(s)
	for round := range s.Rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.Rounds)
		if err := b.round(ctx, r, round); err != nil {
			return err
		}
	}
	r.Took = time.Since(r.Date).Round(time.Second).String()
	if err := r.write(os.Stdout); err != nil {
		return err
	}
	switch {
	case docs == "-" || only != "" && docs == "":
		return nil // a part is not a page
	case docs == "":
		docs = filepath.Join(root, "docs")
	}
	return r.save(docs)
}

// repository returns the folder of the root module, of which this module is a
// folder.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(mod) != "go.mod" || filepath.Base(filepath.Dir(mod)) != "bench" {
		return "", fmt.Errorf("run it from the bench folder of the repository: cd bench && go run ./cost")
	}
	return filepath.Dir(filepath.Dir(mod)), nil
}

func build(ctx context.Context, root, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/pabal")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the server does not build: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

// A bench measures rounds of everything.
type bench struct {
	sizes
	binary string
	only   *regexp.Regexp
}

// work returns how many messages to use where n are usual, at least one.
func (b *bench) work(n int) int { return max(1, n*b.Work/100) }

// round measures everything once. Each round begins with another technique.
func (b *bench) round(ctx context.Context, r *report, round int) error {
	if err := b.publishing(ctx, r, round); err != nil {
		return err
	}
	turn := round * len(techniques) / b.Rounds
	order := slices.Concat(techniques[turn:], techniques[:turn])
	if err := b.delivering(ctx, r, round, order); err != nil {
		return err
	}
	for _, t := range order {
		if !b.only.MatchString("idle/" + t.name) {
			continue
		}
		got, err := b.idle(ctx, t)
		if err != nil {
			return fmt.Errorf("idle, %s: %w", t.name, err)
		}
		r.Idle.add(t.name, round, got)
		progress("idle", t.name, got)
	}
	return nil
}

// withServer runs f with a server of its own.
func (b *bench) withServer(ctx context.Context, f func(*server) error) error {
	s, err := startServer(ctx, b.binary)
	if err != nil {
		return err
	}
	err = f(s)
	if stopErr := s.stop(); err == nil {
		err = stopErr
	}
	return err
}

func progress(what, name string, got sample) {
	fmt.Fprintf(os.Stderr, "  %-8s %-30s %v\n", what, name, got)
}
