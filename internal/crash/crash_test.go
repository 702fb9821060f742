package crash

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/live"
	"github.com/pabal/pabal/internal/readers"
)

var (
	kills = flag.Int("kills", 200, "how often TestAlways kills the server; TestLossy does a quarter of that")
	seed  = flag.Uint64("seed", rand.Uint64N(1_000_000), "of all that is random but the machine")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// always is a node that promises to keep whatever it has acknowledged, or
// shown to anyone.
const always = `
keep-entries: 0
keep-bytes: 0
host-metrics: false
drain: 100ms
park-after: 20ms
namespaces:
  - match: small/*
    keep-entries: 40
  - match: keyed/*
    keep-entries: 20
    keep: latest
`

// lossy is one that does not, for some channels.
const lossy = always + `
  - match: interval/*
    sync: interval
  - match: never/*
    sync: never
`

func TestAlways(t *testing.T) { test(t, always, *kills, nil) }

func TestLossy(t *testing.T) {
	test(t, lossy, *kills/4, map[string]ledger.Rules{"interval/a": {Lossy: true}, "never/a": {Lossy: true}})
}

// test kills a server with a configuration so many times.
func test(t *testing.T, configuration string, kills int, more map[string]ledger.Rules) {
	dir, err := os.MkdirTemp("", "pabal-crash-")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := live.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(binary, dir, *seed)
	if err := w.configure(configuration); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	var counts ledger.Counts
	for number := 0; w.kills < kills && err == nil; number++ {
		g := newGeneration(w, number, more)
		err = g.run(t.Context(), min(generation, kills-w.kills))
		counts.Add(g.ledger.Counts())
	}
	took := time.Since(begun)
	t.Logf("seed %d: %d kills in %v, %.1f a second; entries: %+v", *seed, w.kills, took.Round(time.Millisecond), float64(w.kills)/took.Seconds(), counts)
	if err != nil {
		t.Fatalf("seed %d, after %d kills: %v\n\nthe data is kept in %s; the end of the server's log:\n%s", *seed, w.kills, err, dir, live.Tail(w.log()))
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// generation is after how many kills all begins anew, in other channels of the
// same store.
const generation = 50

// A crew is those who publish and read for a generation.
type crew struct {
	world  *world
	ledger *ledger.Ledger
	rules  map[string]ledger.Rules
	client *http.Client

	publishers []*publisher
	followers  []*follower
}

func newGeneration(w *world, number int, more map[string]ledger.Rules) *crew {
	name := func(ch string) string { return fmt.Sprintf("%s%d", ch, number) }
	rules := map[string]ledger.Rules{
		name("log/a"): {}, name("log/b"): {}, name("log/c"): {}, name("echo/a"): {}, name("cas/a"): {}, name("ends/a"): {},
		name("small/a"): {Keep: 40}, name("keyed/a"): {Keep: 20, Latest: true},
	}
	general := []string{name("log/a"), name("log/b"), name("small/a")}
	var lax []string
	for ch, r := range more {
		rules[name(ch)] = r
		lax = append(lax, name(ch))
	}
	c := &crew{world: w, ledger: ledger.New(rules), rules: rules}
	count := uint64(0)
	random := func() *rand.Rand {
		count++
		return rand.New(rand.NewPCG(*seed, uint64(number)<<32+count))
	}
	next := func() publisher {
		p := publisher{world: w, ledger: c.ledger, random: random()}
		p.name = fmt.Sprintf("g%dp%d", number, count)
		return p
	}
	for range 4 {
		c.publishers = append(c.publishers, newGeneral(next(), 0, general...))
	}
	c.publishers = append(c.publishers,
		newGeneral(next(), 8, name("keyed/a")), newGeneral(next(), 8, name("keyed/a")), newEnder(next(), name("ends/a")),
		newConditional(next(), name("cas/a")), newConditional(next(), name("cas/a")), newPiper(next(), name("log/c")),
		newEchoer(next(), name("echo/a")))
	follow := func(protocol string, channels []string, by ...*readers.Technique) *follower {
		f := newFollower(w, c.ledger, by, protocol, random(), channels...)
		c.followers = append(c.followers, f)
		return f
	}
	var hops []*readers.Technique
	for i, by := range readers.All {
		follow(readers.H1, []string{general[i%2]}, by)
		if by.Cursors && by.Several {
			hops = append(hops, by)
		}
	}
	follow(readers.H2C, general[:1], readers.Named("sse"))
	follow(readers.H1, []string{name("log/c")}, hops...)
	follow(readers.H1, general[:2], hops...).vectors = true
	follow(readers.H2C, []string{name("log/b"), name("log/c")}, hops...).vectors = true
	follow(readers.H1, general[2:], readers.Named("stream"))
	follow(readers.H1, general[2:], readers.Named("longpoll"))
	follow(readers.H1, []string{name("cas/a")}, readers.Named("websocket"))
	follow(readers.H1, []string{name("echo/a")}, hops...)
	follow(readers.H1, []string{name("keyed/a")}, readers.Named("multipart"))
	follow(readers.H1, []string{name("ends/a")}, readers.Named("sse"))
	follow(readers.H1, []string{name("ends/a")}, readers.Named("longpoll"))
	for _, ch := range lax {
		c.publishers = append(c.publishers, newGeneral(next(), 0, ch), newGeneral(next(), 0, ch))
		for _, technique := range []string{"poll", "sse", "websocket", "page", "raw-entry"} {
			follow(readers.H1, []string{ch}, readers.Named(technique))
		}
		follow(readers.H1, []string{ch}, hops...)
	}
	return c
}

// run lives through so many kills, and one more life, and ends the server.
func (c *crew) run(ctx context.Context, kills int) (err error) {
	c.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer c.client.CloseIdleConnections()
	ctx, cancel := context.WithCancelCause(ctx)
	publishing, rest := context.WithCancel(ctx)
	var all, publishers sync.WaitGroup
	var broken error
	var once sync.Once
	work := func(run func() error) func() {
		return func() {
			if err := run(); err != nil {
				once.Do(func() { broken = err; cancel(err) })
			}
		}
	}
	for _, p := range c.publishers {
		publishers.Go(work(func() error { return p.run(publishing) }))
	}
	for _, f := range c.followers {
		all.Go(work(func() error { return f.run(ctx) }))
	}
	defer func() {
		rest()
		cancel(nil)
		publishers.Wait()
		all.Wait()
		err = errors.Join(broken, err)
	}()
	until := c.world.kills + kills
	for number := 0; c.world.kills < until; number++ {
		if err := c.lifetime(ctx, number); err != nil {
			return err
		}
	}
	rest()
	publishers.Wait()
	return c.last(ctx)
}

// lifetime is one life.
func (c *crew) lifetime(ctx context.Context, number int) error {
	if number > 0 {
		c.ledger.Restarted("")
	}
	l, err := c.world.begin(ctx)
	if err != nil {
		return err
	}
	random := c.world.random
	if number == 0 {
		close(l.held)
	} else if err := c.hold(ctx, l, number%8 == 0); err != nil {
		return errors.Join(err, c.world.end(l, kill))
	}
	timer := time.NewTimer(time.Duration(20+random.IntN(180)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return errors.Join(err, c.world.end(l, random.IntN(16)))
}

// hold holds what the logs are against the ledger, and lets publishers go on.
func (c *crew) hold(ctx context.Context, l *life, whole bool) error {
	for ch, rules := range c.rules {
		log := c.ledger.Log(ch)
		from := ""
		if !whole && rules.Keep == 0 && !rules.Lossy && ch[:4] != "ends" {
			from = log.End()
		}
		entries, closed, err := read(ctx, c.client, l.URL(), ch, from, "")
		if err != nil {
			return fmt.Errorf("after the restart: %w", err)
		}
		if rules.Latest {
			latest, _, err := read(ctx, c.client, l.URL(), ch, "", "latest")
			if err != nil {
				return fmt.Errorf("after the restart: %w", err)
			}
			if err := log.HoldLatest(latest); err != nil {
				return err
			}
		}
		if err := log.Hold(from, entries, closed); err != nil {
			return err
		}
		if err := log.Judge(); err != nil {
			return err
		}
	}
	close(l.held)
	return nil
}

// last is the last life: readers get all there is.
func (c *crew) last(ctx context.Context) error {
	c.ledger.Restarted("")
	l, err := c.world.begin(ctx)
	if err != nil {
		return err
	}
	err = c.hold(ctx, l, true)
	if err == nil {
		err = c.catchUp(ctx)
	}
	if err == nil {
		for ch := range c.rules {
			err = errors.Join(err, c.ledger.Log(ch).Judge())
		}
	}
	return errors.Join(err, c.world.end(l, stop))
}

// catchUp waits until all readers have got the ends of their logs.
func (c *crew) catchUp(ctx context.Context) error {
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		missing := ""
		for _, f := range c.followers {
			for ch, r := range f.logs {
				if last, behind := r.Behind(); behind {
					missing = fmt.Sprintf("%s of %s has not got %s", f.name, ch, last)
				}
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return errors.New(missing + " within 30 s, the last that is there")
		}
	}
}
