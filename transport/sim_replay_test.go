//go:build !race

package transport

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pabal/pabal/internal/sim"
)

// The same script has the same story, and as many bytes in as many writes. The
// runtime takes a processor from a goroutine that has had it for 10 ms, as may
// happen on a busy machine, and then another may come first; so two of three
// plays must agree. (The race detector has goroutines come in random order.)
func TestSimReplays(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for seed := range uint64(40) {
		script := sim.Write(seed+1000, *simSteps, simKinds)
		a, b := playScript(t, seed, script), playScript(t, seed, script)
		if same(a, b) {
			continue
		}
		if c := playScript(t, seed, script); same(a, c) || same(b, c) {
			continue
		}
		i := 0
		for i < min(len(a.story), len(b.story)) && a.story[i] == b.story[i] {
			i++
		}
		t.Errorf("seed %d: %d bytes in %d writes, and the second time %d in %d; the stories part after\n%s",
			seed+1000, a.written, a.writes, b.written, b.writes, strings.Join(a.story[max(0, i-8):i], "\n"))
	}
}

func same(a, b *simWorld) bool {
	return slices.Equal(a.story, b.story) && a.written == b.written && a.writes == b.writes
}
