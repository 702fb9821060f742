package memory

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// names is the channels in byte order, as they were at some time.
type names struct {
	mu      sync.Mutex
	sorted  []pabal.Channel
	changes uint64
}

// Channels returns, in byte order, at most limit names of channels that hold
// entries or are closed, beginning with prefix and after the name after.
// Pabal's own are among them.
func (b *Broker) Channels(ctx context.Context, prefix string, after pabal.Channel, limit int) ([]pabal.Channel, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sorted, err := b.sorted()
	if err != nil {
		return nil, err
	}
	now := clock()
	var found []pabal.Channel
	i, _ := slices.BinarySearch(sorted, max(pabal.Channel(prefix), after))
	for _, ch := range sorted[i:] {
		if len(found) >= limit || !strings.HasPrefix(string(ch), prefix) {
			break
		}
		if ch > after && b.holds(ch, now) {
			found = append(found, ch)
		}
	}
	return found, nil
}

// sorted returns all channels in byte order. They are sorted anew only when
// one has come or gone, and under no lock.
func (b *Broker) sorted() ([]pabal.Channel, error) {
	b.mu.RLock()
	closed, changes := b.closed, b.changes
	b.mu.RUnlock()
	if closed {
		return nil, errClosed
	}
	if sorted := b.names.as(changes); sorted != nil {
		return sorted, nil
	}
	b.mu.RLock()
	changes = b.changes
	sorted := slices.AppendSeq(make([]pabal.Channel, 0, len(b.logs)), maps.Keys(b.logs))
	b.mu.RUnlock()
	slices.Sort(sorted)
	b.names.set(sorted, changes)
	return sorted, nil
}

func (n *names) as(changes uint64) []pabal.Channel {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changes != changes {
		return nil
	}
	return n.sorted
}

func (n *names) set(sorted []pabal.Channel, changes uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changes < changes {
		n.sorted, n.changes = sorted, changes
	}
}

// holds reports whether ch holds a log.
func (b *Broker) holds(ch pabal.Channel, now time.Time) bool {
	l, _, err := b.find(ch)
	if err != nil || l == nil {
		return false
	}
	l.lockCurrent(now)
	defer l.mu.RUnlock()
	return !l.empty() || l.closed
}
