package transport

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal/internal/sim"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "of the one script to play; 0: those of the seeds from -sim.from on")
	simFrom  = flag.Uint64("sim.from", 1, "the first seed; 0: at random")
	simSteps = flag.Int("sim.steps", 300, "of a script")
	simRuns  = flag.Int("sim.runs", 100, "how many scripts to play at least, until one fails")
	simFor   = flag.Duration("sim.for", 0, "play scripts for as long")
)

// TestSim plays scripts in which readers, publishers, nodes, the network and
// the broker do whatever they may. Each reader is to have every entry once, in
// order, or a word of what it missed. A failure is repeated by
//
//	make sim SEED=7 STEPS=300
//
// On one processor goroutines take turns, so that those which the same action
// wakes do so in the same order each time.
func TestSim(t *testing.T) {
	if *simSteps < 1 {
		t.Fatalf("-sim.steps %d: a script has one action at least", *simSteps)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if *simSeed != 0 {
		simulate(t, *simSeed)
		t.Log("played 1 scripts")
		return
	}
	from, played := firstSeed(), 0
	defer func() { t.Logf("played %d scripts", played) }()
	for end := time.Now().Add(*simFor); played < *simRuns || time.Now().Before(end); played++ {
		if simulate(t, from+uint64(played)); t.Failed() {
			return
		}
	}
}

func firstSeed() uint64 {
	if *simFrom == 0 {
		return rand.Uint64N(1 << 40)
	}
	return *simFrom
}

// simulate plays the script of a seed, and tells the story if that fails.
func simulate(t *testing.T, seed uint64) {
	t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
		script := sim.Write(seed, *simSteps, simKinds)
		if w := playScript(t, seed, script); w.wrong() != "" {
			tell(t, seed, script, w, playScript)
		}
	})
}

// tell shrinks script, which has failed, and tells what happens in the rest.
func tell(t *testing.T, seed uint64, script sim.Script, failed *simWorld, play func(*testing.T, uint64, sim.Script) *simWorld) {
	short := sim.Shrink(script, 400, func(less sim.Script) bool {
		w := play(t, seed, less)
		return kind(w.wrong()) == kind(failed.wrong())
	})
	w := play(t, seed, short)
	if w.wrong() == "" {
		t.Errorf("make sim SEED=%d STEPS=%d: %s\n\nWhen it was played again, that did not happen; this did:\n%s", seed, len(script), failed.wrong(), strings.Join(failed.story, "\n"))
		return
	}
	t.Errorf("make sim SEED=%d STEPS=%d: %s\n\nOf %d actions %d are enough. Then it is:\n%s\n\nThis happens (life n begins with the n-th start of the broker, r3.2 is the second connection of reader r3):\n%s\n%s",
		seed, len(script), failed.wrong(), len(script), len(short), w.wrong(), strings.Join(about(w.wrong(), w.story), "\n"), w.wrong())
}

// about returns the story without readers that what is wrong is not about.
func about(wrong string, story []string) (lines []string) {
	who := reader.FindString(wrong)
	for _, line := range story {
		_, text, _ := strings.Cut(line, "s  ")
		if of := reader.FindString(strings.TrimSpace(text)); who == "" || of == "" || of == who {
			lines = append(lines, line)
		}
	}
	return lines
}

// reader is the name of one, where a line begins with it.
var reader = regexp.MustCompile(`^[rp][0-9]+`)

// kind returns the first words of what is wrong, without names and numbers.
func kind(wrong string) string {
	words := slices.DeleteFunc(strings.Fields(wrong), func(word string) bool {
		return strings.ContainsAny(word, "0123456789") || slices.Contains(simChannels, strings.TrimSuffix(word, ","))
	})
	return strings.Join(words[:min(len(words), 7)], " ")
}

// playScript plays script, in a bubble. Meanwhile no garbage is collected: that
// takes processors from goroutines, which then may come in another order.
func playScript(t *testing.T, seed uint64, script sim.Script) (w *simWorld) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	synctest.Test(t, func(*testing.T) {
		w = newSimWorld(seed)
		for _, a := range script {
			if w.do(a); len(w.failed) > 0 {
				break
			}
		}
		w.finish()
	})
	return w
}
