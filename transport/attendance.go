package transport

import (
	"context"
	"slices"
	"sync"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// An attendance is where one connection is present. What is joined once it has
// ended is left at once.
type attendance struct {
	mu    sync.Mutex
	in    []pabal.Channel
	queue []func(context.Context) // to be done, one after the other
	stop  context.CancelFunc      // of what is being done; nil: nothing is
	ended bool
}

func newAttendance() *attendance { return &attendance{} }

// mostQueued is how much one connection may ask for that is not yet done.
const mostQueued = 1000

// later has f done once all that was to be done before is, without waiting for
// it. Its context ends with a.
func (a *attendance) later(f func(context.Context)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || len(a.queue) >= mostQueued {
		return
	}
	a.queue = append(a.queue, f)
	if a.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		a.stop = stop
		go a.work(ctx)
	}
}

func (a *attendance) work(ctx context.Context) {
	for {
		a.mu.Lock()
		if len(a.queue) == 0 || a.ended {
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

// join has the holder of g present in ch, with data, for as long as a lasts.
func (a *attendance) join(ctx context.Context, h *Handler, g pabal.Grant, ch pabal.Channel, data []byte) error {
	if h.Presence == nil {
		return problem.BadRequest("presence is off on this server")
	}
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
