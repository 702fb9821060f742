package memory

import (
	"math"
	"time"
)

// Sweeps are at most a minute apart, and an eighth of the shortest time for
// which anything is kept.
const (
	maxPause = time.Minute
	minPause = 100 * time.Millisecond
)

// run drops what has expired, so that channels nobody uses give their memory
// back, until the broker is closed.
func (b *Broker) run() {
	defer close(b.done)
	timer := time.NewTimer(time.Duration(b.every.Load()))
	defer timer.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-timer.C:
		}
		b.closeIdle(clock())
		b.sweep(clock(), 0)
		timer.Reset(time.Duration(b.every.Load()))
	}
}

// sweepWithin has sweeps come so often that what is kept for d is not kept
// much longer.
func (b *Broker) sweepWithin(d time.Duration) {
	pause := int64(max(minPause, d/8))
	for {
		now := b.every.Load()
		if now <= pause || b.every.CompareAndSwap(now, pause) {
			return
		}
	}
}

// dueAt says that something can be dropped for its age at t.
func (b *Broker) dueAt(t time.Time) {
	at := t.UnixNano()
	for {
		due := b.due.Load()
		if due <= at || b.due.CompareAndSwap(due, at) {
			return
		}
	}
}

// makeRoom forgets channels that hold nothing, some of them before their time.
// It reports whether there may be room for another.
func (b *Broker) makeRoom() bool {
	now := clock()
	if now.UnixNano() < b.due.Load() && !b.spare.Load() {
		return false
	}
	want := 1 + b.config.Channels/64
	b.spare.Store(false)
	if b.sweep(now, want) == want {
		b.spare.Store(true)
	}
	return true
}

// sweep drops what has expired, and up to evict channels that hold nothing
// before they have. It returns how many those were.
func (b *Broker) sweep(now time.Time, evict int) (evicted int) {
	b.ids.Sweep(now, nil)
	logs := b.all()
	b.due.Store(math.MaxInt64)
	for _, l := range logs {
		due, forgettable, spare := l.sweep(now, evicted < evict)
		switch {
		case !forgettable:
			b.dueAt(due)
			if spare {
				b.spare.Store(true)
			}
		case !b.forgetEmpty(l, now, evicted < evict): // it is followed, or in use just now
			b.dueAt(now.Add(maxPause))
		case now.Before(due):
			evicted++
		}
	}
	return evicted
}

// all returns every log there is.
func (b *Broker) all() []*log {
	b.mu.RLock()
	defer b.mu.RUnlock()
	logs := make([]*log, 0, len(b.logs))
	for _, l := range b.logs {
		logs = append(logs, l)
	}
	return logs
}

// closeIdle closes the logs to which nothing was published for so long that
// they must be. The caller holds no lock, since tails are told.
func (b *Broker) closeIdle(now time.Time) {
	for _, l := range b.all() {
		if l.keep.CloseAfter > 0 && l.order.TryLock() { // one in use just now is for the next sweep
			b.closeIfIdle(l, now)
			l.order.Unlock()
		}
	}
}

func (b *Broker) closeIfIdle(l *log, now time.Time) {
	l.mu.Lock()
	due := l.willClose() && !l.gone && !now.Before(l.closeAt())
	if due {
		l.closed, l.touched = true, now
	}
	l.mu.Unlock()
	if due {
		l.tell(nil, true)
		b.dueAt(now.Add(l.keep.Idle()))
	}
}

// willClose reports whether the log closes when nothing is published any more:
// one to which nothing ever was waits for its first entry.
func (l *log) willClose() bool {
	return l.keep.CloseAfter > 0 && !l.closed && l.end != l.fresh
}

func (l *log) closeAt() time.Time { return l.time.Add(l.keep.CloseAfter) }

// sweep drops what has expired. It returns when something next can be dropped
// for its age, whether the log itself can be now, and whether it could be
// evicted.
func (l *log) sweep(now time.Time, evict bool) (due time.Time, forgettable, spare bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	if l.entries.Len() > 0 {
		if l.keep.Age < 0 {
			return time.Unix(0, math.MaxInt64), false, false
		}
		return (*l.entries.At(0)).Time.Add(l.keep.Age), false, false
	}
	return l.idleUntil(), l.forgettable(now, evict), l.empty() && !l.closed
}

// forgettable reports whether the log holds nothing, and has not for long, or
// may be evicted.
func (l *log) forgettable(now time.Time, evict bool) bool {
	return l.empty() && (evict && !l.closed || !now.Before(l.idleUntil()))
}

// idleUntil is up to when the log is remembered though it may be empty. If it
// will be closed, that comes first, and is of use to who reads.
func (l *log) idleUntil() time.Time {
	last := l.touched
	if l.willClose() && last.Before(l.closeAt()) {
		last = l.closeAt()
	}
	return last.Add(l.keep.Idle())
}

// forgetEmpty forgets l if it still can be and nobody uses it just now.
func (b *Broker) forgetEmpty(l *log, now time.Time, evict bool) bool {
	if !l.order.TryLock() {
		return false
	}
	defer l.order.Unlock()
	l.mu.RLock()
	can := l.forgettable(now, evict) && len(l.tails) == 0 && !l.gone
	l.mu.RUnlock()
	if can {
		b.forget(l)
	}
	return can
}
