package brokertest

import (
	"github.com/pabal/pabal"
)

var restarts = []promise{
	{name: "restart/lost entries", test: restartLost, reopen: true},
	{name: "restart/nothing lost", test: restartWhole, reopen: true},
	{name: "restart/again and again", test: restartAgain, reopen: true},
	{name: "restart/ids", test: restartIDs, reopen: true},
	{name: "restart/trimmed, deleted, never written", test: restartOthers, reopen: true},
}

var lost = []pabal.Reason{pabal.Lost}

func losing(n int) func(pabal.Channel) int { return func(pabal.Channel) int { return n } }

// survivors returns how many entries there still are: a broker may lose more
// than it was asked to.
func (l log) survivors(asked, of int) int {
	l.x.Helper()
	n := len(l.read(pabal.FromAll()).Entries)
	if n > of-asked {
		l.x.Fatalf("%d of %d entries survived, though %d were to be lost", n, of, asked)
	}
	return n
}

func restartLost(x *trial) {
	before := x.open(Options{})
	start := before.end()
	at := append([]pabal.Position{start}, before.put(numbered(0, 10)...)...)
	l := x.reopen(before, losing(3))
	n := l.survivors(3, 10)
	end := l.end()
	if end.Epoch == at[0].Epoch {
		x.Fatalf("entries were lost, and the epoch is still %v", end.Epoch)
	}
	check := func(later ...string) {
		x.Helper()
		l.holds(pabal.FromAll(), append(numbered(0, n), later...)...)
		for i, p := range at {
			if i <= n {
				l.holds(pabal.After(p), append(numbered(i, n), later...)...)
				continue
			}
			l.lost(p, lost, later...)
		}
		l.holds(pabal.After(end), later...)
	}
	check()
	for i, e := range l.read(pabal.FromAll()).Entries {
		if e.Position() != at[i+1] {
			x.Fatalf("entry %d was at %v, and is at %v", i, at[i+1], e.Position())
		}
	}
	next := l.put("new")[0]
	if next.Epoch != end.Epoch || next.Offset <= at[10].Offset {
		x.Fatalf("after a restart at %v an entry is at %v: want it after %v, which was given out", end, next, at[10])
	}
	check("new")
	check(append([]string{"new"}, pairOf(l)...)...)
}

// pairOf appends two more entries.
func pairOf(l log) []string {
	l.put("x", "y")
	return []string{"x", "y"}
}

func restartWhole(x *trial) {
	before := x.open(Options{})
	at := before.put(numbered(0, 4)...)
	l := x.reopen(before, losing(0))
	l.holds(pabal.FromAll(), numbered(0, 4)...)
	l.holds(pabal.After(at[3]))
	l.append(only(at[3], "4")) // nothing follows it: it is the end still
	for i, p := range at {
		l.holds(pabal.After(p), numbered(i+1, 5)...)
	}
}

func restartAgain(x *trial) {
	l := x.open(Options{})
	a := l.put("a1", "a2", "a3")
	l = x.reopen(l, losing(1))
	b := l.put("b1", "b2", "b3")
	l = x.reopen(l, losing(1))
	c := l.put("c1")
	if l.survivors(0, 5) < 5 {
		return // it loses more than it is asked to: what follows is not to be known
	}
	l.holds(pabal.FromAll(), "a1", "a2", "b1", "b2", "c1")
	l.holds(pabal.After(a[0]), "a2", "b1", "b2", "c1")
	l.holds(pabal.After(a[1]), "b1", "b2", "c1")
	l.lost(a[2], lost, "b1", "b2", "c1")
	l.holds(pabal.After(b[0]), "b2", "c1")
	l.lost(b[2], lost, "c1")
	l = x.reopen(l, losing(3)) // also what an earlier crash had spared
	l.holds(pabal.FromAll(), "a1", "a2")
	for _, p := range []pabal.Position{a[2], b[0], b[1], b[2], c[0]} {
		l.lost(p, lost)
	}
	l.holds(pabal.After(a[1]))
	seen := map[pabal.Offset]bool{}
	for _, p := range append(append(append(a, b...), c...), l.put("d")...) {
		if seen[p.Offset] {
			x.Fatalf("offset %d was given twice", p.Offset)
		}
		seen[p.Offset] = true
	}
}

func restartIDs(x *trial) {
	before := x.open(Options{})
	first := before.append(named("a:1"))
	before.append(named("b:1"))
	l := x.reopen(before, losing(1))
	if l.survivors(1, 2) == 1 {
		l.repeated(named("a:1"), first.Positions)
	}
	if done := l.append(named("b:1")); done.Duplicate {
		x.Fatalf("a message that was lost is called published when it is repeated")
	}
}

func restartOthers(x *trial) {
	before := x.open(Options{Entries: 3})
	never := before.at("never").end()
	trim := before.put(numbered(0, 6)...)
	removed := before.at("removed")
	gone := removed.put("a", "b")
	removed.delete()
	l := x.reopen(before, func(ch pabal.Channel) int {
		if ch == before.ch {
			return 1
		}
		return 0
	})
	l.at("never").holds(pabal.After(never))
	l.at("never").put("x")
	l.at("never").holds(pabal.After(never), "x")
	l.at("removed").lost(gone[1], deleted)
	if l.survivors(1, 3) == 2 {
		l.lost(trim[0], trimmed, "3", "4")
		l.holds(pabal.After(trim[2]), "3", "4")
		l.lost(trim[5], lost)
	}
}
