// Command peers compares Pabal with other servers, and with the least that any
// server has to do.
//
//	cd bench && go run ./peers -quick
//
// It builds and starts each of them itself, loads them with bench/load, which
// counts all that comes, and reads their CPU time and memory from /proc (Linux
// only). scripts/setup-peers.sh installs what they need. A message that Pabal
// loses, repeats or delivers out of order fails the run; of the others it is
// reported. Unless -docs is "-", the result goes into docs/benchmarks.md, with
// charts and the figures of each round in docs/benchmarks: what was not
// measured this time stays as it was, if the machine is the same.
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
	Rounds  int     `json:"rounds"`  // of everything, one after the other
	Readers int     `json:"readers"` // of the large channel
	Fewer   int     `json:"fewer"`   // readers of the small channel
	Few     int     `json:"few"`     // idle readers to begin with
	Most    int     `json:"most"`    // idle readers of Pabal to end with
	Rooms   int     `json:"rooms"`   // channels of ten readers
	Stalled int     `json:"stalled"` // readers that read no more
	Seconds float64 `json:"seconds"` // that each thing is measured
	Flight  int     `json:"flight"`  // messages that the slowest reader may be behind at full speed
}

var (
	full  = sizes{Rounds: 5, Readers: 10_000, Fewer: 1000, Few: 2000, Most: 19_000, Rooms: 1000, Stalled: 1000, Seconds: 3, Flight: 64}
	quick = sizes{Rounds: 1, Readers: 1000, Fewer: 200, Few: 200, Most: 2000, Rooms: 100, Stalled: 100, Seconds: 0.5, Flight: 64}
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("peers: ")
	s := full
	isQuick := slices.Contains(os.Args[1:], "-quick") || slices.Contains(os.Args[1:], "--quick")
	if isQuick {
		s = quick
	}
	flag.Bool("quick", false, "try everything once, in small: shows that it works, and no figures worth keeping")
	flag.IntVar(&s.Rounds, "rounds", s.Rounds, "how often everything is measured")
	flag.IntVar(&s.Readers, "readers", s.Readers, "readers of the large channel")
	flag.IntVar(&s.Fewer, "fewer", s.Fewer, "readers of the small channel")
	flag.IntVar(&s.Few, "few", s.Few, "idle readers to begin with; the large channel's are added")
	flag.IntVar(&s.Most, "most", s.Most, "idle readers of Pabal to end with")
	flag.IntVar(&s.Rooms, "rooms", s.Rooms, "channels of ten readers each")
	flag.IntVar(&s.Stalled, "stalled", s.Stalled, "readers that stop reading")
	flag.Float64Var(&s.Seconds, "seconds", s.Seconds, "how long each thing is measured")
	flag.IntVar(&s.Flight, "flight", s.Flight, "messages that the slowest reader may be behind at full speed")
	only := flag.String("only", "", "regular expression; measure only what matches, as 'full/pabal' or '^(idle|connect)/'")
	docs := flag.String("docs", "", "folder of benchmarks.md; \"-\" writes no file (default: docs of the repository; with -quick: none)")
	list := flag.Bool("list", false, "list what can be measured, and end")
	flag.Parse()
	if isQuick && *docs == "" {
		*docs = "-"
	}
	if err := run(s, *only, *docs, *list); err != nil {
		log.Fatal(err)
	}
}

func run(s sizes, only, docs string, list bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	filter, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if s.Rounds < 1 || s.Few < 1 || s.Readers <= s.Few || s.Fewer < 1 || s.Seconds <= 0 {
		return fmt.Errorf("-rounds, -few, -fewer and -seconds must be positive, and -readers more than -few")
	}
	if err := process.MoreFiles(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pabal-peers-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w, err := build(ctx, dir)
	if err != nil {
		return err
	}
	b := &bench{sizes: s, workshop: w, only: filter, rows: rowsOf(w.pumps)}
	if list {
		b.list()
		return nil
	}
	if docs == "" {
		docs = filepath.Join(w.root, "docs")
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

// A bench measures rounds of everything.
type bench struct {
	sizes
	workshop *workshop
	only     *regexp.Regexp
	rows     []*row
}

// wants tells whether a workload is to be measured with a row.
func (b *bench) wants(w *workload, r *row) bool {
	return w.applies(r) && b.only.MatchString(w.key+"/"+r.key)
}

func (b *bench) list() {
	for _, w := range workloads(b.sizes) {
		for _, r := range b.rows {
			if b.wants(w, r) {
				fmt.Println(w.key + "/" + r.key)
			}
		}
	}
}

// round measures everything once: each session with one server after the other.
// Each round begins with another.
func (b *bench) round(ctx context.Context, r *report, round int) error {
	turn := round * len(b.rows) / b.Rounds
	order := slices.Concat(b.rows[turn:], b.rows[:turn])
	for _, s := range sessions {
		for _, row := range order {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			got := taken{bench: b, row: row, note: func(key string, s sample) {
				r.note(key, row.key, s)
				fmt.Fprintf(os.Stderr, "  %-11s %-28s %v\n", key, row.key, s)
			}}
			if err := s(ctx, &got); err != nil {
				return fmt.Errorf("%s: %w", row.name, err)
			}
		}
	}
	return nil
}
