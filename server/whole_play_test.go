package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/sim"
)

const (
	// wholeActs is how long actors and faults have.
	wholeActs = 2 * time.Minute
	// wholeSettles is how long publishers have, once the faults have stopped, to know what became of all they sent.
	wholeSettles = 90 * time.Second
	// wholeCatchesUp is how long readers have then to catch up: half a minute of the client's backing off, a minute
	// until a connection is known to be dead, and what both begin.
	wholeCatchesUp = 2 * time.Minute
	// wholeDead is after how long, at most, a connection that fell silent is known to be dead, and another is there.
	wholeDead = 100 * time.Second
	// wholeIsLive is how long an entry may then take to all: the check of tails, a poll's or an EventSource's pause,
	// and a box that cuts the connection just then.
	wholeIsLive = 15 * time.Second
	// wholeLeaves is how long sessions may remain that nobody reads any more.
	wholeLeaves = 90 * time.Second
)

// over reports whether the run has failed.
func (w *whole) over() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.failure != nil
}

// play plays the script to its end, in a bubble.
func (w *whole) play() {
	faults, err := w.perform()
	if err != nil {
		w.fail(err)
		return
	}
	acting, stop := context.WithCancelCause(context.Background())
	w.stop = stop
	reading, leave := context.WithCancel(acting)
	defer leave()
	publishing, rest := context.WithCancel(acting)
	defer rest()
	faulty, mend := context.WithCancel(acting)
	defer mend()
	var publishers, all, befalling sync.WaitGroup
	work := func(group *sync.WaitGroup, ctx context.Context, a actor) {
		group.Go(func() {
			if err := a.run(ctx); err != nil {
				w.fail(err)
			}
		})
	}
	for _, p := range w.publishers {
		work(&publishers, publishing, p)
	}
	for _, r := range w.readers {
		work(&all, reading, r)
	}
	for _, f := range faults {
		befalling.Go(func() {
			if err := w.befall(faulty, f); err != nil {
				w.fail(err)
			}
		})
	}
	pause(acting, wholeActs)
	mend()
	befalling.Wait()
	w.store.mend()
	w.calm.Store(true)
	rest()
	w.story.note("the play", nil, "the faults have stopped")
	if err := w.settle(acting, &publishers); err != nil {
		w.fail(err)
	}
	publishers.Wait()
	leave()
	all.Wait()
	if err := w.part(); err != nil {
		w.fail(err)
	}
}

