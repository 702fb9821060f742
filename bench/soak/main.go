// Command soak publishes 100,000 entries from 8 publishers over HTTP, single
// and in batches, to 200 readers that break off at random bytes and hop at
// random from each technique to any other, over HTTP/1.1 and HTTP/2, with TLS
// and without. Each must end with exactly the log: it prints what was lost,
// repeated or out of order, and fails if anything was.
//
//	cd bench && go run ./soak -seed 7
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pabal/pabal/internal/readers"
)

type options struct {
	entries, readers, publishers, channels int
	seed                                   uint64
	timeout                                time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.entries, "entries", 100_000, "how many entries to publish, over all channels")
	flag.IntVar(&o.readers, "readers", 200, "how many readers: half of one channel, a quarter of two, a quarter of all")
	flag.IntVar(&o.publishers, "publishers", 8, "how many publishers")
	flag.IntVar(&o.channels, "channels", 4, "how many channels")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64N(1_000_000), "of all that is random")
	flag.DurationVar(&o.timeout, "timeout", 15*time.Minute, "after which it has failed")
	flag.Parse()
	debug.SetGCPercent(400) // so that more of the time goes to what is tested
	if o.entries < 1 || o.readers < 1 || o.publishers < 1 || o.channels < 1 || o.channels > 100 {
		fmt.Fprintln(os.Stderr, "soak: entries, readers and publishers must be at least 1, channels from 1 to 100")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	ok, err := run(ctx, &o)
	stop()
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

// run soaks, and reports whether all went well.
func run(ctx context.Context, o *options) (ok bool, err error) {
	n, err := startNode()
	if err != nil {
		return false, err
	}
	defer n.stop()
	fmt.Printf("seed %d: %d entries of %d publishers, in %d channels, to %d readers\n", o.seed, o.entries, o.publishers, o.channels, o.readers)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := newLedger(o)
	begun := time.Now()
	publishing, reading := make(chan error, 1), make(chan error, 1)
	go func() { publishing <- publishAll(ctx, o, n.server, l) }()
	go func() { reading <- readAll(ctx, o, n.server, l, cancel) }()
	go progress(ctx, l)
	if err := <-publishing; err != nil {
		cancel(err)
	}
	err = <-reading
	l.print(time.Since(begun))
	return l.sound(), err
}

// readAll runs all readers to the end. The first that fails ends all.
func readAll(ctx context.Context, o *options, server *readers.Server, l *ledger, cancel context.CancelCauseFunc) error {
	var all sync.WaitGroup
	for i := range o.readers {
		all.Go(func() {
			f := l.follower(i, server)
			if err := f.Run(ctx); err != nil {
				cancel(fmt.Errorf("reader %d: %w", i, err))
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// progress says now and then how far it is.
func progress(ctx context.Context, l *ledger) {
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fmt.Printf("  %d published, %d of %d delivered\n", l.published.Load(), l.delivered.Load(), l.expected)
		}
	}
}
