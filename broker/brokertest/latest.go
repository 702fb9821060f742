package brokertest

import (
	"slices"

	"github.com/pabal/pabal"
)

var latests = []promise{
	{name: "latest/of each key", test: latestOfEach},
	{name: "latest/in pages", test: latestInPages},
	{name: "latest/beyond the bounds", test: latestBeyond},
	{name: "latest/beyond the age", test: latestBeyondAge},
	{name: "latest/keys", test: latestKeys},
	{name: "latest/without keep latest", test: latestTrimmed},
}

// latest ends the test unless the last of each key from from on are want,
// nothing is lost, and skipped entries were left out.
func (l log) latest(from pabal.From, skipped int, want ...string) pabal.Page {
	l.x.Helper()
	page := l.query(pabal.Query{From: from, Latest: true})
	if got := data(page.Entries); !slices.Equal(got, want) || page.Lost != nil || page.Skipped != skipped {
		l.x.Fatalf("latest from %v: got %v, %d skipped, lost %s; want %v, %d skipped and nothing lost",
			from, got, page.Skipped, gap(page.Lost), want, skipped)
	}
	return page
}

func latestOfEach(x *trial) {
	l := x.open(Options{})
	at := l.append(keyed("a=1", "b=1", "=1", "a=2", "c=1", "=2", "b=2", "a=3")).Positions
	l.latest(pabal.FromAll(), 4, "c=1", "=2", "b=2", "a=3")
	l.latest(pabal.After(at[0]), 3, "c=1", "=2", "b=2", "a=3")
	l.latest(pabal.After(at[4]), 0, "=2", "b=2", "a=3")
	l.latest(pabal.After(at[6]), 0, "a=3")
	l.latest(pabal.After(at[7]), 0)
	l.latest(pabal.FromNow(), 0)
	l.latest(pabal.FromLast(5), 1, "c=1", "=2", "b=2", "a=3")
	l.at("never").latest(pabal.FromAll(), 0)
	l.append(keyed("c=2"))
	l.latest(pabal.FromAll(), 5, "=2", "b=2", "a=3", "c=2")
	l.delete()
	l.append(keyed("d=1"))
	l.latest(pabal.FromAll(), 0, "d=1")
}

func latestInPages(x *trial) {
	l := x.open(Options{})
	var want []string
	for i := range 300 {
		d := string(rune('a'+i*i%23)) + "=" + numbered(i, i+1)[0]
		l.append(keyed(d))
		want = slices.DeleteFunc(want, func(old string) bool { return old[0] == d[0] })
		want = append(want, d)
	}
	for limit := 1; limit < 9; limit++ {
		entries, pages := l.pages(pabal.Query{Latest: true, MaxEntries: limit})
		skipped := 0
		for _, page := range pages {
			skipped += page.Skipped
		}
		if got := data(entries); !slices.Equal(got, want) || skipped != 300-len(want) {
			x.Fatalf("by %d: got %v and %d skipped, want %v and %d", limit, got, skipped, want, 300-len(want))
		}
	}
}

func latestBeyond(x *trial) {
	l := x.open(Options{Entries: 2, Latest: true})
	start := l.end()
	at := l.append(keyed("a=1", "b=1", "a=2", "c=1", "d=1", "e=1")).Positions
	l.holds(pabal.FromAll(), "d=1", "e=1")
	l.lost(start, trimmed, "d=1", "e=1")
	all := []string{"b=1", "a=2", "c=1", "d=1", "e=1"}
	page := l.latest(pabal.FromAll(), 0, all...)
	l.latest(pabal.After(page.Start), 0, all...)
	l.latest(pabal.After(at[1]), 0, "a=2", "c=1", "d=1", "e=1")
	for from, after := range map[pabal.Position][]string{start: all, at[0]: all} {
		page := l.query(pabal.Query{From: pabal.After(from), Latest: true})
		if got := data(page.Entries); page.Lost != nil || !slices.Equal(got, after) {
			x.Fatalf("latest after %v: got %v, lost %s, want %v and nothing lost", from, got, gap(page.Lost), after)
		}
	}
	for limit := range 6 {
		if entries, _ := l.pages(pabal.Query{From: pabal.After(start), Latest: true, MaxEntries: limit + 1}); !slices.Equal(data(entries), all) {
			x.Fatalf("latest by %d: got %v, want %v", limit+1, data(entries), all)
		}
	}
	l.append(keyed("a=3"))
	if entries, _ := l.pages(pabal.Query{Latest: true}); !slices.Equal(data(entries), []string{"b=1", "c=1", "d=1", "e=1", "a=3"}) {
		x.Fatalf("after a=3: got %v", data(entries))
	}
	l.delete()
	l.latest(pabal.FromAll(), 0)
	if page := l.query(pabal.Query{From: pabal.After(at[0]), Latest: true}); page.Lost == nil || page.Lost.Reason != pabal.Deleted {
		x.Fatalf("latest after a deletion: lost %s, want %s", gap(page.Lost), pabal.Deleted)
	}
}

func latestBeyondAge(x *trial) {
	l := x.open(Options{Age: x.Unit, Latest: true})
	at := l.append(keyed("a=1", "b=1", "a=2")).Positions
	x.pass(2 * x.Unit)
	l.holds(pabal.FromAll())
	l.latest(pabal.FromAll(), 0, "b=1", "a=2")
	l.append(keyed("b=2"))
	l.latest(pabal.After(at[1]), 0, "a=2", "b=2")
	l.holds(pabal.FromAll(), "b=2")
}

func latestKeys(x *trial) {
	l := x.open(Options{Entries: 1, Latest: true, Keys: 3})
	start := l.end()
	at := l.append(keyed("a=1", "b=1", "c=1", "a=2", "d=1")).Positions
	want := []string{"c=1", "a=2", "d=1"} // b was written least recently
	l.latest(pabal.FromAll(), 0, want...)
	for _, p := range []pabal.Position{start, at[0]} {
		page := l.query(pabal.Query{From: pabal.After(p), Latest: true})
		if page.Lost == nil || page.Lost.Reason != pabal.Evicted || !slices.Equal(data(page.Entries), want) {
			x.Fatalf("latest after %v: got %v, lost %s, want %v and a loss, %s", p, data(page.Entries), gap(page.Lost), want, pabal.Evicted)
		}
	}
	l.latest(pabal.After(at[1]), 0, want...)
	l.latest(pabal.After(at[2]), 0, "a=2", "d=1")
}

func latestTrimmed(x *trial) {
	l := x.open(Options{Entries: 3})
	at := l.append(keyed("a=1", "b=1", "c=1", "a=2", "d=1")).Positions
	l.latest(pabal.FromAll(), 0, "c=1", "a=2", "d=1")
	l.latest(pabal.After(at[1]), 0, "c=1", "a=2", "d=1")
	page := l.query(pabal.Query{From: pabal.After(at[0]), Latest: true})
	if page.Lost == nil || page.Lost.Reason != pabal.Trimmed || page.Lost.To != page.First {
		x.Fatalf("latest after %v: lost %s, want it %s up to %v", at[0], gap(page.Lost), pabal.Trimmed, page.First)
	}
}
