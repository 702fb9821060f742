package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tell tells a tally a story of one channel and one reader, and rests before
// each word:
//
//	live   the reader is live
//	p3     the next three messages are published and acknowledged
//	u      a message is published, and no answer comes
//	!      the faults end
//	gap    the reader is told that something may be missing
//	5      the reader gets message 5
func tell(t *testing.T, rest func(), story string) *verdict {
	t.Helper()
	y := newTally(1, 1)
	var lifted time.Time
	for word := range strings.FieldsSeq(story) {
		rest()
		var n int
		switch {
		case word == "live":
			y.live(0)
		case word == "u":
			y.try(0)
		case word == "!":
			lifted = time.Now()
		case word == "gap":
			y.told(0, "$gap")
		case word[0] == 'p':
			if _, err := fmt.Sscanf(word, "p%d", &n); err != nil {
				t.Fatal(err)
			}
			for range n {
				y.acknowledge(0, y.try(0))
			}
		default:
			y.got(0, text(0, 0, 0)[:3]+word+" xyz")
		}
	}
	return y.judge(lifted)
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		story string
		want  verdict
	}{
		{"live p3 1 2 3 !", verdict{Published: 3, Expected: 3, Delivered: 3}},
		{"live p3 1 2 ! 3", verdict{Published: 3, Expected: 3, Delivered: 3, times: times{CaughtUp: 1}}},
		// What was published before it was live is not expected, and no loss if it does not come.
		{"p2 live p1 3 !", verdict{Published: 3, Expected: 1, Delivered: 1}},
		{"p2 live p1 2 3 !", verdict{Published: 3, Expected: 1, Delivered: 1}},
		{"p2 live !", verdict{Published: 2}},
		// Lost.
		{"live p4 1 4 !", verdict{Published: 4, Expected: 4, Delivered: 2, Lost: 2, Silent: 2}},
		{"live p4 1 gap 4 !", verdict{Published: 4, Expected: 4, Delivered: 2, Lost: 2, Gaps: 1}},
		{"live p4 gap 1 4 !", verdict{Published: 4, Expected: 4, Delivered: 2, Lost: 2, Silent: 2, Gaps: 1}},
		{"live p4 1 4 gap !", verdict{Published: 4, Expected: 4, Delivered: 2, Lost: 2, Silent: 2, Gaps: 1}},
		{"live p6 1 gap 3 gap 5 ! 6", verdict{Published: 6, Expected: 6, Delivered: 4, Lost: 2, Gaps: 2, times: times{CaughtUp: 1}}},
		{"live p6 1 gap gap 3 5 ! 6", verdict{Published: 6, Expected: 6, Delivered: 4, Lost: 2, Silent: 1, Gaps: 2, times: times{CaughtUp: 1}}},
		// What comes late after a notice does not end what it covers.
		{"live p5 3 gap 1 5 !", verdict{Published: 5, Expected: 5, Delivered: 3, Lost: 2, Silent: 1, Disordered: 1, Gaps: 1}},
		// What was not passed over is not lost: the reader is not that far yet.
		{"live p3 1 gap !", verdict{Published: 3, Expected: 3, Delivered: 1, Late: 2, Gaps: 1, Behind: 1}},
		{"live p3 !", verdict{Published: 3, Expected: 3, Late: 3, Behind: 1}},
		{"live p3 2 !", verdict{Published: 3, Expected: 3, Delivered: 1, Lost: 1, Silent: 1, Late: 1, Behind: 1}},
		// Repeated, and out of order: a repeat is only that.
		{"live p3 1 2 1 2 3 3 !", verdict{Published: 3, Expected: 3, Delivered: 3, Repeated: 3}},
		{"live p3 1 3 2 !", verdict{Published: 3, Expected: 3, Delivered: 3, Disordered: 1}},
		{"live p3 3 ! 2 1", verdict{Published: 3, Expected: 3, Delivered: 3, Disordered: 2, times: times{CaughtUp: 2}}},
		// A message whose outcome is unknown is neither lost nor repeated, whether it comes or not.
		{"live p1 u p1 1 3 !", verdict{Published: 2, Unknown: 1, Expected: 2, Delivered: 2}},
		{"live p1 u p1 1 2 2 3 2 !", verdict{Published: 2, Unknown: 1, Expected: 2, Delivered: 2}},
		{"live p1 u p2 1 2 4 !", verdict{Published: 3, Unknown: 1, Expected: 3, Delivered: 2, Lost: 1, Silent: 1}},
		// Caught up is who has all up to the end of the faults, and one message more.
		{"live p2 ! p2 1 3 4", verdict{Published: 4, Expected: 4, Delivered: 3, Lost: 1, Silent: 1, times: times{CaughtUp: 3}}},
		{"live p2 ! p2 1 2 3 4", verdict{Published: 4, Expected: 4, Delivered: 4, times: times{CaughtUp: 4}}},
		{"live p2 1 2 ! p2 gap 4 2", verdict{Published: 4, Expected: 4, Delivered: 3, Lost: 1, Repeated: 1, Gaps: 1, times: times{CaughtUp: 3}}},
		{"live p2 ! p2 1 2", verdict{Published: 4, Expected: 4, Delivered: 2, Late: 2, Behind: 1}},
		{"live p2 ! p2 1 3 4 2", verdict{Published: 4, Expected: 4, Delivered: 4, Disordered: 1, times: times{CaughtUp: 5}}},
		{"live p2 1 2 ! u p1 3 4", verdict{Published: 3, Unknown: 1, Expected: 3, Delivered: 3, times: times{CaughtUp: 4}}},
		// What nobody published.
		{"live p1 1 2 !", verdict{Published: 1, Expected: 1, Delivered: 1, Strange: 1}},
		{"live p1 1 x !", verdict{Published: 1, Expected: 1, Delivered: 1, Strange: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			got := *tell(t, func() { time.Sleep(time.Second) }, c.story)
			wrong := got.Silent+got.Repeated+got.Disordered+got.Strange+got.Behind+got.Late > 0
			if sound := got.sound(); sound == wrong || wrong != (len(got.Stories) > 0) && got.Late == 0 {
				t.Errorf("%q: sound %v, stories %q", c.story, sound, got.Stories)
			}
			got.P50, got.P99, got.Stories = 0, 0, nil
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%q:\ngot  %+v\nwant %+v", c.story, got, c.want)
			}
		})
	}
}

