// Command reliability finds out what gets lost on the way, and what is said of
// it: for Pabal by each technique, and for other servers with the recovery that
// they have, through the same faults, judged by the same checker.
//
//	cd bench && go run ./reliability -quick -only 'kill/(pabal-sse|mercure)$'
//
// Each run starts a server of its own, with a fault proxy before it and readers
// behind that; three publishers publish numbered messages straight to the
// server. scripts/setup-peers.sh installs what the others need. Whatever Pabal
// loses without a word, repeats or delivers out of order fails the command.
//
// Unless -docs is "-", the result goes into docs/reliability.md, and its figures
// into docs/benchmarks/reliability.json: what was not run this time stays as it
// was, if the machine and the sizes are the same; else only a whole run is taken.
package main

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"
)

// sizes are how much is run.
type sizes struct {
	Readers int     `json:"readers"`
	Pace    float64 `json:"pace"` // 1, or which part of its time everything lasts
	Seed    uint64  `json:"seed"`
}

// patience is how long readers may take to get what is left when nothing is
// published any more.
func (s sizes) patience() time.Duration { return 10 * time.Second }

func main() {
	s := sizes{Readers: 24, Pace: 1}
	together := 1
	isQuick := slices.Contains(os.Args[1:], "-quick") || slices.Contains(os.Args[1:], "--quick")
	if isQuick {
		s.Readers, s.Pace, together = 6, 0.25, 4
	}
	flag.Bool("quick", false, "try everything in short, several at once: shows that it works, and no figures worth keeping")
	flag.IntVar(&s.Readers, "readers", s.Readers, "how many readers, over all channels")
	flag.Float64Var(&s.Pace, "pace", s.Pace, "which part of its time everything lasts")
	flag.Uint64Var(&s.Seed, "seed", 1, "of all that is random")
	flag.IntVar(&together, "together", together, "how many runs at once")
	only := flag.String("only", "", "regular expression; run only what matches, as 'kill/pabal-sse' or '^(none|cuts)/'")
	docs := flag.String("docs", "", "folder of reliability.md; \"-\" writes no file (default: docs of the repository; with -quick: none)")
	list := flag.Bool("list", false, "list what can be run, and end")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "reliability: %q is no flag; see -h\n", flag.Arg(0))
		os.Exit(2)
	}
	if isQuick && *docs == "" {
		*docs = "-"
	}
	if err := run(s, together, *only, *docs, *list); err != nil {
		fmt.Fprintln(os.Stderr, "reliability:", err)
		os.Exit(1)
	}
}

// nothing is what -only may be to render the page anew, with no run.
const nothing = "^nothing$"

func run(s sizes, together int, only, docs string, list bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	filter, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if s.Readers < channels || s.Pace <= 0 || together < 1 {
		return fmt.Errorf("-readers must be %d at least, -pace and -together positive", channels)
	}
	plan := planned(filter)
	if len(plan) == 0 && only != nothing {
		return fmt.Errorf("-only %s matches nothing that -list shows", only)
	}
	if list {
		for _, p := range plan {
			fmt.Println(p.key())
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "pabal-reliability-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w, err := build(ctx, dir)
	if err != nil {
		return err
	}
	if docs == "" {
		docs = filepath.Join(w.root, "docs")
	}
	r, err := openReport(docs, s, w.versions, only != "" && only != nothing)
	if err != nil {
		return err
	}
	perform(ctx, w, r, plan, together)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	text := r.markdown()
	if docs == "-" {
		fmt.Print(text)
	} else if err := r.save(docs, text); err != nil {
		return err
	}
	return r.wrong(plan)
}

// A piece is one run of the plan.
type piece struct {
	fault *fault
	row   *row
}

func (p piece) key() string { return p.fault.key + "/" + p.row.key }

// planned returns what is to be run: fault by fault, each with all rows.
func planned(filter *regexp.Regexp) (plan []piece) {
	for _, f := range faults {
		for _, r := range rows {
			p := piece{f, r}
			if (r.only == nil || slices.Contains(r.only, f.key)) && filter.MatchString(p.key()) {
				plan = append(plan, p)
			}
		}
	}
	return plan
}

// perform runs the plan, so many at once. With nothing in it, the report is
// what it was.
func perform(ctx context.Context, w *workshop, r *report, plan []piece, together int) {
	if len(plan) == 0 {
		return
	}
	defer r.begin()()
	next := make(chan piece)
	var all sync.WaitGroup
	for range together {
		all.Go(func() {
			for p := range next {
				s := &scene{workshop: w, row: p.row, fault: p.fault, sizes: r.Sizes}
				result, err := s.play(ctx, r.Sizes.Seed^hash(p.key()))
				if ctx.Err() != nil {
					continue
				}
				if err != nil {
					result.Failed = err.Error()
				}
				r.note(p, result)
			}
		})
	}
	for _, p := range plan {
		if ctx.Err() == nil {
			next <- p
		}
	}
	close(next)
	all.Wait()
}

// hash gives each run chance of its own.
func hash(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return h.Sum64()
}
