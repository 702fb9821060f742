// Command presence measures what it costs that many join one channel at the same
// time, and leave it: how long until all are in the set, in how many publishes.
//
//	cd bench && go run ./presence
//	cd bench && go run ./presence -joins 10000 -nodes 2 -broker disk
//
// Nodes are hubs in this process over one broker, with their own services.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/disk"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/presence"
)

const channel = "crowd"

func main() {
	log.SetFlags(0)
	log.SetPrefix("presence: ")
	joins := flag.Int("joins", 10_000, "how many connections join, 10,000 at most")
	nodes := flag.Int("nodes", 1, "by way of how many nodes, in turn")
	kind := flag.String("broker", "memory", "which broker keeps the log: memory or disk (synced in groups, in a directory of its own)")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *kind, *nodes, *joins); err != nil {
		log.Fatal(err)
	}
}

// closer is a broker of ours.
type closer interface {
	pabal.Broker
	pabal.Lister
	Close() error
}

// A counted broker counts what is published to logs of presence.
type counted struct {
	closer
	publishes, entries atomic.Int64
}

func (c *counted) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	done, err := c.closer.Append(ctx, ch, p)
	if ch == pabal.Presence+channel && err == nil {
		c.publishes.Add(1)
		c.entries.Add(int64(len(p.Messages)))
	}
	return done, err
}

// Lossless says what the broker does.
func (c *counted) Lossless() bool {
	l, ok := c.closer.(pabal.Lossless)
	return ok && l.Lossless()
}

func open(kind string) (b closer, remove func(), err error) {
	keep := func(ch pabal.Channel) pabal.Retention {
		r, _ := presence.Retention(ch, 0)
		return r
	}
	switch kind {
	case "memory":
		return memory.New(memory.Config{Retention: keep}), func() {}, nil
	case "disk":
		dir, err := os.MkdirTemp("", "pabal-presence-")
		if err != nil {
			return nil, nil, err
		}
		remove = func() { _ = os.RemoveAll(dir) } // it is a temporary one
		b, err := disk.Open(disk.Config{Dir: dir, Rules: func(ch pabal.Channel) disk.Rules { return disk.Rules{Retention: keep(ch)} }})
		if err != nil {
			remove()
			return nil, nil, err
		}
		return b, remove, nil
	}
	return nil, nil, fmt.Errorf("no broker is called %q: give memory or disk", kind)
}

func run(ctx context.Context, out io.Writer, kind string, nodes, joins int) (err error) {
	if nodes < 1 || joins < 1 {
		return errors.New("give at least one node and one join")
	}
	kept, remove, err := open(kind)
	if err != nil {
		return err
	}
	defer remove()
	b := &counted{closer: kept}
	defer func() { err = errors.Join(err, b.Close()) }()
	services := make([]*presence.Service, nodes)
	for i := range services {
		hub := pabal.NewHub(b, pabal.Limits{})
		defer hub.Close()
		services[i] = presence.New(presence.Config{Hub: hub, Node: fmt.Sprint("n", i)})
		defer func() { err = errors.Join(err, services[i].Close(ctx)) }()
		if err := services[i].Join(ctx, who(-1), "warm", nil, 0); err != nil { // once it has its lease
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "%d connections, one channel, %d nodes, broker %s\n%-9s %10s %10s %10s %12s\n", joins, nodes, kind, "", "settled in", "entries", "publishes", "CPU"); err != nil {
		return err
	}
	step := func(name string, do func() error) error {
		b.publishes.Store(0)
		b.entries.Store(0)
		began, cpu := time.Now(), cpuTime()
		if err := do(); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "%-9s %10v %10d %10d %12v\n", name, time.Since(began).Round(time.Millisecond), b.entries.Load(), b.publishes.Load(), (cpuTime() - cpu).Round(time.Millisecond))
		return err
	}
	if err := step("joins", func() error { return crowd(ctx, services, joins) }); err != nil {
		return err
	}
	if err := step("view", func() error { return view(ctx, services[0], joins) }); err != nil {
		return err
	}
	return step("leaves", func() error {
		for i := range joins {
			services[i%nodes].Leave(who(i), channel, true)
		}
		for range time.Minute / time.Millisecond {
			if b.entries.Load() >= int64(joins) {
				return nil
			}
			time.Sleep(time.Millisecond)
		}
		return fmt.Errorf("after a minute %d of %d have left", b.entries.Load(), joins)
	})
}

func who(i int) pabal.Grant {
	return pabal.Grant{User: fmt.Sprint("user-", i), Connection: fmt.Sprintf("connection-%032d", i), Data: []byte(`{"name":"somebody"}`)}
}

// crowd has all join at once, and returns when all have.
func crowd(ctx context.Context, services []*presence.Service, joins int) error {
	errs := make([]error, joins)
	var all sync.WaitGroup
	for i := range joins {
		all.Go(func() { errs[i] = services[i%len(services)].Join(ctx, who(i), channel, nil, 0) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func view(ctx context.Context, s *presence.Service, joins int) error {
	seen, err := s.View(ctx, channel)
	if err == nil && len(seen.Users) != joins {
		err = fmt.Errorf("%d users are in the view, want %d", len(seen.Users), joins)
	}
	return err
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
