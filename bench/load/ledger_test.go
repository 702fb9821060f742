package main

import (
	"testing"

	"github.com/pabal/pabal/bench/internal/job"
)

// published makes a ledger of one channel whose publishers have published n
// messages each, to readers that were there before.
func published(readers, publishers int, n int64) (*ledger, []*reader) {
	l := newLedger(1, publishers, 16)
	var rs []*reader
	for range readers {
		r := &reader{}
		l.join(r, 0)
		rs = append(rs, r)
	}
	for i := range l.streams {
		l.streams[i].sent.Store(n)
	}
	return l, rs
}

func TestLedgerCounts(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []int // numbers, as they come
		want job.Counts
	}{
		{"all, in order", []int{0, 1, 2, 3}, job.Counts{Expected: 4}},
		{"one is lost", []int{0, 2, 3}, job.Counts{Expected: 4, Lost: 1}},
		{"several are lost", []int{3}, job.Counts{Expected: 4, Lost: 3}},
		{"one comes twice", []int{0, 1, 1, 2, 3}, job.Counts{Expected: 4, Repeated: 1}},
		{"all come twice", []int{0, 1, 2, 3, 0, 1, 2, 3}, job.Counts{Expected: 4, Repeated: 4}},
		{"two change places", []int{0, 2, 1, 3}, job.Counts{Expected: 4, Disordered: 1}},
		{"a late one comes twice", []int{0, 2, 1, 1, 3}, job.Counts{Expected: 4, Disordered: 1, Repeated: 1}},
		{"one that was never published", []int{0, 7, 1, 2, 3}, job.Counts{Expected: 4, Repeated: 1}},
	} {
		l, rs := published(1, 1, 4)
		for _, n := range c.got {
			l.note(rs[0], mark{0, n, 0}, 1)
		}
		if l.counts != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, l.counts, c.want)
		}
		if wrong := l.counts.Wrong(); wrong != (c.want != job.Counts{Expected: 4}) {
			t.Errorf("%s: taken for wrong: %v", c.name, wrong)
		}
		if behind := l.behind(); behind != 0 {
			t.Errorf("%s: %d messages behind at the end, want none", c.name, behind)
		}
	}
}

func TestLedgerTellsStreamsApart(t *testing.T) {
	l, rs := published(1, 2, 2)
	for _, m := range []mark{{1, 0, 0}, {0, 0, 0}, {0, 1, 0}, {1, 1, 0}} {
		l.note(rs[0], m, 1)
	}
	if want := (job.Counts{Expected: 4}); l.counts != want {
		t.Errorf("two publishers: got %+v, want %+v", l.counts, want)
	}
	if l.note(rs[0], mark{2, 0, 0}, 1); l.counts.Strange != 1 {
		t.Errorf("a message of another channel: got %+v, want it strange", l.counts)
	}
}

// The slowest reader holds the front back, until it leaves.
func TestFrontIsThatOfTheSlowest(t *testing.T) {
	l, rs := published(3, 1, 10)
	for i, r := range rs {
		for n := range 10 - 4*i {
			l.note(r, mark{0, n, 0}, 1)
		}
	}
	front := func() int64 { return l.streams[0].front.Load() }
	if got := front(); got != 2 {
		t.Errorf("readers at 10, 6 and 2: got the front %d, want 2", got)
	}
	l.leave(rs[2])
	if got := front(); got != 6 {
		t.Errorf("the slowest has left: got the front %d, want 6", got)
	}
	l.breaks(rs[1], "reset")
	if got := front(); got != 10 {
		t.Errorf("the next one broke: got the front %d, want 10", got)
	}
	if want := (job.Counts{Expected: 22, Lost: 4, Broken: 1, Why: "reset"}); l.counts != want {
		t.Errorf("got %+v, want %+v", l.counts, want)
	}
}

func TestAgesAreOfWhatWasDueThen(t *testing.T) {
	l, rs := published(1, 1, 3)
	l.from, l.to = 1000, 2000
	for n, due := range []int64{999, 1000, 2000} {
		l.note(rs[0], mark{0, n, due}, 6000)
	}
	if got := l.age(); got.Count != 1 || got.P50 < 4.99 || got.P50 > 5.01 {
		t.Errorf("got %+v, want one age of 5 ms", got)
	}
}
