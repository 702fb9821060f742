package disk

import (
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/brokertest"
)

// reopenLosing crashes b so that the last entries of each channel are lost, as
// if what wrote them had never been synced, and opens it anew.
func reopenLosing(t brokertest.TB, b pabal.Broker, lose func(pabal.Channel) int) pabal.Broker {
	t.Helper()
	old := b.(*Broker)
	old.running.crash = true
	if err := old.Close(); err != nil {
		t.Fatalf("crash: %v", err)
	}
	db, err := pebble.Open(old.config.Dir, &pebble.Options{FS: old.fs, FormatMajorVersion: pebble.FormatValueSeparation, Logger: logger{old}})
	if err != nil {
		t.Fatalf("open after a crash: %v", err)
	}
	batch := db.NewBatch()
	x := &loser{t: t, Broker: &Broker{db: db, past: old.past, record: old.record}, batch: batch}
	x.check(x.each(channelRow, func(key, value []byte) error {
		ch := pabal.Channel(key[1:])
		if n := lose(ch); n > 0 {
			x.lose(ch, value, n)
		}
		return nil
	}))
	store := old.record
	store.lax = true // it was synced by the time, in truth, and could not be lost
	x.check(batch.Set([]byte{storeRow}, store.append(nil), nil))
	x.check(batch.Commit(pebble.Sync))
	x.check(db.Close())
	return opened(t, old.fs, old.config)
}

type loser struct {
	*Broker
	t     brokertest.TB
	batch *pebble.Batch
}

func (x *loser) check(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatalf("losing entries: %v", err)
	}
}

// lose takes the last n entries from ch's log.
func (x *loser) lose(ch pabal.Channel, row []byte, n int) {
	s, life, err := parseState(row)
	x.check(err)
	s.revive(life, &x.past)
	var kept, lost []mark
	keys := map[string]pabal.Offset{}
	from, to := offsetKey(nil, entryRow, ch, s.first.at+1), offsetKey(nil, entryRow, ch, s.last.at+1)
	x.check(within(x.db, from, to, func(rows *pebble.Iterator) error {
		for ok := rows.First(); ok; ok = rows.Next() {
			e, m, err := parseEntry(ch, offsetOf(rows.Key()), slices.Clone(rows.Value()))
			if err != nil {
				return err
			}
			if m.n+uint64(n) <= s.last.n {
				kept = append(kept, m)
				keys[e.Key] = e.Offset
			} else {
				lost = append(lost, m)
			}
		}
		return nil
	}))
	if s.closed = false; len(lost) > 0 {
		s.end, s.last = lost[0].prev, s.first
		if len(kept) > 0 {
			s.last = kept[len(kept)-1].edge
		}
		for i := range s.past.at {
			s.past.at[i] = min(s.past.at[i], s.end)
		}
	}
	for _, m := range lost {
		x.check(x.batch.Delete(offsetKey(nil, entryRow, ch, m.at), nil))
	}
	x.loseKeys(ch, &s, keys)
	x.loseIDs(ch, s.end)
	x.check(x.batch.Set(channelKey(nil, ch), s.append(nil, x.record.life), nil))
}

func (x *loser) loseKeys(ch pabal.Channel, s *state, keys map[string]pabal.Offset) {
	if !s.keys.keyed {
		return
	}
	s.keys.stale = nil
	for _, kind := range []byte{keyRow, lastRow} {
		from, to := allOf(kind, ch)
		x.check(x.batch.DeleteRange(from, to, nil))
	}
	for key, at := range keys {
		x.check(x.batch.Set(lastKeyKey(nil, ch, key), binary.BigEndian.AppendUint64(nil, uint64(at)), nil))
		x.check(x.batch.Set(offsetKey(nil, lastRow, ch, at), []byte(key), nil))
	}
}

func (x *loser) loseIDs(ch pabal.Channel, end pabal.Offset) {
	x.check(x.each(idRow, func(key, value []byte) error {
		_, k, err := parseKnown(key, value)
		if k.Channel == ch && k.End.Offset > end {
			x.check(x.batch.Delete(key, nil))
		}
		return err
	}))
}
