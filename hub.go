package pabal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal/internal/flight"
)

// A Hub is the live side of one node: it follows the channels that are read
// and opens sessions on them.
type Hub struct {
	broker   Broker
	limits   Limits
	lossless bool

	ctx   context.Context // ends with the hub
	close context.CancelFunc
	work  sync.WaitGroup
	slots chan struct{} // one for each Broker.Read under way

	spawning sync.Mutex // taken last: keeps work from growing once Close waits for it

	mu       sync.Mutex // taken before any Tail.mu
	tails    map[Channel]*Tail
	perHost  map[string]int // sessions by Grant.Address
	sessions int

	reads flight.Group[reading, Page]
	counters
}

type counters struct{ published, delivered atomic.Uint64 }

// Stats is what a hub has done and holds.
type Stats struct {
	Sessions  int    // open now
	Channels  int    // followed now
	Published uint64 // messages, since the hub was made
	Delivered uint64 // entries given to sessions, since the hub was made
}

// ErrHubClosed is returned by a hub that was closed.
var ErrHubClosed = errors.New("the server is stopping; connect again")

// NewHub returns a hub over broker. It runs until [Hub.Close].
func NewHub(broker Broker, limits Limits) *Hub {
	h := &Hub{broker: broker, limits: limits.WithDefaults(), tails: map[Channel]*Tail{}, perHost: map[string]int{}}
	h.slots = make(chan struct{}, h.limits.Reads)
	h.ctx, h.close = context.WithCancel(context.Background())
	if l, ok := broker.(Lossless); ok {
		h.lossless = l.Lossless()
	}
	h.work.Go(h.keep)
	return h
}

// Close stops following and waits for what the hub has begun. It does not
// close the broker.
func (h *Hub) Close() {
	h.spawning.Lock()
	h.close()
	h.spawning.Unlock()
	h.work.Wait()
}

// spawn runs f in a goroutine that Close waits for, unless h is closed.
func (h *Hub) spawn(f func()) bool {
	h.spawning.Lock()
	defer h.spawning.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.work.Go(f)
	return true
}

// Limits returns the hub's limits, none of them zero.
func (h *Hub) Limits() Limits { return h.limits }

// Stats returns what h has done and holds.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Stats{Sessions: h.sessions, Channels: len(h.tails), Published: h.published.Load(), Delivered: h.delivered.Load()}
}

// Publish appends p to ch for the holder of g. When it returns without an
// error, any session on any node that reads from before p reads each of its
// messages, once.
func (h *Hub) Publish(ctx context.Context, g Grant, ch Channel, p Publish) (Appended, error) {
	if err := g.Check(ToPublish, ch); err != nil {
		return Appended{}, err
	}
	if err := h.limits.check(&p); err != nil {
		return Appended{}, err
	}
	done, err := h.broker.Append(ctx, ch, p)
	if err == nil && !done.Duplicate && !g.Own {
		h.published.Add(uint64(len(p.Messages)))
	}
	return done, err
}

// Delete forgets ch's log for the holder of g. Readers are told.
func (h *Hub) Delete(ctx context.Context, g Grant, ch Channel) error {
	if err := g.Check(ToPublish, ch); err != nil {
		return err
	}
	return h.broker.Delete(ctx, ch)
}

// End returns the end of ch's log, and whether it is closed. No grant is asked.
func (h *Hub) End(ctx context.Context, ch Channel) (end Position, closed bool, err error) {
	page, err := h.readNow(ctx, ch, h.query(FromNow()))
	return page.End, page.Closed, err
}

// Readers returns how many sessions of this node read ch now.
func (h *Hub) Readers(ch Channel) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.tails[ch]; t != nil {
		return t.followers
	}
	return 0
}

// Channels returns at most limit names of channels that hold a log, beginning
// with prefix and after the name after, in byte order. [errors.ErrUnsupported]
// means that the broker cannot list.
func (h *Hub) Channels(ctx context.Context, prefix string, after Channel, limit int) ([]Channel, error) {
	l, ok := h.broker.(Lister)
	if !ok {
		return nil, fmt.Errorf("this broker does not list channels: %w", errors.ErrUnsupported)
	}
	return l.Channels(ctx, prefix, after, limit)
}

