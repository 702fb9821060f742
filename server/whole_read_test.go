package server

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// A wholeReader reads channels by one technique, or by one after the other.
type wholeReader struct {
	player
	techniques []*readers.Technique
	account    *readers.Account
	logs       map[string]*ledger.Reader
	ways
	bare   string          // token of the last entry that came without its cursor
	vector context.Context // the life in which it was given its vector: in another that may be of before what was lost
}

// ways are how one reads.
type ways struct {
	latest   bool
	every    string
	sleeps   bool // now and then, for so long that it may be cut off
	overlaps bool // opens the next response before it leaves the one it has
}

// newReader returns a reader that was not given anything yet.
func (w *whole) newReader(p player, how ways, techniques []*readers.Technique, channels ...string) {
	r := &wholeReader{player: p, techniques: techniques, ways: how, logs: map[string]*ledger.Reader{}}
	r.account = w.newAccount(p.name, how.latest, channels)
	for ch, judge := range r.account.Judges {
		r.logs[ch] = judge.(*ledger.Reader)
	}
	w.readers = append(w.readers, r)
}

// newAccount returns the account of a reader of channels.
func (w *whole) newAccount(name string, latest bool, channels []string) *readers.Account {
	a := &readers.Account{Place: readers.NewPlace(channels...), Judges: map[string]readers.Judge{}}
	a.MayLose, a.Latest = true, latest
	for _, ch := range channels {
		judge := w.ledger.Log(ch).Reader(name)
		judge.Latest = latest
		a.Judges[ch] = judge
		w.following = append(w.following, following{name, ch, judge})
	}
	a.Took = func(it readers.Item) error {
		if it.Opaque {
			return fmt.Errorf("%+v does not show its data", it)
		}
		return a.Judges[it.Channel].(*ledger.Reader).Took(entryOf(it.Cursor, it.Data))
	}
	return a
}

// run reads until ctx ends.
func (r *wholeReader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		life := r.whole.now()
		here, leave := context.WithCancel(life)
		stop := context.AfterFunc(ctx, leave)
		r.broke.Store(false)
		err := r.read(here)
		if here.Err() != nil {
			err = nil // what it got last is nobody's
		}
		stop()
		leave()
		switch {
		case err == nil:
		case r.passing(err):
			r.note(r.account.Channels, "loses the connection: %v", err)
		default:
			return r.wrong(r.account.Channels, "%w", err)
		}
		r.pause(ctx, 50*time.Millisecond, 2*time.Second)
	}
	return nil
}

// A leg is one response.
type leg struct {
	by    *readers.Technique
	mark  readers.Mark
	items chan legItem
	stop  func()
	begun bool // it has yielded something
	ended bool // it has said why it ends
}

type legItem struct {
	readers.Item
	err error
}

