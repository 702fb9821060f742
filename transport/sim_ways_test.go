package transport

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal/internal/sim"
)

// TestSimWays plays scripts in which people use both ways: they read by all
// techniques, are present, ask and are answered, and say by POST what they
// read, on two nodes that may die, over a broker that may be slow, fail, or
// lose answers and news. See [waysWorld] for what must be true. It plays half
// as long as TestSim, and is repeated by the same
//
//	make sim SEED=7 STEPS=300
//
// Presence and calls have goroutines and clocks of their own, which rest for
// random times. So here what waits for the broker is served when the weather
// of its node says, rather than one by one by the script, and a play is alike
// the second time, not the same.
func TestSimWays(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if *simSeed != 0 {
		simulateWays(t, *simSeed)
		t.Log("played 1 scripts")
		return
	}
	from, played := firstSeed(), 0
	defer func() { t.Logf("played %d scripts", played) }()
	for end := time.Now().Add(*simFor / 2); played < *simRuns/20 || time.Now().Before(end); played++ {
		if simulateWays(t, from+uint64(played)); t.Failed() {
			return
		}
	}
}

func simulateWays(t *testing.T, seed uint64) {
	t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
		script := sim.Write(seed, *simSteps, waysKinds)
		if w := playWays(t, seed, script); w.wrong() != "" {
			tell(t, seed, script, w, playWays)
		}
	})
}

// playWays plays script, in a bubble.
func playWays(t *testing.T, seed uint64, script sim.Script) *simWorld {
	t.Helper()
	var w *waysWorld
	synctest.Test(t, func(*testing.T) {
		w = newWaysWorld(seed)
		for _, a := range script {
			if w.do(a); len(w.failed) > 0 {
				break
			}
		}
		w.finish()
	})
	return w.simWorld
}

// waysKinds are the actions, and how often each comes.
var waysKinds = []sim.Kind{
	{Name: "connect", Weight: 12}, {Name: "hop", Weight: 6}, {Name: "cut", Weight: 4}, {Name: "stall", Weight: 3}, {Name: "free", Weight: 3},
	{Name: "present", Weight: 10}, {Name: "leave", Weight: 5}, {Name: "subscribe", Weight: 8}, {Name: "unsubscribe", Weight: 5},
	{Name: "publish", Weight: 12}, {Name: "ask", Weight: 10}, {Name: "again", Weight: 5}, {Name: "cancel", Weight: 2}, {Name: "answer", Weight: 12},
	{Name: "give up", Weight: 3}, {Name: "weather", Weight: 2}, {Name: "pass", Weight: 24}, {Name: "sleep", Weight: 1}, {Name: "die", Weight: 1}, {Name: "stop", Weight: 1},
}

func (w *waysWorld) do(a sim.Action) {
	node := w.spans[a.Of(1, len(w.spans))]
	p := w.people[a.Of(0, len(w.people))]
	switch a.Kind {
	case "connect":
		p.connect(node, a)
	case "hop":
		p.drop("hops", a)
		p.connect(node, a)
	case "cut":
		p.drop("is cut off", a)
	case "stall":
		p.stall([]int{0, 1, 40, 400}[a.Of(2, 4)])
	case "free":
		p.stall(-1)
	case "present":
		p.present(node, a, false)
	case "leave":
		p.present(node, a, true)
	case "subscribe", "unsubscribe":
		p.order(node, a)
	case "publish":
		w.publish(node, waysChannels[a.Of(2, len(waysChannels))])
	case "ask":
		p.ask(node, a)
	case "again":
		p.askAgain(node, a)
	case "cancel":
		p.cancel(node, a)
	case "answer":
		w.desk.work(node, a)
	case "give up":
		w.giveUp(a)
	case "weather":
		w.setWeather(node, a.Of(2, len(weathers)))
	case "pass":
		w.pass(time.Duration(a.N[0]%400)*time.Millisecond, 20*time.Millisecond)
	case "sleep":
		w.pass(time.Duration(2+a.N[0]%12)*time.Second, 50*time.Millisecond)
	case "die":
		w.die(a, false)
	case "stop":
		w.die(a, true)
	}
	w.rest()
}
