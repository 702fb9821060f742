package sim_test

import (
	"slices"
	"testing"

	"github.com/pabal/pabal/internal/sim"
)

var kinds = []sim.Kind{{Name: "a", Weight: 3}, {Name: "b", Weight: 1}}

// The same seed writes the same script, and each kind comes about as often as
// it is to.
func TestWrite(t *testing.T) {
	s := sim.Write(7, 4000, kinds)
	if !slices.Equal(s, sim.Write(7, 4000, kinds)) {
		t.Error("the same seed writes another script")
	}
	if slices.Equal(s, sim.Write(8, 4000, kinds)) {
		t.Error("another seed writes the same script")
	}
	n := 0
	for _, a := range s {
		if a.Kind == "b" {
			n++
		}
	}
	if n < 900 || n > 1100 {
		t.Errorf("%d of 4,000 actions are of a kind that a quarter should be", n)
	}
}

// What fails for two of its actions is shrunk to them, with small numbers, in
// few tries.
func TestShrink(t *testing.T) {
	s := sim.Write(1, 300, kinds)
	tries := 0
	short := sim.Shrink(s, 400, func(less sim.Script) bool {
		tries++
		i := slices.IndexFunc(less, func(a sim.Action) bool { return a.Kind == "b" })
		return i >= 0 && slices.ContainsFunc(less[i:], func(a sim.Action) bool { return a.Kind == "a" && a.N[0]%7 == 3 })
	})
	want := sim.Script{{Kind: "b"}, {Kind: "a", N: [4]uint32{3, 0, 0, 0}}}
	if len(short) != 2 || short[0] != want[0] || short[1].Kind != "a" || short[1].N[0]%7 != 3 || short[1].N[1] != 0 {
		t.Errorf("got\n%s\nafter %d tries, want about\n%s", short, tries, want)
	}
	if tries > 400 {
		t.Errorf("%d tries, 400 at most were allowed", tries)
	}
}
