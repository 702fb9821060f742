package disk

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
)

// A turn is what one group does to one log.
type turn struct {
	log       *log
	entries   []*pabal.Entry
	marks     []mark                  // of entries
	lasts     []last                  // rows of last entries that the group has made
	keys      map[string]pabal.Offset // of these the last of each key
	changed   bool
	otherwise bool // the log changed in another way than by entries

	state  state // how the group found it, and in the end how it leaves it
	oldest mark
	floor  pabal.Offset // to which names that are not known are raised
}

// A last is an entry that is, or was, the last of its key.
type last struct {
	at  pabal.Offset
	key string
}

// turn returns the turn of l in this group. The first time in a group it has
// the rows removed that no reader can need any more.
func (w *writer) turn(l *log) *turn {
	if l.turn == nil {
		l.turn = &turn{log: l, state: l.head}
		w.group.turns = append(w.group.turns, l.turn)
		w.tidy(l, false)
		if l.head.keys.kept && !l.head.keys.keyed {
			w.makeKeyed(l)
		}
	}
	return l.turn
}

// endTurns writes down how the group leaves each log.
func (w *writer) endTurns() {
	for _, t := range w.group.turns {
		l := t.log
		l.turn = nil
		if !t.changed {
			continue
		}
		if l.head.count() > 0 && len(l.ahead) == 0 && t.dropped() && !w.now.Before(l.retry) {
			if err := w.look(l, t); err != nil {
				w.unread(l, err)
			}
		}
		t.state = l.head
		if len(l.ahead) > 0 {
			t.oldest = l.ahead[0]
		}
		if l.strict() {
			w.group.sync = true
		} else {
			w.keepAbove(max(l.head.end, t.floor))
		}
		if l.rules.Sync == SyncInterval {
			select {
			case w.unsynced <- struct{}{}:
			default:
			}
		}
		w.key = channelKey(w.key[:0], l.channel)
		if l.head.stored {
			w.value = l.head.append(w.value[:0], w.record.life)
			w.set(w.key, w.value)
		} else {
			w.delete(w.key)
		}
	}
}

// keepAbove sees to it that a log that is shown before it is synced ends where
// no other will after a crash.
func (w *writer) keepAbove(end pabal.Offset) {
	if w.record.lax && end <= w.record.reserve {
		return
	}
	w.record.lax = true
	w.record.reserve = max(w.record.reserve, end) + reserved
	w.group.sync, w.group.record, w.group.reserve = true, true, true
}

// reserved is by how much more than was given out the store's reserve of
// offsets grows when it must.
const reserved = 1 << 20

// dropped reports whether the turn has dropped entries.
func (t *turn) dropped() bool { return t.log.head.first != t.state.first }

// show shows how the group has left t's log.
func (b *Broker) show(t *turn) {
	if t.floor > 0 {
		b.raise(t.log.channel, t.floor)
	}
	if t.changed {
		t.log.show(&t.state, t.oldest, t.entries, t.otherwise, &b.hot)
	}
}

// aheadMarks is how many entries after the first a log knows without a look
// at the store, at most.
const aheadMarks = 32

// look fills l.ahead: from the store, and from what the group has added. An
// error is that it found none.
func (w *writer) look(l *log, t *turn) error {
	l.ahead = make([]mark, 0, min(aheadMarks, l.head.count()))
	from := offsetKey(nil, entryRow, l.channel, l.head.first.at+1)
	_, to := allOf(entryRow, l.channel)
	err := within(w.db, from, to, func(rows *pebble.Iterator) error {
		bytes := 0
		for ok := rows.First(); ok && len(l.ahead) < aheadMarks && bytes < recentBytes; ok = rows.Next() {
			value, err := rows.ValueAndErr()
			if err != nil {
				return err
			}
			m, _, _, err := parseMark(offsetOf(rows.Key()), value)
			if err != nil {
				return err
			}
			l.ahead = append(l.ahead, m)
			bytes += len(value)
		}
		return nil
	})
	next := l.head.first.n + 1
	if n := len(l.ahead); n > 0 {
		next = l.ahead[n-1].n + 1
	}
	for _, m := range t.marks {
		if m.n == next && len(l.ahead) < aheadMarks {
			l.ahead = append(l.ahead, m)
			next++
		}
	}
	if len(l.ahead) > 0 {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("entries after %d are missing: %w", l.head.first.at, errRow)
	}
	return err
}

