package disk

import (
	"encoding/binary"
	"slices"

	"github.com/pabal/pabal"
)

// A state is what a channel's log is, but for its entries. Offsets are
// compared without their epochs: those of a later epoch are above all of an
// earlier one.
type state struct {
	first   edge         // of readers at or after it, no entry was dropped
	last    edge         // of the last entry ever appended
	end     pabal.Offset // of the log
	fresh   pabal.Offset // the end when nothing had been appended yet, since the beginning or the last deletion
	deleted pabal.Offset // who stands before has not seen the last deletion
	low     pabal.Offset // rows of entries up to it are gone
	cut     pabal.Reason // why those just before first were dropped
	time    int64        // of the last entry, in nanoseconds since 1970
	touched int64        // when it was last written
	due     int64        // where it is in the order of sweeps; 0: nowhere
	keys    keys
	past    survivors
	closed  bool
	stored  bool // there is a row of it, and it counts as one of the channels
}

// keys is what a log knows of its entries' keys. Only a log that is keyed has
// rows for them: in another the last entry is the last of the only key, "".
type keys struct {
	keyed bool
	kept  bool           // with latest: also those of which the last entry was dropped are rows
	n     int            // with kept, the rows
	floor pabal.Offset   // of readers at or after it, no key's last entry was dropped
	stale []pabal.Offset // rows that are there still, of entries that are not the last of their key any more
}

// survivors are the last offsets that survived of each life before, from the
// life from on. Of those without, the floors are what there is to know.
type survivors struct {
	from int
	at   []pabal.Offset
}

// lifetimes is of how many lives it is known what survived.
const lifetimes = 64

// count is how many entries are kept, but for those kept as the last of their
// key.
func (s *state) count() uint64 { return s.last.n - s.first.n }

func (s *state) empty() bool { return s.count() == 0 && (!s.keys.kept || s.keys.n == 0) }

// pristine is the state of a channel of which nothing is known.
func pristine(floor, base pabal.Offset, latest bool) state {
	end := max(floor, base)
	return state{
		first: edge{at: floor}, last: edge{at: floor}, end: end, fresh: end, low: floor, cut: pabal.Evicted,
		keys: keys{keyed: latest, kept: latest, floor: floor},
	}
}

var reasons = []pabal.Reason{pabal.Evicted, pabal.Trimmed, pabal.Expired, pabal.Deleted}

const (
	flagClosed = 1 << iota
	flagKeyed
	flagKept
)

// append appends s as it is kept in life.
func (s *state) append(dst []byte, life int) []byte {
	flags := uint64(0)
	for i, set := range []bool{s.closed, s.keys.keyed, s.keys.kept} {
		if set {
			flags |= 1 << i
		}
	}
	put := func(n ...uint64) {
		for _, n := range n {
			dst = binary.AppendUvarint(dst, n)
		}
	}
	put(flags, uint64(life), uint64(max(slices.Index(reasons, s.cut), 0)))
	put(uint64(s.first.at), s.first.n, s.first.bytes, uint64(s.last.at), s.last.n, s.last.bytes)
	put(uint64(s.end), uint64(s.fresh), uint64(s.deleted), uint64(s.low), uint64(s.time), uint64(s.touched), uint64(s.due))
	put(uint64(s.keys.n), uint64(s.keys.floor), uint64(len(s.keys.stale)))
	for _, at := range s.keys.stale {
		put(uint64(at))
	}
	put(uint64(s.past.from), uint64(len(s.past.at)))
	for _, at := range s.past.at {
		put(uint64(at))
	}
	return dst
}

// parseState parses what append has made, and returns the life that it was in.
func parseState(row []byte) (s state, life int, err error) {
	f := fields{row, nil}
	flags := f.uint()
	s.closed, s.keys.keyed, s.keys.kept = flags&flagClosed != 0, flags&flagKeyed != 0, flags&flagKept != 0
	life = f.int()
	if i := f.int(); i < len(reasons) {
		s.cut = reasons[i]
	}
	s.first = edge{f.offset(), tally{f.uint(), f.uint()}}
	s.last = edge{f.offset(), tally{f.uint(), f.uint()}}
	s.end, s.fresh, s.deleted, s.low = f.offset(), f.offset(), f.offset(), f.offset()
	s.time, s.touched, s.due = f.time(), f.time(), f.time()
	s.keys.n, s.keys.floor = f.int(), f.offset()
	s.keys.stale = f.offsets()
	s.past = survivors{f.int(), f.offsets()}
	s.stored = true
	return s, life, f.err
}

func (f *fields) offsets() (list []pabal.Offset) {
	for n := f.int(); n > 0 && f.err == nil; n-- {
		list = append(list, f.offset())
	}
	return list
}

// revive brings s from life was to the present one. Nothing was written to it
// between: in each life it ended where it had, or where that life begins.
func (s *state) revive(was int, h *history) {
	now := h.first + len(h.lives) - 1
	if was >= now {
		return
	}
	if known := now - lifetimes; was < known { // of the lives between, nothing would be left below
		was, s.past.at = known, nil
	}
	if len(s.past.at) == 0 {
		s.past.from = was
	}
	s.past.at = slices.Clone(s.past.at)
	for life := was; ; life++ {
		if base := h.base(life); life > was && s.end < base {
			if s.fresh == s.end {
				s.fresh = base
			}
			s.end = base
		}
		if life == now {
			break
		}
		s.past.at = append(s.past.at, s.end)
	}
	if over := len(s.past.at) - lifetimes; over > 0 {
		s.past = survivors{s.past.from + over, s.past.at[over:]}
	}
}
