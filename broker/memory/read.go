package memory

import (
	"context"
	"slices"
	"time"

	"github.com/pabal/pabal"
)

// Read returns a part of ch's log.
//
// A position of an earlier life of the store is the same place in this one as
// far as its entries survived. A start other than [pabal.After] is never told
// of a loss; [pabal.Before] a position that the log does not have is before its
// end.
//
// With Query.Latest, Page.First is the first last entry of a key that is kept,
// and Page.Skipped counts also those that retention has dropped meanwhile.
func (b *Broker) Read(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
	if err := ctx.Err(); err != nil {
		return pabal.Page{}, err
	}
	l, floor, err := b.find(ch)
	if err != nil {
		return pabal.Page{}, err
	}
	if l == nil {
		l = &log{life: b.life, state: state{first: floor, end: floor, cut: pabal.Evicted, latest: latest{floor: floor}}}
		return l.page(q), nil
	}
	l.lockCurrent(clock())
	page := l.page(q)
	l.mu.RUnlock()
	for i, e := range page.Entries {
		page.Entries[i] = e.Copy()
	}
	return page, nil
}

// lockCurrent locks l for reading, without entries that have expired.
func (l *log) lockCurrent(now time.Time) {
	l.mu.RLock()
	for l.old(now) {
		l.mu.RUnlock()
		l.mu.Lock()
		l.expire(now)
		l.mu.Unlock()
		l.mu.RLock()
	}
}

// page returns what q selects, by the entries that the log keeps.
func (l *log) page(q pabal.Query) pabal.Page {
	r := reading{log: l, query: q, apart: q.Latest && l.keep.Latest}
	r.page = pabal.Page{First: r.firstPosition(), End: l.endPosition(), Closed: l.closed}
	if p, ok := q.From.Before(); ok {
		r.backward(p)
		return r.page
	}
	from := r.from()
	r.forward(from)
	r.page.Start = r.page.End
	if len(r.page.Entries) > 0 {
		r.page.Start = before(r.page.Entries[0])
	}
	if lost := r.page.Lost; lost != nil && lost.To == (pabal.Position{}) {
		lost.To = r.page.Start
	}
	return r.page
}

// A reading is one page in the making.
type reading struct {
	*log
	query pabal.Query
	page  pabal.Page
	apart bool // the last entries of keys that are kept apart belong to it
	bytes int
	left  int // entries left out since the last one taken
}

// floor is from where on the reading lacks nothing, and why it may lack what
// was before.
func (r *reading) floor() (pabal.Offset, pabal.Reason) {
	if r.apart {
		return r.latest.floor, pabal.Evicted
	}
	return r.first, r.cut
}

func (r *reading) firstPosition() pabal.Position {
	switch {
	case r.apart && r.latest.apart.Len() > 0:
		return before(r.latest.apart.At(0).entry)
	case r.entries.Len() > 0:
		return before(*r.entries.At(0))
	}
	return r.endPosition()
}

// from returns the offset after which the reading begins. It notes in the
// page what is lost before.
func (r *reading) from() pabal.Offset {
	if p, ok := r.query.From.After(); ok {
		return r.fromAfter(p)
	}
	if n, ok := r.query.From.Last(); ok {
		return r.fromLast(n)
	}
	if t, ok := r.query.From.Time(); ok {
		return r.fromTime(t)
	}
	return r.page.First.Offset
}

func (r *reading) fromAfter(p pabal.Position) pabal.Offset {
	at, lost := r.place(p)
	floor, why := r.floor()
	gap := &pabal.Gap{From: p, Reason: lost}
	switch {
	case lost == pabal.Unknown:
		r.page.Lost = gap
		return r.page.First.Offset
	case lost == pabal.Ahead:
	case at < r.deleted:
		gap.Reason = pabal.Deleted
	case at < floor && lost == "":
		gap.Reason = why
	case at < floor:
	case lost != "":
		gap.To = pabal.Position{Epoch: p.Epoch, Offset: at}
	default:
		return at
	}
	r.page.Lost = gap
	return max(at, floor)
}

func (r *reading) fromLast(n int) pabal.Offset {
	switch have := r.entries.Len(); {
	case n <= 0:
		return r.end
	case n <= have:
		return (*r.entries.At(have - n)).Prev
	case r.apart:
		if e := r.latest.last(n - have); e != nil {
			return e.Prev
		}
	}
	return r.page.First.Offset
}

func (r *reading) fromTime(t time.Time) pabal.Offset {
	i := r.entries.Search(func(e **pabal.Entry) bool { return !(*e).Time.Before(t) })
	if i == 0 && r.apart {
		if i := r.latest.since(t); i < r.latest.apart.Len() {
			return r.latest.apart.At(i).offset - 1
		}
	}
	if i == r.entries.Len() {
		return r.end
	}
	return (*r.entries.At(i)).Prev
}

// index returns the place of the first entry after offset.
func (l *log) index(offset pabal.Offset) int {
	return l.entries.Search(func(e **pabal.Entry) bool { return (*e).Offset > offset })
}

func (r *reading) forward(from pabal.Offset) {
	i := r.index(from)
	if r.apart && from < r.first && !r.forwardApart(from) {
		return
	}
	if !r.query.Latest {
		r.page.Entries = make([]*pabal.Entry, 0, min(r.entries.Len()-i, max(r.query.MaxEntries, 1)))
	}
	for ; i < r.entries.Len(); i++ {
		if !r.take(*r.entries.At(i)) {
			return
		}
	}
}

// forwardApart takes what is kept apart after from. It reports false if the
// page is full.
func (r *reading) forwardApart(from pabal.Offset) bool {
	t := &r.latest
	for i := t.after(from); i < t.apart.Len(); i++ {
		e := t.apart.At(i).entry
		if e == nil {
			continue
		}
		r.left += int(e.Offset - from - 1)
		from = e.Offset
		if !r.take(e) {
			return false
		}
	}
	r.left += int(r.first - from)
	return true
}

// take adds e to the page unless it is to be left out. It reports false if the
// page is full.
func (r *reading) take(e *pabal.Entry) bool {
	if r.query.Latest && !r.latest.is(e) {
		r.left++
		return true
	}
	full := len(r.page.Entries) >= max(r.query.MaxEntries, 1) || r.bytes+e.Size() > r.query.MaxBytes
	if full && len(r.page.Entries) > 0 {
		r.page.More = true
		return false
	}
	r.page.Entries = append(r.page.Entries, e)
	r.bytes += e.Size()
	r.page.Skipped += r.left
	r.left = 0
	return true
}

// backward takes the newest entries before p.
func (r *reading) backward(p pabal.Position) {
	at, lost := r.place(p)
	if lost == pabal.Unknown {
		at = r.end
	}
	for i := r.index(at) - 1; i >= 0 && !r.page.More; i-- {
		r.take(*r.entries.At(i))
	}
	for i := r.latest.after(at) - 1; r.apart && i >= 0 && !r.page.More; i-- {
		if e := r.latest.apart.At(i).entry; e != nil {
			r.take(e)
		}
	}
	slices.Reverse(r.page.Entries)
	r.page.Start = r.page.First
	if len(r.page.Entries) > 0 {
		r.page.Start = before(r.page.Entries[0])
	}
}
