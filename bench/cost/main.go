// Command cost measures what Pabal costs: to publish, to deliver a message by
// each technique, and to keep an idle connection of each; then, in a table, what
// each technique costs over HTTP/1.1, with TLS and over HTTP/2 at several rates,
// next to what that should be by computation.
//
//	cd bench && go run ./cost
//
// It builds the real binary, runs it on a loopback port, and takes the CPU and
// the memory from the server's own process (Linux only). A reader that gets
// less than all, or anything twice or out of order, fails the run. The table goes
// to standard output and, unless -docs is "-", into docs/benchmarks.md, with
// the figures of each round beside it in docs/benchmarks.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// sizes are how much is measured.
type sizes struct {
	Rounds  int `json:"rounds"`  // of everything, one after the other
	Readers int `json:"readers"` // of one channel, for deliveries
	Few     int `json:"few"`     // idle connections at first
	Many    int `json:"many"`    // idle connections at last
	Work    int `json:"work"`    // per cent of the usual number of messages
}

// options are what a run is asked for beside its sizes.
type options struct {
	part  string
	only  string
	docs  string
	table int
	quick bool
	bare  bool
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("cost: ")
	var s sizes
	var o options
	flag.IntVar(&s.Rounds, "rounds", 3, "how often everything is measured, but for the table")
	flag.IntVar(&s.Readers, "readers", 200, "readers of a channel, for deliveries")
	flag.IntVar(&s.Few, "few", 200, "idle connections to begin with")
	flag.IntVar(&s.Many, "many", 1000, "idle connections to end with")
	flag.IntVar(&s.Work, "work", 100, "per cent of the usual number of messages")
	flag.StringVar(&o.part, "part", "all", "what to measure: all, basic (publishing, delivering, being idle) or table (techniques by protocol and rate)")
	flag.IntVar(&o.table, "table-rounds", 1, "how often the table is measured")
	flag.BoolVar(&o.quick, "quick", false, "a short run to see that all of it works: writes no file")
	flag.BoolVar(&o.bare, "bare", false, "send requests for the table without what a browser adds: writes no file")
	flag.StringVar(&o.only, "only", "", "regular expression; measure only what matches, as 'deliver/sse', '^idle/' or '^table/50/sse, h2'")
	flag.StringVar(&o.docs, "docs", "", "folder of benchmarks.md; \"-\" writes no file (default: docs of the repository)")
	flag.Parse()
	if err := run(s, o); err != nil {
		log.Fatal(err)
	}
}

func run(s sizes, o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.quick {
		s = sizes{Rounds: 1, Readers: 50, Few: 50, Many: 150, Work: 5}
	}
	b := &bench{sizes: s, rates: rates, quick: o.quick, bare: o.bare}
	if b.quick {
		b.rates = quickRates
	}
	var err error
	if b.only, err = regexp.Compile(o.only); err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if s.Rounds < 1 || s.Readers < 1 || s.Few < 1 || s.Many <= s.Few || s.Work < 1 || o.table < 1 {
		return fmt.Errorf("-rounds, -readers, -few, -work and -table-rounds must be at least 1, and -many more than -few")
	}
	if !slices.Contains([]string{"all", "basic", "table"}, o.part) {
		return fmt.Errorf("-part %s is not known: all, basic or table", o.part)
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
	b.binary = filepath.Join(dir, "pabal")
	if b.cert, err = newCertificate(dir); err != nil {
		return err
	}
	if err := build(ctx, root, b.binary); err != nil {
		return err
	}
	return b.parts(ctx, o, root)
}

// A part is what is measured together, and has its own place in benchmarks.md.
type part interface {
	write(w io.Writer) error
	save(docs string) error
}

// parts measures what o asks for, and shows and saves it.
func (b *bench) parts(ctx context.Context, o options, root string) error {
	var found []part
	if o.part != "table" {
		r := newReport(b.sizes)
		for round := range b.Rounds {
			fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, b.Rounds)
			if err := b.round(ctx, r, round); err != nil {
				return err
			}
		}
		r.done()
		found = append(found, r)
	}
	if o.part != "basic" {
		r := newTableReport(b, o.table)
		for round := range o.table {
			fmt.Fprintf(os.Stderr, "table, round %d of %d\n", round+1, o.table)
			if err := b.table(ctx, r, round); err != nil {
				return err
			}
		}
		r.done()
		found = append(found, r)
	}
	if o.docs == "" {
		o.docs = filepath.Join(root, "docs")
		if o.only != "" || o.quick || o.bare {
			o.docs = "-" // a part is not a page
		}
	}
	for _, p := range found {
		if err := p.write(os.Stdout); err != nil {
			return err
		}
		if o.docs == "-" {
			continue
		}
		if err := p.save(o.docs); err != nil {
			return err
		}
	}
	return nil
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
	cert   *certificate
	only   *regexp.Regexp
	rates  []phase
	quick  bool
	bare   bool // requests without what a browser adds
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
	return b.withServerOver(ctx, nil, f)
}

// withServerOver is withServer over TLS, if there is a certificate.
func (b *bench) withServerOver(ctx context.Context, cert *certificate, f func(*server) error) error {
	s, err := startServer(ctx, b.binary, cert)
	if err != nil {
		return err
	}
	err = f(s)
	if stopErr := s.stop(); err == nil {
		err = stopErr
	}
	return err
}

// certificate returns that of a server for w; nil is none.
func (b *bench) certificate(w way) *certificate {
	if w.tls {
		return b.cert
	}
	return nil
}

func progress(what, name string, got sample) {
	fmt.Fprintf(os.Stderr, "  %-12s %-34s %v\n", what, name, got)
}
