package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/live"
	"github.com/pabal/pabal/internal/readers"
)

var (
	size   = flag.Int("readers", 150, "how many readers there are")
	length = flag.Duration("for", 20*time.Second, "how long there is trouble, about; in rounds of a minute, at most")
	seed   = flag.Uint64("seed", 61, "of all that is random but the machine; 0: any")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// configuration has a heartbeat that readers need not wait long for, streams
// that rotate, sockets that take little, and a window that readers soon leave.
const configuration = `
keep-entries: 0
keep-bytes: 0
cache-bytes: 32MiB
host-metrics: false
drain: 1s
heartbeat: 1s
write-timeout: 5s
rotate-after: 20s
park-after: 20ms
send-buffer: 4KiB
window-entries: 10
namespaces:
  - match: small/*
    keep-entries: 10
  - match: interval/*
    sync: interval
  - match: never/*
    sync: never
`

func TestChaos(t *testing.T) {
	if *size < 20 || *length < 10*time.Second {
		t.Fatalf("-readers %d -for %v: with fewer than 20 readers, or in less than 10 s, not all of the trouble comes about", *size, *length)
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1_000_000)
	}
	dir, err := os.MkdirTemp("", "pabal-chaos-")
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCrew(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	err = c.run(t.Context())
	t.Logf("seed %d (again: make chaos CHAOSFLAGS='-readers %d -for %v -seed %d'): %s", *seed, *size, *length, *seed, c.summary())
	if testing.Verbose() && err == nil {
		t.Logf("what was done:\n%s", c.world.story.last(1000))
	}
	if err != nil {
		t.Fatalf("seed %d: %v\n\nwhat was done:\n%s\n\nthe data is kept in %s; the end of the server's log:\n%s",
			*seed, err, c.world.story.last(60), dir, tail(c.world.log()))
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// A crew is those who publish, read and make trouble.
type crew struct {
	world      *world
	ledger     *ledger.Ledger
	rules      map[string]ledger.Rules
	publishers []*publisher
	marker     *publisher
	followers  []*follower
	conductor  *conductor
	tally      tally
	sizes      map[string]int // how many entries each log has at the end
	slowest    time.Duration  // until all had caught up
	putOff     bool           // there may be channels that keep too much, as rows could not be read
}

func newCrew(ctx context.Context, dir string) (*crew, error) {
	binary, err := live.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	c := &crew{rules: map[string]ledger.Rules{
		"small/a": {Keep: 10}, "interval/a": {Lossy: true}, "never/a": {Lossy: true},
	}, sizes: map[string]int{}}
	var logs []string
	for i := range max(4, *size/100) {
		logs = append(logs, fmt.Sprintf("log/%d", i))
		c.rules[logs[i]] = ledger.Rules{}
	}
	c.ledger = ledger.New(c.rules)
	w := &world{
		binary: binary, dir: dir, ledger: c.ledger, story: &story{begun: time.Now()}, size: *size, address: "127.0.0.1:0",
		next: make(chan struct{}),
	}
	c.world = w
	if w.roots, err = certify(dir); err != nil {
		return nil, err
	}
	if w.routes, err = newRoutes(*seed); err != nil {
		return nil, err
	}
	c.conductor = &conductor{crew: c, random: c.random(0), longest: min(30*time.Second, *length/8)}
	c.enlist(logs)
	return c, w.configure(configuration)
}

// random is the chance of one of the crew.
func (c *crew) random(number int) *rand.Rand { return rand.New(rand.NewPCG(*seed, uint64(number))) }

// enlist makes who publishes, and who reads.
func (c *crew) enlist(logs []string) {
	w := c.world
	all := append([]string{"small/a", "interval/a", "never/a"}, logs...)
	newPublisher := func(name string, number int) *publisher {
		return &publisher{
			name: name, world: w, channels: all, random: c.random(1000 + number), rest: time.Duration(*size) * 250 * time.Microsecond,
			trail: trail{story: w.story}, tally: &c.tally,
		}
	}
	for i := range 12 {
		p := newPublisher(fmt.Sprintf("p%d", i), i)
		if i%2 == 0 {
			p.route = w.routes[i%len(w.routes)]
			p.name += "-far"
		}
		c.publishers = append(c.publishers, p)
	}
	c.marker = newPublisher("marker", 999)
	var hops []*readers.Technique
	for _, by := range readers.All {
		if by.Cursors && by.Several {
			hops = append(hops, by)
		}
	}
	others := []string{"small/a", "interval/a", "never/a"}
	for i := range *size {
		random := c.random(10_000 + i)
		by := []*readers.Technique{readers.All[i%len(readers.All)]}
		name := by[0].Name
		channels := []string{logs[random.IntN(len(logs))]}
		if i%12 == 5 {
			by, name = hops, "hopper"
		}
		if by[0].Cursors && i%5 == 0 {
			channels[0] = others[i/5%len(others)]
		}
		if by[0].Several && i%3 == 0 {
			if more := logs[random.IntN(len(logs))]; !slices.Contains(channels, more) {
				channels = append(channels, more)
			}
		}
		f := newFollower(w, w.routes[i/len(readers.All)%len(w.routes)], fmt.Sprintf("reader %d (%s)", i, name), by, random, channels...)
		f.http2 = i%4 == 1
		f.vectors = i%2 == 0
		c.followers = append(c.followers, f)
	}
}

// start begins a life.
func (c *crew) start(ctx context.Context) (*life, error) {
	l, err := c.world.begin(ctx)
	if err != nil {
		return nil, err
	}
	c.world.story.tell("life %d of the server begins (TLS: %v)", l.number, l.tls)
	if l.number > 1 {
		err = c.hold(ctx, l, false)
	}
	close(l.held)
	return l, err
}

// run makes trouble in rounds, and judges what comes of it.
func (c *crew) run(ctx context.Context) (err error) {
	w := c.world
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	var broken error
	var once sync.Once
	work := func(run func() error) func() {
		return func() {
			if err := run(); err != nil {
				once.Do(func() { broken = err; cancel(err) })
			}
		}
	}
	l, err := c.start(ctx)
	defer func() {
		cancel(nil)
		all.Wait()
		for _, r := range w.routes {
			if closed := r.proxy.Close(); err == nil {
				err = closed
			}
		}
		if broken != nil { // what else went wrong is for that
			err = broken
		} else if err == nil {
			err = c.emptied(l)
		}
		if l != nil && w.life == l {
			err = errors.Join(err, w.end(l))
		}
	}()
	if err != nil {
		return err
	}
	for _, f := range c.followers {
		all.Go(work(func() error { return f.run(ctx) }))
	}
	rounds := max(2, int(*length/time.Minute))
	for range rounds {
		if err != nil {
			return err
		}
		publishing, rest := context.WithCancel(ctx)
		var publishers sync.WaitGroup
		for _, p := range c.publishers {
			publishers.Go(work(func() error { return p.run(publishing) }))
		}
		var next *life
		next, err = c.conductor.round(ctx, l, *length/time.Duration(rounds))
		rest()
		publishers.Wait()
		if l = next; err == nil {
			err = c.judge(ctx, l)
		}
	}
	if err == nil {
		err = errors.Join(c.compare(), c.happened())
	}
	return err
}

// judge lets all catch up, and holds everything against the ledger.
func (c *crew) judge(ctx context.Context, l *life) error {
	took, err := c.calm(ctx, l, c.conductor.longest+30*time.Second)
	if err == nil {
		err = c.settle(ctx, l)
	}
	if err != nil {
		return err
	}
	c.slowest = max(c.slowest, took)
	c.world.story.tell("all have caught up after %v", took.Round(time.Millisecond))
	lost := c.ledger.Counts().Lost
	if err := c.hold(ctx, l, true); err != nil {
		return err
	}
	if more := c.ledger.Counts().Lost - lost; more > 0 {
		return fmt.Errorf("%d entries are gone, and nobody has killed the server", more)
	}
	return c.world.weigh(l)
}
