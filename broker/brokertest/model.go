package brokertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
)

// A model is what a channel should be after any sequence of operations. Each
// operation is done to a broker and to the model, and what a reader at any
// position ever given out gets is compared.
type model struct {
	t       *rapid.T
	x       *trial
	log     log
	options Options

	entries []*modelled // all that were ever appended, but those that a restart lost
	behind
	closed   bool
	deleted  int  // how many deletions there were
	appended bool // since the last of them
	aged     bool // the channel may have been forgotten, as its last entry has expired

	known  []known
	given  map[pabal.Position]bool
	last   pabal.Position
	serial int
}

// behind says how many of a model's entries are not what they were.
type behind struct {
	dead  int // went with a deletion
	first int // are not kept any more
	old   int // were there at the last restart
}

type modelled struct {
	at   pabal.Position
	data string
	key  string
	size int
	time time.Time
}

// known is a position that some reader may hold.
type known struct {
	at      pabal.Position
	read    int  // entries before it
	deleted int  // deletions before it
	lost    bool // a restart lost an entry before it
	aged    bool // the channel may have been forgotten since, and with it why something is missing
}

type kind struct {
	name    string
	options func(unit time.Duration) Options
}

var models = []kind{
	{"model/entries and age", func(unit time.Duration) Options { return Options{Entries: 5, Age: unit} }},
	{"model/bytes", func(time.Duration) Options { return Options{Bytes: 20} }},
	{"model/latest", func(time.Duration) Options { return Options{Entries: 3, Latest: true} }},
}

// check runs random operations. Where time costs none, each run has a bubble
// of its own.
func (k kind) check(t *testing.T, s Subject) {
	rapid.Check(t, func(rt *rapid.T) {
		if s.Advance != nil {
			k.run(rt, s)
			return
		}
		rapid.SyncTest(rt, func(rt *rapid.T) { k.run(rt, s) })
	})
}

func (k kind) run(rt *rapid.T, s Subject) {
	x := &trial{TB: rt, Subject: s, ctx: rt.Context()}
	o := k.options(s.Unit)
	m := &model{t: rt, x: x, options: o, log: x.open(o), given: map[pabal.Position]bool{}}
	m.know(m.log.end())
	steps := map[string]func(*rapid.T){
		"": m.compare, "append": m.append, "append if": m.appendIf, "close": m.close, "delete": m.delete,
		"read after": m.readAfter, "read back": m.readBack, "read latest": m.readLatest,
	}
	if s.Reopen != nil && !o.Latest {
		steps["restart"] = m.restart
	}
	if s.Advance == nil && o.Age > 0 {
		steps["pass"] = m.pass
	}
	rt.Repeat(steps)
}

func (m *model) know(p pabal.Position) {
	m.known = append(m.known, known{at: p, read: len(m.entries), deleted: m.deleted})
}

func (m *model) publish() pabal.Publish {
	var p pabal.Publish
	for range rapid.IntRange(1, 3).Draw(m.t, "messages") {
		m.serial++
		key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(m.t, "key")
		filler := make([]byte, rapid.SampledFrom([]int{0, 2, 30}).Draw(m.t, "filler"))
		p.Messages = append(p.Messages, pabal.Message{Key: key, Data: fmt.Appendf(nil, "%d%s", m.serial, filler)})
	}
	return p
}

func (m *model) append(*rapid.T) { m.publishNow(m.publish()) }

func (m *model) appendIf(*rapid.T) {
	p, k := m.publish(), m.draw()
	end := m.log.end()
	if p.If = &k.at; k.at != end && !m.closed {
		if k.at.Epoch == end.Epoch { // an end of an earlier epoch may be this one, too
			m.log.refused(p, pabal.ErrMoved)
		}
		return
	}
	m.publishNow(p)
}

func (m *model) publishNow(p pabal.Publish) {
	if m.closed {
		m.log.refused(p, pabal.ErrClosed)
		return
	}
	done := m.log.append(p)
	now := time.Now()
	for i, msg := range p.Messages {
		at := done.Positions[i]
		if m.given[at] || at.Epoch == m.last.Epoch && at.Offset <= m.last.Offset {
			m.t.Fatalf("%v was given after %v", at, m.last)
		}
		m.given[at], m.last = true, at
		m.entries = append(m.entries, &modelled{at, string(msg.Data), msg.Key, len(msg.Data) + len(msg.Key), now})
		m.know(at)
	}
	m.appended, m.aged = true, false
	m.trim()
}

// trim finds what is kept of the entries.
func (m *model) trim() {
	size, n := 0, 0
	for i := len(m.entries) - 1; i >= m.first; i-- {
		size += m.entries[i].size
		n++
		over := n > 1 && (m.options.Bytes > 0 && size > m.options.Bytes || m.options.Entries > 0 && n > m.options.Entries)
		if over || m.options.Age > 0 && time.Since(m.entries[i].time) >= m.options.Age {
			m.first = i + 1
			return
		}
	}
}

func (m *model) close(*rapid.T) {
	m.log.append(closing)
	m.closed, m.appended, m.aged = true, true, false
}

func (m *model) delete(*rapid.T) {
	if !m.appended || m.aged {
		m.t.Skip("there is nothing to delete, or may be nothing")
	}
	m.log.delete()
	m.closed, m.appended = false, false
	m.dead, m.first = len(m.entries), len(m.entries)
	m.deleted++
	m.know(m.log.end())
}

