package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
)

// makeKeyed gives l the rows of a log that is keyed. All its entries have the
// key "".
func (w *writer) makeKeyed(l *log) {
	l.head.keys.keyed = true
	if l.head.count() > 0 {
		w.addKey(l.turn, last{l.head.last.at, ""}, 0)
	}
	l.turn.changed = l.turn.changed || l.head.stored
}

// addKey notes that the entry at row.at is the last of its key. Old is what
// [writer.lastOf] says of it.
func (w *writer) addKey(t *turn, row last, old pabal.Offset) {
	l, s := t.log, &t.log.head
	at, pending := t.keys[row.key]
	if pending {
		old = at
	}
	switch {
	case old == 0 || old <= s.lowest():
		if s.keys.kept {
			s.keys.n++
		}
	case pending:
		w.key = offsetKey(w.key[:0], lastRow, l.channel, old)
		w.delete(w.key) // nobody has seen it
	default:
		s.keys.stale = append(slices.Clip(s.keys.stale), old)
	}
	if t.keys == nil {
		t.keys = map[string]pabal.Offset{}
	}
	t.keys[row.key] = row.at
	t.lasts = append(t.lasts, row)
	w.key = lastKeyKey(w.key[:0], l.channel, row.key)
	w.value = binary.BigEndian.AppendUint64(w.value[:0], uint64(row.at))
	w.set(w.key, w.value)
	w.key = offsetKey(w.key[:0], lastRow, l.channel, row.at)
	w.set(w.key, []byte(row.key))
}

// lastOf returns the offset of the last entry with key that groups before have
// added, 0 if there is none.
func (w *writer) lastOf(l *log, key string) (pabal.Offset, error) {
	w.key = lastKeyKey(w.key[:0], l.channel, key)
	value, closer, err := w.db.Get(w.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, errors.Join(errRow, closer.Close())
	}
	at := offsetOf(value)
	return at, closer.Close()
}

// findOld finds what [writer.lastOf] says of each of messages.
func (w *writer) findOld(t *turn, messages []pabal.Message) error {
	w.old = append(w.old[:0], make([]pabal.Offset, len(messages))...)
	if !t.log.head.keys.keyed {
		return nil
	}
	for i := range messages {
		if _, pending := t.keys[messages[i].Key]; pending {
			continue
		}
		var err error
		if w.old[i], err = w.lastOf(t.log, messages[i].Key); err != nil {
			what := fmt.Sprintf("channel %.80q cannot be written, as the last entries of its keys cannot be read; nothing was published", t.log.channel)
			w.harm(what, err)
			return broken(err, what)
		}
	}
	return nil
}

// lowest is the offset up to which rows of last entries do not count any more.
func (s *state) lowest() pabal.Offset {
	if s.keys.kept {
		return max(s.keys.floor, s.deleted)
	}
	return max(s.first.at, s.deleted)
}

// dropKeys drops the last entries of the keys least recently written, of those
// that are kept for that only, while there are more than the log may have.
func (w *writer) dropKeys(l *log, t *turn) {
	s := &l.head
	for s.keys.kept && s.keys.n > l.rules.Keys && !w.now.Before(l.retry) {
		row, pending, ok := w.oldestApart(l, t)
		if !ok {
			return
		}
		s.keys.n--
		s.keys.floor = row.at
		w.key = lastKeyKey(w.key[:0], l.channel, row.key)
		w.delete(w.key)
		if t.keys == nil {
			t.keys = map[string]pabal.Offset{}
		}
		t.keys[row.key] = 0
		if pending {
			w.key = offsetKey(w.key[:0], lastRow, l.channel, row.at)
			w.delete(w.key)
		} else {
			s.keys.stale = append(slices.Clip(s.keys.stale), row.at)
		}
		t.changed = true
	}
}

