package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// An audience is the readers of one run, and where they read: behind the proxy.
type audience struct {
	workshop *workshop
	url      string // without a path
	readers  int
	tally    *tally
	seed     uint64
}

// silence is after how long without a byte a client takes its connection for
// broken: the same for all that have such a watchdog.
const silence = 5 * time.Second

// each runs every reader until ctx ends.
func (a *audience) each(ctx context.Context, read func(ctx context.Context, r *reader)) {
	var all sync.WaitGroup
	for i := range a.readers {
		r := &reader{audience: a, number: i, channel: channel(i % channels), random: rand.New(rand.NewPCG(a.seed, uint64(i)))}
		all.Go(func() { read(ctx, r) })
	}
	all.Wait()
}

// A reader is one of them.
type reader struct {
	*audience
	number  int
	channel string
	random  *rand.Rand
}

func (r *reader) live()               { r.tally.live(r.number) }
func (r *reader) got(data string)     { r.tally.got(r.number, data) }
func (r *reader) told(what string)    { r.tally.told(r.number, what) }
func (r *reader) strange(what string) { r.tally.strange(r.number, what) }

// A patience is how long a client pauses before it tries again: a random time
// up to a bound that doubles with each failure, and begins anew when something
// has come.
type patience struct{ bound time.Duration }

const (
	leastPause = 50 * time.Millisecond
	firstPause = 250 * time.Millisecond // at most
	mostPause  = time.Second
)

func (p *patience) reset() { p.bound = firstPause }

func (p *patience) pause(ctx context.Context, r *reader) {
	_ = pause(ctx, r.between(leastPause, max(firstPause, p.bound))) // the caller sees that ctx has ended
	p.bound = min(mostPause, 2*max(firstPause, p.bound))
}

// between returns a random time.
func (r *reader) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.random.Int64N(int64(most-least)))
}

// client returns an HTTP client with connections of its own. With a watchdog
// it breaks those that are silent.
func (r *reader) client(watchdog bool) *http.Client {
	t := &http.Transport{DisableCompression: true}
	if watchdog {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: silence}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return watched{conn}, nil
		}
	}
	return &http.Client{Transport: t}
}

// A watched connection fails when it is silent.
type watched struct{ net.Conn }

func (w watched) Read(p []byte) (int, error) {
	if err := w.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}
