package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/pabal/pabal/internal/proxy"
)

const (
	channels = 3
	rate     = 50 // messages a second, over all channels
	after    = 5  // seconds that are published after the last fault
)

// A scene is one run: a server, a proxy before it, readers behind that, and a
// publisher to each channel.
type scene struct {
	workshop *workshop
	row      *row
	fault    *fault
	sizes    sizes
	server   *server
	proxy    *proxy.Proxy
	tally    *tally
	lifted   time.Time // when the last fault ended
}

// A result is what a run found.
type result struct {
	Date   time.Time `json:"date"`
	Failed string    `json:"failed,omitempty"` // why there is no verdict, if that is so
	verdict
	Idle int `json:"idle"` // readers that were not live before something was published
	Peak int `json:"peak"` // most connections that came within a second, from the first fault on
}

// time is how long seconds of a full run last.
func (s *scene) time(seconds float64) time.Duration {
	return time.Duration(seconds * s.sizes.Pace * float64(time.Second))
}

func (s *scene) wait(ctx context.Context, seconds float64) error {
	return pause(ctx, s.time(seconds))
}

// play runs s. An error says that it could not be set up, or came to an end.
func (s *scene) play(ctx context.Context, seed uint64) (r *result, err error) {
	r = &result{Date: time.Now().UTC().Truncate(time.Second)}
	dir, err := os.MkdirTemp(s.workshop.dir, "run-")
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s.server = &server{kind: s.row.kind, dir: dir, history: plenty}
	if s.fault.history > 0 {
		s.server.history = max(1, int(float64(s.fault.history)*s.sizes.Pace))
	}
	if err := s.server.start(ctx, s.workshop); err != nil {
		return r, err
	}
	defer s.server.kill()
	if s.proxy, err = proxy.Listen(s.server.at(), seed); err != nil {
		return r, err
	}
	defer func() { _ = s.proxy.Close() }()
	s.proxy.Set(s.fault.early)
	s.tally = newTally(channels, s.sizes.Readers)

	ctx, leave := context.WithCancelCause(ctx)
	audience := &audience{
		workshop: s.workshop, url: "http://" + s.proxy.Addr(), readers: s.sizes.Readers, tally: s.tally, seed: seed,
	}
	read := make(chan error, 1)
	go func() {
		err := s.row.read(ctx, audience)
		if err != nil {
			leave(err)
		}
		read <- err
	}()
	if r.Idle, err = s.gather(ctx); err == nil {
		err = s.act(ctx, r)
	}
	leave(errors.New("the run is over"))
	if wrong := <-read; wrong != nil {
		err = wrong
	}
	if err == nil {
		r.verdict = *s.tally.judge(s.lifted)
	}
	return r, err
}

// gather waits until all readers are live, and returns how many are not. That
// is an error, unless there is a fault from the start.
func (s *scene) gather(ctx context.Context) (idle int, err error) {
	end := time.Now().Add(10 * time.Second)
	if s.fault.early != (proxy.Faults{}) {
		end = time.Now().Add(5 * time.Second)
	}
	for s.tally.idle() > 0 && time.Now().Before(end) {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
	}
	idle = s.tally.idle()
	if idle > 0 && s.fault.early == (proxy.Faults{}) {
		return idle, fmt.Errorf("%d of %d readers are not live after 10 s without a fault", idle, s.sizes.Readers)
	}
	return idle, pause(ctx, 300*time.Millisecond) // a server may take in a reader after it has said so
}

// act publishes, has the fault happen, and waits until all have all, or that
// takes too long.
func (s *scene) act(ctx context.Context, r *result) error {
	publishing, enough := context.WithCancel(ctx)
	defer enough()
	var all sync.WaitGroup
	for i := range channels {
		p := &publisher{
			kind: s.row.kind, server: s.server.at, tally: s.tally, channel: i, size: messageSize, interval: channels * time.Second / rate,
		}
		if s.fault.size > 0 {
			p.size = s.fault.size
		}
		all.Go(func() { p.run(publishing) })
	}
	err := s.wait(ctx, 1)
	if err == nil {
		counted := s.count(ctx)
		err = s.fault.happen(ctx, s)
		s.lifted = time.Now()
		if err == nil {
			err = s.wait(ctx, after)
		}
		enough()
		all.Wait()
		if err == nil {
			err = s.settle(ctx)
		}
		r.Peak = counted()
	}
	enough()
	all.Wait()
	return err
}

// settle waits until each reader has come to the end, and a little more, or
// until that takes too long.
func (s *scene) settle(ctx context.Context) error {
	end := time.Now().Add(s.sizes.patience())
	for !s.tally.reached() && time.Now().Before(end) {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return pause(ctx, 500*time.Millisecond) // for what comes late, or twice
}

// count counts new connections from now on. What it returns ends that, and
// returns the most that came within a second.
func (s *scene) count(ctx context.Context) func() int {
	ctx, stop := context.WithCancel(ctx)
	peak := make(chan int)
	go func() {
		const each = 50 * time.Millisecond
		var counts []int
		most := 0
		for {
			counts = append(counts, s.proxy.Stats().Connections)
			if len(counts) > int(time.Second/each)+1 {
				counts = counts[1:]
			}
			most = max(most, counts[len(counts)-1]-counts[0])
			if pause(ctx, each) != nil {
				break
			}
		}
		peak <- most
	}()
	return func() int {
		stop()
		return <-peak
	}
}