// drop drops entries from the front of the log for as long as must has a
// reason to. If it has one for an entry, it has one for all before. Of entries
// that cannot be read it is put off.
func (w *writer) drop(l *log, t *turn, must func(*mark) pabal.Reason) {
	for l.head.count() > 0 {
		if len(l.ahead) == 0 {
			if w.now.Before(l.retry) {
				return
			}
			if err := w.look(l, t); err != nil {
				if !w.overleap(l, t, must) {
					w.unread(l, err)
					return
				}
				continue
			}
			if n := len(l.ahead); n == aheadMarks && must(&l.ahead[n-1]) != "" {
				w.leap(l, must)
				continue
			}
		}
		why := must(&l.ahead[0])
		if why == "" {
			return
		}
		l.head.first, l.head.cut = l.ahead[0].edge, why
		l.ahead = l.ahead[1:]
		t.changed = true
	}
}

// leap drops many entries at once: all of l.ahead, and those after that the
// store has.
func (w *writer) leap(l *log, must func(*mark) pabal.Reason) {
	m := l.ahead[len(l.ahead)-1]
	from := offsetKey(nil, entryRow, l.channel, m.at+1)
	_, to := allOf(entryRow, l.channel)
	err := within(w.db, from, to, func(rows *pebble.Iterator) error {
		s := search{rows: rows, channel: l.channel}
		last, found, err := s.last(m.at, l.head.last.at, func(m *mark) bool { return must(m) != "" })
		if found {
			m = last
		}
		return err
	})
	if err != nil {
		w.unread(l, err)
	}
	l.head.first, l.head.cut = m.edge, must(&m)
	l.ahead = nil
}

// overleap drops entries that cannot be read, up to one that can be and is to
// be dropped too. It reports whether it found one.
func (w *writer) overleap(l *log, t *turn, must func(*mark) pabal.Reason) (found bool) {
	from, to := allOf(entryRow, l.channel)
	_ = within(w.db, from, to, func(rows *pebble.Iterator) error { // that some cannot be read is known
		s := search{rows: rows, channel: l.channel}
		for at, step := l.head.first.at+1, pabal.Offset(1); at <= l.head.last.at; at, step = at+step, 2*step {
			m, there, err := s.at(at)
			if err == nil && (!there || must(&m) == "") {
				break
			}
			if err == nil && m.at > l.head.first.at {
				l.head.first, l.head.cut = m.edge, must(&m)
				t.changed, found = true, true
			}
		}
		return nil
	})
	return found
}

// retryAfter is how long what needs rows that cannot be read is put off.
const retryAfter = 10 * time.Second

// unread notes that rows of l cannot be read. What needs them is put off.
func (w *writer) unread(l *log, err error) {
	l.retry = w.now.Add(retryAfter)
	w.harm(fmt.Sprintf("channel %.80q", l.channel), err)
}

// expired has a reason to drop what is older than the log keeps.
func (l *log) expired(now time.Time) func(*mark) pabal.Reason {
	limit := now.Add(-l.rules.Age).UnixNano()
	return func(m *mark) pabal.Reason {
		if l.rules.Age >= 0 && m.time <= limit {
			return pabal.Expired
		}
		return ""
	}
}

// over has a reason to drop what is over the bounds on entries and bytes, or
// has expired.
func (l *log) over(now time.Time) func(*mark) pabal.Reason {
	expired := l.expired(now)
	return func(m *mark) pabal.Reason {
		if why := expired(m); why != "" {
			return why
		}
		return l.excess(m)
	}
}

func (l *log) excess(m *mark) pabal.Reason {
	n, bytes := l.head.last.n-m.n+1, l.head.last.bytes-m.bytes+m.size
	if n > uint64(l.rules.Entries) || n > 1 && bytes > uint64(l.rules.Bytes) {
		return pabal.Trimmed
	}
	return ""
}

// A search looks for a place among the entries of a channel.
type search struct {
	rows    *pebble.Iterator
	channel pabal.Channel
	key     []byte
}

// at returns the first entry at or after offset.
func (s *search) at(offset pabal.Offset) (m mark, found bool, err error) {
	s.key = offsetKey(s.key[:0], entryRow, s.channel, offset)
	if !s.rows.SeekGE(s.key) {
		return m, false, s.rows.Error()
	}
	value, err := s.rows.ValueAndErr()
	if err != nil {
		return m, false, err
	}
	m, _, _, err = parseMark(offsetOf(s.rows.Key()), value)
	return m, err == nil, err
}

// last returns the last entry after low and up to high for which is holds; it
// must hold for all before.
func (s *search) last(low, high pabal.Offset, is func(*mark) bool) (last mark, found bool, err error) {
	for low < high {
		m, there, err := s.at(low + (high-low+1)/2)
		if err != nil {
			return last, false, err
		}
		if there && m.at <= high && is(&m) {
			last, found, low = m, true, m.at
		} else {
			high = low + (high-low+1)/2 - 1
		}
	}
	return last, found, nil
}