func (m *model) pass(*rapid.T) {
	m.x.pass(time.Duration(rapid.IntRange(1, 5).Draw(m.t, "quarters"))*m.options.Age/4 + time.Nanosecond)
	m.trim()
	if m.first == len(m.entries) {
		m.aged = true
		for i := range m.known {
			m.known[i].aged = true
		}
		m.closed = m.log.read(pabal.FromNow()).Closed
	}
}

func (m *model) restart(*rapid.T) {
	kept := len(m.entries) - m.first
	fresh := len(m.entries) - max(m.first, m.old) // what one crash has spared is kept; restartAgain has it otherwise
	n := rapid.IntRange(0, fresh).Draw(m.t, "lost")
	m.log = m.x.reopen(m.log, losing(n))
	if got := m.log.survivors(n, kept); got < kept-n {
		m.t.Skip("it lost more than it was asked to")
	}
	m.entries = m.entries[:len(m.entries)-n]
	m.old = len(m.entries)
	m.closed = m.closed && n == 0
	m.appended = m.appended && (n == 0 || len(m.entries) > m.first) // else there may be nothing to delete
	for i := range m.known {
		if k := &m.known[i]; k.read > len(m.entries) {
			k.read, k.lost = len(m.entries), true
		}
	}
	m.know(m.log.end())
}

func (m *model) draw() known { return rapid.SampledFrom(m.known).Draw(m.t, "position") }

func (m *model) texts(from, to int) (want []string) {
	for _, e := range m.entries[min(from, to):to] {
		want = append(want, e.data)
	}
	return want
}

// compare looks at the log as a whole.
func (m *model) compare(*rapid.T) {
	page := m.log.holds(pabal.FromAll(), m.texts(m.first, len(m.entries))...)
	if page.Closed != m.closed {
		m.t.Fatalf("closed is %v, want %v", page.Closed, m.closed)
	}
	for i, e := range page.Entries {
		if want := m.entries[m.first+i]; e.Position() != want.at || e.Key != want.key {
			m.t.Fatalf("%q is at %v with the key %q, want %v and %q", e.Data, e.Position(), e.Key, want.at, want.key)
		}
	}
	m.log.holds(pabal.After(page.End))
	m.log.holds(pabal.After(page.First), m.texts(m.first, len(m.entries))...)
}

// reasons tells why a reader at k may be told of a loss, nothing if it must
// not be.
func (m *model) reasons(k known) []pabal.Reason {
	var why []pabal.Reason
	switch {
	case k.deleted < m.deleted:
		why = deleted
	case k.lost:
		why = lost
	case k.read < m.first:
		why = []pabal.Reason{pabal.Trimmed, pabal.Expired}
	}
	return why
}

// told ends the test unless what page says to be lost is the truth for a reader at k.
func (m *model) told(k known, page pabal.Page, why []pabal.Reason) {
	switch got := page.Lost; {
	case got == nil && why == nil, got != nil && slices.Contains(why, got.Reason):
	case got != nil && k.aged && (why != nil || got.Reason == pabal.Evicted || got.Reason == pabal.Lost): // it is not known any more
	default:
		m.t.Fatalf("after %v: lost %s, want one of %v", k.at, gap(page.Lost), why)
	}
}

func (m *model) readAfter(*rapid.T) {
	k := m.draw()
	limit := rapid.IntRange(1, 8).Draw(m.t, "limit")
	entries, pages := m.log.pages(pabal.Query{From: pabal.After(k.at), MaxEntries: limit})
	if got, want := data(entries), m.texts(max(k.read, m.first), len(m.entries)); !slices.Equal(got, want) {
		m.t.Fatalf("after %v: got %q, want %q", k.at, got, want)
	}
	m.told(k, pages[0], m.reasons(k))
	if lost := pages[0].Lost; lost != nil {
		m.log.holds(pabal.After(lost.To), data(entries)...)
	}
}

func (m *model) readBack(*rapid.T) {
	n := rapid.IntRange(0, 8).Draw(m.t, "last")
	m.log.holds(pabal.FromLast(n), m.texts(max(len(m.entries)-n, m.first), len(m.entries))...)
	k := m.draw()
	m.log.holds(pabal.Before(k.at), m.texts(m.first, max(k.read, m.first))...)
}

func (m *model) readLatest(*rapid.T) {
	k := m.draw()
	entries, pages := m.log.pages(pabal.Query{From: pabal.After(k.at), Latest: true, MaxEntries: rapid.IntRange(1, 4).Draw(m.t, "limit")})
	from := max(k.read, m.first)
	why := m.reasons(k)
	if m.options.Latest {
		from = max(k.read, m.dead)
		if k.read < m.first && k.deleted == m.deleted {
			why = nil
		}
	}
	seen := map[string]bool{}
	var want []string
	for _, e := range slices.Backward(m.entries[from:]) {
		if !seen[e.key] {
			seen[e.key] = true
			want = append(want, e.data)
		}
	}
	slices.Reverse(want)
	if got := data(entries); !slices.Equal(got, want) {
		m.t.Fatalf("latest after %v: got %q, want %q", k.at, got, want)
	}
	m.told(k, pages[0], why)
}
