package disk

import (
	"container/list"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
)

// hot is the channels that are in memory: those in use, and those used last.
// Of all others nothing is.
type hot struct {
	mu     sync.Mutex
	logs   map[pabal.Channel]*log
	idle   list.List // of *log that nobody holds, the one used last in front
	closed bool
	held   sync.WaitGroup // by those who hold a log

	bytes atomic.Int64 // of recent entries
	limit int64        // of these
}

// idleLogs is how many channels stay in memory that nobody uses.
const idleLogs = 10_000

// hold returns ch's log, loaded if need be. It stays in memory until it is
// released.
func (b *Broker) hold(ch pabal.Channel) (*log, error) {
	b.hot.mu.Lock()
	if b.hot.closed {
		b.hot.mu.Unlock()
		return nil, errClosed
	}
	return b.holdLocked(ch)
}

// holdLocked is hold while mu is held, which it unlocks.
func (b *Broker) holdLocked(ch pabal.Channel) (*log, error) {
	h := &b.hot
	l := h.logs[ch]
	if l == nil {
		l = &log{channel: ch}
		h.logs[ch] = l
	}
	if l.place != nil {
		h.idle.Remove(l.place)
		l.place = nil
	}
	l.holders++
	h.held.Add(1)
	h.mu.Unlock()
	l.loading.Do(func() {
		l.loaded.late = b.failure() != nil
		l.loaded.err = b.fill(l)
	})
	if err := l.loaded.err; err != nil {
		b.release(l)
		return nil, broken(err, fmt.Sprintf("channel %.80q cannot be read", ch))
	}
	return l, nil
}

// release gives l back.
func (b *Broker) release(l *log) {
	h := &b.hot
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.held.Done()
	if l.holders--; l.holders > 0 {
		return
	}
	l.place = h.idle.PushFront(l)
	if l.loaded.err != nil || l.loaded.late {
		h.evict(l) // who asks next has it loaded again
	}
	if b.failure() != nil {
		return // the rows may say what was not kept
	}
	for h.idle.Len() > idleLogs || h.idle.Len() > 0 && h.bytes.Load() > h.limit {
		h.evict(h.idle.Back().Value.(*log))
	}
}

// evict drops l, which nobody holds. Its mu is locked.
func (h *hot) evict(l *log) {
	h.idle.Remove(l.place)
	delete(h.logs, l.channel)
	h.bytes.Add(-int64(l.shown.recentBytes))
}

// fill loads l.
func (b *Broker) fill(l *log) error {
	l.rules = b.config.Rules(l.channel)
	l.rules.Retention = l.rules.WithDefaults()
	row, err := get(b.db, channelKey(nil, l.channel))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		l.head = b.unknown(l.channel, l.rules.Latest)
	case err != nil:
		return err
	default:
		was := 0
		if l.head, was, err = parseState(row); err != nil {
			return fmt.Errorf("the row of channel %.80q: %w", l.channel, err)
		}
		l.head.revive(was, &b.past)
		if err := b.rekey(l); err != nil {
			return err
		}
	}
	l.shown.state = l.head
	return nil
}

// unknown is the state of ch when nothing is known of it.
func (b *Broker) unknown(ch pabal.Channel, latest bool) state {
	return pristine(b.floor(ch), b.past.now().base, latest)
}

func (b *Broker) floor(ch pabal.Channel) pabal.Offset {
	b.ends.mu.RLock()
	defer b.ends.mu.RUnlock()
	return b.ends.floors[bucketOf(ch)]
}

// rekey sees to a log that is to keep the last of each key and did not, or the
// other way round.
func (b *Broker) rekey(l *log) error {
	s := &l.head
	switch {
	case s.keys.kept == l.rules.Latest:
	case !l.rules.Latest:
		s.low = 0 // of what was kept apart
		s.keys.kept, s.keys.n = false, 0
	default:
		s.keys.kept = true
		s.keys.floor = max(s.keys.floor, s.first.at)
		if !s.keys.keyed {
			return nil // there are no rows yet
		}
		n := 0
		_, to := allOf(lastRow, l.channel)
		from := offsetKey(nil, lastRow, l.channel, s.lowest()+1)
		err := within(b.db, from, to, func(rows *pebble.Iterator) error {
			for ok := rows.First(); ok; ok = rows.Next() {
				if !slices.Contains(s.keys.stale, offsetOf(rows.Key())) {
					n++
				}
			}
			return nil
		})
		s.keys.n = n
		return err
	}
	return nil
}
