package pabal

// A Waker is told that a tail has grown, or changed otherwise. A reader that
// waits has one of its own (see [Signal]); a loop has one for all that it
// reads. It must be comparable.
type Waker interface {
	// Wake does not block. It comes at most once until a session of the waker
	// has found the tail's end again, and may still come once after the last of
	// them was closed.
	Wake(*Tail)
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
