package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pabal/pabal"
)

var onces = []promise{
	{name: "once/a repeat", test: repeats},
	{name: "once/another content", test: conflicts},
	{name: "once/concurrent repeats", test: concurrentRepeats},
	{name: "once/concurrent contents", test: concurrentConflicts},
	{name: "once/the window in time", test: windowInTime},
	{name: "once/the window in number", test: windowInNumber},
	{name: "once/the window of a namespace", test: windowOfNamespace},
	{name: "once/after a deletion", test: repeatAfterDeletion},
	{name: "once/of a closed log", test: repeatWhenClosed},
}

// repeated ends the test unless p is answered as a repeat that is at want.
func (l log) repeated(p pabal.Publish, want []pabal.Position) {
	l.x.Helper()
	before := l.end()
	done := l.append(p)
	if !done.Duplicate || !slices.Equal(done.Positions, want) {
		l.x.Fatalf("a repeat: got %+v, want a duplicate at %v", done, want)
	}
	if l.end() != before {
		l.x.Fatalf("a repeat moved the log's end from %v to %v", before, l.end())
	}
}

func repeats(x *trial) {
	l := x.open(Options{})
	first := l.append(named("a:1"))
	if first.Duplicate {
		x.Fatalf("the first publish is called a duplicate")
	}
	l.append(named("b:2"))
	l.repeated(named("a:1"), first.Positions)
	if done := l.at("other").append(named("a:1")); done.Duplicate {
		x.Fatalf("an id of another channel is called a duplicate")
	}
	l.put("same", "same") // without an ID nothing is a repeat
	l.holds(pabal.FromAll(), "a:1", "b:2", "same", "same")
}

func conflicts(x *trial) {
	l := x.open(Options{})
	l.append(pabal.Publish{Messages: []pabal.Message{{ID: "a", Type: "t", Key: "k", ContentType: "c", Data: []byte("1")}}})
	for _, other := range []pabal.Message{
		{ID: "a", Type: "t", Key: "k", ContentType: "c", Data: []byte("2")},
		{ID: "a", Type: "u", Key: "k", ContentType: "c", Data: []byte("1")},
		{ID: "a", Type: "t", Key: "l", ContentType: "c", Data: []byte("1")},
		{ID: "a", Type: "t", Key: "k", ContentType: "d", Data: []byte("1")},
	} {
		l.refused(pabal.Publish{Messages: []pabal.Message{other}}, pabal.ErrConflict)
	}
	l.holds(pabal.FromAll(), "1")
}

func concurrentRepeats(x *trial) {
	l := x.open(Options{})
	for round := range 10 {
		p := named(fmt.Sprint("id", round, ":x"))
		answers := make([]pabal.Appended, 16)
		x.do(len(answers), func(i int) {
			var err error
			if answers[i], err = l.b.Append(x.ctx, l.ch, p); err != nil {
				x.Errorf("append: %v", err)
			}
		})
		first := 0
		for _, a := range answers {
			if !a.Duplicate {
				first++
			}
			if a.End != answers[0].End {
				x.Fatalf("the same message is at %v and at %v", answers[0].End, a.End)
			}
		}
		if first != 1 {
			x.Fatalf("%d of %d repeats were called the first, want 1", first, len(answers))
		}
	}
	if got := len(l.read(pabal.FromAll()).Entries); got != 10 {
		x.Fatalf("got %d entries, want 10", got)
	}
}

func concurrentConflicts(x *trial) {
	l := x.open(Options{})
	kept := make([]bool, 16)
	x.do(len(kept), func(i int) {
		_, err := l.b.Append(x.ctx, l.ch, named(fmt.Sprint("id:", i)))
		if kept[i] = err == nil; err != nil && !errors.Is(err, pabal.ErrConflict) {
			x.Errorf("append: got the error %v, want %v", err, pabal.ErrConflict)
		}
	})
	winner := slices.Index(kept, true)
	if winner < 0 || slices.Contains(kept[winner+1:], true) {
		x.Fatalf("who was kept: %v, want one", kept)
	}
	l.holds(pabal.FromAll(), fmt.Sprint("id:", winner))
}

func windowInTime(x *trial) {
	l := x.open(Options{IDWindow: x.Unit})
	first := l.append(named("a:1"))
	x.pass(x.Unit / 2)
	l.repeated(named("a:1"), first.Positions)
	x.pass(x.Unit/2 + x.Unit/4) // a repeat does not begin the window anew
	if done := l.append(named("a:2")); done.Duplicate {
		x.Fatalf("an id whose window has passed is still known")
	}
	l.holds(pabal.FromAll(), "a:1", "a:2")
}

func windowInNumber(x *trial) {
	l := x.open(Options{IDs: 4, IDWindow: time.Hour})
	first := l.append(named("a:1"))
	l.append(named("b:1"))
	l.at("other").append(named("c:1", "d:1"))
	l.repeated(named("a:1"), first.Positions)
	l.append(named("e:1"))
	if done := l.append(named("a:2")); done.Duplicate {
		x.Fatalf("an id is known though as many as are known came after it")
	}
}

// windowOfNamespace fills the window of one namespace, which is no reason to
// forget an ID of another.
func windowOfNamespace(x *trial) {
	segment := func(ch pabal.Channel) string {
		first, _, _ := strings.Cut(string(ch), "/")
		return first
	}
	l := x.open(Options{IDs: 2, IDWindow: time.Hour, Namespace: segment})
	first := l.append(named("a:1"))
	other, sibling := l.at("other/one"), l.at("chat/two")
	second := other.append(named("a:1", "b:1", "c:1"))
	l.repeated(named("a:1"), first.Positions)
	other.repeated(named("b:1", "c:1"), second.Positions[1:])
	if done := other.append(named("a:2")); done.Duplicate {
		x.Fatalf("an id is known though as many as are known of its namespace came after it")
	}
	sibling.append(named("b:1", "c:1"))
	if done := l.append(named("a:2")); done.Duplicate {
		x.Fatalf("an id is known though as many as are known came after it in another channel of its namespace")
	}
}

func repeatAfterDeletion(x *trial) {
	l := x.open(Options{})
	first := l.append(named("a:1"))
	l.delete()
	l.repeated(named("a:1"), first.Positions)
	l.refused(named("a:2"), pabal.ErrConflict)
	l.holds(pabal.FromAll())
}

func repeatWhenClosed(x *trial) {
	l := x.open(Options{})
	p := named("a:1")
	p.Close = true
	first := l.append(p)
	l.repeated(p, first.Positions)
	l.repeated(named("a:1"), first.Positions)
	l.refused(named("b:1"), pabal.ErrClosed)
	l.holds(pabal.FromAll(), "a:1")
}
