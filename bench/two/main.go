// Command two measures what it costs that clients do more than read: publishing
// over WebSocket, beside the centrifuge library; tokens, beside readers without;
// and thousands that join one channel.
//
//	cd bench && go run ./two -quick
//
// It builds and starts the servers itself, and reads their CPU time from /proc
// (Linux only). What is compared runs at the same time and is loaded in turn.
// Unless -docs is "-", the result goes into docs/benchmarks.md, with the figures
// of each round in docs/benchmarks: sections that were not measured this time
// stay as they were, if the machine and the sizes are the same.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/pabal/pabal/bench/internal/process"
)

// sizes are how much is measured.
type sizes struct {
	Rounds     int     `json:"rounds"`     // of everything, one after the other
	Seconds    float64 `json:"seconds"`    // that each way to publish is measured
	Publishers int     `json:"publishers"` // each on a connection of its own
	Readers    int     `json:"readers"`    // of the channel that is fanned out
	Fanouts    int     `json:"fanouts"`    // publishes to them
	Joins      int     `json:"joins"`      // connections that join one channel
}

var (
	full  = sizes{Rounds: 5, Seconds: 2.5, Publishers: 50, Readers: 1000, Fanouts: 200, Joins: 10_000}
	quick = sizes{Rounds: 1, Seconds: 1, Publishers: 50, Readers: 300, Fanouts: 60, Joins: 2000}
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("two: ")
	s := full
	isQuick := slices.Contains(os.Args[1:], "-quick") || slices.Contains(os.Args[1:], "--quick")
	if isQuick {
		s = quick
	}
	flag.Bool("quick", false, "try everything once, in small: shows that it works, and no figures worth keeping")
	flag.IntVar(&s.Rounds, "rounds", s.Rounds, "how often everything is measured")
	flag.Float64Var(&s.Seconds, "seconds", s.Seconds, "how long each way to publish is measured")
	flag.IntVar(&s.Publishers, "publishers", s.Publishers, "connections that publish")
	flag.IntVar(&s.Readers, "readers", s.Readers, "readers of the channel that is fanned out")
	flag.IntVar(&s.Fanouts, "fanouts", s.Fanouts, "publishes to them, of each size")
	flag.IntVar(&s.Joins, "joins", s.Joins, "connections that join one channel")
	only := flag.String("only", "", "regular expression; measure only the sections it matches: publish, tokens, joins")
	docs := flag.String("docs", "", "folder of benchmarks.md; \"-\" writes no file (default: docs of the repository; with -quick: none)")
	flag.Parse()
	if isQuick && *docs == "" {
		*docs = "-"
	}
	if err := run(s, *only, *docs); err != nil {
		log.Fatal(err)
	}
}

func run(s sizes, only, docs string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	filter, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if err := s.check(); err != nil {
		return err
	}
	if err := process.MoreFiles(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(".", ".two-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	b := &bench{sizes: s, dir: dir, only: filter}
	if b.workshop, err = build(ctx, dir, filter.MatchString("publish")); err != nil {
		return err
	}
	if docs == "" {
		docs = filepath.Join(b.workshop.root, "docs")
	}
	r, err := openReport(docs, b)
	if err != nil {
		return err
	}
	begun := time.Now()
	for round := range s.Rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.Rounds)
		if err := b.round(ctx, r, round); err != nil {
			return err
		}
	}
	r.Took = time.Since(begun).Round(time.Second).String()
	text := r.markdown()
	fmt.Print(text)
	if docs == "-" {
		return nil
	}
	return r.save(docs, text)
}

func (s sizes) check() error {
	if s.Seconds <= 0 || min(s.Rounds, s.Publishers, s.Readers, s.Fanouts, s.Joins) < 1 {
		return fmt.Errorf("what is to be measured must be positive, all of it")
	}
	if s.Joins > 10_000 {
		return fmt.Errorf("-joins: a channel has 10,000 members at most, unless the server is told otherwise")
	}
	return nil
}

// A bench measures rounds of everything.
type bench struct {
	sizes
	dir      string // for what is kept while it is measured
	workshop *workshop
	alone    bool // without centrifuge
	only     *regexp.Regexp
	notes    func(section, row string, got sample)
}

// round measures everything once. Each round begins with another row.
func (b *bench) round(ctx context.Context, r *report, round int) error {
	b.notes = func(section, row string, got sample) {
		r.note(section, row, round, got)
		fmt.Fprintf(os.Stderr, "  %-8s %-18s %v\n", section, row, got)
	}
	for _, p := range []struct {
		name    string
		measure func(context.Context, int) error
	}{{"publish", b.publish}, {"tokens", b.tokens}, {"joins", b.joins}} {
		if !b.only.MatchString(p.name) {
			continue
		}
		if err := p.measure(ctx, round); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// turned returns rows so that each round begins with another.
func turned[T any](rows []T, round int) []T {
	n := round % len(rows)
	return slices.Concat(rows[n:], rows[:n])
}
