package disk

import (
	"slices"

	"github.com/pabal/pabal"
)

// forward takes entries after from, in order, until the page is full.
func (r *reading) forward(from pabal.Offset) error {
	if r.query.Latest {
		return r.forwardLatest(from)
	}
	v := &r.shown
	from = max(from, v.first.at)
	if n := len(v.recent); r.rows == nil || n > 0 && from >= v.recent[0].Prev {
		i, _ := slices.BinarySearchFunc(v.recent, from, func(e *pabal.Entry, at pabal.Offset) int {
			if e.Offset <= at {
				return -1
			}
			return 1
		})
		for _, e := range v.recent[i:] {
			if r.full(e) {
				break
			}
			r.take(e.Copy())
		}
		return nil
	}
	err := r.forwardRows(from)
	if !damaged(err) {
		return err
	}
	if len(r.page.Entries) > 0 {
		r.harmed, r.page.More = true, true // the next reading meets it at once
		return nil
	}
	return r.overstep(from, err)
}

func (r *reading) forwardRows(from pabal.Offset) error {
	for ok := r.rows.SeekGE(offsetKey(nil, entryRow, r.log.channel, from+1)); ok; ok = r.rows.Next() {
		e, _, err := r.entry()
		if err != nil || e.Offset > r.shown.last.at || r.full(e) {
			return err
		}
		r.take(e)
	}
	return r.rows.Error()
}

// entry returns the entry that rows is at.
func (r *reading) entry() (*pabal.Entry, mark, error) {
	value, err := r.rows.ValueAndErr()
	if err != nil {
		return nil, mark{}, err
	}
	return parseEntry(r.log.channel, offsetOf(r.rows.Key()), value)
}

// full reports whether the page has no room for e, and notes it there.
func (r *reading) full(e *pabal.Entry) bool {
	n := len(r.page.Entries)
	r.page.More = n > 0 && (n >= max(r.query.MaxEntries, 1) || r.bytes+e.Size() > r.query.MaxBytes)
	return r.page.More
}

func (r *reading) take(e *pabal.Entry) {
	r.page.Entries = append(r.page.Entries, e)
	r.bytes += e.Size()
	r.page.Skipped += r.left
	r.left = 0
}

// backward takes the newest entries before p.
func (r *reading) backward(p pabal.Position) error {
	at, lost := r.past.place(r.log.channel, &r.shown.state, p)
	if lost == pabal.Unknown {
		at = r.shown.end
	}
	var err error
	switch {
	case r.query.Latest:
		err = r.backwardLatest(at)
	case r.rows == nil:
		for _, e := range slices.Backward(r.shown.recent) {
			if e.Offset <= at && e.Offset > r.shown.first.at {
				if r.full(e) {
					break
				}
				r.take(e.Copy())
			}
		}
	default:
		err = r.backwardRows(min(at, r.shown.last.at))
	}
	slices.Reverse(r.page.Entries)
	r.page.Start = r.page.First
	if len(r.page.Entries) > 0 {
		r.page.Start = before(r.page.Entries[0])
	}
	return err
}

func (r *reading) backwardRows(at pabal.Offset) error {
	for ok := r.rows.SeekLT(offsetKey(nil, entryRow, r.log.channel, at+1)); ok; ok = r.rows.Prev() {
		e, _, err := r.entry()
		if err != nil || e.Offset <= r.shown.first.at || r.full(e) {
			return err
		}
		r.take(e)
	}
	return r.rows.Error()
}

// low is the offset after which the last entries of their keys belong to the
// reading.
func (r *reading) low() pabal.Offset {
	if r.apart {
		return r.shown.lowest()
	}
	return r.shown.first.at
}

// is reports whether the row that lasts is at belongs to the reading. Rows
// after the last entry that is shown do not, and are made with others before
// them gone only once these are not shown any more.
func (r *reading) is(at pabal.Offset) bool {
	return at > r.low() && at <= r.shown.last.at && !slices.Contains(r.stale, at)
}

// nextLast returns the first last entry of its key after from, nil if there is
// none.
func (r *reading) nextLast(from pabal.Offset) (e *pabal.Entry, m mark, err error) {
	if !r.shown.keys.keyed {
		if r.shown.count() == 0 || r.shown.last.at <= from {
			return nil, m, nil
		}
		return r.at(r.shown.last.at)
	}
	for ok := r.lasts.SeekGE(offsetKey(nil, lastRow, r.log.channel, max(from, r.low())+1)); ok; ok = r.lasts.Next() {
		at := offsetOf(r.lasts.Key())
		if at > r.shown.last.at {
			break
		}
		if r.is(at) {
			return r.at(at)
		}
	}
	return nil, m, r.lasts.Error()
}