// settle sees that all is well again.
func (w *whole) settle(ctx context.Context, publishers *sync.WaitGroup) error {
	settled := make(chan struct{})
	go func() {
		publishers.Wait()
		close(settled)
	}()
	late, cancel := context.WithTimeout(ctx, wholeSettles)
	defer cancel()
	select {
	case <-settled:
	case <-late.Done():
		if ctx.Err() == nil {
			return fmt.Errorf("%v after the last fault a publisher does not know what became of what it sent", wholeSettles)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	begun := time.Now()
	if err := w.catchUp(ctx, wholeCatchesUp); err != nil {
		return err
	}
	w.count(func(c *wholeCounts) { c.Slowest = time.Since(begun) })
	w.story.note("the play", nil, "all have caught up")
	pause(ctx, wholeDead) // what fell silent just before the end may not have been noticed yet
	if err := w.mark(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	if err := w.catchUp(ctx, wholeIsLive); err != nil {
		return fmt.Errorf("readers are not live: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := w.hold(false); err != nil {
		return err
	}
	for _, f := range w.following {
		if key := f.reader.Owed(); key != "" {
			return &broken{f.who, []string{f.channel}, fmt.Errorf("at the end of %s it has not got the latest of key %q", f.channel, key)}
		}
	}
	w.count(func(c *wholeCounts) { c.Published = w.ledger.Counts().Known })
	return nil
}

// catchUp waits until all readers have got the ends of their logs.
func (w *whole) catchUp(ctx context.Context, within time.Duration) error {
	for until := time.Now().Add(within); ; {
		missing := error(nil)
		for _, f := range w.following {
			if last, behind := f.reader.Behind(); behind {
				missing = &broken{f.who, []string{f.channel}, fmt.Errorf("it has not got %s of %s within %v", last, f.channel, within)}
			}
		}
		if missing == nil || !time.Now().Before(until) {
			return missing
		}
		if !pause(ctx, 50*time.Millisecond) {
			return nil
		}
	}
}

// mark publishes one more entry to each channel.
func (w *whole) mark(ctx context.Context) error {
	p := w.newPublisher(w.player("publisher-last", ""), 0)
	p.http = p.client()
	defer p.http.CloseIdleConnections()
	for ch := range wholeRules {
		page, err := w.store.page(ctx, pabal.Channel(ch), false)
		if err != nil {
			return err
		}
		if page.Closed {
			e := &ender{wholePublisher: p, log: w.ledger.Log(ch)}
			e.channels = []string{ch}
			if err := e.remove(); err != nil {
				return fmt.Errorf("after the faults: %w", err)
			}
		}
		s, err := p.single(ch, "", true)
		if err == nil {
			err = p.send(s)
		}
		if err != nil {
			return p.wrong([]string{ch}, "after the faults: %w", err)
		}
	}
	return nil
}

// part has the nodes end, once all have gone.
func (w *whole) part() error {
	begun := time.Now()
	for _, n := range w.nodes {
		for n.hub.Stats().Sessions > 0 && time.Since(begun) < wholeLeaves {
			pause(context.Background(), time.Second)
		}
	}
	var errs []error
	for _, n := range w.nodes {
		if open := n.hub.Stats().Sessions; open > 0 {
			errs = append(errs, &broken{n.name, nil, fmt.Errorf("%d sessions are left %v after all have gone", open, wholeLeaves)})
		}
	}
	for _, stop := range w.boxes {
		stop()
	}
	for _, n := range w.nodes {
		errs = append(errs, n.drain())
	}
	w.die()
	return errors.Join(append(errs, w.store.kept.Close())...)
}

// befall has a fault happen at its time.
func (w *whole) befall(ctx context.Context, f sim.Action) error {
	at := 2*time.Second + time.Duration(f.N[0])*time.Millisecond%(wholeActs-40*time.Second)
	if !pause(ctx, at) {
		return nil
	}
	long := time.Second + time.Duration(f.N[2])*time.Millisecond%(30*time.Second)
	w.count(func(c *wholeCounts) { c.Faults++ })
	w.story.note("fault", nil, "%s, for %v", f.Kind, long)
	return wholeFaults[f.Kind](ctx, w, f, long)
}

// mend has s be in no mood any more.
func (s *store) mend() {
	s.mute(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.until)
}

// wholeFaults are what may happen.
var wholeFaults = map[string]func(ctx context.Context, w *whole, f sim.Action, long time.Duration) error{
	"cut": func(_ context.Context, w *whole, f sim.Action, _ time.Duration) error {
		h := w.hosts[f.Of(1, len(w.hosts))]
		w.story.note(h.Name(), nil, "%d connections are cut", h.Cut())
		return nil
	},
	"forget": func(_ context.Context, w *whole, f sim.Action, _ time.Duration) error {
		h := w.hosts[f.Of(1, len(w.hosts))]
		w.story.note(h.Name(), nil, "%d connections fall silent for ever", h.Forget())
		return nil
	},
	"away": func(_ context.Context, w *whole, f sim.Action, long time.Duration) error {
		h := w.hosts[f.Of(1, len(w.hosts))]
		w.story.note(h.Name(), nil, "nothing gets through for %v", long)
		h.Away(long)
		return nil
	},
	"pause": func(_ context.Context, w *whole, f sim.Action, long time.Duration) error {
		h := w.hosts[f.Of(1, len(w.hosts))]
		w.story.note(h.Name(), nil, "takes nothing for %v", 2*long)
		h.Pause(2 * long)
		return nil
	},
	"restart": func(ctx context.Context, w *whole, f sim.Action, long time.Duration) error {
		return w.alone(ctx, func() error { return w.restart((*wholeNode).drain, f, long) })
	},
	"kill": func(ctx context.Context, w *whole, f sim.Action, long time.Duration) error {
		return w.alone(ctx, func() error { return w.restart((*wholeNode).kill, f, long) })
	},
	"crash": func(ctx context.Context, w *whole, f sim.Action, _ time.Duration) error {
		return w.alone(ctx, func() error { return w.crash(f.Of(1, 12)) })
	},
	"mute": func(ctx context.Context, w *whole, _ sim.Action, long time.Duration) error {
		w.store.mute(true)
		pause(ctx, long)
		w.store.mute(false)
		return nil
	},
	"stall": func(_ context.Context, w *whole, _ sim.Action, long time.Duration) error {
		return w.store.feel(stalled, long)
	},
	"refuse": func(_ context.Context, w *whole, _ sim.Action, long time.Duration) error {
		return w.store.feel(refusing, long)
	},
	"vague": func(_ context.Context, w *whole, _ sim.Action, long time.Duration) error {
		return w.store.feel(vague, long)
	},
	"blind": func(_ context.Context, w *whole, _ sim.Action, long time.Duration) error {
		return w.store.feel(blind, long/4)
	},
}

// restart stops a node, and starts it again after a while.
func (w *whole) restart(stop func(*wholeNode) error, f sim.Action, long time.Duration) error {
	n := w.nodes[f.Of(1, len(w.nodes))]
	if err := stop(n); err != nil {
		return err
	}
	pause(context.Background(), long/4)
	return n.start()
}