// follow returns the tail of ch, for one more session.
func (h *Hub) follow(ch Channel) (*Tail, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tails[ch]
	if t == nil {
		if len(h.tails) >= h.limits.Channels && !h.dropIdle() {
			return nil, &LimitError{Limit: "channels", Max: h.limits.Channels, What: "one more channel to follow", Retry: h.limits.TailLinger}
		}
		t = &Tail{channel: ch, hub: h}
		h.tails[ch] = t
	}
	t.followers++
	return t, nil
}

// dropIdle lets go of a tail that nobody follows any more, if it finds one soon.
func (h *Hub) dropIdle() bool {
	looked := 0
	for ch, t := range h.tails { // in no order
		if t.followers == 0 {
			t.stop()
			delete(h.tails, ch)
			return true
		}
		if looked++; looked == 100 {
			break
		}
	}
	return false
}

func (h *Hub) unfollow(t *Tail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.followers--; t.followers == 0 {
		t.idleSince = time.Now()
	}
}

// enter counts one more session, but for Pabal's own.
func (h *Hub) enter(address string, own bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ctx.Err() != nil:
		return ErrHubClosed
	case own:
		return nil
	case h.sessions >= h.limits.Sessions:
		return &LimitError{Limit: "sessions", Max: h.limits.Sessions, What: "one more reader", Retry: 5 * time.Second}
	case address != "" && h.perHost[address] >= h.limits.SessionsPerAddress:
		return &LimitError{Limit: "sessions-per-address", Max: h.limits.SessionsPerAddress, What: "one more reader from " + address, Retry: 5 * time.Second}
	}
	h.sessions++
	h.perHost[address]++
	return nil
}

func (h *Hub) leave(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions--
	if h.perHost[address]--; h.perHost[address] == 0 {
		delete(h.perHost, address)
	}
}

// keep looks after the tails until the hub is closed.
func (h *Hub) keep() {
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-time.After(jitter(h.limits.TailCheck)):
		}
		h.mu.Lock()
		now := time.Now()
		maps.DeleteFunc(h.tails, func(_ Channel, t *Tail) bool {
			idle := t.followers == 0 && now.Sub(t.idleSince) >= h.limits.TailLinger
			if idle {
				t.stop()
			}
			return idle
		})
		var check []*Tail
		if !h.lossless {
			check = slices.Collect(maps.Values(h.tails))
		}
		h.mu.Unlock()
		for _, t := range check {
			t.check()
		}
	}
}

// jitter returns d, give or take a tenth: by the clock, so that a simulation can be repeated.
func jitter(d time.Duration) time.Duration {
	return d*9/10 + time.Duration(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(d)).Uint64()%uint64(d/5+1))
}

// pause waits before another attempt. It reports false once the hub is closed.
func (h *Hub) pause(failures int) bool {
	select {
	case <-h.ctx.Done():
		return false
	case <-time.After(jitter(min(50*time.Millisecond<<min(failures, 10), h.limits.TailCheck))):
		return true
	}
}

// pageBytes bounds what a session holds beside the tail, but for one entry.
const pageBytes = 128 << 10

func (h *Hub) query(from From) Query {
	return Query{From: from, MaxEntries: h.limits.WindowEntries, MaxBytes: min(h.limits.BatchBytes, pageBytes)}
}

// readNow reads from the broker when there is a slot for it.
func (h *Hub) readNow(ctx context.Context, ch Channel, q Query) (Page, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return Page{}, ctx.Err()
	case <-h.ctx.Done():
		return Page{}, ErrHubClosed
	}
	defer func() { <-h.slots }()
	return h.broker.Read(ctx, ch, q)
}

// A reading is what a shared read of the broker is for.
type reading struct {
	channel Channel
	query   Query
}

// read is readNow, shared among all that ask for the same part of the same log
// before it has begun. It begins after the call did, so it sees whatever was
// acknowledged before.
func (h *Hub) read(ctx context.Context, ch Channel, q Query) (Page, error) {
	return h.reads.Do(ctx, reading{ch, q}, h.spawn, ErrHubClosed, func(begin func()) (Page, error) {
		select {
		case h.slots <- struct{}{}:
		case <-h.ctx.Done():
			return Page{}, ErrHubClosed
		}
		defer func() { <-h.slots }()
		begin()
		return h.broker.Read(h.ctx, ch, q)
	})
}
