package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
)

// Sweeps are at least minPause apart, so that what comes to an end is gathered,
// and at most maxPause.
const (
	minPause = 100 * time.Millisecond
	maxPause = time.Minute
	atOnce   = 256 // channels that one step of a sweep is about
)

// run drops what has expired, and closes and forgets channels whose time has
// come, until the broker is closed.
func (b *Broker) run() {
	timer := time.NewTimer(minPause)
	defer timer.Stop()
	for {
		select {
		case <-b.running.stop:
			return
		case <-b.running.sooner: // something is due before the next sweep
			b.running.next.Store(clock().Add(minPause).UnixNano())
			timer.Reset(minPause)
		case <-timer.C:
			b.running.next.Store(math.MaxInt64) // what is scheduled from now on may not be seen
			now := clock()
			next, err := b.sweep(now)
			if err != nil {
				b.config.Log.Warn("a sweep of the store failed", "error", err)
				next = maxPause
			}
			b.running.next.Store(now.Add(next).UnixNano())
			timer.Reset(next)
		}
	}
}

// syncNowAndThen syncs what is to be synced within the interval, until the
// broker is closed.
func (b *Broker) syncNowAndThen() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-b.running.stop:
			return
		case <-b.unsynced:
		}
		timer.Reset(b.config.SyncInterval)
		select {
		case <-b.running.stop:
			return
		case <-timer.C:
			_ = b.submit(&request{do: (*writer).syncAll}) // if it fails, fail has said so
		}
	}
}

// syncAll has everything before it synced.
func (w *writer) syncAll(*request) {
	w.group.sync = true
	if err := w.group.batch.LogData([]byte{0}, nil); err != nil {
		w.fail(err)
	}
}

// sweep does what has come due by now. It returns how long to wait until the
// next.
func (b *Broker) sweep(now time.Time) (next time.Duration, err error) {
	if err := b.submit(&request{do: (*writer).sweepIDs}); err != nil {
		return maxPause, err
	}
	for {
		due, next, err := b.dueBy(now)
		if err != nil || len(due) == 0 {
			return next, err
		}
		if err := b.sweepAll(due); err != nil {
			return maxPause, err
		}
		select {
		case <-b.running.stop:
			return maxPause, nil
		default:
		}
	}
}

// A due is a row that says when a channel is to be swept.
type due struct {
	at      int64
	channel pabal.Channel
}

// dueBy returns some of the channels that are due, and if there is none how
// long to wait until one is.
func (b *Broker) dueBy(now time.Time) (found []due, next time.Duration, err error) {
	next = maxPause
	from, to := bounds(dueRow)
	err = within(b.db, from, to, func(rows *pebble.Iterator) error {
		for ok := rows.First(); ok && len(found) < atOnce; ok = rows.Next() {
			key := rows.Key()
			if len(key) < 9 {
				return errRow
			}
			at := int64(binary.BigEndian.Uint64(key[1:]))
			if wait := at - now.UnixNano(); wait > 0 {
				next = min(max(time.Duration(wait), minPause), maxPause)
				break
			}
			ch := pabal.Channel(key[9:])
			if retry, unread := b.running.unread[ch]; unread && now.Before(retry) {
				continue
			}
			found = append(found, due{at, ch})
		}
		return nil
	})
	return found, next, err
}

// sweepAll sweeps all. A channel that cannot be loaded is put off.
func (b *Broker) sweepAll(all []due) error {
	var asked []*request
	var failed error
	for _, d := range all {
		l, err := b.hold(d.channel)
		if errors.Is(err, errClosed) {
			failed = err
			break
		}
		if err != nil {
			b.harm(fmt.Sprintf("channel %.80q", d.channel), err)
			b.running.unread[d.channel] = clock().Add(maxPause)
			continue
		}
		delete(b.running.unread, d.channel)
		r := &request{log: l, due: d.at, do: (*writer).sweepLog, ready: make(chan struct{}, 1)}
		if err := b.queue.put(r); err != nil {
			b.release(l)
			failed = err
			break
		}
		asked = append(asked, r)
	}
	for _, r := range asked {
		if err := b.wait(r); err != nil {
			failed = err
		}
		b.release(r.log)
	}
	return failed
}

// sweepLog drops what has expired of a log, closes it if nothing was published
// for too long, and forgets it if it has been empty for as long.
func (w *writer) sweepLog(r *request) {
	l := r.log
	if l.head.due != r.due {
		w.delete(dueKey(nil, r.due, l.channel))
		return
	}
	t := w.turn(l)
	w.drop(l, t, l.expired(w.now))
	w.dropKeys(l, t)
	w.tidy(l, true)
	s := &l.head
	if after := l.rules.CloseAfter; l.closable() && w.now.UnixNano() >= s.time+int64(after) {
		s.closed, s.touched = true, w.now.UnixNano()
		t.otherwise, t.changed = true, true
	}
	if l.forgettable() && !w.now.Before(l.idleUntil()) && l.unneeded() {
		w.forget(l, t)
		return
	}
	soon := w.now.Add(minPause).UnixNano()
	next := l.due(w.now)
	if next != 0 {
		next = max(next, soon)
	}
	if rows := s.low < max(s.first.at, s.deleted) || len(s.keys.stale) > 0; rows && s.touched < w.now.Add(-minPause).UnixNano() {
		next = max(soon, l.retry.UnixNano()) // readers did not yet see that they are gone
	}
	w.schedule(l, next)
}

