package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/pabal/pabal/bench/internal/process"
)

// A store keeps what clients publish.
type store interface {
	// publish returns when data is kept as well as was asked for. Clients call
	// it at the same time.
	publish(client int, data []byte) error
	// count returns how many messages are there, as a reader finds them.
	count() (int, error)
	close() error
}

// A keeper is a kind of store.
type keeper struct {
	open  func(dir string, clients int) (store, error)
	async bool // publish does not wait for the answer: how long it takes says nothing
}

// keepers by the rows of their sections.
var keepers = map[string]map[string]*keeper{
	"synced": {
		"pabal": {open: openPabal(true, false)}, "pabal one": {open: openPabal(true, true)}, "jetstream": {open: openJetStream(true)},
		"bbolt": {open: openBolt(true)}, "sqlite": {open: openSQLite(true)},
		"bbolt one": {open: openBolt(false)}, "sqlite one": {open: openSQLite(false)}, "file": {open: openFile(true)},
	},
	"unsynced": {
		"pabal": {open: openPabal(false, false)}, "jetstream": {open: openJetStream(false)},
		"pebble": {open: openPebble}, "file": {open: openFile(false)},
		"pabal many": {open: openPabal(false, false)}, "jetstream async": {open: openJetStreamAsync, async: true},
	},
}

// payload is the bytes of a message.
const payload = 128

// crowds are the numbers of clients of synced publishes.
var crowds = []int{1, 16, 256}

// synced measures publishes that are answered when they are on the disk.
func (b *bench) synced(ctx context.Context, round int) error {
	for _, row := range turned(slices.Sorted(maps.Keys(keepers["synced"])), round) {
		got := sample{}
		for _, clients := range crowds {
			s, err := b.measure(ctx, "synced", row, clients)
			if err != nil {
				return fmt.Errorf("%s, %d clients: %w", row, clients, err)
			}
			for key, value := range s {
				got[fmt.Sprint(key, "-", clients)] = value
			}
		}
		b.notes("synced", row, got)
	}
	return nil
}

// inFlight is how many messages wait for an answer where a client does not.
const inFlight = 4096

// unsynced measures publishes that a crash of the machine may take back.
func (b *bench) unsynced(ctx context.Context, round int) error {
	most := crowds[len(crowds)-1]
	clients := map[string]int{"pabal": most, "jetstream": most, "pebble": most, "file": most, "pabal many": inFlight, "jetstream async": asyncClients}
	for _, row := range turned(slices.Sorted(maps.Keys(clients)), round) {
		got, err := b.measure(ctx, "unsynced", row, clients[row])
		if err != nil {
			return fmt.Errorf("%s: %w", row, err)
		}
		b.notes("unsynced", row, got)
	}
	return nil
}

// measure has a store measured, in a process of its own: what others left in
// memory is none of its business.
func (b *bench) measure(ctx context.Context, section, row string, clients int) (got sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "store-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	order, err := json.Marshal(task{section, row, clients, b.Seconds, dir})
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, taskFlag, string(order))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return got, json.Unmarshal(out, &got)
}

// A task is one measurement of one store, done by a process of its own.
type task struct {
	Section, Row string
	Clients      int
	Seconds      float64
	Dir          string
}

// taskFlag is how this program is told to do one, before anything else.
const taskFlag = "-task"

// doTask does the task that the arguments name, if they do.
func doTask(args []string, out io.Writer) (found bool, err error) {
	if len(args) != 2 || args[0] != taskFlag {
		return false, nil
	}
	var t task
	if err := json.Unmarshal([]byte(args[1]), &t); err != nil {
		return true, err
	}
	k := keepers[t.Section][t.Row]
	if k == nil {
		return true, fmt.Errorf("no store %s/%s", t.Section, t.Row)
	}
	got, err := k.measure(&t)
	if err != nil {
		return true, err
	}
	return true, json.NewEncoder(out).Encode(got)
}

// measure lets clients publish to a new store of kind k, each the next message
// after the answer to its last, and checks that all of it is there.
func (k *keeper) measure(t *task) (got sample, err error) {
	s, err := k.open(t.Dir, t.Clients)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	c := &crowd{store: s}
	if err := c.run(t.Clients, t.Seconds); err != nil {
		return nil, err
	}
	kept, err := s.count()
	if err != nil {
		return nil, err
	}
	if answered := int(c.answered.Load()); kept != answered {
		return nil, fmt.Errorf("%d messages were answered, and %d are there", answered, kept)
	}
	got = c.sample()
	if k.async {
		delete(got, "p50")
		delete(got, "p99")
	}
	return got, nil
}

// A crowd is clients of a store.
type crowd struct {
	store    store
	answered atomic.Int64
	stop     atomic.Bool

	mu       sync.Mutex
	from, to time.Time
	took     time.Duration // between the counts at from and to
	within   int64         // that were answered between them
	cpu      time.Duration // that this process took between them
	times    *hdrhistogram.Histogram
	err      error
}

// run lets clients publish: a while before it is measured, and then for so many
// seconds.
func (c *crowd) run(clients int, seconds float64) error {
	length := time.Duration(seconds * float64(time.Second))
	c.from = time.Now().Add(min(time.Second, length))
	c.to = c.from.Add(length)
	c.times = newTimes()
	var working sync.WaitGroup
	for i := range clients {
		working.Go(func() { c.publish(i) })
	}
	time.Sleep(time.Until(c.from))
	before, begun := c.answered.Load(), time.Now()
	user := process.Own()
	time.Sleep(time.Until(c.to))
	c.within, c.took, c.cpu = c.answered.Load()-before, time.Since(begun), process.Own()-user
	c.stop.Store(true)
	working.Wait()
	return c.err
}

func (c *crowd) publish(client int) {
	times := newTimes()
	var err error
	for n := 0; err == nil && !c.stop.Load(); n++ {
		begun := time.Now()
		if err = c.store.publish(client, message(client, n)); err != nil {
			break
		}
		c.answered.Add(1)
		if end := time.Now(); begun.After(c.from) && end.Before(c.to) {
			_ = times.RecordValue(end.Sub(begun).Microseconds()) // one over a minute does not count
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times.Merge(times)
	if c.err == nil {
		c.err = err
	}
}

func (c *crowd) sample() sample {
	return sample{
		"per_s": float64(c.within) / c.took.Seconds(), "cpu_us": c.cpu.Seconds() * 1e6 / float64(max(c.within, 1)),
		"p50": milliseconds(c.times, 50), "p99": milliseconds(c.times, 99),
	}
}

// newTimes returns a histogram of microseconds up to a minute.
func newTimes() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 2) }

func milliseconds(h *hdrhistogram.Histogram, quantile float64) float64 {
	return float64(h.ValueAtQuantile(quantile)) / 1000
}

// message returns a text of [payload] bytes that is like no other.
func message(client, n int) []byte {
	text := append(make([]byte, 0, payload), "client "...)
	text = append(strconv.AppendInt(text, int64(client), 10), ", message "...)
	text = append(strconv.AppendInt(text, int64(n), 10), ": "...)
	from := (client*7919 + n*104729) % (len(letters) - payload)
	return append(text, letters[from:from+payload-len(text)]...)
}

// letters are so many, at random, that a store finds little in them to compress.
var letters = func() []byte {
	random := rand.New(rand.NewPCG(1, 1))
	text := make([]byte, 1<<20)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz     "[random.IntN(31)]
	}
	return text
}()

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
