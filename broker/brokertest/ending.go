package brokertest

import (
	"github.com/pabal/pabal"
)

var closings = []promise{
	{name: "close/after the messages", test: closeWithLast},
	{name: "close/alone", test: closeAlone},
	{name: "close/after a time without a publish", test: closeIdle},
	{name: "close/after its entries have gone", test: closeEmpty},
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

// closeIdle has half of a unit for the broker to find out that a channel's time
// has passed.
func closeIdle(x *trial) {
	l := x.open(Options{CloseAfter: x.Unit})
	at := l.put("a")
	quiet, cleared := l.at("quiet"), l.at("cleared")
	quiet.put("x")
	cleared.put("x")
	cleared.delete()
	f, waiting := l.follow(x.ctx), l.at("waiting").follow(x.ctx)
	x.pass(x.Unit * 5 / 8)
	at = append(at, l.put("b")...) // begins the time anew
	x.pass(x.Unit * 7 / 8)
	if l.read(pabal.FromAll()).Closed || !quiet.read(pabal.FromAll()).Closed {
		x.Fatalf("%s or %s: the one to which something was published is closed, or the other is not", l.ch, quiet.ch)
	}
	x.pass(x.Unit * 5 / 8)
	page := l.holds(pabal.After(at[0]), "b")
	if !page.Closed || page.End != at[1] {
		x.Fatalf("after a time without a publish: got %+v, want it closed at %v", page, at[1])
	}
	l.refused(texts("c"), pabal.ErrClosed)
	if never := waiting.end; l.at("waiting").put("first")[0].Offset <= never.Offset { // it never began, so it does not end
		x.Fatalf("a channel that was only followed does not begin after %v", never)
	}
	cleared.put("first")
	if !hasty(l.b) {
		f.until(x, 1, 1)
	}
	l.delete()
	l.put("new")
}

// closeEmpty has the entries of a channel go first, and the state of it stay.
func closeEmpty(x *trial) {
	l := x.open(Options{Age: x.Unit / 2, CloseAfter: x.Unit})
	at := l.put("a")
	x.pass(x.Unit * 5 / 8)
	if l.holds(pabal.FromAll()).Closed {
		x.Fatalf("a channel is closed before its time, as its entries have gone")
	}
	x.pass(x.Unit * 3 / 4)
	if page := l.holds(pabal.After(at[0])); !page.Closed || page.End.Offset != at[0].Offset {
		x.Fatalf("after a time without a publish: got %+v, want it closed at %v", page, at[0])
	}
	l.refused(texts("b"), pabal.ErrClosed)
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
