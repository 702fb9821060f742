package call

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
)

const (
	settle     = 30 * time.Second // after its time is over in which a call's end is brought about if the broker fails
	stopping   = 2 * time.Second  // the same, for what this node works on when it stops
	partsAhead = 8                // parts of a handler or a hook that may wait to be copied, so that the log keeps them until they are
)

// A running call is one that this node waits for: it copies the call's log
// into the asker's inbox.
type running struct {
	service    *Service
	ref        string
	connection string
	id         string // the asker's name for it
	ask        *ask   // as the log has it, once asked is closed

	asked chan struct{} // closed when it is known whether it was asked
	err   error         // why it was not

	signal  pabal.Signal
	session *pabal.Session
	batch   pabal.Batch
	next    int           // item of batch
	over    bool          // the final entry was copied
	window  chan struct{} // of parts that wait to be copied; nil: none are made here
	claimed atomic.Bool   // this node asks the handler or the hook
}

// run has c answered and waits for that.
func (c *running) run() {
	s := c.service
	defer s.leave(c)
	defer c.session.Close()
	end := time.Now()
	if c.ask.Until.After(end) {
		end = c.ask.Until
	}
	ctx, cancel := context.WithDeadline(s.ctx, end.Add(settle))
	defer cancel()
	working, stop := context.WithDeadline(ctx, c.ask.Until)
	defer stop()
	var work sync.WaitGroup
	work.Go(func() { c.dispatch(working) })
	err := c.follow(ctx)
	stop()
	work.Wait()
	if s.ctx.Err() != nil && !c.over && c.claimed.Load() {
		ctx, cancel := context.WithTimeout(context.Background(), stopping)
		defer cancel()
		c.finish(ctx, failed(stopped()))
		err = c.follow(ctx)
	}
	if err != nil && (s.ctx.Err() == nil || c.claimed.Load()) {
		s.log.Error("a call could not be ended; it will be when it is asked again", "channel", c.ask.Channel, "call", c.ref, "error", err)
	}
}

// follow copies the log until the final entry was copied, and brings that
// about when the call's time is over. After an error it may be called again.
func (c *running) follow(ctx context.Context) error {
	late := false
	for failures := 0; ; {
		for ; c.next < len(c.batch.Items); c.next++ {
			if err := c.take(ctx, &c.batch.Items[c.next]); err != nil {
				return err
			}
			if c.over {
				return nil
			}
		}
		if !late && !time.Now().Before(c.ask.Until) {
			late = true
			c.finish(ctx, failed(timedOut()))
		}
		c.next = 0
		state := c.session.Step(&c.batch, 64)
		if len(c.batch.Items) > 0 {
			continue
		}
		switch state {
		case pabal.Behind:
			if err := c.session.CatchUp(ctx); err != nil {
				if c.warn(ctx, "the log of a call could not be read; it is tried again", err); !pause(ctx, failures) {
					return errors.Join(ctx.Err(), err)
				}
				failures++
				continue
			}
			failures = 0
		case pabal.Caught:
			if err := c.wait(ctx, late); err != nil {
				return err
			}
		case pabal.Done:
			return c.lose(ctx)
		}
	}
}

// wait waits until there is more in the log, or the call's time is over.
func (c *running) wait(ctx context.Context, late bool) error {
	var due <-chan time.Time
	if !late {
		due = time.After(time.Until(c.ask.Until))
	}
	select {
	case <-c.signal:
	case <-due:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// take copies what is read, if it is a part of the answer.
func (c *running) take(ctx context.Context, item *pabal.Item) error {
	if item.Notice != nil {
		switch item.Notice.Kind {
		case pabal.NoticeGap:
			c.finish(ctx, failed(lost()))
		case pabal.NoticeReset, pabal.NoticeClosed:
			return c.lose(ctx)
		}
		return nil
	}
	switch m := item.Entry.Message; m.Type {
	case "part":
		err := c.copy(ctx, strconv.FormatUint(uint64(item.Entry.Offset), 10), m)
		if errors.Is(err, pabal.ErrConflict) { // the store came back without another, which was copied
			c.finish(ctx, failed(lost()))
			err = nil
		}
		if strings.HasPrefix(m.ID, worked) {
			select {
			case <-c.window:
			default:
			}
		}
		return err
	case "answer", "failed":
		return c.end(ctx, m)
	}
	return nil
}

// copy appends m to the asker's inbox as the entry n of the answer. Whoever
// copies it, it is there once.
func (c *running) copy(ctx context.Context, n string, m pabal.Message) error {
	m.ID, m.Key = "answer/"+c.ref+"/"+n, c.id
	return c.service.append(ctx, pabal.Channel(pabal.Inbox+c.connection), m, false)
}

// end copies the final entry. If the inbox has another, that one stands.
func (c *running) end(ctx context.Context, m pabal.Message) error {
	err := c.copy(ctx, final, m)
	if err == nil || errors.Is(err, pabal.ErrConflict) {
		c.over = true
		return nil
	}
	return err
}

// lose ends a call of which the log was lost.
func (c *running) lose(ctx context.Context) error { return c.end(ctx, failed(lost())) }

// finish ends the log with m, unless it has ended.
func (c *running) finish(ctx context.Context, m pabal.Message) {
	err := c.service.append(ctx, logOf(c.ref), m, true)
	if err != nil && !errors.Is(err, pabal.ErrClosed) && !errors.Is(err, pabal.ErrConflict) {
		c.warn(ctx, "a call could not be ended", err)
	}
}

func (c *running) warn(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		c.service.seldom.log(c.service.log, slog.LevelError, what, "channel", c.ask.Channel, "call", c.ref, "error", err)
	}
}
