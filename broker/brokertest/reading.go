package brokertest

import (
	"fmt"
	"slices"
	"time"

	"github.com/pabal/pabal"
)

var readings = []promise{
	{name: "read/starts", test: starts},
	{name: "read/since a time", test: sinceTime},
	{name: "read/pages by number", test: pagesByNumber},
	{name: "read/pages by bytes", test: pagesByBytes},
	{name: "read/backward", test: backward},
	{name: "read/an unknown epoch", test: unknownEpoch},
	{name: "read/ahead", test: aheadOfEnd},
}

func starts(x *trial) {
	l := x.open(Options{})
	at := l.put(numbered(0, 5)...)
	page := l.holds(pabal.FromAll(), numbered(0, 5)...)
	if page.Start != page.First || page.End != at[4] || page.More || page.Closed {
		x.Fatalf("all: got %+v, want start and first alike, and the end %v", page, at[4])
	}
	for n := range 5 {
		if got := l.holds(pabal.FromLast(n), numbered(5-n, 5)...); got.First != page.First || got.End != page.End {
			x.Fatalf("the last %d: first %v, end %v, want %v and %v", n, got.First, got.End, page.First, page.End)
		}
		l.holds(pabal.After(at[n]), numbered(n+1, 5)...)
	}
	l.holds(pabal.FromNow())
	l.holds(pabal.FromLast(9), numbered(0, 5)...)
	l.holds(pabal.After(page.First), numbered(0, 5)...)
	now := l.read(pabal.FromNow()).Start
	l.put("5")
	l.holds(pabal.After(now), "5")
}

func sinceTime(x *trial) {
	l := x.open(Options{})
	var entries []*pabal.Entry
	for i := range 4 {
		l.put(fmt.Sprint(2*i), fmt.Sprint(2*i+1))
		x.pass(x.Unit / 20)
	}
	entries = l.read(pabal.FromAll()).Entries
	for _, e := range entries {
		first := slices.IndexFunc(entries, func(other *pabal.Entry) bool { return !other.Time.Before(e.Time) })
		l.holds(pabal.FromTime(e.Time), numbered(first, 8)...)
	}
	l.holds(pabal.FromTime(entries[0].Time.Add(-time.Hour)), numbered(0, 8)...)
	l.holds(pabal.FromTime(entries[7].Time.Add(time.Hour)))
	l.holds(pabal.FromTime(entries[1].Time.Add(time.Millisecond)), numbered(2, 8)...)
}

// pages reads page after page of all from q.From on.
func (l log) pages(q pabal.Query) (entries []*pabal.Entry, pages []pabal.Page) {
	l.x.Helper()
	for {
		page := l.query(q)
		entries = append(entries, page.Entries...)
		pages = append(pages, page)
		if !page.More {
			return entries, pages
		}
		last := page.Entries[len(page.Entries)-1].Position()
		q.From = pabal.After(last)
		if len(pages) > 1 && page.Lost != nil {
			l.x.Fatalf("%s: between two pages, lost %s", l.ch, gap(page.Lost))
		}
	}
}

func pagesByNumber(x *trial) {
	l := x.open(Options{})
	at := l.put(numbered(0, 10)...)
	for _, from := range []pabal.From{pabal.FromAll(), pabal.FromLast(10), pabal.After(l.read(pabal.FromAll()).First)} {
		for limit := 1; limit <= 11; limit++ {
			entries, pages := l.pages(pabal.Query{From: from, MaxEntries: limit})
			if got, want := data(entries), numbered(0, 10); !slices.Equal(got, want) {
				x.Fatalf("from %v by %d: got %v, want %v", from, limit, got, want)
			}
			if got, want := len(pages), (10+limit-1)/limit; got != want {
				x.Fatalf("from %v by %d: got %d pages, want %d", from, limit, got, want)
			}
			if end := pages[0].End; end != at[9] {
				x.Fatalf("from %v by %d: the end of the log is said to be %v, want %v", from, limit, end, at[9])
			}
		}
	}
}

func pagesByBytes(x *trial) {
	l := x.open(Options{})
	l.put("333", "22", "1", "", "7777777", "22", "22")
	for _, want := range []struct{ limit, pages int }{{1, 6}, {2, 6}, {3, 5}, {4, 4}, {6, 3}, {19, 1}} {
		entries, pages := l.pages(pabal.Query{MaxBytes: want.limit})
		if len(entries) != 7 || len(pages) != want.pages {
			x.Fatalf("by %d bytes: got %d entries on %d pages, want 7 on %d", want.limit, len(entries), len(pages), want.pages)
		}
	}
}

func backward(x *trial) {
	l := x.open(Options{})
	at := l.put(numbered(0, 10)...)
	first := l.read(pabal.FromAll()).First
	l.holds(pabal.Before(at[9]), numbered(0, 10)...)
	l.holds(pabal.Before(at[3]), numbered(0, 4)...)
	if page := l.holds(pabal.Before(first)); page.More {
		x.Fatalf("before the first entry there is more")
	}
	var got []string
	page := l.query(pabal.Query{From: pabal.Before(at[8]), MaxEntries: 4})
	for ; ; page = l.query(pabal.Query{From: pabal.Before(page.Start), MaxEntries: 4}) {
		got = append(data(page.Entries), got...)
		if !page.More {
			break
		}
	}
	if want := numbered(0, 9); !slices.Equal(got, want) {
		x.Fatalf("four at a time, backward: got %v, want %v", got, want)
	}
	page = l.query(pabal.Query{From: pabal.Before(at[9]), MaxBytes: 3})
	if got, want := data(page.Entries), numbered(7, 10); !slices.Equal(got, want) || !page.More {
		x.Fatalf("three bytes, backward: got %v, more %v, want %v and more", got, page.More, want)
	}
	if ahead := (pabal.Position{Epoch: at[9].Epoch, Offset: at[9].Offset + 100}); len(l.holds(pabal.Before(ahead), numbered(0, 10)...).Entries) == 0 {
		x.Fatalf("before a position after the end there is nothing")
	}
}

func unknownEpoch(x *trial) {
	l := x.open(Options{})
	at := l.put(numbered(0, 3)...)
	unknown := []pabal.Reason{pabal.Unknown}
	for _, p := range []pabal.Position{{}, {Epoch: at[0].Epoch + 1, Offset: at[1].Offset}, {Epoch: at[0].Epoch - 1}} {
		l.lost(p, unknown, numbered(0, 3)...)
		l.at("never").lost(p, unknown)
	}
}

func aheadOfEnd(x *trial) {
	l := x.open(Options{})
	p := l.put(numbered(0, 3)...)[2]
	p.Offset++
	ahead := []pabal.Reason{pabal.Ahead}
	page := l.lost(p, ahead) // what was had is not told again
	if page.Lost.To != page.End {
		x.Fatalf("ahead of the end: it goes on at %v, want the end, %v", page.Lost.To, page.End)
	}
	never := l.at("never").end()
	never.Offset += 1000
	l.at("never").lost(never, ahead)
}
