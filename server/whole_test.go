package server

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal/internal/sim"
)

var (
	wholeSeed = flag.String("whole.seed", "1", "of TestWhole: its first seed, or random")
	wholeRuns = flag.Int("whole.runs", 40, "of TestWhole: how many seeds it plays, one after the other")
	wholeTell = flag.Bool("whole.tell", false, "of TestWhole: tell all that happens, also if nothing is wrong")
)

// TestWhole plays scripts: nodes with the goroutine pump, over HTTP on a
// network in memory, with publishers and readers of all kinds, while the
// network and the broker fail as the script has it. It is an error if a
// promise is broken, if a reader is not live again in time once the faults have
// stopped, or if anything is left when all have gone.
//
// A failure is told as a story, with the smallest script that was found to
// fail too. What is random in the product itself is not the script's, so that
// some failures do not come each time.
func TestWhole(t *testing.T) {
	first, err := strconv.ParseUint(*wholeSeed, 10, 64)
	if *wholeSeed == "random" {
		first, err = rand.Uint64N(1_000_000_000), nil
	}
	if err != nil {
		t.Fatalf("-whole.seed=%s is neither a number nor random", *wholeSeed)
	}
	begun, all := time.Now(), wholeCounts{}
	for seed := first; seed < first+uint64(*wholeRuns); seed++ {
		script := writeWhole(seed)
		w := playWhole(t, seed, script)
		all.add(&w.counts)
		if *wholeTell {
			t.Logf("seed %d:\n%v\n\n%s", seed, script, w.story)
		}
		if w.failure == nil {
			continue
		}
		t.Fatalf("seed %d: %v\n\nTo play it again:\n\tgo test -race ./server -run 'TestWhole$' -whole.runs=1 -whole.seed=%d\n\n%s", seed, w.failure, seed, smallest(t, w))
	}
	t.Logf("seeds %d to %d in %v: %v", first, first+uint64(*wholeRuns)-1, time.Since(begun).Round(time.Millisecond), all)
}

// smallest tells what happened in the smallest script that fails as w did.
func smallest(t *testing.T, w *whole) string {
	if w.stuck { // goroutines of it are in the way
		return fmt.Sprintf("The script:\n%v\n\nWhat happened in it:\n%s", w.script, w.story.of(w.failure))
	}
	small, shrunk := shrinkWhole(t, w.seed, w.script, w)
	often := 0
	for i := 0; i < 5 && !shrunk.stuck; i++ {
		if playWhole(t, w.seed, small).failure != nil {
			often++
		}
	}
	return fmt.Sprintf("The smallest script that was found to fail (%d of %d actions; played 5 times more, it failed %d times):\n%v\n\nWhat happened in it: %v\n%s",
		len(small), len(w.script), often, small, shrunk.failure, shrunk.story.of(shrunk.failure))
}

// playWhole plays a script in a bubble of its own.
func playWhole(t *testing.T, seed uint64, script sim.Script) (w *whole) {
	w = newWhole(seed, script)
	stands := time.AfterFunc(2*time.Minute, func() {
		panic(fmt.Sprintf("seed %d: time stands still in a bubble, as when a mutex is held for as long as something waits for time:\n%v", seed, script))
	})
	defer stands.Stop()
	defer func() {
		if r := recover(); r != nil {
			w.stuck = true
			if w.failure == nil {
				w.failure = fmt.Errorf("when all had gone: %v: %s", r, goroutinesLeft())
			}
		}
	}()
	synctest.Test(t, func(*testing.T) { w.play() })
	return w
}

// goroutinesLeft returns the stacks of those in bubbles.
func goroutinesLeft() string {
	stacks := make([]byte, 1<<20)
	var left []string
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, "synctest bubble") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// shrinkWhole looks for a small part of a script that fails too, and returns
// it with how it failed.
func shrinkWhole(t *testing.T, seed uint64, script sim.Script, failed *whole) (sim.Script, *whole) {
	begun := time.Now()
	small := sim.Shrink(script, 80, func(less sim.Script) bool {
		if failed.stuck || time.Since(begun) > 3*time.Minute {
			return false
		}
		w := playWhole(t, seed, less)
		if w.failure == nil {
			return false
		}
		failed = w
		return true
	})
	return small, failed
}

// wholeCounts is what happened in the runs so far.
type wholeCounts struct {
	Runs, Published, Taken, Told, Connections, Faults int
	Slowest                                           time.Duration // until all had caught up, once the faults had stopped
}

// count counts what happens.
func (w *whole) count(f func(*wholeCounts)) {
	w.counting.Lock()
	defer w.counting.Unlock()
	f(&w.counts)
}

func (c *wholeCounts) add(more *wholeCounts) {
	c.Runs++
	c.Published += more.Published
	c.Taken += more.Taken
	c.Told += more.Told
	c.Connections += more.Connections
	c.Faults += more.Faults
	c.Slowest = max(c.Slowest, more.Slowest)
}

func (c wholeCounts) String() string {
	return fmt.Sprintf("%d runs; %d entries published and %d read, %d gaps and resets told, over %d responses, through %d faults; all had caught up at most %v after the last",
		c.Runs, c.Published, c.Taken, c.Told, c.Connections, c.Faults, c.Slowest.Round(time.Millisecond))
}
