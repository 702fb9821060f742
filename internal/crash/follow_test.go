package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// A follower reads channels through all lives of the server, by one technique
// or by one after the other.
type follower struct {
	name       string
	world      *world
	techniques []*readers.Technique
	protocols  []string
	place      *readers.Place
	account    *readers.Account
	vectors    bool // over several channels, goes on at the one cursor now and then
	logs       map[string]*ledger.Reader
	ledger     *ledger.Ledger
	random     *rand.Rand

	bare string // token of the last entry that came without its cursor
}

func newFollower(w *world, judge *ledger.Ledger, techniques []*readers.Technique, protocol string, random *rand.Rand, channels ...string) *follower {
	f := &follower{
		name: techniques[0].Name, world: w, techniques: techniques, protocols: []string{protocol}, ledger: judge, random: random,
		place: readers.NewPlace(channels...), logs: map[string]*ledger.Reader{},
	}
	if len(techniques) > 1 {
		f.name = "hopper"
	}
	f.name += "/" + protocol
	f.place.MayLose = true
	f.account = &readers.Account{Place: f.place, Judges: map[string]readers.Judge{}, Took: f.took}
	for _, ch := range channels {
		f.logs[ch] = judge.Log(ch).Reader(f.name)
		f.account.Judges[ch] = f.logs[ch]
	}
	return f
}

// run reads until ctx ends.
func (f *follower) run(ctx context.Context) error {
	for {
		l, err := f.world.enter(ctx)
		if err != nil {
			return nil
		}
		err = f.live(ctx, l)
		l.leave()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s of %v: %w", f.name, f.place.Channels, err)
		}
	}
}

// live reads until l ends.
func (f *follower) live(ctx context.Context, l *life) error {
	by := f.techniques[0]
	if !by.Cursors && !l.until(ctx, l.held) { // its place is to be found in what is known
		return nil
	}
	for ctx.Err() == nil && !l.isDying() {
		by = f.techniques[f.random.IntN(len(f.techniques))]
		rest, err := f.leg(ctx, l, by)
		switch {
		case err == nil && !rest:
		case err == nil:
			l.pause(ctx, 20*time.Millisecond)
		case l.isDying() && (readers.IsBroken(err) || isStopping(err)):
		case readers.IsBroken(err):
			// The server may have ended by itself; then that is what to report.
			if l.pause(ctx, time.Second) {
				return fmt.Errorf("the connection broke, though nobody killed the server: %w", err)
			}
		default:
			return err
		}
	}
	return nil
}

// leg reads by one technique until its response ends. To rest says that the
// next would come back at once.
func (f *follower) leg(ctx context.Context, l *life, by *readers.Technique) (rest bool, err error) {
	protocol := f.protocols[f.random.IntN(len(f.protocols))]
	if by.Socket {
		protocol = readers.H1
	}
	t := &readers.Target{Channels: f.place.Channels, Query: url.Values{}}
	t.Client, t.URL = (&readers.Server{Plain: l.URL()}).Client(protocol, nil)
	defer t.Client.CloseIdleConnections()
	if by.Answers {
		t.Query.Set("limit", strconv.Itoa(1+f.random.IntN(200)))
	}
	var mark readers.Mark
	t.Cursors, mark = f.place.Cursors(f.vectors && f.random.IntN(2) == 0)
	t.LastEventID = by.Name == "sse" && f.random.IntN(2) == 0
	if f.bare != "" {
		t.Cursors = []string{f.ledger.Log(f.place.Channels[0]).Cursor(f.bare)}
		if t.Cursors[0] == "" {
			return false, fmt.Errorf("it got %s, which is not in the log", f.bare)
		}
	}
	f.place.Begin(mark)
	most := -1
	if len(f.techniques) > 1 && by.Cursors {
		most = f.random.IntN(200)
	}
	for it, err := range by.Read(ctx, t) {
		if err != nil {
			return false, err
		}
		if rest, err = f.take(l, by, it); err != nil || rest {
			return rest, err
		}
		if most--; most == -1 {
			return false, nil
		}
	}
	if l.isDying() || by.Name == "raw-entry" { // whose end may be a notice
		return true, nil
	}
	return true, errors.New("the response has ended, though the channel was not closed")
}

// take takes an item. To leave says that nothing more will come.
func (f *follower) take(l *life, by *readers.Technique, it readers.Item) (leave bool, err error) {
	if !by.Cursors {
		return f.takeBare(l, it)
	}
	switch it.Notice {
	case readers.Gone:
		return true, nil
	case "$closed":
		if it.Reason == "draining" && l.isDying() {
			return true, nil
		}
		if it.Reason != "closed" && it.Reason != "" {
			return true, fmt.Errorf("an unexpected end: %+v", it)
		}
		leave = true
	}
	return leave, f.account.Take(it)
}

// took takes an entry that is new.
func (f *follower) took(it readers.Item) error {
	if it.Opaque {
		return fmt.Errorf("%+v does not show its data", it)
	}
	return f.logs[it.Channel].Took(entryOf(it.Cursor, it.Data))
}

func (f *follower) takeBare(l *life, it readers.Item) (leave bool, err error) {
	switch {
	case it.Notice == "$closed" && l.isDying():
		return true, nil
	case it.Notice != "":
		return true, fmt.Errorf("an unexpected end: %+v", it)
	}
	e := entryOf("", it.Data)
	f.bare = e.Token
	return false, f.logs[it.Channel].TookBare(e.Token, e.Sum)
}

// isStopping reports whether err says that the server stops. A frame and a
// script are told so in what looks like success.
func isStopping(err error) bool {
	var status *readers.StatusError
	return errors.As(err, &status) && status.Status == http.StatusServiceUnavailable ||
		strings.Contains(err.Error(), "this server is stopping")
}
