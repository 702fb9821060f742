package arms_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/pabal/pabal/internal/arms"
)

// Each that is armed is taken once, whoever comes and goes meanwhile.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set arms.Set[int]
		held := map[int][]*arms.Arm[int]{}
		armed := map[int]bool{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			who := rapid.IntRange(0, 4).Draw(t, "who")
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0:
				held[who] = append(held[who], set.Add(who))
			case 1:
				if n := len(held[who]); n > 0 {
					set.Remove(held[who][n-1])
					if held[who] = held[who][:n-1]; n == 1 {
						delete(armed, who)
					}
				}
			case 2:
				if len(held[who]) > 0 {
					set.Arm(held[who][0])
					armed[who] = true
				}
			case 3:
				list := set.Take()
				got := map[int]bool{}
				for _, a := range list {
					got[a.Waker] = true
				}
				if len(list) != len(armed) || len(got) != len(armed) {
					t.Fatalf("took %v, want %v", got, armed)
				}
				for w := range armed {
					if !got[w] {
						t.Fatalf("took %v, want %v", got, armed)
					}
				}
				clear(armed)
				set.Give(list)
			}
			for w, all := range held {
				for _, a := range all {
					if a.Armed() != armed[w] {
						t.Fatalf("%d: armed %v, want %v", w, a.Armed(), armed[w])
					}
				}
			}
		}
	})
}
