package disk

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

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
	l, err := b.hold(ch)
	if err != nil {
		return pabal.Page{}, err
	}
	defer b.release(l)
	page, err := b.page(l, q)
	if err != nil {
		return pabal.Page{}, broken(err, fmt.Sprintf("channel %.80q cannot be read", ch))
	}
	return page, nil
}

// A reading is one page in the making: of what is shown at one moment.
type reading struct {
	*Broker
	log   *log
	shown shown
	query pabal.Query
	page  pabal.Page
	bytes int

	rows  *pebble.Iterator // of entries; nil if the recent ones are all there are
	lasts *pebble.Iterator // of the last entries of their keys, with Query.Latest
	stale []pabal.Offset   // of these
	apart bool             // those from before the first entry that is kept belong to the page
	left  int              // entries left out since the last one taken

	now    time.Time
	harmed bool // damaged rows were met, and the page says what can be said of them
}

// page returns what q selects.
func (b *Broker) page(l *log, q pabal.Query) (page pabal.Page, err error) {
	r := &reading{Broker: b, log: l, query: q, now: clock()}
	if err := r.open(); err != nil {
		return page, err
	}
	defer func() {
		if closed := r.close(); err == nil {
			err = closed
		}
	}()
	if err := r.expire(); damaged(err) {
		r.harmed = true
		r.shown.oldest = mark{edge: edge{at: r.shown.first.at + 1}, prev: r.shown.first.at, epoch: r.past.now().epoch}
	} else if err != nil {
		return page, err
	}
	first, err := r.firstPosition()
	if err != nil {
		return page, err
	}
	r.page = pabal.Page{First: first, End: b.position(r.shown.end), Closed: r.shown.closed}
	if p, ok := q.From.Before(); ok {
		err = r.backward(p)
		return r.page, err
	}
	from, err := r.from()
	if err == nil {
		err = r.forward(from)
	}
	r.page.Start = r.page.End
	if len(r.page.Entries) > 0 {
		r.page.Start = before(r.page.Entries[0])
	}
	if lost := r.page.Lost; lost != nil && lost.To == (pabal.Position{}) {
		lost.To = r.page.Start
	}
	return r.page, err
}

// before returns the position just before e.
func before(e *pabal.Entry) pabal.Position { return pabal.Position{Epoch: e.Epoch, Offset: e.Prev} }

// open takes what is shown, and iterators that go with it.
func (r *reading) open() (err error) {
	l := r.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	r.shown = l.shown
	if r.recentDo() {
		return nil
	}
	from, to := allOf(entryRow, l.channel)
	options := &pebble.IterOptions{LowerBound: from, UpperBound: to}
	if !r.query.Latest || !r.shown.keys.keyed {
		r.rows, err = r.db.NewIter(options)
		return err
	}
	r.rows, err = r.db.NewIter(options)
	if err == nil { // a clone sees the same
		from, to := allOf(lastRow, l.channel)
		r.lasts, err = r.rows.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{LowerBound: from, UpperBound: to}})
	}
	r.stale = r.shown.keys.stale
	r.apart = r.shown.keys.kept
	return err
}

// recentDo reports whether the page can be made of the recent entries alone.
func (r *reading) recentDo() bool {
	if r.query.Latest {
		return false
	}
	v := &r.shown
	if v.count() == 0 {
		return true
	}
	if v.oldest == (mark{}) || r.old(&v.oldest) {
		return false
	}
	if v.count() == uint64(len(v.recent)) {
		return true
	}
	if len(v.recent) == 0 {
		return false
	}
	if n, ok := r.query.From.Last(); ok {
		return n <= len(v.recent)
	}
	p, ok := r.query.From.After()
	at, lost := r.past.place(r.log.channel, &v.state, p)
	return ok && lost == "" && at >= v.recent[0].Prev
}

func (r *reading) close() (err error) {
	for _, rows := range []*pebble.Iterator{r.rows, r.lasts} {
		if rows == nil {
			continue
		}
		failed, closed := rows.Error(), rows.Close()
		if err == nil && !r.harmed {
			if err = failed; err == nil {
				err = closed
			}
		}
	}
	return err
}

func (r *reading) old(m *mark) bool {
	keep := &r.log.rules
	return keep.Age >= 0 && m.time <= r.now.Add(-keep.Age).UnixNano()
}

