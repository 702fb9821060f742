package brokertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pabal/pabal"
)

var orders = []promise{
	{name: "order/concurrent publishers", test: concurrentPublishers},
	{name: "order/an append is read", test: readYourAppend},
	{name: "order/a name never written", test: neverWritten},
	{name: "order/messages come back whole", test: wholeMessages},
	{name: "order/a context that ended", test: contextEnded},
	{name: "order/the list of channels", test: channelList},
}

func concurrentPublishers(x *trial) {
	const publishers, publishes = 8, 40
	l := x.open(Options{})
	given := make([][]pabal.Position, publishers)
	x.do(publishers, func(i int) {
		for n := range publishes {
			done, err := l.b.Append(x.ctx, l.ch, texts(fmt.Sprint(i, "-", 2*n), fmt.Sprint(i, "-", 2*n+1)))
			if err != nil {
				x.Errorf("append: %v", err)
				return
			}
			given[i] = append(given[i], done.Positions...)
		}
	})
	page := l.read(pabal.FromAll())
	if got, want := len(page.Entries), publishers*publishes*2; got != want {
		x.Fatalf("got %d entries, want %d", got, want)
	}
	next := make([]int, publishers)
	for i, e := range page.Entries {
		var from, n int
		if _, err := fmt.Sscanf(string(e.Data), "%d-%d", &from, &n); err != nil {
			x.Fatalf("entry %q: %v", e.Data, err)
		}
		if n != next[from] {
			x.Fatalf("publisher %d: got message %d, want %d", from, n, next[from])
		}
		if e.Position() != given[from][n] {
			x.Fatalf("message %s was acknowledged at %v, and is at %v", e.Data, given[from][n], e.Position())
		}
		if n%2 == 1 && !strings.HasPrefix(string(page.Entries[i-1].Data), fmt.Sprint(from, "-")) {
			x.Fatalf("between the two messages of a batch came %s", page.Entries[i-1].Data)
		}
		next[from]++
	}
	if page.End != page.Entries[len(page.Entries)-1].Position() {
		x.Fatalf("the log ends at %v, its last entry at %v", page.End, page.Entries[len(page.Entries)-1].Position())
	}
}

func readYourAppend(x *trial) {
	l := x.open(Options{})
	x.do(8, func(i int) {
		at := pabal.Position{}
		for n := range 40 {
			text := fmt.Sprint(i, "-", n)
			done, err := l.b.Append(x.ctx, l.ch, texts(text))
			if err != nil {
				x.Errorf("append: %v", err)
				return
			}
			from := pabal.After(at)
			if n == 0 {
				from = pabal.FromAll()
			}
			page, err := l.b.Read(x.ctx, l.ch, pabal.Query{From: from, MaxEntries: 1000, MaxBytes: 1 << 20})
			if err != nil || page.Lost != nil || !slices.Contains(data(page.Entries), text) {
				x.Errorf("from %v: got %v, lost %s, error %v; want also %s, which was acknowledged", from, data(page.Entries), gap(page.Lost), err, text)
				return
			}
			at = done.End
		}
	})
}

func neverWritten(x *trial) {
	l := x.open(Options{})
	l.at("other").put("a", "b")
	first := l.holds(pabal.FromAll())
	if first.End.Epoch == 0 || first.First != first.End || first.Closed || first.More {
		x.Fatalf("a name never written: got %+v, want an empty, open log with an epoch", first)
	}
	for _, from := range []pabal.From{pabal.FromNow(), pabal.FromLast(3), pabal.FromTime(l.at("other").read(pabal.FromAll()).Entries[0].Time), pabal.After(first.End), pabal.Before(first.End)} {
		if page := l.holds(from); page.End != first.End || page.Start != first.End {
			x.Fatalf("from %v: start %v, end %v, want %v for both", from, page.Start, page.End, first.End)
		}
	}
	l.put("one")
	page := l.holds(pabal.After(first.End), "one")
	if page.Entries[0].Prev != first.End.Offset || page.Start != first.End {
		x.Fatalf("the first entry has Prev %d after the end %v", page.Entries[0].Prev, first.End)
	}
	l.at("never").delete()
	l.at("never").holds(pabal.After(first.End))
}

func wholeMessages(x *trial) {
	l := x.open(Options{})
	sent := []pabal.Message{
		{ID: "m1", Type: "goal", Key: "k", ContentType: "application/json", Data: []byte(`{"a":1}`)},
		{Data: []byte{0, 255, '\n', 0}},
		{},
	}
	l.append(pabal.Publish{Messages: slices.Clone(sent)})
	for i, e := range l.read(pabal.FromAll()).Entries {
		want := sent[i]
		if e.ID != want.ID || e.Type != want.Type || e.Key != want.Key || e.ContentType != want.ContentType || string(e.Data) != string(want.Data) || e.Time.IsZero() {
			x.Fatalf("message %d: got %+v at %v, want %+v and a time", i, e.Message, e.Time, want)
		}
	}
}

func contextEnded(x *trial) {
	l := x.open(Options{})
	l.put("a")
	ctx, cancel := context.WithCancel(x.ctx)
	cancel()
	_, appended := l.b.Append(ctx, l.ch, texts("b"))
	_, read := l.b.Read(ctx, l.ch, pabal.Query{MaxEntries: 1, MaxBytes: 1})
	_, tailed := l.b.Tail(ctx, l.ch, func(*pabal.Entry) { x.Errorf("a tail was called whose context had ended") })
	for what, err := range map[string]error{"append": appended, "read": read, "tail": tailed, "delete": l.b.Delete(ctx, l.ch)} {
		if !errors.Is(err, context.Canceled) {
			x.Errorf("%s with a context that has ended: got the error %v, want %v", what, err, context.Canceled)
		}
	}
	if got := data(l.read(pabal.FromAll()).Entries); got[0] != "a" {
		x.Errorf("got %v, want a, and b at most", got)
	}
}

func channelList(x *trial) {
	l := x.open(Options{})
	lister, ok := l.b.(pabal.Lister)
	if !ok {
		x.Logf("it does not list its channels")
		return
	}
	for _, ch := range []pabal.Channel{"b/2", "a", "b/1", "b", "c", "b/3"} {
		l.at(ch).put("x")
	}
	l.at("c").delete()
	l.at("never").read(pabal.FromAll())
	for _, want := range []struct {
		prefix string
		after  pabal.Channel
		limit  int
		names  []pabal.Channel
	}{
		{"", "", 10, []pabal.Channel{"a", "b", "b/1", "b/2", "b/3"}},
		{"", "", 2, []pabal.Channel{"a", "b"}},
		{"b/", "", 10, []pabal.Channel{"b/1", "b/2", "b/3"}},
		{"b/", "b/1", 1, []pabal.Channel{"b/2"}},
		{"b", "a", 1, []pabal.Channel{"b"}},
		{"a", "b", 10, nil},
	} {
		got, err := lister.Channels(x.ctx, want.prefix, want.after, want.limit)
		if err != nil || !slices.Equal(got, want.names) {
			x.Errorf("%d channels with %q after %q: got %v, error %v, want %v", want.limit, want.prefix, want.after, got, err, want.names)
		}
	}
}
