package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// Checked is what [Check] has read, and what it found.
type Checked struct {
	Channels, Entries, IDs int64
	Problems
}

// Check reads all of the store in c.Dir, which no server may have open, and
// holds it against what this package relies on. It changes nothing. What is
// wrong in the data is in Problems and does not end it; an error is about the
// directory as a whole, or ctx.
func Check(ctx context.Context, c Config, tell func(Progress)) (Checked, error) {
	return check(ctx, c, vfs.Default, tell)
}

func check(ctx context.Context, c Config, fs vfs.FS, tell func(Progress)) (done Checked, err error) {
	t, err := openTool(ctx, c, fs, true, tell)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	defer func() { done.Problems = t.found }()
	if done, err = t.check(); err != nil {
		return done, err
	}
	if err := t.db.CheckLevels(nil); err != nil {
		t.found.add("a file of the store is damaged: %v", err)
	}
	return done, ctx.Err()
}

// check checks all rows.
func (t *tool) check() (done Checked, err error) {
	if err := t.loadPast(); err != nil {
		t.found.add("%v: the server does not start with it", err)
	}
	t.done = Progress{Total: int64(t.record.channels), Unit: "channels"}
	damaged := false
	err = t.channels(func(ch pabal.Channel, row []byte, err error) error {
		done.Channels++
		s, life, bad := t.parse(ch, row, err)
		damaged = damaged || err != nil
		if bad {
			return t.step(1)
		}
		w := t.walk(ch, &s, life)
		done.Entries += w.entries
		t.found.join(&w.found)
		if s.due != 0 {
			if _, err := get(t.db, dueKey(nil, s.due, ch)); err != nil {
				t.found.add("channel %.80q: it is not in the order of sweeps, where it should be: %v", ch, err)
			}
		}
		return errors.Join(w.err, t.step(1))
	})
	if err != nil {
		return done, err
	}
	if n := t.record.channels; int64(n) != done.Channels && !damaged {
		t.found.add("there are %d channels, and the store's own row says %d", done.Channels, n)
	}
	for _, kind := range []byte{entryRow, lastRow, keyRow} {
		if err := t.strays(kind); err != nil {
			return done, err
		}
	}
	t.checkDue()
	done.IDs = t.checkIDs()
	t.checkKinds()
	return done, t.ctx.Err()
}

func (p *Problems) join(other *Problems) {
	n := p.N + other.N
	for _, text := range other.First {
		p.add("%s", text)
	}
	p.N = n
}

// parse parses a channel's row, and reports what is wrong with it.
func (t *tool) parse(ch pabal.Channel, row []byte, failed error) (s state, life int, bad bool) {
	if _, err := pabal.ParseChannel(string(ch)); err != nil {
		t.found.add("a row of a channel: %v", err)
	}
	if failed == nil {
		s, life, failed = parseState(row)
	}
	if failed != nil {
		t.found.add("channel %.80q: its row cannot be read: %v", ch, failed)
	}
	return s, life, failed != nil
}

// A walk goes through all that one channel has.
type walk struct {
	*tool
	channel pabal.Channel
	state   *state
	found   Problems
	entries int64
	live    int   // keys of which the last entry is there
	err     error // why it did not come to an end

	before mark // the entry before
	any    bool
	torn   bool // what lies between it and the next could not be read
	holes  bool // there is such a place
}

func (w *walk) wrong(format string, args ...any) {
	w.found.add("channel %.80q: %s", w.channel, fmt.Sprintf(format, args...))
}

// walk holds the rows of ch, in state s of a life, against each other.
func (t *tool) walk(ch pabal.Channel, s *state, life int) *walk {
	w := &walk{tool: t, channel: ch, state: s, before: mark{edge: s.first}}
	if s.first.at > s.last.at || s.first.n > s.last.n || s.last.at > s.end || s.fresh > s.end || s.deleted > s.first.at || life > t.record.life {
		w.wrong("its row does not hold together")
	}
	w.err = t.entries(ch, ^pabal.Offset(0), w.entry, func(after, before pabal.Offset, err error) {
		w.holes, w.torn = true, true
		w.wrong("entries from offset %d to before %d cannot be read: %v", after, before, err)
	})
	if w.err != nil {
		return w
	}
	if !w.torn && w.before.edge != s.last {
		w.wrong("its last entry is %d, of %d ever, and its row says %d, of %d", w.before.at, w.before.n, s.last.at, s.last.n)
	}
	if s.keys.keyed {
		w.lasts()
	}
	return w
}

