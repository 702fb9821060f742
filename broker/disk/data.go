package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// A Progress says how far a tool of the data directory is: how much of Unit is
// done, of how much; a Total of 0 is not known.
type Progress struct {
	Done, Total int64
	Unit        string
}

// Problems are what a tool found wrong in a data directory: how many, and the
// first of them in words.
type Problems struct {
	N     int
	First []string // 100 at most
}

func (p *Problems) add(format string, args ...any) {
	if p.N++; len(p.First) < 100 {
		for i, arg := range args {
			if err, ok := arg.(error); ok { // the store says the same several times, each on a line
				args[i], _, _ = strings.Cut(err.Error(), "\n")
			}
		}
		p.First = append(p.First, fmt.Sprintf(format, args...))
	}
}

// A tool has a data directory open that no server has.
type tool struct {
	*Broker
	ctx   context.Context
	found Problems
	done  Progress
	tell  func(Progress)
	told  time.Time
}

// openTool opens the store in c.Dir, which must be there. With readOnly
// nothing in it changes, but for the file LOCK.
func openTool(ctx context.Context, c Config, fs vfs.FS, readOnly bool, tell func(Progress)) (*tool, error) {
	t := newTool(ctx, c, fs, tell)
	if _, err := fs.Stat(c.Dir); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("data directory %s: it is not there; give the one that pabal serve uses, with --data", c.Dir)
	}
	if text, err := readMarker(fs, c.Dir); err == nil && text == importing {
		return nil, errCut(c.Dir)
	}
	if err := prepare(fs, c.Dir); err != nil {
		return nil, err
	}
	if desc, err := pebble.Peek(c.Dir, fs); err == nil && !desc.Exists {
		return nil, fmt.Errorf("data directory %s: there is no data in it; give the one that pabal serve uses, with --data", c.Dir)
	}
	if err := t.open(func(o *pebble.Options) { o.ReadOnly = readOnly }); err != nil {
		return nil, err
	}
	return t, nil
}

func newTool(ctx context.Context, c Config, fs vfs.FS, tell func(Progress)) *tool {
	if tell == nil {
		tell = func(Progress) {}
	}
	return &tool{Broker: newBroker(c, fs), ctx: ctx, tell: tell, told: time.Now()}
}

// open opens the directory, which is there.
func (t *tool) open(set func(*pebble.Options)) error {
	if err := t.hold(); err != nil {
		return err
	}
	o := t.options(t.lock)
	o.EventListener.DataCorruption = func(pebble.DataCorruptionInfo) {} // who met it reports it
	set(o)
	err := t.orHalted(func() (err error) {
		t.db, err = pebble.Open(t.config.Dir, o)
		return err
	})
	if err != nil {
		return errors.Join(openError(t.config.Dir, err), t.lock.Close())
	}
	return nil
}

// hold locks the directory.
func (t *tool) hold() (err error) {
	if t.lock == nil {
		t.lock, err = pebble.LockDirectory(t.config.Dir, t.fs)
	}
	if err != nil {
		return lockError(t.config.Dir, err)
	}
	return nil
}

func (t *tool) close() error { return errors.Join(t.db.Close(), t.lock.Close()) }

// step counts n as done, and now and then says how far it is. It returns why
// not to go on.
func (t *tool) step(n int64) error {
	t.done.Done += n
	if now := time.Now(); now.Sub(t.told) >= 500*time.Millisecond {
		t.told = now
		t.tell(t.done)
	}
	return t.ctx.Err()
}

// channels says to fn the name of each channel that has a row, in order, and
// its row; the row is nil, and err says why, where it cannot be read. Names
// that only other rows know are among these.
func (t *tool) channels(fn func(ch pabal.Channel, row []byte, err error) error) error {
	_, to := bounds(channelRow)
	for from := []byte{channelRow}; from != nil; {
		var failed error // of the store, not of fn
		var stop error
		_ = within(t.db, from, to, func(rows *pebble.Iterator) error {
			for ok := rows.First(); ok; ok = rows.Next() {
				value, err := rows.ValueAndErr()
				if failed = err; err != nil {
					return nil
				}
				from = append(append(from[:0:0], rows.Key()...), 0)
				if stop = fn(pabal.Channel(rows.Key()[1:]), value, nil); stop != nil {
					return nil
				}
			}
			failed = rows.Error()
			return nil
		})
		if stop != nil {
			return stop
		}
		if failed == nil {
			return t.ctx.Err()
		}
		var err error
		if from, err = t.pass(from, failed, fn); err != nil {
			return err
		}
	}
	return nil
}

