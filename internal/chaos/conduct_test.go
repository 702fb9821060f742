package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/pabal/pabal/internal/proxy"
)

// A conductor makes trouble, all of it by its seed.
type conductor struct {
	crew    *crew
	random  *rand.Rand
	longest time.Duration // that a connection which is in trouble lives

	kills, stops, starved, cuts int
}

// act is a kind of trouble.
type act string

const (
	reshape act = "reshape" // a route is in other trouble
	cut     act = "cut"     // all connections of a route
	refuse  act = "refuse"  // no new connections on a route, for a while
	kill    act = "kill"    // the server, with -9
	stop    act = "stop"    // the server, for seconds
	starve  act = "starve"  // the server of descriptors
)

// plan is what to do in a round that takes about so long: each of the great
// troubles at least once, kills most often, and small ones between.
func (c *conductor) plan(d time.Duration) []act {
	great := []act{kill, stop, kill, starve}
	for n := int(d/(8*time.Second)) - len(great); n > 0; n-- {
		great = append(great, []act{kill, kill, stop, starve}[c.random.IntN(4)])
	}
	c.random.Shuffle(len(great), func(i, j int) { great[i], great[j] = great[j], great[i] })
	small := []act{reshape, reshape, reshape, reshape, cut, refuse}
	var acts []act
	for _, a := range great {
		for range 1 + c.random.IntN(3) {
			acts = append(acts, small[c.random.IntN(len(small))])
		}
		acts = append(acts, a)
	}
	return acts
}

// round makes trouble for about d, and leaves a server that is well behind
// routes that are.
func (c *conductor) round(ctx context.Context, l *life, d time.Duration) (*life, error) {
	w := c.crew.world
	for i, n := range c.random.Perm(len(w.routes)) {
		w.story.tell("%s is %s", w.routes[i].name, w.routes[i].shape(n, c.longest))
	}
	acts := c.plan(d)
	begun := time.Now()
	for i, a := range acts {
		due := d * time.Duration(i+1) / time.Duration(len(acts)+1)
		if !pause(ctx, due-time.Since(begun)) {
			return l, context.Cause(ctx)
		}
		var err error
		if l, err = c.act(ctx, l, a); err != nil {
			return l, err
		}
	}
	if !pause(ctx, d-time.Since(begun)) {
		return l, context.Cause(ctx)
	}
	for _, r := range w.routes {
		r.set(proxy.Faults{})
	}
	w.story.tell("all routes are well")
	return c.mend(ctx, l)
}

func (c *conductor) act(ctx context.Context, l *life, a act) (*life, error) {
	w := c.crew.world
	r := w.routes[c.random.IntN(len(w.routes))]
	switch a {
	case reshape:
		w.story.tell("%s is %s", r.name, r.shape(-1, c.longest))
	case cut:
		w.story.tell("%s: all connections are cut", r.name)
		r.proxy.CutAll()
		c.cuts++
	case refuse:
		w.story.tell("%s refuses connections", r.name)
		r.set(proxy.Faults{Refuse: true})
		if !pause(ctx, between(c.random, 200, 1500)) {
			return l, context.Cause(ctx)
		}
		w.story.tell("%s is %s", r.name, r.shape(-1, c.longest))
	case kill:
		return c.kill(ctx, l)
	case stop:
		return l, c.stop(ctx, l)
	case starve:
		return l, c.starve(ctx, l)
	}
	return l, nil
}

// kill kills the server, leaves it dead for a moment, and starts it anew.
func (c *conductor) kill(ctx context.Context, l *life) (*life, error) {
	w := c.crew.world
	w.story.tell("the server is killed")
	if err := w.end(l); err != nil {
		return l, err
	}
	c.kills++
	if !pause(ctx, between(c.random, 0, 500)) {
		return l, context.Cause(ctx)
	}
	l, err := c.crew.start(ctx)
	if err != nil {
		return l, err
	}
	return l, nil
}

// stop stops the server for longer than readers wait for a sign of life, or
// not.
func (c *conductor) stop(ctx context.Context, l *life) error {
	d := between(c.random, 300, 3000)
	c.crew.world.story.tell("the server is stopped for %v", d.Round(time.Millisecond))
	c.stops++
	if err := l.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	on := pause(ctx, d)
	if err := l.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	c.crew.world.story.tell("the server goes on")
	if !on {
		return context.Cause(ctx)
	}
	return nil
}

// starve has idle connections take all the descriptors that the server may
// have, for seconds.
func (c *conductor) starve(ctx context.Context, l *life) error {
	w := c.crew.world
	open, err := openFiles(l.ID())
	if err == nil {
		room := c.random.IntN(24) - 4 // less than none: also what it closes and opens anew is refused
		w.unsettle(time.Minute)
		c.crew.putOff = true
		var before uint64
		if before, err = limitFiles(l.ID(), uint64(open+room)); err == nil {
			err = c.occupy(ctx, l, room, before)
		}
	}
	if errors.Is(err, errors.ErrUnsupported) {
		w.story.tell("this system cannot starve a process of descriptors")
		return nil
	}
	c.starved++
	return err
}

func (c *conductor) occupy(ctx context.Context, l *life, room int, before uint64) error {
	w := c.crew.world
	d := between(c.random, 1000, 3000)
	w.story.tell("the server has %d descriptors left, which idle connections take, for %v", room, d.Round(time.Millisecond))
	var idle []net.Conn
	for range max(room, 0) + 20 { // those that are too many wait to be accepted
		conn, err := net.Dial("tcp", w.address)
		if err != nil {
			break
		}
		idle = append(idle, conn)
	}
	on := pause(ctx, d)
	for _, conn := range idle {
		conn.Close()
	}
	_, err := limitFiles(l.ID(), before)
	w.story.tell("it has descriptors again")
	w.unsettle(5 * time.Second)
	if err == nil && !on {
		err = context.Cause(ctx)
	}
	return err
}

// mend waits until the server says that it is well, whatever it was starved of.
func (c *conductor) mend(ctx context.Context, l *life) (*life, error) {
	client, base := c.crew.world.direct(l)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeoutCause(ctx, 15*time.Second, errLate)
	defer cancel()
	for {
		text, err := do(ctx, client, http.MethodGet, base+"/health", nil, nil)
		if err == nil && strings.Contains(string(text), `"ok"`) {
			return l, nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return l, fmt.Errorf("all trouble is over, and the server is not well: %s, %w", text, errors.Join(err, context.Cause(ctx)))
		}
	}
}