// entry holds an entry against the one before it. Those up to the first may be
// there as the last of their key, or wait to be removed.
func (w *walk) entry(e *pabal.Entry, m mark) error {
	s := w.state
	if m.at <= s.first.at {
		return nil
	}
	w.entries++
	was := &w.before
	switch {
	case m.at > s.last.at:
		w.wrong("there is an entry at offset %d, after the last", m.at)
	case w.torn:
	case m.n != was.n+1 || m.bytes != was.bytes+m.size:
		w.wrong("between offsets %d and %d entries are missing, or their count is wrong: %d of %d bytes, then %d of %d", was.at, m.at, was.n, was.bytes, m.n, m.bytes)
	case m.prev < was.at || m.prev >= m.at || m.prev != was.at && w.any && !w.begins(m.prev):
		w.wrong("the entry at offset %d follows %d, and says %d", m.at, was.at, m.prev)
	case m.time < was.time:
		w.wrong("the entry at offset %d is older than the one before it", m.at)
	case w.past.first == 0 && !slices.ContainsFunc(w.past.lives, func(l *life) bool { return l.epoch == m.epoch }):
		w.wrong("the entry at offset %d is of no epoch of this store", m.at)
	}
	*was, w.any, w.torn = m, true, false
	if s.keys.keyed {
		if at, err := w.lastAt(e.Key); err != nil || at < m.at {
			w.wrong("the entry at offset %d is not known to its key %.80q: %v", m.at, e.Key, cause(err))
		}
	}
	return nil
}

func cause(err error) error {
	if err == nil {
		return errRow
	}
	return err
}

// begins reports whether a life may have begun at offset.
func (w *walk) begins(at pabal.Offset) bool {
	return w.past.first > 0 || slices.ContainsFunc(w.past.lives, func(l *life) bool { return l.base == at })
}

func (w *walk) lastAt(key string) (pabal.Offset, error) {
	value, err := get(w.db, lastKeyKey(nil, w.channel, key))
	if err != nil || len(value) != 8 {
		return 0, cause(err)
	}
	return offsetOf(value), nil
}

// live reports whether a row of a last entry at at means anything.
func (s *state) live(at pabal.Offset) bool {
	low := s.first.at
	if s.keys.kept {
		low = max(s.keys.floor, s.deleted)
	}
	return at > low && at <= s.last.at && !slices.Contains(s.keys.stale, at)
}

// lasts holds the rows of last entries, of keys, and the entries themselves
// against each other.
func (w *walk) lasts() {
	s := w.state
	all := 0
	w.rows(lastRow, func(key, value []byte) {
		at := offsetOf(key)
		all++
		if !s.live(at) {
			return
		}
		w.live++
		if known, err := w.lastAt(string(value)); err != nil || known != at {
			w.wrong("the entry at offset %d is the last of key %.80q, which has %d: %v", at, value, known, cause(err))
		}
		row, err := get(w.db, offsetKey(nil, entryRow, w.channel, at))
		if err == nil {
			var e *pabal.Entry
			if e, _, err = parseEntry(w.channel, at, row); err == nil && e.Key != string(value) {
				err = errRow
			}
		}
		if err != nil {
			w.wrong("the entry at offset %d, the last of key %.80q: %v", at, value, err)
		}
		if at <= s.first.at {
			w.entries++
		}
	})
	w.rows(keyRow, func(key, value []byte) {
		if len(value) != 8 {
			w.wrong("the row of key %.80q: %v", key[len(w.channel)+2:], errRow)
			return
		}
		if at := offsetOf(value); s.live(at) {
			name, err := get(w.db, offsetKey(nil, lastRow, w.channel, at))
			if err != nil || !bytes.Equal(name, key[len(w.channel)+2:]) {
				w.wrong("key %.80q has its last entry at offset %d, which does not know it: %v", key[len(w.channel)+2:], at, cause(err))
			}
		}
	})
	if n := w.live; s.keys.kept && (s.keys.n < n || s.keys.n > all-len(s.keys.stale)) {
		w.wrong("the last entries of %d keys are there, and its row says %d", n, s.keys.n)
	}
}

