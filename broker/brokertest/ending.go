package brokertest

import (
	"github.com/pabal/pabal"
)

var closings = []promise{
	{name: "close/after the messages", test: closeWithLast},
	{name: "close/alone", test: closeAlone},
}

var deletions = []promise{
	{name: "delete/who reads is told", test: deleteTells},
	{name: "delete/no position again", test: deleteThenAppend},
	{name: "delete/opens what was closed", test: deleteOpens},
	{name: "delete/twice", test: deleteTwice},
}

var closing = pabal.Publish{Close: true}

func closeWithLast(x *trial) {
	l := x.open(Options{})
	at := l.put("a")
	p := texts("b", "c")
	p.Close = true
	done := l.append(p)
	page := l.holds(pabal.FromAll(), "a", "b", "c")
	if !page.Closed || page.End != done.End {
		x.Fatalf("closed with a last message: got %+v, want it closed at %v", page, done.End)
	}
	for _, from := range []pabal.From{pabal.After(at[0]), pabal.After(done.End), pabal.FromNow(), pabal.Before(at[0])} {
		if !l.read(from).Closed {
			x.Fatalf("from %v the log is not closed", from)
		}
	}
	l.refused(texts("d"), pabal.ErrClosed)
	l.refused(p, pabal.ErrClosed) // with messages, and no ID to know them by
}

func closeAlone(x *trial) {
	l := x.open(Options{})
	end := l.put("a")[0]
	for range 3 {
		if done := l.append(closing); done.End != end {
			x.Fatalf("closed without a message: the end is said to be %v, want %v", done.End, end)
		}
	}
	if page := l.holds(pabal.FromAll(), "a"); !page.Closed || page.End != end {
		x.Fatalf("closed without a message: got %+v, want it closed at %v", page, end)
	}
	never := l.at("never")
	end = never.end()
	if done := never.append(closing); done.End != end {
		x.Fatalf("a name never written was closed at %v, want %v", done.End, end)
	}
	if page := never.holds(pabal.FromAll()); !page.Closed || page.End != end {
		x.Fatalf("a name never written and closed: got %+v", page)
	}
	never.refused(texts("a"), pabal.ErrClosed)
	if l.at("other").read(pabal.FromAll()).Closed {
		x.Fatalf("another channel is closed")
	}
}

func deleteTells(x *trial) {
	l := x.open(Options{Entries: 3})
	start := l.end()
	at := append([]pabal.Position{start}, l.put(numbered(0, 5)...)...)
	l.delete()
	page := l.holds(pabal.FromAll())
	for _, p := range at { // who has read all is told, too
		if lost := l.lost(p, deleted); lost.Lost.To != page.End {
			x.Fatalf("after %v: it goes on at %v, want the end, %v", p, lost.Lost.To, page.End)
		}
	}
	l.holds(pabal.After(page.End))
	end := page.End
	l.put("new")
	l.holds(pabal.After(end), "new")
	for _, p := range at {
		l.lost(p, deleted, "new")
	}
	l.put("2", "3", "4", "5") // what follows the deletion is trimmed in turn
	l.lost(end, trimmed, "3", "4", "5")
	l.lost(at[2], deleted, "3", "4", "5")
}

func deleteThenAppend(x *trial) {
	l := x.open(Options{})
	seen := map[pabal.Position]bool{}
	last := l.end()
	for range 5 {
		for _, p := range l.put("a", "b", "c") {
			if seen[p] || p.Epoch == last.Epoch && p.Offset <= last.Offset {
				x.Fatalf("%v follows %v", p, last)
			}
			seen[p], last = true, p
		}
		l.delete()
		if end := l.end(); seen[end] {
			x.Fatalf("after a deletion the end is %v, where an entry had been", end)
		}
	}
}

func deleteOpens(x *trial) {
	l := x.open(Options{})
	p := texts("a")
	p.Close = true
	at := l.append(p).End
	l.delete()
	if l.holds(pabal.FromAll()).Closed {
		x.Fatalf("after a deletion the log is still closed")
	}
	l.put("b")
	l.lost(at, deleted, "b")
	l.at("never").append(closing)
	l.at("never").delete()
	l.at("never").put("c")
}

func deleteTwice(x *trial) {
	l := x.open(Options{})
	at := l.put("a")[0]
	l.delete()
	l.delete()
	l.lost(at, deleted)
	l.put("b")
	l.delete()
	l.put("c")
	l.lost(at, deleted, "c")
	l.holds(pabal.FromAll(), "c")
}
