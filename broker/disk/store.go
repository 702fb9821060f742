package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
)

// format is the version of what the rows say. A store of a later one is
// refused.
const format = 1

// A record is what is kept of the store as a whole.
type record struct {
	life     int          // number of the present life, from 0
	channels int          // that have a row
	reserve  pabal.Offset // above all offsets given out where not all is synced at once
	lax      bool         // entries were shown in this life before they were synced
	clean    bool         // the store was closed, and nothing has happened since
}

func (r *record) append(dst []byte) []byte {
	flags := uint64(0)
	if r.lax {
		flags |= 1
	}
	if r.clean {
		flags |= 2
	}
	for _, n := range []uint64{format, uint64(r.life), uint64(r.channels), uint64(r.reserve), flags} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func parseRecord(row []byte) (r record, err error) {
	f := fields{row, nil}
	if v := f.uint(); v > format {
		return r, &laterError{v}
	}
	r.life, r.channels, r.reserve = f.int(), f.int(), f.offset()
	flags := f.uint()
	r.lax, r.clean = flags&1 != 0, flags&2 != 0
	return r, f.err
}

// A life is the time between two crashes that may have lost what was shown.
type life struct {
	epoch  pabal.Epoch
	base   pabal.Offset // no log ends before it: above what was given out in lives before
	floors floors       // when it began: what survived of names that were not known then
}

func newEpoch() pabal.Epoch {
	for {
		if e := rand.Uint64(); e != 0 {
			return pabal.Epoch(e)
		}
	}
}

func (l *life) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.epoch))
	dst = binary.AppendUvarint(dst, uint64(l.base))
	for i, at := range l.floors {
		if at > 0 {
			dst = binary.AppendUvarint(dst, uint64(i))
			dst = binary.AppendUvarint(dst, uint64(at))
		}
	}
	return dst
}

func parseLife(row []byte) (*life, error) {
	if len(row) < 8 {
		return nil, errRow
	}
	l := &life{epoch: pabal.Epoch(binary.BigEndian.Uint64(row))}
	f := fields{row[8:], nil}
	l.base = f.offset()
	for len(f.rest) > 0 {
		i, at := f.int(), f.offset()
		if i >= buckets {
			return nil, errRow
		}
		l.floors[i] = at
	}
	return l, f.err
}

// A history is the lives of the store, as many as are known.
type history struct {
	first int // number of the first
	lives []*life
}

func (h *history) now() *life { return h.lives[len(h.lives)-1] }

// survivor returns the last offset of ch, which is in state s, that survived
// of the life with number i.
func (h *history) survivor(ch pabal.Channel, s *state, i int) pabal.Offset {
	if n := i - s.past.from; n >= 0 && n < len(s.past.at) {
		return s.past.at[n]
	}
	return max(h.lives[i+1-h.first].floors[bucketOf(ch)], h.base(i))
}

// base returns where the life with number i begins, 0 if that is not known any
// more.
func (h *history) base(i int) pabal.Offset {
	if i < h.first {
		return 0
	}
	return h.lives[i-h.first].base
}

// place returns the offset that p stands at in the log of ch, which is in
// state s, or where to go on instead and why.
func (h *history) place(ch pabal.Channel, s *state, p pabal.Position) (pabal.Offset, pabal.Reason) {
	if p.Epoch == h.now().epoch {
		if p.Offset > s.end {
			return s.end, pabal.Ahead
		}
		return p.Offset, ""
	}
	i := slices.IndexFunc(h.lives, func(l *life) bool { return l.epoch == p.Epoch })
	if i < 0 {
		return 0, pabal.Unknown
	}
	if s := h.survivor(ch, s, h.first+i); p.Offset > s {
		return s, pabal.Lost
	}
	return p.Offset, ""
}