// prevLast is like nextLast, but goes back from at.
func (r *reading) prevLast(at pabal.Offset) (e *pabal.Entry, err error) {
	if !r.shown.keys.keyed {
		if r.shown.count() == 0 || r.shown.last.at > at {
			return nil, nil
		}
		e, _, err = r.at(r.shown.last.at)
		return e, err
	}
	for ok := r.lasts.SeekLT(offsetKey(nil, lastRow, r.log.channel, min(at, r.shown.last.at)+1)); ok; ok = r.lasts.Prev() {
		at := offsetOf(r.lasts.Key())
		if at <= r.low() {
			break
		}
		if r.is(at) {
			e, _, err = r.at(at)
			return e, err
		}
	}
	return nil, r.lasts.Error()
}

// at returns the entry at offset, which is there.
func (r *reading) at(offset pabal.Offset) (*pabal.Entry, mark, error) {
	key := offsetKey(nil, entryRow, r.log.channel, offset)
	if !r.rows.SeekGE(key) || offsetOf(r.rows.Key()) != offset {
		if err := r.rows.Error(); err != nil {
			return nil, mark{}, err
		}
		return nil, mark{}, errRow
	}
	return r.entry()
}

// forwardLatest takes of each key the last entry after from. What is between
// counts as left out: by offsets where entries are not there any more.
func (r *reading) forwardLatest(from pabal.Offset) error {
	v := &r.shown
	if r.apart && from < v.first.at {
		for {
			e, _, err := r.nextLast(from)
			if err != nil {
				return err
			}
			if e == nil || e.Offset > v.first.at {
				break
			}
			r.left += int(e.Offset - from - 1)
			if r.full(e) {
				return nil
			}
			r.take(e)
			from = e.Offset
		}
		r.left += int(v.first.at - from)
	}
	from = max(from, v.first.at)
	n, err := r.ordinal(from)
	for err == nil {
		var e *pabal.Entry
		var m mark
		if e, m, err = r.nextLast(from); err != nil || e == nil {
			break
		}
		r.left += int(m.n - n - 1)
		if r.full(e) {
			break
		}
		r.take(e)
		from, n = e.Offset, m.n
	}
	return err
}

// ordinal returns how many entries there ever were up to offset.
func (r *reading) ordinal(offset pabal.Offset) (uint64, error) {
	if offset >= r.shown.last.at {
		return r.shown.last.n, nil
	}
	s := search{rows: r.rows, channel: r.log.channel}
	m, found, err := s.at(offset + 1)
	if err != nil || !found {
		return r.shown.last.n, err
	}
	return m.n - 1, nil
}

func (r *reading) backwardLatest(at pabal.Offset) error {
	for {
		e, err := r.prevLast(at)
		if err != nil || e == nil || r.full(e) {
			return err
		}
		r.take(e)
		at = e.Offset - 1
	}
}

// firstApart returns the first last entry of a key that is kept for that only,
// nil if there is none.
func (r *reading) firstApart() (*pabal.Entry, error) {
	e, _, err := r.nextLast(0)
	if err != nil || e == nil || e.Offset > r.shown.first.at {
		return nil, err
	}
	return e, nil
}

// fromLastApart begins so that n entries are read that are kept as the last of
// their key only.
func (r *reading) fromLastApart(n int) (pabal.Offset, error) {
	from := r.page.First.Offset
	for at := r.shown.first.at; n > 0; n-- {
		e, err := r.prevLast(at)
		if err != nil || e == nil {
			return from, err
		}
		from, at = e.Prev, e.Offset-1
	}
	return from, nil
}

// fromTimeApart begins at the first entry since nano that is kept as the last
// of its key only.
func (r *reading) fromTimeApart(nano int64) (from pabal.Offset, found bool, err error) {
	for {
		e, m, err := r.nextLast(from)
		if err != nil || e == nil || e.Offset > r.shown.first.at {
			return 0, false, err
		}
		if m.time >= nano {
			return e.Offset - 1, true, nil
		}
		from = e.Offset
	}
}