// open asks for a response, and reads it as fast as what it holds is taken.
func (r *wholeReader) open(ctx context.Context) *leg {
	by := r.techniques[r.random.IntN(len(r.techniques))]
	t := &readers.Target{Channels: r.account.Channels, Client: r.client(), URL: r.url(), Query: url.Values{}, Pause: time.Second}
	if by.Answers {
		t.Query.Set("limit", strconv.Itoa(1+r.random.IntN(200)))
	}
	if r.latest {
		t.Query.Set("only", "latest")
	}
	if r.every != "" && !by.Answers {
		t.Query.Set("every", r.every)
	}
	l := &leg{by: by, items: make(chan legItem)}
	life := r.whole.now()
	t.Cursors, l.mark = r.account.Cursors(r.random.IntN(2) == 0 && r.vector == life)
	if r.account.Broken(l.mark) {
		t.Cursors, l.mark = r.account.Cursors(false)
	}
	t.LastEventID = by.Name == "sse" && r.random.IntN(2) == 0
	if r.bare != "" {
		t.Cursors = []string{r.whole.store.find(r.account.Channels[0], r.bare)}
	}
	r.note(r.account.Channels, "opens %s at %s, from %s", by.Name, t.URL, strings.Join(t.Cursors, ","))
	if by.Answers {
		r.whole.count(func(c *wholeCounts) { c.Connections++ }) // others say $open
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(l.items)
		for it, err := range by.Read(ctx, t) {
			select {
			case l.items <- legItem{it, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	l.stop = func() {
		cancel()
		for range l.items { // it may be about to yield one
		}
		t.Client.CloseIdleConnections()
	}
	return l
}

// read reads from one response, and perhaps from the next.
func (r *wholeReader) read(ctx context.Context) error {
	now := r.open(ctx)
	defer func() { now.stop() }()
	r.account.Begin(now.mark)
	var next *leg
	var first chan legItem // of next
	defer func() {
		if next != nil {
			next.stop()
		}
	}()
	most := r.patience(now)
	for {
		var it legItem
		var ok bool
		select {
		case it, ok = <-now.items:
		case it, ok = <-first:
			if r.account.Broken(next.mark) {
				return nil // there is no telling where the two overlap
			}
			r.note(r.account.Channels, "leaves %s for %s, which has begun", now.by.Name, next.by.Name)
			now.stop()
			now, next, first, most = next, nil, nil, r.patience(next)
			r.account.Begin(now.mark)
		case <-ctx.Done():
			return nil
		}
		if !ok {
			return r.atEnd(ctx, now)
		}
		if it.err != nil {
			return it.err
		}
		if leave, err := r.takeOne(ctx, now, it.Item); leave || err != nil {
			return err
		}
		if most--; most != -1 {
			continue
		}
		if !r.overlaps {
			return nil
		}
		next = r.open(ctx)
		first = next.items
	}
}

// patience returns how many items r takes of a response before it goes on by
// the next; -1 is all. Once the faults have stopped they are so many that it
// gets on, whatever it had before.
func (r *wholeReader) patience(l *leg) int {
	switch {
	case len(r.techniques) == 1 || !l.by.Cursors:
		return -1
	case r.whole.calm.Load():
		return 1000
	}
	return r.random.IntN(40)
}

// atEnd judges the end of a response that did not break.
func (r *wholeReader) atEnd(ctx context.Context, l *leg) error {
	refused := l.by.Name == "sse" && !l.begun                                                     // what it may be asked for again ends so
	if ctx.Err() == nil && !l.ended && !refused && !r.whole.rotates && l.by.Name != "raw-entry" { // whose end may be a notice
		return fmt.Errorf("%s ended without a word, and no channel is closed", l.by.Name)
	}
	return nil
}

// takeOne takes an item. To leave says that nothing more will come.
func (r *wholeReader) takeOne(ctx context.Context, l *leg, it readers.Item) (leave bool, err error) {
	if err := r.whole.take(ctx, func() error {
		leave, err = r.takeNow(l, it)
		return err
	}); err != nil {
		return leave, err
	}
	if r.sleeps && r.random.IntN(60) == 0 && !r.whole.calm.Load() {
		nap := time.Duration(r.random.IntN(70)) * time.Second
		r.note(r.account.Channels, "sleeps for %v", nap)
		pause(ctx, nap)
	}
	return leave, nil
}

func (r *wholeReader) takeNow(l *leg, it readers.Item) (leave bool, err error) {
	l.begun = true
	if it.Vector != "" {
		r.vector = r.whole.life // which [whole.take] keeps
	}
	r.gets(r.account.Channels, it)
	if !l.by.Cursors {
		return r.takeBare(it)
	}
	switch it.Notice {
	case readers.Gone:
		l.ended = true
		return true, nil
	case "$closed":
		l.ended = true
		if it.Reason == "draining" || it.Reason == "unavailable" {
			return true, nil
		}
		leave = len(r.account.Channels) == 1
	}
	return leave, r.account.Take(it)
}

// takeBare takes an item that does not say where it is.
func (r *wholeReader) takeBare(it readers.Item) (leave bool, err error) {
	if it.Notice != "" {
		return true, fmt.Errorf("an unexpected end: %+v", it)
	}
	e := entryOf("", it.Data)
	r.bare = e.Token
	return false, r.logs[it.Channel].TookBare(e.Token, e.Sum)
}