// load reads what is kept of the store as a whole, and begins a new life if
// the one before may have lost what it had shown.
func (b *Broker) load() error {
	err := b.loadPast()
	if errors.Is(err, pebble.ErrNotFound) {
		return b.begin()
	}
	if err != nil {
		return err
	}
	if err := b.loadIDs(); err != nil {
		return fmt.Errorf("the known IDs: %w", err)
	}
	if b.record.clean || !b.record.lax {
		return b.open(nil)
	}
	b.config.Log.Warn("the store was not closed, and not all was synced: a new epoch begins",
		"after", fmt.Sprintf("%v", b.past.now().epoch))
	b.record.life++
	return b.open(&life{epoch: newEpoch(), base: b.record.reserve, floors: b.ends.floors})
}

// loadPast reads what is kept of the store as a whole, and writes nothing.
func (b *Broker) loadPast() error {
	row, err := get(b.db, []byte{storeRow})
	if err == nil {
		b.record, err = parseRecord(row)
	}
	if err != nil {
		return fmt.Errorf("the store's own row: %w", err)
	}
	err = b.each(floorRow, func(key, value []byte) error {
		f := fields{value, nil}
		if len(key) != 3 || binary.BigEndian.Uint16(key[1:]) >= buckets {
			return errRow
		}
		b.ends.floors[binary.BigEndian.Uint16(key[1:])] = f.offset()
		return f.err
	})
	if err != nil {
		return fmt.Errorf("the floors: %w", err)
	}
	err = b.each(lifeRow, func(key, value []byte) error {
		l, err := parseLife(value)
		if len(key) != 5 || err != nil {
			return errRow
		}
		if n := int(binary.BigEndian.Uint32(key[1:])); len(b.past.lives) == 0 {
			b.past.first = n
		} else if n != b.past.first+len(b.past.lives) {
			return errRow
		}
		b.past.lives = append(b.past.lives, l)
		return nil
	})
	if err == nil && (len(b.past.lives) == 0 || b.past.first+len(b.past.lives) != b.record.life+1) {
		err = errRow
	}
	if err != nil {
		return fmt.Errorf("the lives: %w", err)
	}
	return nil
}

// begin makes the first life of a new store.
func (b *Broker) begin() error { return b.open(&life{epoch: newEpoch()}) }

// open notes that the store is in use, and the new life if there is one.
func (b *Broker) open(next *life) error {
	batch := b.db.NewBatch()
	defer func() { _ = batch.Close() }()
	b.record.clean, b.record.lax = false, false
	if next != nil {
		b.past.lives = append(b.past.lives, next)
		if err := batch.Set(lifeKey(b.record.life), next.append(nil), nil); err != nil {
			return err
		}
		if over := len(b.past.lives) - lifetimes; over > 0 {
			if err := batch.Delete(lifeKey(b.past.first), nil); err != nil {
				return err
			}
			b.past.first, b.past.lives = b.past.first+over, b.past.lives[over:]
		}
	}
	if err := batch.Set([]byte{storeRow}, b.record.append(nil), nil); err != nil {
		return err
	}
	return batch.Commit(pebble.Sync)
}

// each says to fn all rows of kind.
func (b *Broker) each(kind byte, fn func(key, value []byte) error) error {
	from, to := bounds(kind)
	return within(b.db, from, to, func(rows *pebble.Iterator) error {
		for ok := rows.First(); ok; ok = rows.Next() {
			value, err := rows.ValueAndErr()
			if err == nil {
				err = fn(rows.Key(), value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// within lends an iterator over the rows between two keys.
func within(r pebble.Reader, from, to []byte, use func(*pebble.Iterator) error) (err error) {
	rows, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	err = use(rows)
	return errors.Join(err, rows.Error(), rows.Close())
}

// get returns a copy of the row at key.
func get(r pebble.Reader, key []byte) ([]byte, error) {
	value, closer, err := r.Get(key)
	if err != nil {
		return nil, err
	}
	value = slices.Clone(value)
	return value, closer.Close()
}
