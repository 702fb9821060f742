package server

import (
	"context"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/brokertest"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/sim"
)

// The channels of a run.
const (
	logA, logB, cas            = "log/a", "log/b", "cas/a"
	small, keyed, young, lossy = "small/a", "keyed/a", "young/a", "lossy/a"
	ends                       = "ends/a"
)

const (
	smallKeeps = 20
	keyedKeeps = 15
	youngKeeps = 25 * time.Second
)

// wholeRetention is what is kept of each.
func wholeRetention(ch pabal.Channel) pabal.Retention {
	r := pabal.Retention{Entries: -1, Bytes: -1}
	switch ch {
	case small:
		r.Entries = smallKeeps
	case keyed:
		r.Entries, r.Latest = keyedKeeps, true
	case young:
		r.Age = youngKeeps
	}
	return r
}

// A store keeps the logs of all nodes. It goes through moods, and loses what
// it is told to in a crash.
type store struct {
	mu     sync.Mutex
	kept   *memory.Broker
	until  map[mood]time.Time
	faults brokertest.Faults // of tails
	sound  bool              // tails never lose anything
	muted  bool
	tails  []*brokertest.FaultyBroker
}

// A mood is how a store fails for a while.
type mood int

const (
	stalled  mood = iota // all calls wait
	refusing             // appends, deletions fail, and are not done
	vague                // they fail, and are done
	blind                // reads fail
)

// newStore returns an empty store, whose epochs follow from a seed.
func newStore(seed uint64) *store {
	epoch := pabal.Epoch(seed<<8 | 1)
	return &store{until: map[mood]time.Time{}, kept: memory.New(memory.Config{
		Retention: wholeRetention,
		Epoch: func() pabal.Epoch {
			epoch++
			return epoch
		},
	})}
}

// feel has s in a mood for d.
func (s *store) feel(m mood, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until[m] = time.Now().Add(d)
	return nil
}

func (s *store) is(m mood) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.until[m])
}

// mute has all tails lose in silence what happens, or no longer.
func (s *store) mute(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted = on
	for _, t := range s.tails {
		t.Mute(on)
	}
}

// node returns the store as a node has it, until the next crash.
func (s *store) node() pabal.Broker {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &moody{store: s, kept: s.kept}
	if s.sound {
		return &soundBroker{m}
	}
	f := brokertest.Faulty(m, s.faults)
	f.Mute(s.muted)
	s.tails = append(s.tails, f)
	return f
}

// crash has s come back from what was kept.
func (s *store) crash(lose func(pabal.Channel) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept, s.tails = s.kept.Reopen(lose), nil
}

// moody is a store in its moods.
type moody struct {
	store *store
	kept  *memory.Broker
}

// A soundBroker's tails lose nothing.
type soundBroker struct{ *moody }

func (soundBroker) Lossless() bool { return true }

// errVague is the error of what was done all the same.
var errVague = &pabal.StorageError{What: "whether this was done is not known; repeat it with the same id"}

// wait waits until the store is not stalled.
func (m *moody) wait(ctx context.Context) error {
	for m.store.is(stalled) {
		timer := time.NewTimer(100 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}

// change does what changes a log.
func (m *moody) change(ctx context.Context, do func() error) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	if m.store.is(refusing) {
		return sim.ErrRefused
	}
	if err := do(); err != nil {
		return err
	}
	if m.store.is(vague) {
		return errVague
	}
	return nil
}

func (m *moody) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (done pabal.Appended, err error) {
	err = m.change(ctx, func() error {
		done, err = m.kept.Append(ctx, ch, p)
		return err
	})
	return done, err
}

func (m *moody) Delete(ctx context.Context, ch pabal.Channel) error {
	return m.change(ctx, func() error { return m.kept.Delete(ctx, ch) })
}

func (m *moody) Read(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
	if err := m.wait(ctx); err != nil {
		return pabal.Page{}, err
	}
	if m.store.is(blind) {
		return pabal.Page{}, sim.ErrRefused
	}
	return m.kept.Read(ctx, ch, q)
}

func (m *moody) Tail(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
	if m.store.is(blind) {
		return pabal.Position{}, sim.ErrRefused
	}
	return m.kept.Tail(ctx, ch, fn)
}

// page returns all that is kept of ch, or the last of each key.
func (s *store) page(ctx context.Context, ch pabal.Channel, latest bool) (pabal.Page, error) {
	s.mu.Lock()
	kept := s.kept
	s.mu.Unlock()
	return kept.Read(ctx, ch, pabal.Query{Latest: latest, MaxEntries: 1 << 20, MaxBytes: 1 << 30})
}

// find returns the cursor of an entry of ch; "" if it is not there.
func (s *store) find(ch, token string) string {
	page, err := s.page(context.Background(), pabal.Channel(ch), false)
	for _, e := range page.Entries {
		if err == nil && entryOf("", e.Data).Token == token {
			return e.Position().String()
		}
	}
	return ""
}
