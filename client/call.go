package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

const (
	askAgain   = 15 * time.Second // after which a call is asked again: the node that was asked may be gone
	askFor     = 5 * time.Minute  // for which that is done; the server knows a call for longer
	cancelTime = time.Second      // that it may take to cancel a call
	maxUntaken = 64 << 20         // bytes of parts that the caller has not taken
)

// Call asks m of ch, whose application answers, and returns the answer. Of m
// there are only ID, content type and data. That the call failed, in time or
// there, is an [*Error]. Parts of an answer are left out: for them there is
// [Client.CallStream].
//
// A call is asked once, however often the request is repeated. The same ID
// asks the same thing only once in some minutes, even in another process if it
// is of the same connection; without one, each call is a call. The server
// decides how long a call may take, or ctx, if it has an earlier deadline.
//
// At ctx's end the call is cancelled, for which Call takes a second at most.
// The error is ctx's cause then, and [ErrOutcomeUnknown] unless nothing was
// asked.
func (c *Client) Call(ctx context.Context, ch pabal.Channel, m pabal.Message) (answer pabal.Message, err error) {
	for answer, err = range c.CallStream(ctx, ch, m) {
		if err != nil {
			return pabal.Message{}, err
		}
	}
	return answer, nil
}

// CallStream is [Client.Call], but yields an answer as it comes: any number of
// messages of type "part", and then one of type "answer", or the error. Who
// stops before cancels the call.
func (c *Client) CallStream(ctx context.Context, ch pabal.Channel, m pabal.Message) iter.Seq2[pabal.Message, error] {
	return func(yield func(pabal.Message, error) bool) {
		if err := c.checkCall(ch, &m); err != nil {
			yield(pabal.Message{}, err)
			return
		}
		a := &pending{id: cmp.Or(m.ID, rand.Text()), news: make(chan struct{}, 1)}
		if err := c.inbox.await(c, a); err != nil {
			yield(pabal.Message{}, err)
			return
		}
		defer c.inbox.leave(a)
		asking, stop := context.WithCancel(ctx)
		known, over := true, false
		var work sync.WaitGroup
		work.Go(func() { known = c.ask(asking, ch, &m, a) })
		end := func() {
			if over {
				return
			}
			over = true
			stop()
			if work.Wait(); !known && !a.ended() {
				c.cancel(ctx, a.id)
			}
		}
		defer end()
		left, err := a.pass(ctx, yield)
		if errors.Is(err, errStop) || err == nil {
			return
		}
		if end(); left {
			err = unknown(known, err)
		}
		yield(pabal.Message{}, err)
	}
}

func (c *Client) checkCall(ch pabal.Channel, m *pabal.Message) error {
	if m.Type != "" || m.Key != "" {
		return errors.New("call: what is asked has neither type nor key: say it in its data")
	}
	if err := m.Check(); err != nil {
		return fmt.Errorf("call: %w", err)
	}
	return c.check(ch)
}

// ask asks until ctx ends: again and again, which changes nothing unless the
// node that was asked is gone. It reports whether it is known that nothing was
// asked.
func (c *Client) ask(ctx context.Context, ch pabal.Channel, m *pabal.Message, a *pending) (known bool) {
	known = true
	for began := time.Now(); ; {
		nothing, err := c.repeat(ctx, func() error {
			timeout := 0.0
			if until, ok := ctx.Deadline(); ok {
				timeout = min(max(time.Until(until).Seconds(), 0.001), 3600)
			}
			return c.command(ctx, &command{Command: "call", Channel: ch, Call: a.id, Timeout: timeout}, m)
		})
		known = known && nothing && err != nil
		if err != nil && ctx.Err() == nil {
			a.fail(err)
		}
		if err != nil || time.Since(began) > askFor || !sleep(ctx, askAgain) {
			return known
		}
	}
}

func (c *Client) cancel(ctx context.Context, id string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	_ = c.command(ctx, &command{Command: "cancel", Call: id}, nil) // if it fails, the server ends the call in its time
}

// A pending call waits for its answer.
type pending struct {
	id   string
	news chan struct{} // holds one if there is something to take

	mu    sync.Mutex
	queue []pabal.Message
	size  int   // of what is in the queue
	err   error // what comes after it
	last  bool  // nothing comes to the queue any more
}

// take queues m. It reports whether it was the last to come.
func (a *pending) take(m *pabal.Message) (last bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last {
		return true
	}
	switch m.Type {
	case "part", "answer":
		a.queue = append(a.queue, pabal.Message{Type: m.Type, ContentType: m.ContentType, Data: m.Data})
		a.last = m.Type == "answer"
	case "failed":
		a.err, a.last = callError(m.Data), true
	default:
		return false
	}
	if a.size += len(m.Data); a.size > maxUntaken && !a.last {
		a.err, a.last = fmt.Errorf("call: %d bytes of its answer were not taken in time", a.size), true
	}
	a.tell()
	return a.last
}

// fail says that nothing comes any more.
func (a *pending) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.last {
		a.err, a.last = err, true
		a.tell()
	}
}

func (a *pending) tell() {
	select {
	case a.news <- struct{}{}:
	default:
	}
}

// ended reports whether nothing is left to be cancelled.
func (a *pending) ended() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// pass yields what comes. It returns why it ends, nil after the answer, and
// whether it is left before the call has ended.
func (a *pending) pass(ctx context.Context, yield func(pabal.Message, error) bool) (left bool, err error) {
	for {
		a.mu.Lock()
		queue, err, last := a.queue, a.err, a.last
		a.queue, a.size = nil, 0
		a.mu.Unlock()
		for i := range queue {
			if !yield(queue[i], nil) {
				return true, errStop
			}
		}
		if last {
			return false, err
		}
		select {
		case <-a.news:
		case <-ctx.Done():
			return true, context.Cause(ctx)
		}
	}
}

// callError returns the problem that says why a call failed.
func callError(data []byte) error {
	var p struct {
		Error
		RetryAfter float64 `json:"retryAfter"`
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return garbled("a call failed with %.80q", data)
	}
	p.call = true
	p.Error.RetryAfter = time.Duration(p.RetryAfter * float64(time.Second))
	return &p.Error
}

// A command is what a client asks for beside reading: see spec/protocol.md.
type command struct {
	ID      int           `json:"id"`
	Command string        `json:"command"`
	Channel pabal.Channel `json:"channel,omitempty"`
	Call    string        `json:"call,omitempty"`
	Timeout float64       `json:"timeout,omitempty"`
	Ref     string        `json:"ref,omitempty"`
	Type    string        `json:"type,omitempty"`
}

// command has the server do what cmd says, with the content of m, once. The
// error says what it did not do, or that this is not known.
func (c *Client) command(ctx context.Context, cmd *command, m *pabal.Message) error {
	cmd.ID = 1
	text, err := json.Marshal(cmd)
	if err != nil {
		return err
	}
	if m != nil {
		content := wire.AppendMessage(nil, &pabal.Message{ContentType: m.ContentType, Data: m.Data})
		if len(content) > len("{}") {
			text = append(append(text[:len(text)-1], ','), content[1:]...)
		}
	}
	to := c.at("/commands", url.Values{"connection": {c.connection()}})
	answer, err := c.act(ctx, http.MethodPost, to, http.Header{"Content-Type": {"application/json"}}, text)
	if err != nil {
		return err
	}
	var reply struct{ OK bool }
	if json.Unmarshal(bytes.TrimSpace(answer), &reply) != nil || !reply.OK {
		return garbled("a command was answered with %.80q", answer)
	}
	return nil
}
