package brokertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pabal/pabal"
)

var conditions = []promise{
	{name: "if/the end", test: conditional},
	{name: "if/one of many", test: concurrentConditions},
}

func only(at pabal.Position, data ...string) pabal.Publish {
	p := texts(data...)
	p.If = &at
	return p
}

func conditional(x *trial) {
	l := x.open(Options{})
	start := l.end()
	wrong := start
	wrong.Offset++
	l.refused(only(wrong, "x"), pabal.ErrMoved)
	a := l.append(only(start, "a"))
	l.refused(only(start, "x"), pabal.ErrMoved)
	l.append(only(a.End, "b", "c"))
	l.refused(only(a.End, "x"), pabal.ErrMoved)
	end := l.end()
	l.delete()
	l.refused(only(end, "x"), pabal.ErrMoved)
	l.append(only(l.end(), "d"))
	l.holds(pabal.FromAll(), "d")

	p := only(l.end(), "e:1")
	p.Messages[0].ID = "e"
	first := l.append(p)
	l.repeated(p, first.Positions) // it is there: its condition was met
}

func concurrentConditions(x *trial) {
	l := x.open(Options{})
	for range 10 {
		end := l.end()
		won := make([]bool, 8)
		x.do(len(won), func(i int) {
			_, err := l.b.Append(x.ctx, l.ch, only(end, fmt.Sprint(i)))
			if won[i] = err == nil; err != nil && !errors.Is(err, pabal.ErrMoved) {
				x.Errorf("append: got the error %v, want %v", err, pabal.ErrMoved)
			}
		})
		winner := slices.Index(won, true)
		if winner < 0 || slices.Contains(won[winner+1:], true) {
			x.Fatalf("who was kept: %v, want one", won)
		}
		l.holds(pabal.After(end), fmt.Sprint(winner))
	}
}