// pass goes on behind rows of channels that cannot be read, from from: by the
// names that entries have. It returns nil if there are no more.
func (t *tool) pass(from []byte, failed error, fn func(pabal.Channel, []byte, error) error) ([]byte, error) {
	t.found.add("rows of channels after %.80q cannot be read, so channels without entries may be missing here: %v", from[1:], failed)
	name := pabal.Channel(from[1:])
	if n := len(name); n > 0 && name[n-1] == 0 {
		name = name[:n-1] // it has been
	}
	for {
		next, ok, err := t.nameAfter(entryRow, name)
		if err != nil {
			t.found.add("entries of channels after %.80q cannot be read: %v", name, err)
		}
		if !ok {
			return nil, t.ctx.Err()
		}
		_, err = get(t.db, channelKey(nil, next))
		if err == nil {
			return channelKey(nil, next), nil
		}
		if !errors.Is(err, pebble.ErrNotFound) {
			if err := fn(next, nil, err); err != nil {
				return nil, err
			}
		}
		name = next
	}
}

// nameAfter returns the first channel after ch that has rows of kind.
func (t *tool) nameAfter(kind byte, ch pabal.Channel) (next pabal.Channel, ok bool, err error) {
	from, to := bounds(kind)
	if ch != "" {
		_, from = allOf(kind, ch)
	}
	err = within(t.db, from, to, func(rows *pebble.Iterator) error {
		if !rows.First() {
			return nil
		}
		key := rows.Key()[1:]
		for i, c := range key {
			if c == 0 {
				next, ok = pabal.Channel(key[:i]), true
				return nil
			}
		}
		return errRow
	})
	return next, ok, err
}

// entries says to fn the rows of ch's entries up to to that can be read, in
// order. To lost it says between which offsets some cannot be.
func (t *tool) entries(ch pabal.Channel, to pabal.Offset, fn func(*pabal.Entry, mark) error, lost func(after, before pabal.Offset, err error)) error {
	end := offsetKey(nil, entryRow, ch, to)
	if to < ^pabal.Offset(0) {
		end = offsetKey(nil, entryRow, ch, to+1)
	}
	from := pabal.Offset(0)
	for {
		var failed, stop error
		at := from
		_ = within(t.db, offsetKey(nil, entryRow, ch, from), end, func(rows *pebble.Iterator) error {
			for ok := rows.First(); ok; ok = rows.Next() {
				value, err := rows.ValueAndErr()
				if err != nil {
					break
				}
				at = offsetOf(rows.Key()) + 1
				e, m, err := parseEntry(ch, at-1, value)
				if err != nil {
					lost(at-1, at, err)
					continue
				}
				if stop = fn(e, m); stop == nil {
					stop = t.step(0)
				}
				if stop != nil {
					return nil
				}
			}
			failed = rows.Error()
			return nil
		})
		if stop != nil || failed == nil {
			return stop
		}
		next, ok := t.readable(ch, at, end)
		if !ok {
			next = to
		}
		lost(at, next, failed)
		if !ok || next <= at {
			return nil
		}
		from = next
	}
}

// readable returns where, after at, rows of ch's entries can be read again. It
// looks further and further away, and then goes back.
func (t *tool) readable(ch pabal.Channel, at pabal.Offset, end []byte) (found pabal.Offset, ok bool) {
	try := func(from pabal.Offset) (good bool) {
		_ = within(t.db, offsetKey(nil, entryRow, ch, from), end, func(rows *pebble.Iterator) error {
			if good = rows.First(); good {
				ok, found = true, offsetOf(rows.Key())
			}
			return nil
		})
		return good
	}
	low, high := at, at+1
	for step := pabal.Offset(1); !try(high); step *= 2 {
		if high+step < high || string(offsetKey(nil, entryRow, ch, high)) >= string(end) {
			return 0, false
		}
		low, high = high, high+step
	}
	for low+1 < high {
		if middle := low + (high-low)/2; try(middle) {
			high = min(middle, found)
		} else {
			low = middle
		}
	}
	return found, ok && try(high)
}
