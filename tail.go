package pabal

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal/internal/arms"
)

// A Tail is the end of one followed channel's log: a linked list of entries
// that any number of readers walk without a lock. It keeps a window of the
// latest entries, also when all have passed them. A link that leaves the window is severed,
// so that a reader who stands there pins nothing else.
type Tail struct {
	channel Channel
	hub     *Hub
	closed  atomic.Bool // nothing follows the last link

	// Guarded by the hub's mutex, which is taken before mu.
	followers int
	idleSince time.Time

	mu     sync.Mutex
	window []*link // the first is only a place; the last is the end. Empty until started
	bytes  int
	repair
	wakers  arms.Set[Waker]
	memo    []*conflated // the latest ranges that were asked for
	start   *start
	cancel  context.CancelFunc
	stopped bool
}

// A repair is what a tail does about what does not link.
type repair struct {
	dirty bool  // a refresh is under way
	again bool  // it must look once more
	late  Epoch // that a reader has come to while the tail, which is dirty, is in another
}

// A link is one entry in a tail's list. The list grows at next; severed means
// that the link is no longer part of it.
type link struct {
	Entry
	next atomic.Pointer[link]
}

var severed = new(link)

func root(at Position) *link { return &link{Entry: Entry{Epoch: at.Epoch, Offset: at.Offset}} }

// start is one attempt to follow the broker's tail.
type start struct {
	done chan struct{}
	err  error
}

// Channel returns the channel that t follows.
func (t *Tail) Channel() Channel { return t.channel }

// started returns the attempt that is under way or has succeeded, and begins
// one if there is none.
func (t *Tail) started() *start {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.start == nil {
		s := &start{done: make(chan struct{})}
		if !t.hub.spawn(func() { t.follow(s) }) {
			s.err = ErrHubClosed
			close(s.done)
			return s
		}
		t.start = s
	}
	return t.start
}

func (t *Tail) follow(s *start) {
	defer close(s.done)
	ctx, cancel := context.WithCancel(t.hub.ctx)
	t.mu.Lock()
	if t.cancel = cancel; t.stopped {
		cancel()
	}
	t.mu.Unlock()
	end, err := t.hub.broker.Tail(ctx, t.channel, t.accept)
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.err = err; err != nil {
		cancel()
		t.start = nil
		return
	}
	t.window = append(t.window, root(end))
	t.refreshLocked() // what came before Tail returned, and whether the log is closed
}

// stop lets go of the broker's tail. Nobody follows t any more.
func (t *Tail) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped = true; t.cancel != nil {
		t.cancel()
	}
}

// begin returns the link at which a reader begins, if that is known without
// asking the broker, which is lossless.
func (t *Tail) begin(from From) *link {
	t.mu.Lock()
	var end *link
	if len(t.window) > 0 && !t.dirty {
		end = t.last()
	}
	t.mu.Unlock()
	n, counted := from.Last()
	after, isAfter := from.After()
	if end != nil && isAfter {
		end, _ = t.locate(after)
	}
	if counted && n == 0 || isAfter {
		return end
	}
	return nil
}

func (t *Tail) last() *link { return t.window[len(t.window)-1] }

// accept is what the broker calls.
func (t *Tail) accept(e *Entry) {
	t.mu.Lock()
	var wake []*arms.Arm[Waker]
	switch {
	case len(t.window) == 0: // it has not begun
	case e != nil && t.last().covers(e.Position()): // a repeat
	case e != nil && e.Epoch == t.last().Epoch && e.Prev == t.last().Offset:
		t.linkLocked(e)
		wake = t.wakers.Take()
	case t.dirty:
		t.again = true
	default: // a hole, or fn(nil)
		t.refreshLocked()
	}
	t.mu.Unlock()
	t.wake(wake)
}

// covers reports whether l is at p, or after it in the same epoch.
func (l *link) covers(p Position) bool { return l.Epoch == p.Epoch && l.Offset >= p.Offset }

func (t *Tail) linkLocked(e *Entry) {
	l := &link{Entry: Entry{Channel: e.Channel, Epoch: e.Epoch, Offset: e.Offset, Prev: e.Prev, Time: e.Time, Message: e.Message}}
	last := t.last()
	t.window = append(t.window, l)
	t.bytes += l.Size()
	drop := 0
	for n := len(t.window) - 1; n > 1 && (n > t.hub.limits.WindowEntries || t.bytes > t.hub.limits.WindowBytes); n-- {
		t.bytes -= t.window[drop+1].Size()
		drop++
	}
	last.next.Store(l)
	for _, old := range t.window[:drop] {
		old.next.Store(severed)
	}
	clear(t.window[:drop])
	t.window = t.window[drop:]
}

// restartLocked begins the list anew at end.
func (t *Tail) restartLocked(end Position) {
	for _, old := range t.window {
		old.next.Store(severed)
	}
	t.window, t.bytes = []*link{root(end)}, 0
}

func (t *Tail) wake(list []*arms.Arm[Waker]) {
	if len(list) == 0 {
		return
	}
	for _, a := range list {
		a.Waker.Wake(t)
	}
	clear(list)
	t.mu.Lock()
	t.wakers.Give(list)
	t.mu.Unlock()
}

