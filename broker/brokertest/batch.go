package brokertest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/pabal/pabal"
)

var batches = []promise{
	{name: "batch/whole or not at all", test: batchWhole},
	{name: "batch/some ids known", test: batchPartial},
	{name: "batch/an id twice", test: batchTwice},
	{name: "batch/its id", test: batchID},
	{name: "batch/nothing", test: batchNothing},
}

func batchWhole(x *trial) {
	const size, rounds, writers = 5, 60, 2
	l := x.open(Options{})
	var written atomic.Int32
	x.do(1+writers, func(i int) {
		if i > 0 {
			defer written.Add(1)
			for n := range rounds {
				if _, err := l.b.Append(x.ctx, l.ch, texts(numbered(n, n+size)...)); err != nil {
					x.Errorf("append: %v", err)
				}
			}
			return
		}
		for last := false; !last; {
			last = written.Load() == writers
			page, err := l.b.Read(x.ctx, l.ch, pabal.Query{MaxEntries: 10_000, MaxBytes: 1 << 20})
			if n := len(page.Entries); err != nil || n%size != 0 || last && n != writers*rounds*size {
				x.Errorf("got %d entries, want a multiple of %d, and %d in the end (error %v)", n, size, writers*rounds*size, err)
				return
			}
		}
	})
}

func batchPartial(x *trial) {
	l := x.open(Options{})
	first := l.append(named("a:1", "b:1"))
	l.append(named("c:1"))
	l.repeated(named("a:1", "b:1"), first.Positions)
	l.refused(named("b:1", "d:1"), pabal.ErrPartial)
	l.refused(named("d:1", "b:1"), pabal.ErrPartial)
	l.refused(named("d:1", "b:2"), pabal.ErrConflict)
	some := named("a:1", "x")
	some.Messages[1].ID = ""
	l.refused(some, pabal.ErrPartial)
	if done := l.append(named("d:1", "e:1")); done.Duplicate {
		x.Fatalf("what was refused with others is called a duplicate")
	}
	l.holds(pabal.FromAll(), "a:1", "b:1", "c:1", "d:1", "e:1")
}

func batchTwice(x *trial) {
	l := x.open(Options{})
	l.put("x")
	for _, p := range []pabal.Publish{named("a:1", "a:1"), named("a:1", "b:1", "a:2")} {
		before := l.end()
		if done, err := l.b.Append(x.ctx, l.ch, p); !errors.Is(err, pabal.ErrPartial) && !errors.Is(err, pabal.ErrConflict) || l.end() != before {
			x.Fatalf("a batch that uses an id twice: got %+v, error %v; want it refused", done, err)
		}
	}
	if done := l.append(named("a:1", "b:1")); done.Duplicate {
		x.Fatalf("what was refused is called a duplicate")
	}
}

func batchID(x *trial) {
	l := x.open(Options{})
	named := func(id string, close bool, data ...string) pabal.Publish {
		p := texts(data...)
		p.BatchID, p.Close = id, close
		return p
	}
	first := l.append(named("one", false, "a", "b", "c"))
	if first.Duplicate {
		x.Fatalf("the first publish is called a duplicate")
	}
	l.put("between")
	l.repeated(named("one", false, "a", "b", "c"), first.Positions)
	l.refused(named("one", false, "a", "b"), pabal.ErrConflict)
	l.refused(named("one", false, "a", "b", "d"), pabal.ErrConflict)
	l.refused(named("one", true, "a", "b", "c"), pabal.ErrConflict)
	if done := l.at("other").append(named("one", false, "x")); done.Duplicate {
		x.Fatalf("a batch of another channel is called a duplicate")
	}
	answers := make([]pabal.Appended, 8)
	x.do(len(answers), func(i int) {
		var err error
		if answers[i], err = l.b.Append(x.ctx, l.ch, named("two", true, "y", "z")); err != nil {
			x.Errorf("append: %v", err)
		}
	})
	for _, a := range answers {
		if fmt.Sprint(a.Positions) != fmt.Sprint(answers[0].Positions) {
			x.Fatalf("the same batch is at %v and at %v", answers[0].Positions, a.Positions)
		}
	}
	if page := l.holds(pabal.FromAll(), "a", "b", "c", "between", "y", "z"); !page.Closed {
		x.Fatalf("the log is not closed")
	}
}

func batchNothing(x *trial) {
	l := x.open(Options{})
	if done, err := l.b.Append(x.ctx, l.ch, pabal.Publish{}); err == nil {
		x.Fatalf("a publish of nothing: got %+v, want an error", done)
	}
}
