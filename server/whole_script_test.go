package server

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pabal/pabal/broker/brokertest"
	goclient "github.com/pabal/pabal/client"
	"github.com/pabal/pabal/internal/netsim"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/internal/sim"
	"github.com/pabal/pabal/server/config"
)

// writeWhole writes the script of a seed: who takes part, and what befalls
// them.
func writeWhole(seed uint64) sim.Script {
	return slices.Concat(
		sim.Write(seed^1<<60, 4, []sim.Kind{
			{Name: "two nodes", Weight: 2}, {Name: "bad tails", Weight: 2}, {Name: "sound tails", Weight: 1}, {Name: "small windows", Weight: 2}, {Name: "rotation", Weight: 1},
			{Name: "nothing", Weight: 2},
		}),
		sim.Write(seed^2<<60, 4, []sim.Kind{{Name: "publisher", Weight: 5}, {Name: "publisher-go", Weight: 2}, {Name: "publisher-keyed", Weight: 2}, {Name: "publisher-ends", Weight: 2}, {Name: "publisher-if", Weight: 1}, {Name: "publisher-pipe", Weight: 1}}),
		sim.Write(seed^3<<60, 9, []sim.Kind{
			{Name: "reader", Weight: 5}, {Name: "hopper", Weight: 4}, {Name: "latest", Weight: 2}, {Name: "go", Weight: 4}, {Name: "browser", Weight: 3}, {Name: "stuck", Weight: 1},
		}),
		sim.Write(seed^4<<60, 14, []sim.Kind{
			{Name: "cut", Weight: 6}, {Name: "forget", Weight: 4}, {Name: "away", Weight: 4}, {Name: "pause", Weight: 4},
			{Name: "restart", Weight: 2}, {Name: "kill", Weight: 2}, {Name: "crash", Weight: 1},
			{Name: "mute", Weight: 2}, {Name: "stall", Weight: 1}, {Name: "refuse", Weight: 1}, {Name: "vague", Weight: 1}, {Name: "blind", Weight: 1},
		}),
	)
}

// perform makes the place and the cast of the script, and returns its faults.
func (w *whole) perform() (faults sim.Script, err error) {
	w.begin()
	nodes := 1
	var bad *sim.Action
	sound := false
	for i, a := range w.script {
		switch a.Kind {
		case "two nodes":
			nodes = 2
		case "bad tails":
			bad = &w.script[i]
		case "sound tails":
			sound = true
		case "small windows":
			w.config.Readers.WindowEntries, w.config.Readers.WindowBytes = 1+a.Of(0, 20), config.Size(500+a.Of(1, 10_000))
			w.config.Readers.Reads = 1 + a.Of(2, 4)
		case "rotation":
			// Not within 10 s: to what ends so soon the Go client comes back as to what does not work.
			w.config.Delivery.RotateAfter, w.config.Delivery.RotateBytes = time.Duration(15+a.Of(0, 60))*time.Second, config.Size(1000+a.Of(1, 50_000))
			w.rotates = true
		}
		if wholeFaults[a.Kind] != nil {
			faults = append(faults, a)
			sound = sound && a.Kind != "mute"
		}
	}
	if bad != nil {
		chance := func(i int) float64 { return float64(bad.Of(i, 30)) / 100 }
		w.store.faults = brokertest.Faults{Seed: w.seed, Drop: chance(0), Repeat: chance(1), Delay: chance(2), Swap: chance(3), Most: 2 * time.Second}
	}
	w.store.sound = sound && bad == nil
	if err := w.build(nodes); err != nil {
		return nil, err
	}
	for _, a := range w.script {
		w.join(a)
	}
	if len(w.hosts) == 0 {
		w.player("nobody", "")
	}
	return faults, nil
}

// join has an actor take part.
func (w *whole) join(a sim.Action) {
	name := fmt.Sprintf("%s-%d", a.Kind, a.N[0]%1000)
	for slices.ContainsFunc(w.hosts, func(h *netsim.Host) bool { return strings.HasPrefix(h.Name(), name) }) {
		name += "'"
	}
	channel := []string{logA, logB, small, keyed, young, lossy, ends, cas}[a.Of(1, 8)]
	general := []string{logA, logB, small, young, lossy}
	box := []string{"", "", "", "cuts at 30s", "no upgrade", "buffers"}[a.Of(2, 6)]
	several := []string{channel}
	if a.N[3]%4 == 0 {
		several = []string{logA, small, lossy}[:2+a.N[3]/4%2]
	}
	switch a.Kind {
	case "publisher":
		w.newPublisher(w.player(name, ""), 0, general...)
	case "publisher-go":
		w.newGoPublisher(w.player(name, ""), logA, logB, small, young)
	case "publisher-keyed":
		w.newPublisher(w.player(name, ""), 6, keyed)
	case "publisher-ends":
		if !slices.ContainsFunc(w.publishers, func(p actor) bool { return strings.HasPrefix(p.call(), a.Kind) }) {
			w.newEnder(w.player(name, ""), ends)
		}
	case "publisher-if":
		w.newConditional(w.player(name, ""), cas)
		w.newConditional(w.player(name+"-too", ""), cas)
	case "publisher-pipe":
		w.newPiper(w.player(name, ""), logB)
	case "stuck":
		w.newStuck(w.player(name, ""), readers.Named([]string{"stream", "sse", "multipart", "iframe", "page"}[a.Of(3, 5)]), logA)
	case "reader":
		by := readers.All[a.Of(3, len(readers.All))]
		if !by.Cursors {
			channel = logA
		}
		if !fits(by, box, 1) {
			box = ""
		}
		w.newReader(w.player(name+"-"+by.Name, box), ways{sleeps: a.N[2]/8%2 == 0}, []*readers.Technique{by}, channel)
	case "hopper":
		by := slices.DeleteFunc(slices.Clone(readers.All), func(t *readers.Technique) bool { return !t.Cursors || !fits(t, box, len(several)) })
		w.newReader(w.player(name, box), ways{sleeps: a.N[2]/8%2 == 0, overlaps: a.N[2]/16%3 > 0}, by, several...)
	case "latest":
		by := readers.Named([]string{"stream", "sse", "websocket", "longpoll", "poll", "multipart"}[a.Of(3, 6)])
		if !fits(by, box, 1) {
			box = ""
		}
		how := ways{latest: true, sleeps: a.N[2]/8%2 == 0}
		if a.N[2]/16%2 == 0 {
			how.every = "700ms"
		}
		w.newReader(w.player(name+"-"+by.Name, box), how, []*readers.Technique{by}, keyed)
	case "go":
		via := "auto"
		if a.N[2]/8%2 == 0 && box == "" {
			via = goclient.Techniques()[a.Of(0, len(goclient.Techniques()))]
		}
		w.newGoReader(w.player(name+"-"+via, box), via, channel == keyed && a.N[2]/16%2 == 0, several...)
	case "browser":
		if box == "buffers" {
			box = ""
		}
		w.newBrowser(w.player(name, box), channel == keyed && a.N[2]/16%2 == 0, several...)
	}
}

// fits reports whether a technique reads so many channels, and gets through a
// box.
func fits(t *readers.Technique, box string, channels int) bool {
	switch {
	case channels > 1 && !t.Several:
		return false
	case box == "buffers":
		return t.Answers || t.Socket
	case box == "no upgrade":
		return !t.Socket
	}
	return true
}