// refreshLocked has the log read from the tail's end on, which mends whatever
// the broker's tail has lost.
func (t *Tail) refreshLocked() {
	t.dirty, t.late = t.hub.spawn(t.refresh), 0
}

// check has the log read from the tail's end on, unless that is under way.
func (t *Tail) check() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.window) > 0 && !t.dirty {
		t.refreshLocked()
	}
}

func (t *Tail) refresh() {
	for failures := 0; ; {
		t.mu.Lock()
		t.again = false
		from, stopped := t.last().Position(), t.stopped
		t.mu.Unlock()
		if stopped {
			return
		}
		page, err := t.hub.readNow(t.hub.ctx, t.channel, t.hub.query(After(from)))
		if err == nil && t.mend(from, page) {
			return
		}
		if failures++; err == nil {
			failures = 0
		} else if !t.hub.pause(failures) {
			return
		}
	}
}

// mend puts what page holds at the end of the list. It reports whether nothing
// is left to look for.
func (t *Tail) mend(from Position, page Page) bool {
	t.mu.Lock()
	changed, whole := t.mendLocked(from, page)
	t.dirty = !whole || t.again
	done := !t.dirty
	var wake []*arms.Arm[Waker]
	if changed || done && t.late != 0 {
		wake = t.wakers.Take()
	}
	t.mu.Unlock()
	t.wake(wake)
	return done
}

func (t *Tail) mendLocked(from Position, page Page) (changed, whole bool) {
	entries, last := page.Entries, t.last()
	moved := last.Position() != from // what the broker's tail gave in the meantime is linked already
	for moved && len(entries) > 0 && last.covers(entries[0].Position()) {
		entries = entries[1:]
	}
	switch broken := page.Lost != nil || page.Start != from; {
	case moved && (broken || len(entries) > 0 && entries[0].Prev != last.Offset):
		return false, false // it does not fit any more
	case moved && page.End != last.Position() && last.covers(page.End):
		return false, !page.More // it is older than what is known
	case broken:
		t.restartLocked(page.Start)
		changed = true
	}
	for _, e := range entries {
		t.linkLocked(e)
		changed = true
	}
	if !page.More && page.End != t.last().Position() {
		t.restartLocked(page.End)
		changed = true
	}
	closed := page.Closed && !page.More
	return t.closed.Swap(closed) != closed || changed, !page.More
}

// register counts one more session of w at t.
func (t *Tail) register(w Waker) *arms.Arm[Waker] {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wakers.Add(w)
}

func (t *Tail) unregister(a *arms.Arm[Waker]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wakers.Remove(a)
}

// arm has a's waker told of the next change. Whoever arms must look once more.
func (t *Tail) arm(a *arms.Arm[Waker]) {
	if a.Armed() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wakers.Arm(a)
}

// locate returns the link whose position is p. Without one, ahead says that p
// is after the list's end, and so the tail is late.
func (t *Tail) locate(p Position) (at *link, ahead bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.window) == 0 {
		return nil, false
	}
	last := t.last()
	if p == last.Position() {
		return last, false
	}
	if p.Epoch == last.Epoch && p.Offset > last.Offset || t.dirty && p.Epoch == t.late {
		return nil, true
	}
	i, ok := slices.BinarySearchFunc(t.window, p.Offset, func(l *link, o Offset) int { return cmp.Compare(l.Offset, o) })
	if !ok || t.window[i].Epoch != p.Epoch {
		return nil, false
	}
	return t.window[i], false
}

// A conflated is a range of a tail's window with only the last entry of each key.
type conflated struct {
	from, to Position
	entries  []*Entry // by offset
	skipped  int
}

// maxMemo is how many ranges a tail remembers: readers at the end of a tail
// stand in one of few places.
const maxMemo = 8

// conflate returns the last entry of each key of all that follow from, made
// once for all that stand there; nil if from has left the window.
func (t *Tail) conflate(from Position) *conflated {
	t.mu.Lock()
	defer t.mu.Unlock()
	to := t.last().Position()
	for _, c := range t.memo {
		if c.from == from && c.to == to {
			return c
		}
	}
	t.memo = slices.DeleteFunc(t.memo, func(c *conflated) bool { return c.to != to })
	i := slices.IndexFunc(t.window, func(l *link) bool { return l.Position() == from })
	if i < 0 {
		return nil
	}
	c := &conflated{from: from, to: to}
	seen := map[string]bool{}
	for _, l := range slices.Backward(t.window[i+1:]) {
		if seen[l.Key] {
			c.skipped++
			continue
		}
		seen[l.Key] = true
		c.entries = append(c.entries, &l.Entry)
	}
	slices.Reverse(c.entries)
	if len(t.memo) == maxMemo {
		t.memo = slices.Delete(t.memo, 0, 1)
	}
	t.memo = append(t.memo, c)
	return c
}

// seen tells t that its log's end is, or was, at end. A tail that stands in
// another epoch has missed that the store came back.
func (t *Tail) seen(end Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.window) > 0 && t.last().Epoch != end.Epoch {
		if !t.dirty {
			t.refreshLocked()
		}
		t.late = end.Epoch
	}
}
