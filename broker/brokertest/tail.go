package brokertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

var tails = []promise{
	{name: "tail/what follows the end", test: tailFollows},
	{name: "tail/in order, among publishers", test: tailInOrder},
	{name: "tail/closed and deleted", test: tailTold},
	{name: "tail/until its context ends", test: tailEnds},
	{name: "tail/before the first entry", test: tailFirst},
	{name: "tail/of what has expired", test: tailOfExpired},
	{name: "tail/with reads, all and once", test: tailAndRead},
}

// A follower keeps what a tail told it.
type follower struct {
	mu      sync.Mutex
	entries []*pabal.Entry
	nils    int
	news    chan struct{}
	end     pabal.Position
}

func (l log) follow(ctx context.Context) *follower {
	l.x.Helper()
	f := &follower{news: make(chan struct{}, 1)}
	end, err := l.b.Tail(ctx, l.ch, f.accept)
	if err != nil {
		l.x.Fatalf("tail of %s: %v", l.ch, err)
	}
	f.end = end
	return f
}

func (f *follower) accept(e *pabal.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e == nil {
		f.nils++
	} else {
		f.entries = append(f.entries, e)
	}
	select {
	case f.news <- struct{}{}:
	default:
	}
}

func (f *follower) told() (entries []*pabal.Entry, nils int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.entries), f.nils
}

// until waits for n entries, and as many times nil.
func (f *follower) until(x *trial, n, nils int) []*pabal.Entry {
	x.Helper()
	for {
		entries, got := f.told()
		if len(entries) >= n && got >= nils {
			return entries
		}
		wait(x, f.news, fmt.Sprintf("%d entries and %d times nil, after %d and %d", n, nils, len(entries), got))
	}
}

// hasty reports whether b's tail may miss something, so that there is less to
// be tested.
func hasty(b pabal.Broker) bool {
	l, ok := b.(pabal.Lossless)
	return !ok || !l.Lossless()
}

func tailFollows(x *trial) {
	l := x.open(Options{Entries: 4})
	at := l.put("before")
	f := l.follow(x.ctx)
	if f.end != at[0] {
		x.Fatalf("a tail begins at %v, want the log's end, %v", f.end, at[0])
	}
	if hasty(l.b) {
		return
	}
	g := l.follow(x.ctx)
	l.at("other").put("x")
	l.append(texts(numbered(0, 8)...)) // more than is kept
	l.put("8")
	for _, f := range []*follower{f, g} {
		got := f.until(x, 9, 0)
		if !slices.Equal(data(got), numbered(0, 9)) {
			x.Fatalf("a tail told %v, want %v", data(got), numbered(0, 9))
		}
		for i, prev := 0, f.end.Offset; i < len(got); i++ {
			if got[i].Prev != prev || got[i].Channel != l.ch {
				x.Fatalf("a tail told %v with Prev %d of %q, want Prev %d of %q", got[i].Position(), got[i].Prev, got[i].Channel, prev, l.ch)
			}
			prev = got[i].Offset
		}
	}
}

func tailInOrder(x *trial) {
	const publishers, publishes = 4, 50
	l := x.open(Options{})
	if hasty(l.b) {
		return
	}
	f := l.follow(x.ctx)
	x.do(publishers+1, func(i int) {
		for n := range publishes {
			if i == publishers { // meanwhile others come and go
				ctx, cancel := context.WithCancel(x.ctx)
				if _, err := l.b.Tail(ctx, l.ch, func(*pabal.Entry) {}); err != nil {
					x.Errorf("tail: %v", err)
				}
				cancel()
			} else if _, err := l.b.Append(x.ctx, l.ch, texts(fmt.Sprint(i, "-", n))); err != nil {
				x.Errorf("append: %v", err)
			}
		}
	})
	got := f.until(x, publishers*publishes, 0)
	if want := l.read(pabal.FromAll()).Entries; !slices.Equal(data(got), data(want)) {
		x.Fatalf("a tail told %v, and the log is %v", data(got), data(want))
	}
}

