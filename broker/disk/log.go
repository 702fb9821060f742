package disk

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
)

// A log is one channel's, while it is in memory. What it will be once all that
// is under way is kept is the writer's alone; what is shown to readers follows
// when it is.
type log struct {
	channel pabal.Channel
	rules   Rules // with defaults

	holders int           // guarded by hot.mu
	place   *list.Element // among those that nobody holds; guarded by hot.mu
	loading sync.Once
	loaded  loaded

	head  state     // the writer's
	ahead []mark    // the writer's: some or all of the entries after head.first, without a hole
	turn  *turn     // the writer's: what the present group does to it
	retry time.Time // the writer's: some rows cannot be read, which it does not try again before

	order      sync.Mutex // held from when a change is shown until all tails were told
	tails      []*tail    // guarded by order
	unfollowed atomic.Int64

	mu    sync.RWMutex
	shown shown // guarded by mu
}

// loaded is how a log was loaded.
type loaded struct {
	err  error // why it was not
	late bool  // the store had failed
}

// shown is what readers see of a log.
type shown struct {
	state
	oldest      mark           // the first entry that is kept, if that is at hand; else empty
	recent      []*pabal.Entry // the last of the log, without a hole; those before len are not written to
	recentBytes int
}

// Of each log so many recent entries stay in memory, at most.
const (
	recentEntries = 256
	recentBytes   = 256 << 10
	overhead      = 192 // by which an entry takes more memory than its size
)

// show shows s and entries, the last of the log, to readers and tails. It says
// to tails if the log changed otherwise.
func (l *log) show(s *state, oldest mark, entries []*pabal.Entry, otherwise bool, budget *hot) {
	l.order.Lock()
	defer l.order.Unlock()
	l.mu.Lock()
	cleared := s.deleted != l.shown.deleted
	l.shown.state, l.shown.oldest = *s, oldest
	l.shown.remember(entries, cleared, budget)
	l.mu.Unlock()
	l.tell(entries, otherwise)
}

// remember adds entries to the recent ones.
func (v *shown) remember(entries []*pabal.Entry, cleared bool, budget *hot) {
	was := v.recentBytes
	if cleared {
		v.recent, v.recentBytes = nil, 0
	}
	for _, e := range entries {
		v.recent = append(v.recent, e)
		v.recentBytes += e.Size() + overhead
	}
	drop := 0
	full := budget.bytes.Load() > budget.limit
	for bytes := v.recentBytes; drop < len(v.recent); drop++ {
		if n := len(v.recent) - drop; n <= recentEntries && bytes <= recentBytes && !full {
			break
		}
		bytes -= v.recent[drop].Size() + overhead
		v.recentBytes = bytes
	}
	if v.recent = v.recent[drop:]; len(v.recent) == 0 {
		v.recent = nil
	}
	budget.bytes.Add(int64(v.recentBytes - was))
}

// A tail is one follower of a channel.
type tail struct {
	ctx context.Context
	fn  func(*pabal.Entry)
}

// Tail calls fn for each entry appended to ch after end, each once and in
// order, and with nil when the log was closed or deleted, until ctx ends. Calls
// do not overlap. fn must neither block nor call the broker about ch. It is
// given entries that the broker keeps: who holds on to what it encodes should
// [pabal.Entry.Copy] them.
//
// A channel that is followed is not forgotten.
func (b *Broker) Tail(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (end pabal.Position, err error) {
	if err := ctx.Err(); err != nil {
		return pabal.Position{}, err
	}
	l, err := b.hold(ch)
	if err != nil {
		return pabal.Position{}, err
	}
	t := &tail{ctx, fn}
	l.order.Lock()
	l.tails = append(l.tails, t)
	l.mu.RLock()
	end = b.position(l.shown.end)
	l.mu.RUnlock()
	l.order.Unlock()
	b.follow(ctx, l, t)
	return end, nil
}

// follow keeps l in memory until ctx ends or the broker is closed.
func (b *Broker) follow(ctx context.Context, l *log, t *tail) {
	var once sync.Once
	leave := func() {
		once.Do(func() {
			l.order.Lock()
			l.tails = slices.DeleteFunc(l.tails, func(other *tail) bool { return other == t })
			l.unfollowed.Store(clock().UnixNano())
			l.order.Unlock()
			b.release(l)
		})
	}
	forget := b.followers.add(leave)
	context.AfterFunc(ctx, func() {
		forget()
		leave()
	})
}

// followed reports whether l has a tail.
func (l *log) followed() bool {
	l.order.Lock()
	defer l.order.Unlock()
	return len(l.tails) > 0
}

// tell gives entries to all tails, and nil if the log changed otherwise. Order
// is held.
func (l *log) tell(entries []*pabal.Entry, otherwise bool) {
	for _, t := range l.tails {
		for _, e := range entries {
			if t.ctx.Err() != nil {
				break
			}
			t.fn(e)
		}
		if otherwise && t.ctx.Err() == nil {
			t.fn(nil)
		}
	}
}

// leavers are what is to be done for all tails when the broker is closed.
type leavers struct {
	mu  sync.Mutex
	all map[*func()]struct{}
	end bool // who comes now leaves at once
}

func (s *leavers) add(leave func()) (forget func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end {
		go leave() // as if ctx had ended
		return func() {}
	}
	if s.all == nil {
		s.all = map[*func()]struct{}{}
	}
	s.all[&leave] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, &leave)
	}
}

func (s *leavers) leave() {
	s.mu.Lock()
	all := s.all
	s.all, s.end = nil, true
	s.mu.Unlock()
	for leave := range all {
		(*leave)()
	}
}
