package pabal

import "sync/atomic"

// A Waker is told that a tail has grown, or changed otherwise. A reader that
// waits has one of its own (see [Signal]); a loop has one for all that it
// reads. It must be comparable.
type Waker interface {
	// Wake does not block. It comes at most once until a session of the waker
	// has found the tail's end again, and may still come once after the last of
	// them was closed.
	Wake(*Tail)
}

// An arm is a waker's registration at a tail.
type arm struct {
	waker    Waker
	sessions int
	index    int // in armed, or -1
	set      atomic.Bool
}

// wakers are those of a tail's sessions. The tail's mutex guards them.
type wakers struct {
	all   map[Waker]*arm
	armed []*arm
	spare []*arm // the armed list before last, for reuse
}

// take returns who is to be woken. They must arm again.
func (w *wakers) take() []*arm {
	list := w.armed
	if len(list) == 0 {
		return nil
	}
	w.armed, w.spare = w.spare[:0], nil
	for _, a := range list {
		a.index = -1
		a.set.Store(false)
	}
	return list
}

// add counts one more session of w.
func (w *wakers) add(of Waker) *arm {
	a := w.all[of]
	if a == nil {
		a = &arm{waker: of, index: -1}
		if w.all == nil {
			w.all = map[Waker]*arm{}
		}
		w.all[of] = a
	}
	a.sessions++
	return a
}

// remove counts one session less.
func (w *wakers) remove(a *arm) {
	if a.sessions--; a.sessions > 0 {
		return
	}
	delete(w.all, a.waker)
	if a.index < 0 {
		return
	}
	last := len(w.armed) - 1
	w.armed[a.index] = w.armed[last]
	w.armed[a.index].index = a.index
	w.armed[last], a.index = nil, -1
	w.armed = w.armed[:last]
}

// arm has a woken by the next take.
func (w *wakers) arm(a *arm) {
	if a.index < 0 && a.sessions > 0 {
		a.index = len(w.armed)
		w.armed = append(w.armed, a)
		a.set.Store(true)
	}
}

// A Signal is the waker of one session that blocks.
type Signal chan struct{}

// NewSignal returns a signal that was not yet given.
func NewSignal() Signal { return make(Signal, 1) }

// Wake implements [Waker].
func (s Signal) Wake(*Tail) {
	select {
	case s <- struct{}{}:
	default:
	}
}
