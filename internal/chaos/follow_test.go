package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// A follower reads channels through all that happens, by one technique or by
// one after the other, as a real client would.
type follower struct {
	name       string
	world      *world
	route      *route
	techniques []*readers.Technique
	http2      bool // where the technique can
	vectors    bool // over several channels, goes on at the one cursor now and then
	place      *readers.Place
	account    *readers.Account // to whom the judges listen
	logs       map[string]*ledger.Reader
	random     *rand.Rand
	trail      trail

	instead int    // so many times it reads by long poll, since its own technique did not get through
	bare    string // token of the last entry that came without its cursor
	tries   int    // that came to nothing, one after the other
	counts
}

// counts are what a follower has seen.
type counts struct {
	taken, told, silent, fallbacks, legs atomic.Int64
}

// heartbeat is what the server is configured to.
const heartbeat = time.Second

func newFollower(w *world, r *route, name string, techniques []*readers.Technique, random *rand.Rand, channels ...string) *follower {
	f := &follower{
		name: name, world: w, route: r, techniques: techniques, random: random, place: readers.NewPlace(channels...),
		logs: map[string]*ledger.Reader{}, trail: trail{story: w.story},
	}
	f.place.MayLose = true
	judges := map[string]readers.Judge{}
	for _, ch := range channels {
		f.logs[ch] = w.ledger.Log(ch).Reader(name)
		judges[ch] = f.logs[ch]
	}
	f.account = &readers.Account{Place: f.place, Judges: judges, Took: f.took}
	return f
}

// run reads until ctx ends.
func (f *follower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		before := f.taken.Load()
		err := f.leg(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s of %v, by %s: %w\n\nwhat happened to it last:\n%s", f.name, f.place.Channels, f.route.name, err, &f.trail)
		}
		if f.tries++; f.taken.Load() > before {
			f.tries = 0
		}
		most := min(50<<min(f.tries, 5), 1000)
		pause(ctx, time.Duration(20+f.random.IntN(most))*time.Millisecond)
	}
	return nil
}

// choose returns by what to read next.
func (f *follower) choose() *readers.Technique {
	by := f.techniques[f.random.IntN(len(f.techniques))]
	if f.instead == 0 || !by.Cursors {
		return by
	}
	f.instead--
	return readers.Named([]string{"longpoll", "poll"}[f.random.IntN(2)])
}

// leg reads by one technique until its response ends, and judges why it does.
func (f *follower) leg(ctx context.Context) error {
	by := f.choose()
	number, tls := f.world.present()
	watch := newWatch(ctx, 5*heartbeat, f.random)
	defer watch.end()
	t, mark := f.target(by, tls, watch)
	if t == nil {
		return nil
	}
	defer t.Client.CloseIdleConnections()
	f.legs.Add(1)
	f.trail.tell("life %d: by %s %v from %v", number, by.Name, t.URL, t.Cursors)
	f.place.Begin(mark)
	most := -1
	if len(f.techniques) > 1 || f.instead > 0 {
		most = f.random.IntN(200)
		limit := time.AfterFunc(time.Duration(1+f.random.IntN(5))*time.Second, func() { watch.cancel(errLeft) })
		defer limit.Stop()
	}
	got := 0
	for it, err := range by.Read(watch.ctx, t) {
		if err != nil {
			return f.broken(number, by, watch, got, err)
		}
		got++
		if it.Notice == "$open" && it.Heartbeat > 0 {
			watch.most(2 * time.Duration(it.Heartbeat*float64(time.Second)))
		}
		if leave, err := f.take(number, by, it); leave || err != nil {
			return err
		}
		if most--; most == -1 {
			f.trail.tell("after %d items it leaves", got)
			return nil
		}
	}
	f.trail.tell("after %d items the response ends", got)
	return nil
}

// errLeft ends what the follower leaves for another technique.
var errLeft = errors.New("left")

