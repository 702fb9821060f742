package memory

import (
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/ring"
)

// A log is one channel's. Offsets are compared without their epochs: those of
// a later epoch are above all of an earlier one.
type log struct {
	channel pabal.Channel
	keep    pabal.Retention
	life    *life

	order sync.Mutex
	tails []*tail // guarded by order
	gone  bool    // guarded by order: forgotten, look the channel up again

	mu sync.RWMutex
	state
}

// state is guarded by the log's mu; changes other than those for age need
// order, too.
type state struct {
	entries   ring.Ring[*pabal.Entry]
	bytes     int
	latest    latest
	first     pabal.Offset // of readers at or after it, no entry was dropped
	cut       pabal.Reason // why those just before first were
	end       pabal.Offset
	fresh     pabal.Offset // the end when nothing had been appended yet, since the beginning or the last deletion
	deleted   pabal.Offset // who stands before has not seen the last deletion
	closed    bool
	time      time.Time      // of the last entry
	touched   time.Time      // when it was last of use to anyone
	survivors []pabal.Offset // of each epoch before; those without are what [past] says
}

// overhead is by how much an entry takes more memory than its size.
const overhead = 192

func newLog(l *life, ch pabal.Channel, keep pabal.Retention, floor pabal.Offset) *log {
	return &log{channel: ch, keep: keep, life: l, state: state{
		first: floor, cut: pabal.Evicted, end: floor, fresh: floor, touched: clock(), latest: latest{floor: floor},
	}}
}

// pristine reports whether l holds nothing that was ever written.
func (l *log) pristine() bool { return l.end == l.fresh && l.deleted == 0 && !l.closed }

func (l *log) empty() bool { return l.entries.Len() == 0 && l.latest.apart.Len() == 0 }

func (l *log) endPosition() pabal.Position {
	return pabal.Position{Epoch: l.life.epoch, Offset: l.end}
}

// before returns the position just before e.
func before(e *pabal.Entry) pabal.Position { return pabal.Position{Epoch: e.Epoch, Offset: e.Prev} }

// append appends an entry for m.
func (l *log) append(m pabal.Message, now time.Time) *pabal.Entry {
	e := &pabal.Entry{
		Channel: l.channel, Epoch: l.life.epoch, Offset: l.end + 1, Prev: l.end, Time: l.time, Message: m,
	}
	if now.After(l.time) {
		e.Time = now
	}
	l.time, l.touched = e.Time, now
	l.end = e.Offset
	l.put(e)
	return e
}

// put puts e at the end of what is kept.
func (l *log) put(e *pabal.Entry) {
	l.entries.Push(e)
	l.bytes += e.Size()
	if freed := l.latest.add(e); freed != nil {
		l.free(freed)
	}
}

// trim drops what is over the bounds on entries, bytes and keys.
func (l *log) trim() {
	for n := l.entries.Len(); n > l.keep.Entries || n > 1 && l.bytes > l.keep.Bytes; n-- {
		l.dropFirst(pabal.Trimmed)
	}
	l.trimKeys()
}

func (l *log) trimKeys() {
	for l.keep.Latest && l.latest.keys() > l.keep.Keys && l.latest.apart.Len() > 0 {
		l.free(l.latest.drop())
	}
}

// old reports whether l holds an entry that has expired.
func (l *log) old(now time.Time) bool {
	return l.keep.Age >= 0 && l.entries.Len() > 0 && !(*l.entries.At(0)).Time.After(now.Add(-l.keep.Age))
}

func (l *log) expire(now time.Time) {
	for l.old(now) {
		l.dropFirst(pabal.Expired)
	}
	l.trimKeys()
}

func (l *log) dropFirst(why pabal.Reason) {
	e := l.entries.Pop()
	l.bytes -= e.Size()
	l.first, l.cut = e.Offset, why
	last := l.latest.is(e)
	if last && l.keep.Latest {
		l.latest.keepApart(e)
		return
	}
	if last {
		l.latest.forget(e)
	}
	l.free(e)
}

func (l *log) free(e *pabal.Entry) { l.life.bytes.Add(-cost(e.Size())) }

func cost(size int) int64 { return int64(size + overhead) }

// clear drops everything, and moves the end so that also who stood there is
// told of it.
func (l *log) clear(now time.Time) {
	for i := range l.entries.Len() {
		l.free(*l.entries.At(i))
	}
	for i := range l.latest.apart.Len() {
		if e := l.latest.apart.At(i).entry; e != nil {
			l.free(e)
		}
	}
	at := l.end + 1
	l.state = state{
		first: at, cut: pabal.Deleted, end: at, fresh: at, deleted: at, latest: latest{floor: at},
		time: l.time, touched: now, survivors: l.survivors,
	}
}

// reserve counts the bytes of messages as kept. It reports false, and counts
// nothing, if all logs would then hold more than limit.
func (l *log) reserve(messages []pabal.Message, limit int) bool {
	var need int64
	for i := range messages {
		need += cost(size(&messages[i]))
	}
	freed := int64(-1)
	for {
		held := l.life.bytes.Load()
		if held+need > int64(limit) {
			if freed < 0 {
				freed = l.wouldFree(messages)
			}
			if held+need-freed > int64(limit) {
				return false
			}
		}
		if l.life.bytes.CompareAndSwap(held, held+need) {
			return true
		}
	}
}

// wouldFree returns how many bytes appending messages frees, or less.
func (l *log) wouldFree(messages []pabal.Message) (freed int64) {
	bytes := l.bytes
	written := map[string]bool{}
	for i := range messages {
		bytes += size(&messages[i])
		written[messages[i].Key] = true
	}
	for key := range written {
		if e := l.latest.of(key); l.keep.Latest && e != nil && e.Offset <= l.first {
			freed += cost(e.Size())
		}
	}
	n := l.entries.Len() + len(messages)
	for i := 0; i < l.entries.Len() && (n > l.keep.Entries || n > 1 && bytes > l.keep.Bytes); i++ {
		e := *l.entries.At(i)
		n--
		bytes -= e.Size()
		if !l.keep.Latest || written[e.Key] || !l.latest.is(e) {
			freed += cost(e.Size())
		}
	}
	return freed
}

func size(m *pabal.Message) int {
	return len(m.Data) + len(m.ID) + len(m.Type) + len(m.Key) + len(m.ContentType)
}
