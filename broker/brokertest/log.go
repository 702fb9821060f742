package brokertest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pabal/pabal"
)

// A log is a channel of a broker under test. Its methods end the test where
// the broker fails.
type log struct {
	x  *trial
	b  pabal.Broker
	ch pabal.Channel
}

// at returns another channel of the same broker.
func (l log) at(ch pabal.Channel) log { return log{l.x, l.b, ch} }

func texts(data ...string) pabal.Publish {
	var p pabal.Publish
	for _, d := range data {
		p.Messages = append(p.Messages, pabal.Message{Data: []byte(d)})
	}
	return p
}

// keyed makes a message of each text: what is before "=" is its key.
func keyed(data ...string) pabal.Publish {
	p := texts(data...)
	for i, d := range data {
		p.Messages[i].Key, _, _ = strings.Cut(d, "=")
	}
	return p
}

// named makes a message of each text: what is before ":" is its ID.
func named(data ...string) pabal.Publish {
	p := texts(data...)
	for i, d := range data {
		p.Messages[i].ID, _, _ = strings.Cut(d, ":")
	}
	return p
}

// numbered returns from, from+1, …, to-1 as texts.
func numbered(from, to int) (data []string) {
	for i := from; i < to; i++ {
		data = append(data, fmt.Sprint(i))
	}
	return data
}

func (l log) append(p pabal.Publish) pabal.Appended {
	l.x.Helper()
	done, err := l.b.Append(l.x.ctx, l.ch, p)
	if err != nil {
		l.x.Fatalf("append to %s: %v", l.ch, err)
	}
	if len(done.Positions) != len(p.Messages) {
		l.x.Fatalf("append of %d messages: got %d positions", len(p.Messages), len(done.Positions))
	}
	if n := len(done.Positions); n > 0 && done.End != done.Positions[n-1] {
		l.x.Fatalf("append: End is %v, want the last message's position, %v", done.End, done.Positions[n-1])
	}
	return done
}

// put appends each text by itself, and returns the positions.
func (l log) put(data ...string) (at []pabal.Position) {
	l.x.Helper()
	for _, d := range data {
		at = append(at, l.append(texts(d)).End)
	}
	return at
}

// refused appends what must be refused with want, nothing being appended.
func (l log) refused(p pabal.Publish, want error) {
	l.x.Helper()
	before := l.end()
	done, err := l.b.Append(l.x.ctx, l.ch, p)
	if !errors.Is(err, want) {
		l.x.Fatalf("append: got %+v and the error %v, want the error %v", done, err, want)
	}
	if after := l.end(); after != before {
		l.x.Fatalf("a publish was refused, but the log's end moved from %v to %v", before, after)
	}
}

func (l log) delete() {
	l.x.Helper()
	if err := l.b.Delete(l.x.ctx, l.ch); err != nil {
		l.x.Fatalf("delete %s: %v", l.ch, err)
	}
}

func (l log) end() pabal.Position {
	l.x.Helper()
	return l.query(pabal.Query{From: pabal.FromNow()}).End
}

// query reads a page; a limit that is zero means none.
func (l log) query(q pabal.Query) pabal.Page {
	l.x.Helper()
	if q.MaxEntries == 0 {
		q.MaxEntries = math.MaxInt32
	}
	if q.MaxBytes == 0 {
		q.MaxBytes = math.MaxInt32
	}
	page, err := l.b.Read(l.x.ctx, l.ch, q)
	if err != nil {
		l.x.Fatalf("read %s from %v: %v", l.ch, q.From, err)
	}
	if wrong := malformed(l.ch, q, page); wrong != "" {
		l.x.Fatalf("read %s from %v: %s", l.ch, q.From, wrong)
	}
	return page
}

// read reads all from from on at once.
func (l log) read(from pabal.From) pabal.Page {
	l.x.Helper()
	return l.query(pabal.Query{From: from})
}

// holds ends the test unless the log from from on is want, and nothing of it
// is lost.
func (l log) holds(from pabal.From, want ...string) pabal.Page {
	l.x.Helper()
	page := l.read(from)
	if got := data(page.Entries); !slices.Equal(got, want) || page.Lost != nil {
		l.x.Fatalf("%s from %v: got %v, lost %s; want %v and nothing lost", l.ch, from, got, gap(page.Lost), want)
	}
	return page
}

// lost ends the test unless a reader at p gets want, and before is told of a
// loss for one of reasons.
func (l log) lost(p pabal.Position, reasons []pabal.Reason, want ...string) pabal.Page {
	l.x.Helper()
	page := l.read(pabal.After(p))
	if page.Lost == nil || !slices.Contains(reasons, page.Lost.Reason) {
		l.x.Fatalf("%s after %v: lost %s, want one of %v", l.ch, p, gap(page.Lost), reasons)
	}
	if got := data(page.Entries); !slices.Equal(got, want) {
		l.x.Fatalf("%s after %v, lost %s: got %v, want %v", l.ch, p, gap(page.Lost), got, want)
	}
	l.holds(pabal.After(page.Lost.To), want...) // a client that was told only this much goes on there
	return page
}

func gap(g *pabal.Gap) string {
	if g == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s from %v to %v", g.Reason, g.From, g.To)
}

func data(entries []*pabal.Entry) []string {
	var texts []string
	for _, e := range entries {
		texts = append(texts, string(e.Data))
	}
	return texts
}

// malformed tells what is wrong with page whatever the log holds.
func malformed(ch pabal.Channel, q pabal.Query, page pabal.Page) string {
	p, after := q.From.After()
	_, before := q.From.Before()
	size := 0
	for i, e := range page.Entries {
		size += e.Size()
		if e.Channel != ch {
			return fmt.Sprintf("entry %v is of channel %q", e.Position(), e.Channel)
		}
		if i == 0 {
			continue
		}
		last := page.Entries[i-1]
		switch {
		case e.Offset <= last.Offset:
			return fmt.Sprintf("%v follows %v", e.Position(), last.Position())
		case e.Time.Before(last.Time):
			return fmt.Sprintf("%v is older than %v before it", e.Position(), last.Position())
		case !q.Latest && e.Epoch == last.Epoch && e.Prev != last.Offset:
			return fmt.Sprintf("%v has Prev %d and follows %v", e.Position(), e.Prev, last.Position())
		}
	}
	n := len(page.Entries)
	switch {
	case n > q.MaxEntries || n > 1 && size > q.MaxBytes:
		return fmt.Sprintf("%d entries of %d bytes, at most %d of %d", n, size, q.MaxEntries, q.MaxBytes)
	case n > 0 && page.Start != pabal.Position{Epoch: page.Entries[0].Epoch, Offset: page.Entries[0].Prev}:
		return fmt.Sprintf("it starts at %v, and the first entry %v has Prev %d", page.Start, page.Entries[0].Position(), page.Entries[0].Prev)
	case n == 0 && !before && page.Start != page.End:
		return fmt.Sprintf("without entries it starts at %v, which is not the end, %v", page.Start, page.End)
	case n == 0 && page.More:
		return "there is more, and no entry"
	case !after && page.Lost != nil:
		return "a start was told of a loss, " + gap(page.Lost)
	case page.Lost != nil && page.Lost.From != p:
		return fmt.Sprintf("a reader at %v was told of a loss from %v", p, page.Lost.From)
	case !q.Latest && page.Skipped != 0:
		return fmt.Sprintf("%d entries were skipped", page.Skipped)
	}
	return ""
}
