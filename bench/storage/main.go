// Command storage measures how Pabal keeps what is published, beside others that
// keep things: NATS JetStream, bbolt and SQLite in this process, Mercure with
// Bolt over HTTP. Then it fills a store with a million channels and measures
// reading, restarts and memory; last, what keeping costs many readers.
//
//	cd bench && go run ./storage -quick
//
// All of it is on the disk of -dir. It builds and starts the servers itself, and
// reads their memory from /proc (Linux only). Unless -docs is "-", the result
// goes into docs/benchmarks.md, with a chart and the figures of each round in
// docs/benchmarks: sections that were not measured this time stay as they were,
// if the machine and the sizes are the same.
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
	Rounds   int     `json:"rounds"`   // of everything, one after the other
	Seconds  float64 `json:"seconds"`  // that each thing is measured
	Channels int     `json:"channels"` // of the large store
	Deep     int     `json:"deep"`     // of them have a long history
	Touched  int     `json:"touched"`  // messages that are published before a restart
	Readers  int     `json:"readers"`  // of the large audience
	Fewer    int     `json:"fewer"`    // readers of the small one
	Tidy     float64 `json:"tidy"`     // seconds that a server is left alone before its memory is read
}

var (
	full  = sizes{Rounds: 5, Seconds: 3, Channels: 1_000_000, Deep: 10_000, Touched: 50_000, Readers: 10_000, Fewer: 1000, Tidy: 3}
	quick = sizes{Rounds: 1, Seconds: 0.25, Channels: 20_000, Deep: 500, Touched: 2000, Readers: 1000, Fewer: 100, Tidy: 0.5}
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("storage: ")
	if found, err := doTask(os.Args[1:], os.Stdout); err != nil {
		log.Fatal(err)
	} else if found {
		return
	}
	s := full
	isQuick := slices.Contains(os.Args[1:], "-quick") || slices.Contains(os.Args[1:], "--quick")
	if isQuick {
		s = quick
	}
	flag.Bool("quick", false, "try everything once, in small: shows that it works, and no figures worth keeping")
	flag.IntVar(&s.Rounds, "rounds", s.Rounds, "how often everything is measured")
	flag.Float64Var(&s.Seconds, "seconds", s.Seconds, "how long each thing is measured")
	flag.IntVar(&s.Channels, "channels", s.Channels, "channels of the large store")
	flag.IntVar(&s.Deep, "deep", s.Deep, "how many of them have a long history")
	flag.IntVar(&s.Touched, "touched", s.Touched, "messages that are published before a restart")
	flag.IntVar(&s.Readers, "readers", s.Readers, "readers of the large audience")
	flag.IntVar(&s.Fewer, "fewer", s.Fewer, "readers of the small audience")
	only := flag.String("only", "", "regular expression; measure only the sections it matches: synced, http, unsynced, million, fanout")
	dir := flag.String("dir", "", "where all is kept while it is measured (default: a new folder below this one, removed at the end)")
	docs := flag.String("docs", "", "folder of benchmarks.md; \"-\" writes no file (default: docs of the repository; with -quick: none)")
	flag.Parse()
	if isQuick && *docs == "" {
		*docs = "-"
	}
	if err := run(s, *only, *dir, *docs); err != nil {
		log.Fatal(err)
	}
}

func run(s sizes, only, dir, docs string) (err error) {
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
	if dir == "" {
		dir = "."
	}
	if dir, err = os.MkdirTemp(dir, ".storage-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	b := &bench{sizes: s, dir: dir, only: filter}
	if b.workshop, err = build(ctx, dir, b.wants("http")); err != nil {
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
	if s.Rounds < 1 || s.Seconds <= 0 || s.Touched < 1 || s.Fewer < 1 || s.Readers < 1 {
		return fmt.Errorf("-rounds, -seconds, -touched, -readers and -fewer must be positive")
	}
	if s.Deep < 1 || s.Channels <= s.Deep || s.Channels%stride == 0 {
		return fmt.Errorf("-deep must be positive, and -channels more than -deep and no multiple of %d", stride)
	}
	return nil
}

// A bench measures rounds of everything.
type bench struct {
	sizes
	dir      string // for what is kept while it is measured
	workshop *workshop
	only     *regexp.Regexp
	filled   string // where the large store is, once it is filled
	notes    func(section, row string, got sample)
}

// wants tells whether a part is to be measured.
func (b *bench) wants(part string) bool { return b.only.MatchString(part) }

// round measures everything once. Each round begins with another row.
func (b *bench) round(ctx context.Context, r *report, round int) error {
	b.notes = func(section, row string, got sample) {
		r.note(section, row, round, got)
		fmt.Fprintf(os.Stderr, "  %-9s %-18s %v\n", section, row, got)
	}
	parts := []struct {
		name    string
		measure func(context.Context, int) error
	}{{"synced", b.synced}, {"http", b.http}, {"unsynced", b.unsynced}, {"million", b.million}, {"fanout", b.fanout}}
	for _, p := range parts {
		if !b.wants(p.name) {
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
