package transport

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// An attendance is where one connection is present. What was asked of it is done
// in turn, whichever way it came. What is joined once it has ended is left at
// once.
type attendance struct {
	mu    sync.Mutex
	in    []pabal.Channel
	queue []func(context.Context) // to be done, one after the other
	stop  context.CancelFunc      // of what is being done; nil: nothing is
	wish  map[pabal.Channel]int   // the number of what was asked last of a channel, and is not yet done
	turns int                     // how often something was asked
	ended bool
}

func newAttendance() *attendance { return &attendance{} }

// mostQueued is how much one connection may ask for that is not yet done.
const mostQueued = 1000

// later has f done once all that was to be done before is, without waiting for
// it. Its context ends with a. The error says why it is not done.
func (a *attendance) later(f func(context.Context)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.ended:
		return errLeft
	case len(a.queue) >= mostQueued:
		return &pabal.LimitError{Limit: "presence-queue", Max: mostQueued, What: "one more wish to be present or absent", Retry: time.Second}
	}
	a.queue = append(a.queue, f)
	if a.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		a.stop = stop
		go a.work(ctx)
	}
	return nil
}

// work does what is queued; once a has ended, with a context that has.
func (a *attendance) work(ctx context.Context) {
	for {
		a.mu.Lock()
		if len(a.queue) == 0 {
			a.stop()
			a.queue, a.stop = nil, nil
			a.mu.Unlock()
			return
		}
		f := a.queue[0]
		a.queue = a.queue[1:]
		a.mu.Unlock()
		f(ctx)
	}
}

// ask returns once what o asks for the holder of g is done, or why it is not.
func (a *attendance) ask(ctx context.Context, h *Handler, g pabal.Grant, o *order) error {
	turn := a.wishes(o.Channel)
	done := make(chan error, 1)
	err := a.later(func(ctx context.Context) {
		done <- a.do(ctx, h, g, o)
		a.settled(o.Channel, turn)
	})
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell is ask for what nobody waits for: it is tried again for as long as nothing
// else was asked of the channel.
func (a *attendance) tell(h *Handler, g pabal.Grant, o *order) {
	a.again(h, g, o, a.wishes(o.Channel), h.Retry)
}

func (a *attendance) again(h *Handler, g pabal.Grant, o *order, turn int, wait time.Duration) {
	err := a.later(func(ctx context.Context) {
		if !a.wanted(o.Channel, turn) {
			return
		}
		err := a.do(ctx, h, g, o)
		switch p := problem.From(err); {
		case err == nil || ctx.Err() != nil:
			a.settled(o.Channel, turn)
		case p.Status < 500 && p.RetryAfter == 0:
			a.settled(o.Channel, turn)
			h.Log.Debug("a reader cannot be present", "channel", o.Channel, "error", err)
		default:
			h.failures.Log(h.Log, err, "channel", o.Channel)
			time.AfterFunc(jitter(wait), func() { a.again(h, g, o, turn, min(2*wait, mostWait)) })
		}
	})
	if err != nil {
		h.Log.Debug("a reader is not to be present", "channel", o.Channel, "error", err)
	}
}

// mostWait is how long it is at most until somebody is tried again to be
// present.
const mostWait = 30 * time.Second

// wishes notes that something is asked of ch, and returns its number.
func (a *attendance) wishes(ch pabal.Channel) (turn int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wish == nil {
		a.wish = map[pabal.Channel]int{}
	}
	a.turns++
	a.wish[ch] = a.turns
	return a.turns
}

// wanted reports whether nothing was asked of ch since turn.
func (a *attendance) wanted(ch pabal.Channel, turn int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.wish[ch] == turn
}

// settled forgets what was asked of ch at turn, which is done, or cannot be.
func (a *attendance) settled(ch pabal.Channel, turn int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wish[ch] == turn {
		delete(a.wish, ch)
	}
}

func (a *attendance) do(ctx context.Context, h *Handler, g pabal.Grant, o *order) error {
	if o.Leave {
		a.leave(h, g, o.Channel)
		return nil
	}
	return a.join(ctx, h, g, o.Channel, o.Data)
}

// join has the holder of g present in ch, with data, for as long as a lasts.
func (a *attendance) join(ctx context.Context, h *Handler, g pabal.Grant, ch pabal.Channel, data []byte) error {
	if err := h.Presence.Join(ctx, g, ch, data, 0); err != nil {
		return err
	}
	a.mu.Lock()
	again := slices.Contains(a.in, ch)
	if !again && !a.ended {
		a.in = append(a.in, ch)
	}
	ended := a.ended
	a.mu.Unlock()
	if again || ended { // one Leave is owed for each channel
		h.Presence.Leave(g, ch, false)
	}
	return nil
}

// leave has the holder of g absent from ch, if it is present there.
func (a *attendance) leave(h *Handler, g pabal.Grant, ch pabal.Channel) {
	a.mu.Lock()
	i := slices.Index(a.in, ch)
	if i >= 0 {
		a.in = slices.Delete(a.in, i, i+1)
	}
	a.mu.Unlock()
	if i >= 0 {
		h.Presence.Leave(g, ch, true)
	}
}

// end ends a: the client has left, or may come again soon.
func (a *attendance) end(h *Handler, g pabal.Grant) {
	a.mu.Lock()
	in := a.in
	a.in, a.ended = nil, true
	if a.stop != nil {
		a.stop()
	}
	a.mu.Unlock()
	for _, ch := range in {
		h.Presence.Leave(g, ch, false)
	}
}