func tailTold(x *trial) {
	l := x.open(Options{})
	if hasty(l.b) {
		return
	}
	f := l.follow(x.ctx)
	p := texts("a")
	p.Close = true
	l.append(p)
	if got := f.until(x, 1, 1); !slices.Equal(data(got), []string{"a"}) {
		x.Fatalf("a tail told %v, want a", data(got))
	}
	if !l.read(pabal.After(f.end)).Closed {
		x.Fatalf("a tail told that something changed, and the log is not closed")
	}
	l.delete()
	f.until(x, 1, 2)
	l.put("b")
	if got := f.until(x, 2, 2); string(got[1].Data) != "b" {
		x.Fatalf("after a deletion a tail told %v, want b", data(got[1:]))
	}
	l.append(closing)
	f.until(x, 2, 3)
}

func tailEnds(x *trial) {
	l := x.open(Options{})
	ctx, cancel := context.WithCancel(x.ctx)
	f, fence := l.follow(ctx), l.follow(x.ctx)
	l.put("a")
	if !hasty(l.b) {
		f.until(x, 1, 0)
		fence.until(x, 1, 0)
	}
	cancel()
	l.put("b")
	l.delete()
	if hasty(l.b) {
		return
	}
	fence.until(x, 2, 1)
	if entries, nils := f.told(); len(entries) > 1 || nils > 0 {
		x.Fatalf("after its context ended a tail was told %v, and %d times nil", data(entries[1:]), nils)
	}
}

func tailFirst(x *trial) {
	l := x.open(Options{})
	l.at("other").put("x", "y")
	read := l.end()
	f := l.follow(x.ctx)
	if f.end != read {
		x.Fatalf("a tail of a name never written begins at %v, and its log ends at %v", f.end, read)
	}
	l.at("other").delete()
	l.put("a")
	e := l.holds(pabal.After(f.end), "a").Entries[0]
	if e.Prev != f.end.Offset {
		x.Fatalf("the first entry after the end %v has Prev %d", f.end, e.Prev)
	}
}

// tailOfExpired follows a channel whose entries all go while it is followed.
func tailOfExpired(x *trial) {
	l := x.open(Options{Age: x.Unit})
	l.at("other").put("x", "y", "z")
	l.put("a")
	f := l.follow(x.ctx)
	x.pass(3 * x.Unit)
	if page := l.holds(pabal.After(f.end)); page.End != f.end {
		x.Fatalf("what was followed from %v on ends at %v, though nothing was appended", f.end, page.End)
	}
	l.put("b")
	if e := l.holds(pabal.After(f.end), "b").Entries[0]; e.Prev != f.end.Offset {
		x.Fatalf("the entry after %v has Prev %d", f.end, e.Prev)
	}
	if hasty(l.b) {
		return
	}
	if got := f.until(x, 1, 0); string(got[0].Data) != "b" {
		x.Fatalf("a tail told %v, want b", data(got))
	}
}

// tailAndRead follows a channel as a hub does: what the tail tells is only a
// reason to read, as is that some time has passed.
func tailAndRead(x *trial) {
	const publishers, publishes = 4, 25
	l := x.open(Options{})
	f := l.follow(x.ctx)
	got := make(chan []string, 1)
	go func() {
		var all []string
		defer func() { got <- all }()
		for at := f.end; len(all) < publishers*publishes; {
			select {
			case <-f.news:
			case <-time.After(50 * time.Millisecond):
			}
			page, err := l.b.Read(x.ctx, l.ch, pabal.Query{From: pabal.After(at), MaxEntries: 7, MaxBytes: 1 << 20})
			if err != nil || page.Lost != nil {
				x.Errorf("read after %v: error %v, lost %s", at, err, gap(page.Lost))
				return
			}
			all = append(all, data(page.Entries)...)
			if at = page.End; page.More {
				at = page.Entries[len(page.Entries)-1].Position()
			}
		}
	}()
	x.do(publishers, func(i int) {
		for n := range publishes {
			if _, err := l.b.Append(x.ctx, l.ch, texts(fmt.Sprint(i, "-", n))); err != nil {
				x.Errorf("append: %v", err)
			}
		}
	})
	if got, want := wait(x, got, "the reader"), data(l.read(pabal.FromAll()).Entries); !slices.Equal(got, want) {
		x.Fatalf("following and reading: got %v, want %v", got, want)
	}
}