// target is where by goes on; nil if that is not known yet.
func (f *follower) target(by *readers.Technique, tls bool, watch *watch) (*readers.Target, readers.Mark) {
	var mark readers.Mark
	t := &readers.Target{Channels: f.place.Channels, Query: url.Values{}, Pause: heartbeat / 2}
	address := f.route.proxy.Addr()
	server := &readers.Server{Plain: "http://" + address, TLS: "https://" + address, Roots: f.world.roots}
	protocol := readers.H1
	switch http2 := f.http2 && !by.Socket; {
	case tls && http2:
		protocol = readers.H2
	case tls:
		protocol = readers.H1S
	case http2:
		protocol = readers.H2C
	}
	t.Client, t.URL = server.Client(protocol, nil)
	watch.over(t.Client)
	if by.Answers {
		t.Query.Set("limit", strconv.Itoa(1+f.random.IntN(200)))
	}
	if by.Name == "longpoll" || by.Name == "jsonp" {
		t.Query.Set("wait", "2")
	}
	t.Cursors, mark = f.place.Cursors(f.vectors && f.random.IntN(2) == 0)
	t.LastEventID = by.Name == "sse" && f.random.IntN(2) == 0
	if f.bare != "" {
		at := f.world.ledger.Log(f.place.Channels[0]).Cursor(f.bare)
		if t.Cursors = []string{at}; at == "" { // nobody who would know its place has told yet
			f.trail.tell("where %s is, is not known yet", f.bare)
			return nil, mark
		}
	}
	return t, mark
}

// take takes an item. To leave says that nothing more may be taken.
func (f *follower) take(number int, by *readers.Technique, it readers.Item) (leave bool, err error) {
	f.world.turn.RLock()
	defer f.world.turn.RUnlock()
	if number != f.world.number {
		f.trail.tell("what comes is from an earlier life")
		return true, nil
	}
	if it.Notice == "$closed" {
		f.trail.tell("%+v", it)
		if it.Reason == "unavailable" && f.world.isShaky() {
			return true, nil
		}
		return true, fmt.Errorf("an unexpected end: %+v", it)
	}
	if by.Cursors {
		if it.Notice == "$gap" || it.Notice == "$reset" {
			f.told.Add(1)
			f.trail.tell("%s %s from %s to %s", it.Notice, it.Reason, it.From, it.Cursor)
		}
		return false, f.account.Take(it)
	}
	if it.Notice != "" {
		return true, fmt.Errorf("an unexpected end: %+v", it)
	}
	e := entryOf("", it.Data)
	f.bare = e.Token
	f.taken.Add(1)
	return false, f.logs[it.Channel].TookBare(e.Token, e.Sum)
}

// took takes an entry that is new.
func (f *follower) took(it readers.Item) error {
	f.taken.Add(1)
	if it.Opaque {
		return fmt.Errorf("%+v does not show its data", it)
	}
	return f.logs[it.Channel].Took(entryOf(it.Cursor, it.Data))
}

// broken judges how a response broke. It returns an error if nothing that was
// done explains it.
func (f *follower) broken(number int, by *readers.Technique, watch *watch, got int, err error) error {
	f.trail.tell("after %d items: %v", got, err)
	if watch.silent() {
		f.silent.Add(1)
		if got == 0 && !by.Answers { // perhaps something on the way holds it back
			f.fallBack()
		}
		return nil
	}
	if watch.ctx.Err() != nil || readers.IsBroken(err) {
		return nil
	}
	if now, _ := f.world.present(); now != number { // a poll has met a server that speaks another protocol
		return nil
	}
	if watch.broke.Load() && strings.HasPrefix(err.Error(), "malformed MIME header") { // what net/textproto makes of a part of a line
		return nil
	}
	var status *readers.StatusError
	if by.Socket && errors.As(err, &status) && f.route.stripped() {
		switch status.Status { // a poll is what is left of the request
		case http.StatusOK, http.StatusNoContent, http.StatusUpgradeRequired:
			f.fallBack()
			return nil
		}
	}
	if f.world.isShaky() && isRefusal(err) {
		return nil
	}
	return err
}

func (f *follower) fallBack() {
	f.fallbacks.Add(1)
	f.instead = 1 + f.random.IntN(4)
}

// isRefusal reports whether err is a server's word that it cannot do now what
// it should. By script and frame that looks like success, and a WebSocket is
// closed.
func isRefusal(err error) bool {
	var status *readers.StatusError
	if websocket.CloseStatus(err) == websocket.StatusTryAgainLater {
		return true
	}
	if !errors.As(err, &status) {
		return false
	}
	if p, ok := status.Problem(); ok {
		return p.Status == http.StatusServiceUnavailable || p.Status == http.StatusInsufficientStorage
	}
	return status.Status == http.StatusServiceUnavailable || status.Status == http.StatusInsufficientStorage
}
