package server

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/netsim"
	"github.com/pabal/pabal/internal/sim"
	"github.com/pabal/pabal/server/config"
)

// A whole is one run of a script.
type whole struct {
	seed   uint64
	script sim.Script
	story  *story
	ledger *ledger.Ledger

	place
	cast

	calm atomic.Bool   // the faults have stopped
	turn chan struct{} // holds one: who starts and stops nodes takes it

	mu      sync.RWMutex // who writes has nobody take, or publish, anything
	life    context.Context
	die     context.CancelFunc // ends life
	failure error
	stop    context.CancelCauseFunc
	stuck   bool // goroutines are left

	counting sync.Mutex
	counts   wholeCounts
}

// A place is where a run takes place.
type place struct {
	config  config.Config // of nodes
	rotates bool          // which end responses early
	net     *netsim.Network
	store   *store
	nodes   []*wholeNode
	boxes   []func() // which stop them
	ways    map[way]string
}

// A cast is who takes part.
type cast struct {
	hosts      []*netsim.Host
	publishers []actor
	readers    []actor
	following  []following
}

// An actor does what it does until its context ends, or something is wrong.
type actor interface {
	call() string // its name
	run(ctx context.Context) error
}

// following is who reads what.
type following struct {
	who, channel string
	reader       *ledger.Reader
}

var wholeRules = map[string]ledger.Rules{
	logA: {}, logB: {}, cas: {}, small: {Keep: smallKeeps}, keyed: {Keep: keyedKeeps, Latest: true}, young: {Ages: true}, lossy: {Lossy: true}, ends: {},
}

func newWhole(seed uint64, script sim.Script) *whole {
	return &whole{seed: seed, script: script, story: &story{}}
}

// fail notes the first failure, and ends the run.
func (w *whole) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil {
		w.failure = err
		w.story.note("the judge", nil, "WRONG: %v", err)
	}
	if w.stop != nil {
		w.stop(err)
	}
}

// random returns a source for whoever has that name.
func (w *whole) random(name string) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(w.seed, h))
}

// A way leads to a node, perhaps through a box.
type way struct {
	node int
	box  string // "" is directly
}

var boxes = map[string]netsim.Box{
	"buffers":     {Buffer: 4096},
	"cuts at 30s": {Age: 30 * time.Second},
	"no upgrade":  {NoUpgrade: true},
}

// build starts so many nodes, and makes what stands before them.
func (w *whole) build(nodes int) error {
	for i := range nodes {
		n := &wholeNode{whole: w, name: fmt.Sprintf("node%d", i+1), address: fmt.Sprintf("10.0.0.%d:80", i+1)}
		w.nodes = append(w.nodes, n)
		if err := n.start(); err != nil {
			return err
		}
		w.ways[way{i, ""}] = "http://" + n.address
		for _, name := range slices.Sorted(maps.Keys(boxes)) {
			address := fmt.Sprintf("10.0.1.%d:80", len(w.ways))
			host := w.net.Host("box "+name, netsim.Link{Delay: time.Millisecond})
			stop, err := boxes[name].Serve(host, address, n.address)
			if err != nil {
				return err
			}
			w.boxes = append(w.boxes, stop)
			w.ways[way{i, name}] = "http://" + address
		}
	}
	return nil
}

// begin makes what there is before anyone acts.
func (w *whole) begin() {
	w.story.begun = time.Now()
	w.turn = make(chan struct{}, 1)
	w.config = testConfig()
	w.config.Delivery.Pump = "goroutine"
	w.ledger = ledger.New(wholeRules)
	w.net, w.store, w.ways = netsim.New(w.seed), newStore(w.seed), map[way]string{}
	w.life, w.die = context.WithCancel(context.Background())
}

// now returns the life that goes on.
func (w *whole) now() context.Context {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.life
}

// errOver says that something came of a life that has ended.
var errOver = errors.New("that life is over")

// take has f note what was got in life, unless that has ended: what is left of
// it then is nobody's, and errOver.
func (w *whole) take(life context.Context, f func() error) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if life.Err() != nil {
		return errOver
	}
	return f()
}

// alone runs f as the only one who starts and stops nodes, unless ctx ends
// before.
func (w *whole) alone(ctx context.Context, f func() error) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
		return f()
	case <-ctx.Done():
		return nil
	}
}

// crash has the store and all nodes die and come back, without the last
// entries of the channel that may lose them.
func (w *whole) crash(lost int) error {
	w.die()
	for _, n := range w.nodes {
		if err := n.kill(); err != nil {
			return err
		}
	}
	for _, h := range w.hosts { // what is left on its way would be of another life
		h.Cut()
	}
	page, err := w.store.page(context.Background(), lossy, false)
	if err != nil {
		return err
	}
	lost = whole1(page.Entries, lost)
	w.story.note("the store", nil, "crashes, and loses the last %d entries of %s", lost, lossy)
	w.store.crash(func(ch pabal.Channel) int {
		if ch == lossy {
			return lost
		}
		return 0
	})
	pause(context.Background(), 5*time.Second)
	if err := w.hold(true); err != nil {
		return err
	}
	for _, n := range w.nodes {
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}

// whole1 returns how many of the last entries are at least n and do not tear a
// batch.
func whole1(entries []*pabal.Entry, n int) int {
	n = min(n, len(entries))
	batch := func(i int) string {
		of, _, _ := strings.Cut(entryOf("", entries[i].Data).Token, ":")
		return of
	}
	for n > 0 && n < len(entries) && batch(len(entries)-n) == batch(len(entries)-n-1) {
		n++
	}
	return n
}

// hold holds what the store keeps against what is known, and judges all
// readers.
func (w *whole) hold(anew bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if anew {
		page, err := w.store.page(context.Background(), logA, false)
		if err != nil {
			return err
		}
		epoch, _, _ := strings.Cut(page.End.String(), "-")
		w.ledger.Restarted(epoch)
		w.life, w.die = context.WithCancel(context.Background())
	}
	for ch, rules := range wholeRules {
		log := w.ledger.Log(ch)
		if rules.Latest {
			latest, err := w.store.page(context.Background(), pabal.Channel(ch), true)
			if err == nil {
				err = log.HoldLatest(entriesOf(latest))
			}
			if err != nil {
				return err
			}
		}
		page, err := w.store.page(context.Background(), pabal.Channel(ch), false)
		if err == nil {
			err = log.Hold("", entriesOf(page), page.Closed)
		}
		if err == nil {
			err = log.Judge()
		}
		if err != nil {
			return &broken{"", []string{ch}, err}
		}
	}
	return nil
}

var wholeSum = maphash.MakeSeed()

// entryOf returns what data says it is: it begins with a token.
func entryOf(cursor string, data []byte) ledger.Entry {
	token, _, _ := strings.Cut(string(data), " ")
	return ledger.Entry{Cursor: cursor, Token: token, Sum: maphash.Bytes(wholeSum, data)}
}

func entriesOf(page pabal.Page) (list []ledger.Entry) {
	for _, e := range page.Entries {
		list = append(list, entryOf(e.Position().String(), e.Data))
	}
	return list
}

// pause reports whether d went by before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
