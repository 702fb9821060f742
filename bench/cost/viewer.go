package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal/bench/cost/browser"
	"github.com/pabal/pabal/bench/cost/line"
)

// A viewer reads one channel as a page does, over any protocol. It notes how
// old each message is when it comes.
type viewer struct {
	way
	line     line.Line
	request  browser.Request // up to where it says from where
	cursor   string
	plan     *plan
	tally    *tally
	mu       sync.Mutex
	next     int // the number of the message that comes next
	ages     []time.Duration
	buf      []byte
	pollTurn time.Duration // where in the interval its polls are
}

// A plan says when each message is to be published. Message 0 comes before, for
// all to be ready.
type plan struct {
	begun atomic.Int64 // Unix nanoseconds; 0: not yet
	every time.Duration
}

// due returns when the n-th message, from 1 on, is to be published.
func (p *plan) due(n int) time.Time {
	return time.Unix(0, p.begun.Load()).Add(time.Duration(n-1) * p.every)
}

// A tally counts what a crowd did.
type tally struct {
	line.Count
	requests, got atomic.Int64
}

// open begins to read what comes from now on.
func (v *viewer) open() error {
	if v.kind == streamed {
		if err := v.ask("since=now"); err != nil {
			return err
		}
		_, err := v.line.Head()
		return err
	}
	first := v.request
	first.Path, _, _ = strings.Cut(first.Path, "?")
	first.Path += "?via=poll&since=now"
	if err := v.line.Ask(first); err != nil {
		return err
	}
	if err := v.answer(); err != nil || v.kind == polled {
		return err
	}
	return v.ask("cursor=" + v.cursor)
}

func (v *viewer) ask(from string) error {
	v.tally.requests.Add(1)
	r := v.request
	r.Path += from
	return v.line.Ask(r)
}

// run reads until ctx ends.
func (v *viewer) run(ctx context.Context) error {
	end := context.AfterFunc(ctx, func() { v.line.Close() })
	defer end()
	err := v.read(ctx)
	if ctx.Err() != nil { // then it broke off by itself
		return nil
	}
	if err == nil {
		err = errors.New("the server ended the response")
	}
	return fmt.Errorf("reading by %v, after %d messages: %w", v.way, v.seen(), err)
}

func (v *viewer) read(ctx context.Context) error {
	switch v.kind {
	case streamed:
		return v.body()
	case parked:
		for {
			if err := v.answer(); err != nil {
				return err
			}
			if err := v.ask("cursor=" + v.cursor); err != nil {
				return err
			}
		}
	}
	for {
		if err := pause(ctx, v.untilPoll(time.Now())); err != nil {
			return err
		}
		if err := v.ask("cursor=" + v.cursor); err != nil {
			return err
		}
		if err := v.answer(); err != nil {
			return err
		}
	}
}

// untilPoll returns how long it is until the next poll: there is one in each
// interval, and each viewer has its own place in it. Before the plan begins it
// is soon.
func (v *viewer) untilPoll(now time.Time) time.Duration {
	begun := v.plan.begun.Load()
	if begun == 0 {
		return tablePoll / 20
	}
	since := now.Sub(time.Unix(0, begun).Add(v.pollTurn)) % tablePoll
	if since < 0 {
		return -since
	}
	return tablePoll - since
}

// answer reads the answer to a request.
func (v *viewer) answer() error {
	h, err := v.line.Head()
	if err != nil {
		return err
	}
	if h.Cursor == "" {
		return errors.New("the answer says no cursor")
	}
	v.cursor = h.Cursor
	return v.body()
}

// body reads what there is to the end. A message may come in pieces.
func (v *viewer) body() error {
	have := 0
	for {
		n, err := v.line.Read(v.buf[have:])
		now := time.Now()
		rest, markErr := scanMarks(v.buf[:have+n], func(n int) error { return v.found(n, now) })
		if markErr != nil {
			return markErr
		}
		have = copy(v.buf, v.buf[have+n-rest:have+n])
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// found notes the n-th message. All come, once, in order.
func (v *viewer) found(n int, now time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case n > v.next:
		return fmt.Errorf("message %d came where %d was due: some were lost", n, v.next)
	case n < v.next:
		return fmt.Errorf("message %d came where %d was due: repeated, or out of order", n, v.next)
	}
	v.next++
	v.tally.got.Add(1)
	if n > 0 {
		v.ages = append(v.ages, now.Sub(v.plan.due(n)))
	}
	return nil
}

func (v *viewer) seen() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.next
}

// cutCursor divides a cursor of one channel into its epoch and its offset.
func cutCursor(cursor string) (epoch string, offset int, err error) {
	epoch, digits, ok := strings.Cut(cursor, "-")
	if offset, err = strconv.Atoi(digits); !ok || err != nil {
		return "", 0, fmt.Errorf("%q is not an epoch, a hyphen and an offset", cursor)
	}
	return epoch, offset, nil
}