// oldestApart returns the first row of an entry that is the last of its key,
// and kept for that only.
func (w *writer) oldestApart(l *log, t *turn) (row last, pending, ok bool) {
	s := &l.head
	from := offsetKey(nil, lastRow, l.channel, s.lowest()+1)
	to := offsetKey(nil, lastRow, l.channel, s.first.at+1)
	err := within(w.db, from, to, func(rows *pebble.Iterator) error {
		for there := rows.First(); there; there = rows.Next() {
			if at := offsetOf(rows.Key()); !slices.Contains(s.keys.stale, at) && !slices.Contains(t.state.keys.stale, at) {
				key, err := rows.ValueAndErr()
				row, ok = last{at, string(key)}, err == nil
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.unread(l, err)
		return row, false, false
	}
	if ok {
		return row, false, true
	}
	for _, row := range t.lasts {
		if row.at <= s.first.at && t.keys[row.key] == row.at {
			return row, true, true
		}
	}
	return last{}, false, false
}

// trimStep is how many entries may be dropped from a log before their rows
// are removed: a quarter of what it keeps, within bounds.
func (l *log) trimStep() uint64 { return uint64(min(max(l.rules.Entries/4, 16), 1024)) }

// tidy removes rows that no reader can need any more, since what they see is
// as of a group before: of entries dropped, once they are enough, or all of
// them; and of what is not the last of its key any more.
func (w *writer) tidy(l *log, all bool) {
	l.mu.RLock()
	seen := l.shown.state
	l.mu.RUnlock()
	s := &l.head
	if seen.deleted != s.deleted {
		return // readers do not know of the deletion yet
	}
	w.tidyStale(l, &seen)
	if s.low < s.deleted {
		w.removeRange(entryRow, l.channel, s.low, s.deleted)
		w.removeRange(lastRow, l.channel, s.low, s.deleted)
		s.low, l.turn.changed = s.deleted, true
	}
	to := seen.first.at
	if to <= s.low || uint64(to-s.low) < l.trimStep() && !all {
		return
	}
	from := s.low
	if s.keys.keyed {
		if w.now.Before(l.retry) {
			return
		}
		var err error
		if from, err = w.tidyLasts(l, &seen, to); err != nil {
			w.unread(l, err)
			return
		}
	}
	w.removeRange(entryRow, l.channel, from, to)
	s.low, l.turn.changed = to, true
}

// tidyStale removes rows that readers know to be stale.
func (w *writer) tidyStale(l *log, seen *state) {
	s := &l.head
	if len(seen.keys.stale) == 0 || len(s.keys.stale) == 0 {
		return
	}
	kept := s.keys.stale[:0:0]
	for _, at := range s.keys.stale {
		if !slices.Contains(seen.keys.stale, at) {
			kept = append(kept, at)
			continue
		}
		w.key = offsetKey(w.key[:0], lastRow, l.channel, at)
		w.delete(w.key)
		if at <= s.low {
			w.key = offsetKey(w.key[:0], entryRow, l.channel, at)
			w.delete(w.key)
		}
	}
	s.keys.stale = kept
	l.turn.changed = true
}

// tidyLasts goes through the last entries of their keys after low and up to
// to. In a log that keeps them, they stay and what is between them goes; else
// their rows go. It returns after which offset entries are left to remove. If
// it fails it has removed only what may go.
func (w *writer) tidyLasts(l *log, seen *state, to pabal.Offset) (pabal.Offset, error) {
	s := &l.head
	from := s.low
	err := within(w.db, offsetKey(nil, lastRow, l.channel, from+1), offsetKey(nil, lastRow, l.channel, to+1), func(rows *pebble.Iterator) error {
		for there := rows.First(); there; there = rows.Next() {
			at := offsetOf(rows.Key())
			if slices.Contains(seen.keys.stale, at) {
				continue // tidyStale has removed it
			}
			if s.keys.kept && at > s.lowest() {
				w.removeRange(entryRow, l.channel, from, at-1)
				from = at
				continue
			}
			key, err := rows.ValueAndErr()
			if err != nil {
				return err
			}
			name := string(key)
			last, err := w.lastOf(l, name)
			if err != nil {
				return err
			}
			if last == at {
				w.key = lastKeyKey(w.key[:0], l.channel, name)
				w.delete(w.key)
			}
			if s.keys.kept { // from before it kept them
				w.key = offsetKey(w.key[:0], lastRow, l.channel, at)
				w.delete(w.key)
			}
		}
		return nil
	})
	if err == nil && !s.keys.kept {
		w.removeRange(lastRow, l.channel, from, to)
	}
	return from, err
}

// removeRange removes the rows of kind after from and up to to.
func (w *writer) removeRange(kind byte, ch pabal.Channel, from, to pabal.Offset) {
	switch {
	case to <= from:
	case to-from <= 32 && from > 0:
		for at := from + 1; at <= to; at++ {
			w.key = offsetKey(w.key[:0], kind, ch, at)
			w.delete(w.key)
		}
	default:
		w.deleteRange(offsetKey(nil, kind, ch, from+1), offsetKey(nil, kind, ch, to+1))
	}
}
