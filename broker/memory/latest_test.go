package memory

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
)

// What is kept apart is checked against a plain list of all that was written.
func TestLatestOfAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := pabal.Retention{Entries: rapid.IntRange(1, 6).Draw(rt, "entries"), Latest: true, Keys: rapid.IntRange(1, 60).Draw(rt, "keys")}
		l := newLog(&life{epoch: 1}, "a", r.WithDefaults(), 0)
		var written []*pabal.Entry
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(rt, "n") {
					key := rapid.IntRange(0, 80).Draw(rt, "key")
					written = append(written, l.append(pabal.Message{Key: fmt.Sprint(key)[1-min(key, 1):]}, time.Unix(int64(len(written)), 0)))
				}
				l.trim()
			},
			"": func(rt *rapid.T) { checkLatest(rt, l, written) },
		})
	})
}

func checkLatest(t *rapid.T, l *log, written []*pabal.Entry) {
	seen := map[string]bool{}
	var last []*pabal.Entry // of each key
	for _, e := range slices.Backward(written) {
		if !seen[e.Key] {
			seen[e.Key] = true
			last = append(last, e)
		}
	}
	kept := min(len(last), l.keep.Keys)
	if len(written) > 0 {
		contiguous := min(len(written), l.keep.Entries)
		first := written[len(written)-contiguous]
		for kept < len(last) && last[kept].Offset >= first.Offset { // within the bounds a key may be over
			kept++
		}
	}
	want := last[:kept]
	slices.Reverse(want)
	n := rapid.IntRange(0, len(last)+2).Draw(t, "last")
	page := l.page(pabal.Query{From: pabal.FromLast(n), Latest: true, MaxEntries: 1000, MaxBytes: 1 << 20})
	if len(page.Entries) > n || !slices.Equal(page.Entries, want[len(want)-len(page.Entries):]) {
		t.Fatalf("the last %d: got %d entries, want at most the end of %d", n, len(page.Entries), len(want))
	}
	all := l.page(pabal.Query{Latest: true, MaxEntries: 1000, MaxBytes: 1 << 20})
	if !slices.Equal(all.Entries, want) {
		t.Fatalf("latest: got %d entries, want %d", len(all.Entries), len(want))
	}
	back := l.page(pabal.Query{From: pabal.Before(all.End), Latest: true, MaxEntries: 1000, MaxBytes: 1 << 20})
	if !slices.Equal(back.Entries, want) {
		t.Fatalf("latest, backward: got %d entries, want %d", len(back.Entries), len(want))
	}
	i := rapid.IntRange(0, len(written)).Draw(t, "from")
	since := l.page(pabal.Query{From: pabal.FromTime(time.Unix(int64(i), 0)), Latest: true, MaxEntries: 1000, MaxBytes: 1 << 20})
	after := l.page(pabal.Query{From: pabal.After(pabal.Position{Epoch: 1, Offset: pabal.Offset(i)}), Latest: true, MaxEntries: 1000, MaxBytes: 1 << 20})
	if !slices.Equal(since.Entries, after.Entries) {
		t.Fatalf("since %d: got %d entries, after it %d", i, len(since.Entries), len(after.Entries))
	}
	missing := len(last) > kept && int(last[kept].Offset) > i
	if missing != (after.Lost != nil) || after.Lost == nil && after.Skipped+len(after.Entries) != len(written)-i {
		t.Fatalf("after %d of %d: lost %+v, want it %v; %d entries and %d skipped", i, len(written), after.Lost, missing, len(after.Entries), after.Skipped)
	}
}

// A key's last entry is lost in a crash, and the one before had made way for it.
func TestLatestAfterCrash(t *testing.T) {
	b := fresh(t, Config{}, pabal.Retention{Entries: 2, Latest: true})
	at := put(t, b, "a", of(5, "a"), of(5, "b"), of(5, "c"), of(5, "d"), of(5, "a")).Positions
	next := b.Reopen(func(pabal.Channel) int { return 1 })
	t.Cleanup(func() { _ = next.Close() })
	query := func(p pabal.Position) pabal.Page {
		page, err := next.Read(t.Context(), "a", pabal.Query{From: pabal.After(p), Latest: true, MaxEntries: 9, MaxBytes: 999})
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	if page := query(at[1]); page.Lost == nil || len(page.Entries) != 1 {
		t.Errorf("after %v: got %d entries, lost %+v; want the one that surely survived, and a loss", at[1], len(page.Entries), page.Lost)
	}
	if page := query(at[2]); page.Lost != nil || len(page.Entries) != 1 {
		t.Errorf("after %v: got %d entries, lost %+v; want one, and nothing lost", at[2], len(page.Entries), page.Lost)
	}
	if got, want := next.life.bytes.Load(), int64(5+overhead); got != want {
		t.Errorf("%d bytes are kept, want %d", got, want)
	}
}

// To read the latest of each key takes as long as there are entries, not more,
// however small the pages.
func TestLatestIsLinear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const entries = 50_000
		b := fresh(t, Config{}, pabal.Retention{Entries: entries})
		for i := range entries {
			put(t, b, "a", pabal.Message{Key: fmt.Sprint(i % 5000), Data: []byte("x")})
		}
		q := pabal.Query{Latest: true, MaxEntries: 10, MaxBytes: 1 << 20}
		got, skipped := 0, 0
		for more := true; more; {
			page, err := b.Read(t.Context(), "a", q)
			if err != nil {
				t.Fatal(err)
			}
			got, skipped, more = got+len(page.Entries), skipped+page.Skipped, page.More
			q.From = pabal.After(page.Entries[len(page.Entries)-1].Position())
		}
		if got != 5000 || skipped != entries-5000 {
			t.Errorf("got %d entries and %d skipped, want 5000 and %d", got, skipped, entries-5000)
		}
	})
}

// A message is published, and then again as the last one.
func TestRepeatCloses(t *testing.T) {
	b := fresh(t, Config{}, pabal.Retention{})
	m := pabal.Message{ID: "a", Data: []byte("x")}
	closing := pabal.Publish{Messages: []pabal.Message{m}, Close: true}
	first := put(t, b, "a", m)
	done, err := b.Append(t.Context(), "a", closing)
	if err != nil || !done.Duplicate || done.End != first.End {
		t.Fatalf("got %+v, error %v, want a duplicate at %v", done, err, first.End)
	}
	if page, _ := b.Read(t.Context(), "a", pabal.Query{}); !page.Closed {
		t.Errorf("the log is not closed")
	}
	if err := b.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), "a", closing); err != nil {
		t.Fatal(err)
	}
	if page, _ := b.Read(t.Context(), "a", pabal.Query{}); page.Closed {
		t.Errorf("what was closed before its deletion is closed again")
	}
	put(t, b, "a", pabal.Message{ID: "b"})
	put(t, b, "a", pabal.Message{})
	late := pabal.Publish{Messages: []pabal.Message{{ID: "b"}}, Close: true, If: &first.End}
	if _, err := b.Append(t.Context(), "a", late); !errors.Is(err, pabal.ErrMoved) {
		t.Errorf("to close only where others went on: got the error %v, want %v", err, pabal.ErrMoved)
	}
}