// rows says to fn all rows of kind that the channel has.
func (w *walk) rows(kind byte, fn func(key, value []byte)) {
	from, to := allOf(kind, w.channel)
	err := within(w.db, from, to, func(rows *pebble.Iterator) error {
		for ok := rows.First(); ok; ok = rows.Next() {
			value, err := rows.ValueAndErr()
			if err != nil {
				return err
			}
			if kind == lastRow && len(rows.Key()) != len(from)+8 {
				return errRow
			}
			fn(rows.Key(), value)
		}
		return w.ctx.Err()
	})
	if err != nil {
		w.wrong("its rows of keys (%c) cannot all be read: %v", kind, err)
	}
}

// strays reports channels that have rows of kind, and none of their own.
func (t *tool) strays(kind byte) error {
	for ch := pabal.Channel(""); ; {
		next, ok, err := t.nameAfter(kind, ch)
		if err != nil {
			t.found.add("rows (%c) after those of channel %.80q cannot be read: %v", kind, ch, err)
			return nil
		}
		if !ok {
			return nil
		}
		if _, err := get(t.db, channelKey(nil, next)); errors.Is(err, pebble.ErrNotFound) {
			t.found.add("channel %.80q: it has rows (%c), and none of its own", next, kind)
		}
		ch = next
		if err := t.step(0); err != nil {
			return err
		}
	}
}

func (t *tool) checkDue() {
	err := t.each(dueRow, func(key, _ []byte) error {
		if len(key) < 9 {
			t.found.add("the order of sweeps: %v", errRow)
			return nil
		}
		ch := pabal.Channel(key[9:])
		row, err := get(t.db, channelKey(nil, ch))
		if errors.Is(err, pebble.ErrNotFound) {
			t.found.add("channel %.80q: it is in the order of sweeps, and has no row", ch)
		} else if s, _, err := parseState(row); err == nil && s.due != int64(binary.BigEndian.Uint64(key[1:])) {
			t.found.add("channel %.80q: it is in the order of sweeps at %d, and its row says %d", ch, binary.BigEndian.Uint64(key[1:]), s.due)
		}
		return t.step(0)
	})
	if err != nil && t.ctx.Err() == nil {
		t.found.add("the order of sweeps cannot be read: %v", err)
	}
}

func (t *tool) checkIDs() (n int64) {
	err := t.each(idRow, func(key, value []byte) error {
		n++
		if _, _, err := parseKnown(key, value); err != nil {
			t.found.add("the row of a known ID: %v: the server does not start with it", err)
		}
		return t.step(0)
	})
	if err != nil && t.ctx.Err() == nil {
		t.found.add("known IDs cannot be read: %v: the server does not start with this", err)
	}
	return n
}

// checkKinds reports rows that this version does not know.
func (t *tool) checkKinds() {
	known := []byte{storeRow, lifeRow, floorRow, channelRow, entryRow, lastRow, keyRow, idRow, dueRow}
	slices.Sort(known)
	from := []byte{0}
	for i := range len(known) + 1 {
		to := []byte{255, 255}
		if i < len(known) {
			to = known[i : i+1]
		}
		err := within(t.db, from, to, func(rows *pebble.Iterator) error {
			if rows.First() {
				t.found.add("there are rows that this version does not know, as %.80q", rows.Key())
			}
			return nil
		})
		if err != nil {
			t.found.add("the store cannot be searched for rows that do not belong: %v", err)
		}
		if i < len(known) {
			from = []byte{known[i] + 1}
		}
	}
}
