package ring

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Ring[int]
		var want []int
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					next++
					r.Push(next)
					want = append(want, next)
				}
			},
			"pop": func(t *rapid.T) {
				for range rapid.IntRange(0, len(want)).Draw(t, "n") {
					if got := r.Pop(); got != want[0] {
						t.Fatalf("pop: got %d, want %d", got, want[0])
					}
					want = want[1:]
				}
			},
			"": func(t *rapid.T) {
				if r.Len() != len(want) {
					t.Fatalf("len: got %d, want %d", r.Len(), len(want))
				}
				for i, v := range want {
					if got := *r.At(i); got != v {
						t.Fatalf("at %d: got %d, want %d", i, got, v)
					}
				}
				if n := len(r.slots); n > max(16, 5*len(want)) {
					t.Fatalf("%d slots for %d", n, len(want))
				}
				v := rapid.IntRange(0, next+1).Draw(t, "search")
				i, _ := slices.BinarySearch(want, v)
				if got := r.Search(func(have *int) bool { return *have >= v }); got != i {
					t.Fatalf("search for %d: got %d, want %d", v, got, i)
				}
			},
		})
	})
}
