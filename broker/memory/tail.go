package memory

import (
	"context"
	"slices"

	"github.com/pabal/pabal"
)

// A tail is one follower of a channel.
type tail struct {
	ctx context.Context
	fn  func(*pabal.Entry)
}

// Tail calls fn for each entry appended to ch after end, each once and in
// order, and with nil when the log was closed or deleted, until ctx ends. Calls
// do not overlap. fn must neither block nor call the broker about ch. It is
// given entries that the broker keeps: who holds on to what it encodes should
// [pabal.Entry.Copy] them.
//
// A channel that is followed is not forgotten.
func (b *Broker) Tail(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (end pabal.Position, err error) {
	if err := ctx.Err(); err != nil {
		return pabal.Position{}, err
	}
	l, err := b.hold(ch)
	if err != nil {
		return pabal.Position{}, err
	}
	t := &tail{ctx, fn}
	l.tails = append(l.tails, t)
	end = l.endPosition() // it moves only under order
	l.order.Unlock()
	context.AfterFunc(ctx, func() { b.unfollow(l, t) })
	return end, nil
}

func (b *Broker) unfollow(l *log, t *tail) {
	l.order.Lock()
	defer l.order.Unlock()
	l.tails = slices.DeleteFunc(l.tails, func(other *tail) bool { return other == t })
	if len(l.tails) > 0 || l.gone {
		return
	}
	now := clock()
	l.mu.Lock()
	l.touched = now
	l.mu.Unlock()
	b.dueAt(now.Add(l.keep.Idle()))
	b.spare.Store(true)
}

// tell gives entries to all tails, and nil if the log changed otherwise. Order
// is held.
func (l *log) tell(entries []*pabal.Entry, otherwise bool) {
	for _, t := range l.tails {
		for _, e := range entries {
			if t.ctx.Err() != nil {
				break
			}
			t.fn(e)
		}
		if otherwise && t.ctx.Err() == nil {
			t.fn(nil)
		}
	}
}
