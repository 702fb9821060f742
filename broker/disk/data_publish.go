package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

// Messages are imported in batches of so many, at most, each synced at once.
const (
	batchMessages = 1000
	batchBytes    = 1 << 20
)

// A parcel is messages that are imported at once.
type parcel struct {
	items []parcelItem
	bytes int

	repeated int64
	wrong    int // the line that cannot be kept
}

type parcelItem struct {
	line    int
	log     *log
	channel pabal.Channel
	message pabal.Message
	time    time.Time // zero: when it is imported
}

// publish appends messages to the logs of the store in the directory.
func (t *tool) publish(first []byte, lines *lineReader) (done Imported, err error) {
	c := t.config
	if text, err := readMarker(t.fs, c.Dir); err == nil && text == importing {
		return done, errCut(c.Dir)
	}
	rules := c.Rules
	c.Rules = func(ch pabal.Channel) Rules { // what is counted as imported is synced
		r := rules(ch)
		r.Sync = SyncAlways
		return r
	}
	b, err := open(c, t.fs)
	if err != nil {
		return done, err
	}
	// Nothing is swept meanwhile, lest a channel be closed for the age of what has come so far.
	close(b.running.stop)
	b.running.sweeping.Wait()
	b.running.stop = make(chan struct{})

	err = t.publishAll(b, first, lines, &done)
	if err != nil {
		err = fmt.Errorf("%w; %d messages of the lines before were imported, and %d were there already", err, done.Entries, done.Repeated)
	}
	return done, errors.Join(err, b.Close())
}

func (t *tool) publishAll(b *Broker, line []byte, lines *lineReader, done *Imported) (err error) {
	for p := new(parcel); ; {
		if line != nil {
			item, err := parseItem(line, time.Now())
			if err != nil {
				return fmt.Errorf("line %d: %w; nothing of its batch, which begins on line %d, was imported", lines.n, err, p.begins(lines.n))
			}
			item.line = lines.n
			p.items = append(p.items, item)
			p.bytes += size(&item.message)
		}
		if len(p.items) == batchMessages || p.bytes >= batchBytes || line == nil {
			if err := p.keep(b); err != nil {
				return err
			}
			done.Entries += int64(len(p.items)) - p.repeated
			done.Repeated += p.repeated
			p = new(parcel)
		}
		if line == nil {
			return nil
		}
		if err := t.step(1); err != nil {
			return err
		}
		if line, err = lines.next(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// begins returns the first line of p, n if it has none.
func (p *parcel) begins(n int) int {
	if len(p.items) > 0 {
		n = p.items[0].line
	}
	return n
}

func parseItem(line []byte, now time.Time) (item parcelItem, err error) {
	if !utf8.Valid(line) {
		return item, errors.New("JSON is UTF-8, and this line is not: give such bytes with \"encoding\":\"base64\"")
	}
	var l messageLine
	if err := parseLine(line, &l); err != nil {
		return item, err
	}
	ch, err := pabal.ParseChannel(l.Channel)
	if err != nil {
		return item, err
	}
	if ch.Own() {
		return item, fmt.Errorf("channel %.80q is Pabal's own; leave its lines out", ch)
	}
	m, err := l.message()
	if err == nil {
		err = m.Check()
	}
	if err != nil {
		return item, err
	}
	m.Data = bytes.Clone(m.Data)
	item = parcelItem{channel: ch, message: m}
	if l.Time != nil {
		if item.time = l.Time.UTC(); item.time.After(now.Add(time.Minute)) || item.time.Before(time.Unix(0, 0)) {
			return item, fmt.Errorf("time %v: it lies in the future, or before 1970", l.Time)
		}
	}
	return item, nil
}

// keep has the writer keep p, and waits until it is synced.
func (p *parcel) keep(b *Broker) error {
	if len(p.items) == 0 {
		return nil
	}
	if err := b.room(); err != nil {
		return err
	}
	for i := range p.items {
		l, err := b.hold(p.items[i].channel)
		if err != nil {
			return fmt.Errorf("line %d: %w", p.items[i].line, err)
		}
		defer b.release(l)
		p.items[i].log = l
	}
	err := b.submit(&request{log: p.items[0].log, size: p.bytes, do: p.do})
	if err != nil && p.wrong > 0 {
		err = fmt.Errorf("line %d: %w; nothing of its batch, which begins on line %d, was imported", p.wrong, err, p.items[0].line)
	}
	return err
}

// do keeps all of p, or nothing.
func (p *parcel) do(w *writer, r *request) {
	claims, err := p.admit(w)
	if err != nil {
		r.err = err
		return
	}
	w.group.sync = true // as the request is of a log that is synced, it is answered then
	now := w.now
	for i := range p.items {
		item := &p.items[i]
		known, _ := w.ids.Find(claims[i], now)
		if known != nil {
			p.repeated++
			continue
		}
		l := item.log
		t := w.turn(l)
		if err := w.findOld(t, []pabal.Message{item.message}); err != nil {
			w.fail(err) // it was well a moment ago, and some of p may be done
			return
		}
		if !l.head.stored {
			w.count(1)
			l.head.stored = true
		}
		if !item.time.IsZero() {
			w.now = item.time // of the entry; never before that of the one before it
		}
		done := pabal.Appended{Positions: []pabal.Position{w.add(t, &item.message, w.old[0])}}
		w.now = now
		done.End = done.Positions[0]
		w.drop(l, t, l.excess)
		w.dropKeys(l, t)
		w.touch(l, t)
		w.ids.Add(claims[i], &done, now, func(k once.Known) {
			w.set(idKey(l.rules.Namespace, k.Number), appendKnown(w.value[:0], &k))
		})
	}
}

// admit returns an error if something of p cannot be kept, before anything is.
func (p *parcel) admit(w *writer) (claims []*once.Claim, err error) {
	type name struct {
		channel pabal.Channel
		id      string
	}
	twins := map[name]pabal.Digest{}
	fresh := map[*log]bool{}
	for i := range p.items {
		item := &p.items[i]
		p.wrong = item.line
		l, m := item.log, &item.message
		claim := once.ClaimOf(item.channel, &pabal.Publish{Messages: []pabal.Message{*m}}, &l.rules.Retention)
		claims = append(claims, claim)
		known, err := w.ids.Find(claim, w.now)
		switch {
		case err != nil:
			return nil, err
		case known != nil:
			continue
		case l.head.closed:
			return nil, pabal.ErrClosed
		}
		if err := w.findOld(w.turn(l), []pabal.Message{*m}); err != nil {
			return nil, err
		}
		if m.ID != "" {
			at, digest := name{item.channel, m.ID}, m.Digest()
			if twin, ok := twins[at]; ok && twin != digest {
				return nil, pabal.ErrConflict
			}
			twins[at] = digest
		}
		if !l.head.stored {
			fresh[l] = true
		}
		if w.record.channels+len(fresh) > w.config.Channels {
			return nil, &pabal.LimitError{Limit: "stored-channels", Max: w.config.Channels, What: fmt.Sprintf("channel %.80q", item.channel)}
		}
	}
	p.wrong = 0
	return claims, nil
}
