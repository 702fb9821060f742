package memory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

var errNothing = errors.New("there is nothing to publish: give at least one message, or close the channel")

// Append appends what p holds to ch, all of it or nothing. When it has
// returned, every tail of ch was given the entries.
func (b *Broker) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	if err := ctx.Err(); err != nil {
		return pabal.Appended{}, err
	}
	if len(p.Messages) == 0 && !p.Close {
		return pabal.Appended{}, errNothing
	}
	l, err := b.hold(ch)
	if err != nil {
		return pabal.Appended{}, err
	}
	defer l.order.Unlock()
	closed := l.closed
	done, entries, err := b.commit(l, &p, once.ClaimOf(ch, &p, &l.keep))
	if err != nil {
		b.forgetUnseen(l)
		return pabal.Appended{}, err
	}
	l.tell(entries, l.closed != closed)
	return done, nil
}

// commit does what Append promises but for telling the tails. Order is held,
// so of two publishes with the same ID the second finds what the first did.
func (b *Broker) commit(l *log, p *pabal.Publish, names *once.Claim) (pabal.Appended, []*pabal.Entry, error) {
	now := clock()
	known, refused := b.ids.Find(names, now)
	switch {
	case known != nil:
		err := l.repeat(p, known, names.Whole)
		return *known, nil, err
	case l.closed && len(p.Messages) == 0:
		return pabal.Appended{End: l.endPosition()}, nil, nil
	case l.closed:
		return pabal.Appended{}, nil, pabal.ErrClosed
	case refused != nil:
		return pabal.Appended{}, nil, refused
	case p.If != nil && !l.endsAt(*p.If):
		return pabal.Appended{}, nil, pabal.ErrMoved
	}
	entries, ok := l.appendAll(p, now, b.config.Bytes)
	if !ok && now.UnixNano() >= b.due.Load() {
		b.sweep(now, 0)
		entries, ok = l.appendAll(p, now, b.config.Bytes)
	}
	if !ok {
		return pabal.Appended{}, nil, &pabal.LimitError{Limit: "memory-bytes", Max: b.config.Bytes, What: fmt.Sprintf("a publish to channel %.80q", l.channel), Retry: b.retry()}
	}
	done := pabal.Appended{End: l.endPosition()}
	if len(entries) > 0 {
		done.Positions = make([]pabal.Position, len(entries))
	}
	for i, e := range entries {
		done.Positions[i] = e.Position()
	}
	b.ids.Add(names, &done, now, nil)
	b.dueAt(now.Add(l.keep.Idle()))
	return done, entries, nil
}

// appendAll appends p's messages and closes the log if p says so. It does
// nothing and reports false if there is no room.
func (l *log) appendAll(p *pabal.Publish, now time.Time, limit int) (entries []*pabal.Entry, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	if !l.reserve(p.Messages, limit) {
		return nil, false
	}
	entries = make([]*pabal.Entry, len(p.Messages))
	for i := range p.Messages {
		entries[i] = l.append(p.Messages[i], now)
	}
	l.trim()
	l.touched = now
	l.closed = p.Close
	return entries, true
}

// repeat does what is left to do when p's messages are there: to close the
// log, if they were published without that.
func (l *log) repeat(p *pabal.Publish, known *pabal.Appended, whole bool) error {
	if whole || !p.Close || l.closed || known.End.Offset < l.deleted {
		return nil
	}
	if p.If != nil && known.End.Offset != l.end {
		return pabal.ErrMoved
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// endsAt reports whether p is the log's end, by whatever epoch.
func (l *log) endsAt(p pabal.Position) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	last := l.first
	if n := l.entries.Len(); n > 0 {
		last = (*l.entries.At(n - 1)).Offset
	}
	at, lost := l.place(p)
	return lost == "" && at >= last
}

// Delete forgets ch's log. Its positions are not used again, and its IDs are
// still known.
func (b *Broker) Delete(ctx context.Context, ch pabal.Channel) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for {
		l, _, err := b.find(ch)
		if err != nil || l == nil {
			return err
		}
		l.order.Lock()
		if l.gone {
			l.order.Unlock()
			continue
		}
		b.clear(l)
		l.order.Unlock()
		return nil
	}
}

func (b *Broker) clear(l *log) {
	if l.end == l.fresh && !l.closed {
		return
	}
	now := clock()
	l.mu.Lock()
	l.clear(now)
	l.mu.Unlock()
	l.tell(nil, true)
	b.dueAt(now.Add(l.keep.Idle()))
	b.spare.Store(true)
}