// unneeded reports whether nobody follows l, and readers see nothing in it.
func (l *log) unneeded() bool {
	l.mu.RLock()
	seen := &l.shown.state
	empty := seen.empty() && seen.end == l.head.end && seen.closed == l.head.closed
	l.mu.RUnlock()
	return empty && !l.followed()
}

// closable reports whether the log is one to be closed when nothing is
// published for too long: there was an entry since the beginning, or since the
// last deletion.
func (l *log) closable() bool {
	s := &l.head
	return l.rules.CloseAfter > 0 && s.stored && !s.closed && s.end != s.fresh
}

// forgettable reports whether the log holds nothing.
func (l *log) forgettable() bool { return l.head.stored && l.head.empty() && !l.closable() }

// idleUntil is until when an empty log is remembered.
func (l *log) idleUntil() time.Time {
	return time.Unix(0, max(l.head.touched, l.unfollowed.Load())).Add(l.rules.Idle())
}

// due returns when l is to be swept next; 0 is never.
func (l *log) due(now time.Time) (at int64) {
	sooner := func(t int64) {
		if at == 0 || t < at {
			at = t
		}
	}
	s := &l.head
	if l.closable() {
		sooner(s.time + int64(l.rules.CloseAfter))
	}
	switch {
	case l.forgettable() && l.followed():
		sooner(now.Add(l.rules.Idle()).UnixNano())
	case l.forgettable():
		sooner(l.idleUntil().UnixNano())
	case l.rules.Age < 0 || s.count() == 0:
	case len(l.ahead) > 0: // in steps, as readers do not see what has expired
		sooner(max(l.ahead[0].time+int64(l.rules.Age), now.UnixNano()+int64(l.rules.Age/16)))
	default:
		sooner(now.UnixNano() + int64(l.rules.Age/16))
	}
	return at
}

// schedule has l swept at due.
func (w *writer) schedule(l *log, due int64) {
	s := &l.head
	if s.due == due {
		return
	}
	if s.due != 0 {
		w.key = dueKey(w.key[:0], s.due, l.channel)
		w.delete(w.key)
	}
	if s.due = due; due != 0 {
		w.key = dueKey(w.key[:0], due, l.channel)
		w.set(w.key, nil)
		if due < w.running.next.Load() {
			select {
			case w.running.sooner <- struct{}{}:
			default:
			}
		}
	}
	l.turn.changed = true
}

// forget drops l, which is empty and has no tail. Names of which nothing is
// known end after it then.
func (w *writer) forget(l *log, t *turn) {
	w.schedule(l, 0)
	for _, kind := range []byte{entryRow, lastRow, keyRow} {
		from, to := allOf(kind, l.channel)
		w.deleteRange(from, to)
	}
	at := l.head.end
	bucket := bucketOf(l.channel)
	w.floors[bucket] = max(w.floors[bucket], at)
	w.set(floorKey(bucket), binary.AppendUvarint(nil, uint64(w.floors[bucket])))
	w.count(-1)
	l.head = pristine(at, w.past.now().base, l.rules.Latest)
	l.ahead = nil
	t.floor, t.changed = at, true
}

// raise has names of which nothing is known end at or after at.
func (b *Broker) raise(ch pabal.Channel, at pabal.Offset) {
	b.ends.mu.Lock()
	defer b.ends.mu.Unlock()
	bucket := bucketOf(ch)
	b.ends.floors[bucket] = max(b.ends.floors[bucket], at)
}

// spare notes that ch may be forgotten to make room. It need not be complete:
// in time every empty channel is.
func (w *writer) spare(ch pabal.Channel) {
	if len(w.spares) < 4096 {
		w.spares = append(w.spares, ch)
	}
}

// makeRoom forgets a channel that holds nothing, before its time. It reports
// whether there was one.
func (w *writer) makeRoom() bool {
	for len(w.spares) > 0 {
		ch := w.spares[len(w.spares)-1]
		w.spares = w.spares[:len(w.spares)-1]
		w.hot.mu.Lock()
		l, err := w.holdLocked(ch) // also while the broker is being closed
		if err != nil {
			w.harm(fmt.Sprintf("channel %.80q", ch), err)
			continue
		}
		w.group.held = append(w.group.held, l)
		if t := w.turn(l); l.forgettable() && !l.head.closed && l.unneeded() {
			w.forget(l, t)
			return true
		}
	}
	return false
}
