package main

import (
	"slices"
	"testing"
)

// However the bytes are cut, each mark is found once.
func TestScanFindsMarksCutAnywhere(t *testing.T) {
	want := []mark{{0, 0, 1_700_000_000_000_000}, {12, 345, 1_700_000_000_000_001}, {9_999_999, 99_999_999, 9_999_999_999_999_999}}
	text := []byte(`data: "`)
	for _, m := range want {
		text = append(appendPayload(text, m, 128), "\n\n: nothing"...)
	}
	for size := 1; size <= len(text); size++ {
		var h hold
		var got []mark
		for piece := range slices.Chunk(text, size) {
			h.scan(piece, func(m mark) { got = append(got, m) })
		}
		if !slices.Equal(got, want) {
			t.Fatalf("in pieces of %d bytes: got %v, want %v", size, got, want)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	var h hold
	text, n := appendPayload(nil, mark{1, 2, 3}, 128), 0
	if got := testing.AllocsPerRun(100, func() { h.scan(text, func(mark) { n++ }) }); got != 0 || n == 0 {
		t.Errorf("got %v allocations for a message, %d found, want none", got, n)
	}
}

func TestScanPassesOverWhatIsNoMark(t *testing.T) {
	var h hold
	h.scan([]byte("^0000001x00000002.0000000000000003; and ^, and more than a mark's length of nothing"), func(m mark) { t.Errorf("got %v, want nothing", m) })
}