// expire drops from what is shown the entries that have expired, and finds the
// oldest that has not.
func (r *reading) expire() error {
	v := &r.shown
	if v.count() == 0 || v.oldest != (mark{}) && !r.old(&v.oldest) {
		return nil
	}
	s := search{rows: r.rows, channel: r.log.channel}
	oldest, found, err := s.at(v.first.at + 1)
	if err != nil {
		return err
	}
	if found && r.old(&oldest) {
		gone, _, err := s.last(v.first.at, v.last.at, r.old)
		if err != nil {
			return err
		}
		v.first, v.cut = gone.edge, pabal.Expired
		oldest, found, err = s.at(v.first.at + 1)
		if err != nil {
			return err
		}
	}
	if v.count() == 0 {
		return nil
	}
	if !found || oldest.at > v.last.at {
		return fmt.Errorf("entries after %d are missing: %w", v.first.at, errRow)
	}
	v.oldest = oldest
	return nil
}

// floor is from where on the reading lacks nothing, and why it may lack what
// was before.
func (r *reading) floor() (pabal.Offset, pabal.Reason) {
	if r.apart {
		return r.shown.keys.floor, pabal.Evicted
	}
	return r.shown.first.at, r.shown.cut
}

func (r *reading) firstPosition() (pabal.Position, error) {
	if r.apart {
		e, err := r.firstApart()
		if err != nil {
			return pabal.Position{}, err
		}
		if e != nil {
			return before(e), nil
		}
	}
	if r.shown.count() > 0 {
		return r.shown.oldest.before(), nil
	}
	return r.position(r.shown.end), nil
}

// from returns the offset after which the reading begins. It notes in the
// page what is lost before.
func (r *reading) from() (pabal.Offset, error) {
	if p, ok := r.query.From.After(); ok {
		return r.fromAfter(p), nil
	}
	if n, ok := r.query.From.Last(); ok {
		return r.fromLast(n)
	}
	if t, ok := r.query.From.Time(); ok {
		return r.fromTime(t)
	}
	return r.page.First.Offset, nil
}

func (r *reading) fromAfter(p pabal.Position) pabal.Offset {
	at, lost := r.past.place(r.log.channel, &r.shown.state, p)
	floor, why := r.floor()
	gap := &pabal.Gap{From: p, Reason: lost}
	switch {
	case lost == pabal.Unknown:
		r.page.Lost = gap
		return r.page.First.Offset
	case lost == pabal.Ahead:
	case at < r.shown.deleted:
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

func (r *reading) fromLast(n int) (pabal.Offset, error) {
	v := &r.shown
	switch have := v.count(); {
	case n <= 0:
		return v.end, nil
	case uint64(n) > have && r.apart:
		return r.fromLastApart(n - int(have))
	case uint64(n) >= have:
		if have > 0 {
			return v.oldest.prev, nil
		}
		return r.page.First.Offset, nil
	case n <= len(v.recent):
		return v.recent[len(v.recent)-n].Prev, nil
	}
	first := v.last.n - uint64(n) + 1
	return r.search(v.last.at-pabal.Offset(n)+1, func(m *mark) bool { return m.n < first })
}

func (r *reading) fromTime(t time.Time) (pabal.Offset, error) {
	v := &r.shown
	nano := nanoseconds(t)
	switch {
	case r.apart && (v.count() == 0 || v.oldest.time >= nano):
		at, found, err := r.fromTimeApart(nano)
		if found || err != nil {
			return at, err
		}
	case v.count() == 0:
		return v.end, nil
	}
	if v.count() == 0 || v.time < nano {
		return v.end, nil
	}
	if v.oldest.time >= nano {
		return v.oldest.prev, nil
	}
	if r.rows == nil {
		i, _ := slices.BinarySearchFunc(v.recent, nano, func(e *pabal.Entry, nano int64) int { return cmp.Compare(e.Time.UnixNano(), nano) })
		return v.recent[i].Prev, nil
	}
	return r.search(0, func(m *mark) bool { return m.time < nano })
}

// nanoseconds returns t in nanoseconds since 1970, or the nearest number there
// is.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// search returns the place before the first entry for which is does not hold,
// of those that are kept; it must hold for all before. It looks first at
// guess.
func (r *reading) search(guess pabal.Offset, is func(*mark) bool) (pabal.Offset, error) {
	v := &r.shown
	s := search{rows: r.rows, channel: r.log.channel}
	low := v.first.at
	if guess > low+1 {
		m, found, err := s.at(guess - 1)
		if err != nil {
			return 0, err
		}
		if found && is(&m) {
			if low = m.at; m.at == guess-1 {
				if next, found, err := s.at(guess); err != nil || found && !is(&next) {
					return next.prev, err
				}
			}
		}
	}
	last, found, err := s.last(low, v.last.at, is)
	if err != nil {
		return 0, err
	}
	if found {
		low = last.at
	}
	next, found, err := s.at(low + 1)
	if err == nil && (!found || next.at > v.last.at) {
		return v.end, nil
	}
	return next.prev, err
}
