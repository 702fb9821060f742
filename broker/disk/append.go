package disk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

var (
	errClosed  = errors.New("the disk broker is closed")
	errNothing = errors.New("there is nothing to publish: give at least one message, or close the channel")
)

// Append appends what p holds to ch, all of it or nothing. When it has
// returned, it is kept as far as the channel's [Sync] promises, and every tail
// of ch was given the entries. When ctx ends before, it is not known whether p
// will be appended.
func (b *Broker) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	if err := ctx.Err(); err != nil {
		return pabal.Appended{}, err
	}
	if len(p.Messages) == 0 && !p.Close {
		return pabal.Appended{}, errNothing
	}
	if err := b.room(); err != nil {
		return pabal.Appended{}, err
	}
	r := &request{do: (*writer).append, p: p}
	for i := range p.Messages {
		r.size += size(&p.Messages[i])
	}
	err := b.ask(ctx, ch, r)
	if err != nil {
		return pabal.Appended{}, err
	}
	return r.done, nil
}

// Delete forgets ch's log. Its positions are not used again, and its IDs are
// still known.
func (b *Broker) Delete(ctx context.Context, ch pabal.Channel) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.failure(); err != nil {
		return err
	}
	return b.ask(ctx, ch, &request{do: (*writer).clear})
}

// ask has the writer do r on ch's log, and waits for that or for ctx to end.
func (b *Broker) ask(ctx context.Context, ch pabal.Channel, r *request) error {
	l, err := b.hold(ch)
	if err != nil {
		return err
	}
	r.log, r.ready = l, make(chan struct{}, 1)
	r.claim = once.ClaimOf(ch, &r.p, &l.rules.Retention)
	if err := b.queue.put(r); err != nil {
		b.release(l)
		return err
	}
	select {
	case <-r.ready:
		b.release(l)
		return r.err
	case <-b.trouble.halted:
		b.release(l)
		return b.unsure()
	case <-ctx.Done():
		go func() {
			_ = b.wait(r)
			b.release(l)
		}()
		return ctx.Err()
	}
}

func size(m *pabal.Message) int {
	return len(m.Data) + len(m.ID) + len(m.Type) + len(m.Key) + len(m.ContentType)
}

// append does what [Broker.Append] promises, but for the commit.
func (w *writer) append(r *request) {
	l, p := r.log, &r.p
	known, refused := w.ids.Find(r.claim, w.now)
	t := w.turn(l)
	switch s := &l.head; {
	case known != nil:
		r.done, r.err = *known, w.repeat(t, p, known, r.claim.Whole)
		return
	case s.closed && len(p.Messages) == 0:
		r.done = pabal.Appended{End: w.position(s.end)}
		return
	case s.closed:
		r.err = pabal.ErrClosed
		return
	case refused != nil:
		r.err = refused
		return
	case p.If != nil && !w.endsAt(l, *p.If):
		r.err = pabal.ErrMoved
		return
	}
	if r.err = w.findOld(t, p.Messages); r.err != nil {
		return
	}
	if r.err = w.admit(l); r.err != nil {
		return
	}
	if len(p.Messages) > 0 {
		r.done.Positions = make([]pabal.Position, len(p.Messages))
	}
	for i := range p.Messages {
		r.done.Positions[i] = w.add(t, &p.Messages[i], w.old[i])
	}
	w.drop(l, t, l.over(w.now))
	w.dropKeys(l, t)
	l.head.closed, t.otherwise = p.Close, t.otherwise || p.Close
	r.done.End = w.position(l.head.end)
	w.touch(l, t)
	w.ids.Add(r.claim, &r.done, w.now, func(k once.Known) {
		w.set(idKey(l.rules.Namespace, k.Number), appendKnown(w.value[:0], &k))
	})
}

func (b *Broker) position(at pabal.Offset) pabal.Position {
	return pabal.Position{Epoch: b.past.now().epoch, Offset: at}
}

