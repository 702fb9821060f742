package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// An inbox is the channel of the client's connection, to which the answers to
// its calls come. It is read by one goroutine for as long as there are calls.
// The lock is held for no I/O.
type inbox struct {
	mu    sync.Mutex
	calls map[string]*pending // that wait, by id
	inboxPlace
	stop context.CancelFunc // ends the one that reads; nil: there is none, or it ends by itself
	done chan struct{}      // closed when the last one that was started has ended
}

// An inboxPlace is where the inbox was read up to, and when. It belongs to the
// goroutine that reads.
type inboxPlace struct {
	at   map[pabal.Channel]string
	left time.Time
}

// inboxSlack is how far back the inbox is read where it was not for as long: a
// request may take its time to arrive, and clocks of nodes differ.
const inboxSlack = time.Minute

var errAnswerLost = errors.New("the server did not keep all of the answer until it was read")

// await has what answers a handed to it, until leave.
func (b *inbox) await(c *Client, a *pending) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls[a.id] != nil {
		return fmt.Errorf("call: the ID %.80q is that of a call which waits for its answer: give this one another, or none", a.id)
	}
	if b.calls == nil {
		b.calls = map[string]*pending{}
	}
	b.calls[a.id] = a
	if b.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		before, done := b.done, make(chan struct{})
		b.stop, b.done = stop, done
		go func() {
			defer close(done)
			defer stop()
			if before != nil {
				<-before
			}
			b.read(ctx, c)
		}()
	}
	return nil
}

// leave lets go of a. With the last one that waits it ends the reading, and
// returns when that has ended.
func (b *inbox) leave(a *pending) {
	b.mu.Lock()
	if b.calls[a.id] == a {
		delete(b.calls, a.id)
	}
	var done chan struct{}
	if len(b.calls) == 0 {
		done = b.done
		b.end()
	}
	b.mu.Unlock()
	if done != nil {
		<-done
	}
}

// end has the reading end. The lock is held.
func (b *inbox) end() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
}

// read hands out what comes, until nobody waits. It polls: so nothing is cut
// off at the end, and it works on any way to the server.
func (b *inbox) read(ctx context.Context, c *Client) {
	o := Options{Channels: []pabal.Channel{pabal.Channel(pabal.Inbox + c.connection())}, Via: "longpoll", Since: "all", inbox: time.Now()}
	switch {
	case b.left.IsZero(): // nobody knew of it
	case time.Since(b.left) < inboxSlack:
		o.Cursors = b.at
	default:
		o.Since = ""
	}
	sub := c.Subscribe(o)
	for event, err := range sub.Events(ctx) {
		if n := event.Notice; n != nil && (n.Kind == pabal.NoticeGap || n.Kind == pabal.NoticeReset) {
			err = errAnswerLost
		}
		if err != nil {
			b.fail(ctx, fmt.Errorf("%w, as the answer cannot be read: %w", ErrOutcomeUnknown, err))
			break
		}
		if event.Entry != nil && !b.hand(&event.Entry.Message) {
			break
		}
	}
	b.at, b.left = sub.Cursors(), time.Now()
}

// hand hands m to the call that it answers. It reports whether one waits still.
func (b *inbox) hand(m *pabal.Message) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.calls[m.Key]; a != nil && a.take(m) {
		delete(b.calls, m.Key)
	}
	if len(b.calls) > 0 {
		return true
	}
	b.stop = nil // it ends by itself, so that its connection can serve again
	return false
}

// fail tells all that wait why nothing will come.
func (b *inbox) fail(ctx context.Context, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return // nobody waited
	}
	for _, a := range b.calls {
		a.fail(err)
	}
	clear(b.calls)
	b.stop = nil
}