func TestStories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := tell(t, func() { time.Sleep(time.Second) }, "live p9 1 5 4 5 9 x !").Stories
		want := []string{
			"reader 0 of c0: 4 came after 5", "reader 0 of c0: 5 came again, after 5",
			"reader 0 of c0: 2 to 3 never came, and nothing was said of it", "reader 0 of c0: 6 to 8 never came, and nothing was said of it",
			`reader 0 of c0: a message that nobody published: "c0 x xyz"`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// Ages are from the try to the first delivery.
func TestAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := tell(t, func() { time.Sleep(time.Second) }, "live p1 1 p1 gap gap 2 1 !")
		if v.P50 != 1 || v.P99 != 3 {
			t.Errorf("got p50 %v and p99 %v, want 1 and 3", v.P50, v.P99)
		}
	})
}

// Readers are spread over the channels, and each is judged by its own.
func TestSeveralReaders(t *testing.T) {
	y := newTally(2, 3)
	for i := range 3 {
		y.live(i)
	}
	if y.idle() != 0 || !y.reached() {
		t.Errorf("before anything is published: %d idle, reached %v", y.idle(), y.reached())
	}
	y.acknowledge(0, y.try(0))
	y.acknowledge(1, y.try(1))
	y.got(0, text(0, 1, 100))
	y.got(1, text(1, 1, 100))
	y.got(2, text(1, 1, 100))
	if y.reached() {
		t.Error("a reader that got nothing has not reached the end")
	}
	if v := y.judge(time.Now()); v.Delivered != 2 || v.Late != 1 || v.Strange != 1 || v.Behind != 1 {
		t.Errorf("got %+v, want 2 delivered, 1 late, 1 strange, 1 behind", v)
	}
}