// repeat does what is left to do when p's messages are there: to close the
// log, if they were published without that.
func (w *writer) repeat(t *turn, p *pabal.Publish, known *pabal.Appended, whole bool) error {
	s := &t.log.head
	if whole || !p.Close || s.closed || known.End.Offset < s.deleted || !s.stored {
		return nil
	}
	if p.If != nil && known.End.Offset != s.end {
		return pabal.ErrMoved
	}
	s.closed, t.otherwise, t.changed = true, true, true
	return nil
}

// endsAt reports whether p is the end of l, by whatever epoch.
func (w *writer) endsAt(l *log, p pabal.Position) bool {
	at, lost := w.past.place(l.channel, &l.head, p)
	return lost == "" && at >= l.head.last.at
}

// add appends an entry for m. Old is the last entry with its key before.
func (w *writer) add(t *turn, m *pabal.Message, old pabal.Offset) pabal.Position {
	l, s := t.log, &t.log.head
	if m.Key != "" && !s.keys.keyed {
		w.makeKeyed(l)
	}
	e := &pabal.Entry{
		Channel: l.channel, Epoch: w.past.now().epoch, Offset: s.end + 1, Prev: s.end, Message: *m,
	}
	s.time = max(s.time, w.now.UnixNano())
	e.Time = time.Unix(0, s.time).UTC()
	s.end = e.Offset
	s.last = edge{e.Offset, tally{s.last.n + 1, s.last.bytes + uint64(e.Size())}}
	made := markOf(e, s.last.tally)
	if uint64(len(l.ahead))+1 == s.count() && len(l.ahead) < aheadMarks {
		l.ahead = append(l.ahead, made)
	}
	t.entries, t.marks, t.changed = append(t.entries, e), append(t.marks, made), true
	w.key = offsetKey(w.key[:0], entryRow, l.channel, e.Offset)
	w.value = appendEntry(w.value[:0], e, s.last.tally)
	w.set(w.key, w.value)
	if s.keys.keyed {
		w.addKey(t, last{e.Offset, m.Key}, old)
	}
	return e.Position()
}

// touch notes that the log was written to.
func (w *writer) touch(l *log, t *turn) {
	l.head.touched = w.now.UnixNano()
	t.changed = true
	if due := l.due(w.now); due != 0 && (l.head.due == 0 || due < l.head.due) {
		w.schedule(l, due)
	}
}

// admit counts l as one of the channels that are kept, if there is room.
func (w *writer) admit(l *log) error {
	if l.head.stored {
		return nil
	}
	if w.record.channels >= w.config.Channels && !w.makeRoom() {
		return &pabal.LimitError{
			Limit: "stored-channels", Max: w.config.Channels, What: fmt.Sprintf("channel %.80q", l.channel), Retry: time.Minute,
		}
	}
	w.count(1)
	l.head.stored = true
	return nil
}

func (w *writer) count(n int) {
	w.record.channels += n
	w.group.record = true
}

// clear does what [Broker.Delete] promises, but for the commit. It moves the
// end so that also who stood there is told of it.
func (w *writer) clear(r *request) {
	l := r.log
	t := w.turn(l)
	s := &l.head
	if !s.stored || s.end == s.fresh && !s.closed {
		return
	}
	at := s.end + 1
	from, to := allOf(keyRow, l.channel)
	w.deleteRange(from, to) // only the writer reads it; the other rows may still be read
	*s = state{
		first: edge{at, s.last.tally}, last: edge{at, s.last.tally}, cut: pabal.Deleted, end: at, fresh: at, deleted: at,
		time: s.time, due: s.due, past: s.past, stored: true,
		keys: keys{keyed: l.rules.Latest, kept: l.rules.Latest, floor: at},
	}
	l.ahead, t.lasts, t.keys, t.otherwise = nil, nil, nil, true
	w.touch(l, t)
	w.schedule(l, w.now.Add(minPause).UnixNano()) // to remove the rows
	w.spare(l.channel)
}
