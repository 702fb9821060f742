package readers

import (
	"slices"
	"strings"
	"testing"
)

func entry(channel, cursor string) Item { return Item{Channel: channel, Cursor: cursor} }

func take(t *testing.T, p *Place, all ...Item) (fresh string) {
	t.Helper()
	for _, it := range all {
		ok, err := p.Take(it)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			fresh += it.Cursor + " "
		}
	}
	return strings.TrimSpace(fresh)
}

// What comes twice is dropped, by the equality of cursors alone.
func TestPlaceDropsOverlaps(t *testing.T) {
	p := NewPlace("a", "b")
	open := Item{Notice: "$open", Vector: "~1", Detail: Detail{Channels: []string{"a", "b"}, Cursors: []string{"a0", "b0"}}}
	if got := take(t, p, open, entry("a", "a1"), entry("a", "a2")); got != "a1 a2" {
		t.Errorf("got %s", got)
	}
	if each, _ := p.Cursors(false); !slices.Equal(each, []string{"a2", "b0"}) {
		t.Errorf("got %v, want a cursor each", each)
	}
	vector, mark := p.Cursors(true)
	if !slices.Equal(vector, []string{"~1"}) {
		t.Errorf("got %v, want the vector", vector)
	}
	p.Begin(mark) // it is from before a1 and a2
	if got := take(t, p, open, entry("b", "b1"), entry("a", "a1"), entry("a", "a2"), entry("a", "a3")); got != "b1 a3" {
		t.Errorf("got %s, want b1 a3", got)
	}
}

// A vector that was given before it was known that a new epoch had begun is of
// no use any more: in what follows it there is no entry at which an overlap
// would end. (Found by package chaos: a page never got anything any more.)
func TestPlaceInANewEpoch(t *testing.T) {
	p := NewPlace("a", "b")
	p.MayLose = true
	take(t, p, entry("a", "x-1"), entry("b", "x-1"))
	_, mark := p.Cursors(true)
	p.Begin(mark)
	take(t, p, Item{Notice: "$open", Vector: "~1"}, // as a page says it
		Item{Notice: "$live", Channel: "a", Cursor: "y-9"}, Item{Notice: "$live", Channel: "b", Cursor: "y-9"})
	each, mark := p.Cursors(true)
	if !slices.Equal(each, []string{"y-9", "y-9"}) {
		t.Fatalf("got %v, want a cursor each", each)
	}
	p.Begin(mark)
	if got := take(t, p, entry("a", "y-10"), entry("b", "y-10")); got != "y-10 y-10" {
		t.Errorf("got %q, want both entries", got)
	}
}

// Before anything came there is nothing to go on from.
func TestPlaceAtFirst(t *testing.T) {
	p := NewPlace("a", "b")
	if cursors, _ := p.Cursors(false); cursors != nil {
		t.Errorf("got %v, want none", cursors)
	}
	take(t, p, Item{Notice: At, Vector: "~1"}, entry("a", "a1"))
	if cursors, _ := p.Cursors(false); !slices.Equal(cursors, []string{"~1"}) {
		t.Errorf("got %v, want the vector, since b is not known", cursors)
	}
}

// What does not fit is an error.
func TestPlaceContradicts(t *testing.T) {
	for _, wrong := range []Item{
		{Notice: "$open", Channel: "a", Cursor: "a0"}, {Notice: "$live", Channel: "a", Cursor: "a2"}, {Notice: At, Cursor: "a0"},
		{Notice: "$closed", Channel: "a", Cursor: "a0"}, {Notice: "$gap", Channel: "a", Cursor: "a9"}, {Notice: "$what"},
	} {
		p := NewPlace("a")
		take(t, p, entry("a", "a1"))
		if _, err := p.Take(wrong); err == nil {
			t.Errorf("%+v at a1 was taken", wrong)
		}
	}
}

// A cut is at its byte.
func TestCut(t *testing.T) {
	for n := range 12 {
		c := CutBody(n)
		got := make([]byte, 10)
		have := 0
		in := strings.NewReader("0123456789")
		var err error
		for err == nil {
			var m int
			m, err = c.read(in, got[have:min(have+4, len(got))])
			have += m
			if have == len(got) {
				break
			}
		}
		if want := min(n, 10); have != want || c.Fired() != (n <= 10) {
			t.Errorf("cut at %d: got %d bytes, fired %v, %v", n, have, c.Fired(), err)
		}
	}
	if (*Cut)(nil).Fired() {
		t.Error("no cut has fired")
	}
}
