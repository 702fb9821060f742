package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/sim"
	"github.com/pabal/pabal/presence"
)

// A waysWorld is people, who use both ways, and two nodes with all services.
// What must be true of it:
//
//   - Of a channel that a person reads each entry is received once, in order,
//     from where the reply to subscribe said that reading begins, through cuts
//     and hops; what is read is what the orders in the inbox say.
//   - Who is present, and has been since nothing was wrong, is never missing
//     for longer than missing; who is gone is there for no longer than ghostly;
//     and in the end the set of each channel is that of those who are present,
//     each with the data that it gave last.
//   - A call that was asked has one last entry in the inbox, which is in time if
//     nothing is wrong; its parts are there once, in order, before that. A
//     handler is asked once. Nothing comes of what was refused.
type waysWorld struct {
	*simWorld
	random *rand.Rand
	spans  []*waysNode
	people []*person
	desk   *desk
	posts  []*wayPost
	due    map[*sim.Call]fated
	news   map[*sim.Line]time.Time

	trouble  time.Time // when something was wrong last
	asked    *tally    // how often a handler was, by the call's ref
	starts   int       // of nodes
	messages int       // that were published
	missing  map[string]time.Time
}

const (
	waysLease  = 9 * time.Second
	waysLinger = 2 * time.Second
	mending    = waysLease + 10*time.Second // after trouble, until all is as it was: tails are compared every 5 s, retries rest for as long
	missing    = 2 * time.Second            // for which one may be who has left elsewhere
	ghostly    = pollStay + waysLease + waysLinger + 15*time.Second
	waysIndeed = 30 * time.Second // a call's end is tried to be brought about for as long
)

// waysChannels are read, published to, and people are in them.
var waysChannels = []string{"hall", "lobby", "attic", "cellar"}

// A waysNode is one start of a node.
type waysNode struct {
	*simNode
	label    string // it keeps, in all its starts
	presence *presence.Service
	calls    *call.Service
	weather  weather
	dead     bool
}

// A weather is what a node's way to the broker is like.
type weather struct {
	name   string
	slow   int  // milliseconds that a call, or news, may take
	wrong  int  // of a hundred calls and news, with so many something is wrong
	silent bool // nothing is answered
}

var weathers = []weather{{name: "calm"}, {name: "calm"}, {name: "slow", slow: 300}, {name: "rough", slow: 60, wrong: 30}, {name: "lost", silent: true}}

// A fated call has its outcome at a time.
type fated struct {
	at      time.Time
	outcome sim.Outcome
}

func newWaysWorld(seed uint64) *waysWorld {
	w := &waysWorld{
		simWorld: &simWorld{seed: seed, began: time.Now(), ledger: ledger.New(nil), epochs: 100_000},
		random:   rand.New(rand.NewPCG(seed, 1)), due: map[*sim.Call]fated{}, news: map[*sim.Line]time.Time{},
		asked: &tally{n: map[string]int{}}, missing: map[string]time.Time{},
	}
	w.broker = memory.New(memory.Config{Retention: waysRetention, Epoch: func() pabal.Epoch { w.epochs++; return w.epochs }})
	w.gate = sim.NewGate(w.broker)
	for i := range simNodes {
		w.spans = append(w.spans, w.startNode(fmt.Sprintf("node %d", i+1)))
	}
	for i := range 6 {
		w.people = append(w.people, w.newPerson(i))
	}
	w.desk = w.newDesk()
	w.rest()
	w.pass(time.Second, 50*time.Millisecond)
	w.trouble = time.Now().Add(-time.Hour)
	return w
}

// waysRetention is what the server sets, and else everything.
func waysRetention(ch pabal.Channel) pabal.Retention {
	if keep, ok := presence.Retention(ch, 100); ok {
		return keep
	}
	return pabal.Retention{Entries: -1, Bytes: -1, Age: -1, IDWindow: 24 * time.Hour}
}

// startNode starts a node, with its services.
func (w *waysWorld) startNode(label string) *waysNode {
	w.starts++
	n := &waysNode{simNode: w.newNode(fmt.Sprintf("%s.%d", label, w.starts)), label: label}
	n.h.Log, n.h.RotateAfter = slog.New(slog.NewTextHandler(waysLogger{w.simWorld}, nil)), time.Hour
	n.presence = presence.New(presence.Config{Hub: n.h.Hub, Log: n.h.Log, Node: label, Lease: waysLease, Linger: waysLinger, Members: 100})
	n.calls = call.New(call.Config{Hub: n.h.Hub, Log: n.h.Log, Handler: waysHandler{w.asked}, Timeout: 20 * time.Second})
	n.h.Access, n.h.Presence, n.h.Calls = named{}, n.presence, n.calls
	return n
}

// waysLogger fails a world at a panic: else services may say that they fail.
type waysLogger struct{ *simWorld }

func (l waysLogger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("panic")) {
		l.fail("a node says: %s", p)
	}
	return len(p), nil
}

// named is an Authenticator whose tokens are the names of their users.
type named struct{}

func (n named) Grant(r *http.Request) (pabal.Grant, error) {
	return n.Renew(r.Context(), strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
}

func (named) Renew(_ context.Context, token string) (pabal.Grant, error) {
	claims, err := json.Marshal(token)
	return pabal.Grant{User: token, Claims: claims}, err
}

func (n named) Restore(claims []byte) (g pabal.Grant, err error) {
	var token string
	if err := json.Unmarshal(claims, &token); err != nil {
		return g, err
	}
	return n.Renew(context.Background(), token)
}

// setWeather changes the weather of n.
func (w *waysWorld) setWeather(n *waysNode, i int) {
	n.weather = weathers[i]
	w.say("the way of %s to the broker is %s", n.name, n.weather.name)
	w.disturbed()
	clear(w.due)
	clear(w.news)
}

// disturbed says that something is, or was, wrong.
func (w *waysWorld) disturbed() { w.trouble = time.Now() }

// calm reports whether nothing was wrong for so long.
func (w *waysWorld) calm(d time.Duration) bool { return time.Since(w.trouble) > d }

// live returns the node of that name if it lives.
func (w *waysWorld) live(name string) *waysNode {
	for _, n := range w.spans {
		if n.name == name && !n.dead {
			return n
		}
	}
	return nil
}

// foresee says what is to become of a call from a node with that weather.
func (w *waysWorld) foresee(by *weather) fated {
	f := fated{at: time.Now()}
	if by.slow > 0 {
		f.at = f.at.Add(time.Duration(w.random.IntN(by.slow)) * time.Millisecond)
	}
	if w.random.IntN(100) < by.wrong {
		f.outcome = []sim.Outcome{sim.Refused, sim.Unknown, sim.Late}[w.random.IntN(3)]
	}
	return f
}

// serve has one call pass, or one tail told, that is due.
func (w *waysWorld) serve() bool {
	for _, c := range w.gate.Waiting() {
		name, _, _ := strings.Cut(c.What, ":")
		n := w.live(name)
		if n == nil || n.weather.silent {
			continue
		}
		f, ok := w.due[c]
		if !ok {
			f = w.foresee(&n.weather)
			w.due[c] = f
		}
		if !f.at.After(time.Now()) {
			delete(w.due, c)
			w.gate.Pass(c, f.outcome)
			return true
		}
	}
	for _, l := range w.gate.Lines() {
		n := w.live(l.Node)
		if n == nil || n.weather.silent {
			continue
		}
		at, ok := w.news[l]
		if !ok {
			at = w.foresee(&n.weather).at
			w.news[l] = at
		}
		if !at.After(time.Now()) {
			delete(w.news, l)
			fate := sim.Told
			if w.random.IntN(100) < n.weather.wrong {
				fate = []sim.Fate{sim.Dropped, sim.Twice, sim.Later, sim.Missed}[w.random.IntN(4)]
			}
			return l.Tell(fate)
		}
	}
	return false
}

// rest has all happen that needs no time, and holds it against what must be
// true.
func (w *waysWorld) rest() {
	for range 20_000 {
		synctest.Wait()
		if w.serve() {
			continue
		}
		rest := true
		for _, n := range w.spans {
			rest = n.turn() && rest
			synctest.Wait()
		}
		for _, p := range w.people {
			rest = !p.look(-1) && rest
		}
		rest = !w.hear() && rest
		if rest || len(w.failed) > 0 {
			w.watch()
			return
		}
	}
	w.fail("it does not come to rest")
}

// pass lets time pass.
func (w *waysWorld) pass(d, step time.Duration) {
	for end := time.Now().Add(d); len(w.failed) == 0; {
		for _, n := range w.spans {
			if n.weather.name != "calm" {
				w.disturbed()
			}
		}
		w.rest()
		left := min(time.Until(end), step)
		if left <= 0 {
			return
		}
		time.Sleep(left)
		synctest.Wait()
	}
}

// die has a node end: at once, or as one that is stopped does. Another one
// takes its place.
func (w *waysWorld) die(a sim.Action, orderly bool) {
	i := a.Of(1, len(w.spans))
	n := w.spans[i]
	w.disturbed()
	for _, p := range w.people {
		if p.conn != nil && p.conn.node == n {
			p.drop("loses its node", a)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	if orderly {
		w.say("%s stops", n.name)
		ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second)
	} else {
		w.say("%s dies", n.name)
		w.kill(n, a)
		cancel()
	}
	defer cancel()
	done := make(chan struct{})
	go func() {
		n.calls.Close()
		_ = n.presence.Close(ctx) // who is left is for another node
		close(done)
	}()
	w.await(done, n)
	w.kill(n, a)
	w.disturbed()
	w.bury(n)
	w.spans[i] = w.startNode(n.label)
	w.rest()
}

// kill has n's calls come to nothing from now on. Of those that wait some are
// done still.
func (w *waysWorld) kill(n *waysNode, a sim.Action) {
	for i, c := range w.gate.Waiting() {
		if name, _, _ := strings.Cut(c.What, ":"); name == n.name && a.N[2]>>(i%32)&1 == 0 && !n.weather.silent && !n.dead {
			w.gate.Pass(c, sim.Unknown)
		}
	}
	synctest.Wait()
	n.dead = true
	for _, p := range w.posts {
		if p.node == n {
			p.cancel()
		}
	}
	synctest.Wait()
	w.hear()
	clear(w.due)
	clear(w.news)
}

// refuse has all calls fail that n, which is dead, has under way. It reports
// whether there were any.
func (w *waysWorld) refuse(n *waysNode) (any bool) {
	for _, c := range w.gate.Waiting() {
		if name, _, _ := strings.Cut(c.What, ":"); name == n.name {
			w.gate.Pass(c, sim.Refused)
			any = true
		}
	}
	synctest.Wait()
	return any
}

// bury ends what is left of a node that is dead.
func (w *waysWorld) bury(n *waysNode) {
	for w.refuse(n) {
	}
	n.end()
}

// publish publishes to ch, directly: whether that is done is for the log to
// say.
func (w *waysWorld) publish(n *waysNode, ch string) {
	w.messages++
	p := pabal.Publish{Messages: []pabal.Message{{ID: fmt.Sprint("m", w.messages), Data: fmt.Appendf(nil, "%d %s", w.messages, strings.Repeat("x", w.messages%40*20))}}}
	go func() { _, _ = n.h.Hub.Publish(context.Background(), pabal.Grant{}, pabal.Channel(ch), p) }()
}

// entries returns what the log of ch holds after from.
func (w *waysWorld) entries(ch string, from pabal.From, most int) []*pabal.Entry {
	var all []*pabal.Entry
	for q := (pabal.Query{From: from, MaxEntries: min(most, 500), MaxBytes: 1 << 20}); ; {
		page, err := w.broker.Read(context.Background(), pabal.Channel(ch), q)
		if err != nil {
			w.fail("reading %s: %v", ch, err)
			return nil
		}
		for _, e := range page.Entries {
			all = append(all, e)
			q.From = pabal.After(e.Position())
		}
		if !page.More || len(all) >= most {
			return all
		}
	}
}

// finish has all be well, and checks that everything is as it must be, and
// that nothing is left of anybody.
func (w *waysWorld) finish() {
	if ok := len(w.failed) == 0; ok {
		w.mend()
	}
	for _, p := range w.people {
		p.drop("", sim.Action{})
	}
	for _, p := range w.posts {
		p.cancel()
	}
	if len(w.failed) > 0 { // as long as it may take what has not ended
		for _, n := range w.spans {
			w.kill(n, sim.Action{})
		}
	}
	for _, n := range w.spans {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		done := make(chan struct{})
		go func() {
			n.calls.Close()
			_ = n.presence.Close(ctx) // see below
			close(done)
		}()
		w.await(done, n)
		cancel()
	}
	if len(w.failed) == 0 {
		w.checkSets(func(*person, string) (bool, bool, string) { return false, false, "" }, "with everybody gone")
	}
	for _, n := range w.spans {
		w.kill(n, sim.Action{N: [4]uint32{0, 0, 0xffffffff, 0}})
		w.bury(n)
		if stats := n.h.Hub.Stats(); stats.Sessions != 0 && len(w.failed) == 0 {
			w.fail("%s has %d sessions left", n.name, stats.Sessions)
		}
	}
	_ = w.broker.Close() // never fails
}

// await has all go on until done, which is when a node has closed its services.
func (w *waysWorld) await(done chan struct{}, n *waysNode) {
	had := w.failed
	for i := range 1000 {
		w.failed = nil
		if w.rest(); i > 50 && n.dead {
			w.refuse(n) // what waits for no context that ends
		}
		if had = append(had, w.failed...); len(had) > 50 {
			had = had[:50]
		}
		select {
		case <-done:
			w.failed = had
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	w.failed = slices.Concat(had, []string{n.name + " does not close its services"})
}

// mend has everything be well, and everybody there.
func (w *waysWorld) mend() {
	w.say("all that was wrong is mended")
	for _, n := range w.spans {
		n.weather = weathers[0]
	}
	clear(w.due)
	clear(w.news)
	w.disturbed()
	w.pass(time.Second, 50*time.Millisecond)
	for range 4 {
		for _, p := range w.people {
			p.mend()
		}
		w.desk.read(w.spans[0])
		w.pass(time.Second, 50*time.Millisecond)
	}
	for time.Since(w.trouble) < ghostly+mending && len(w.failed) == 0 {
		for _, p := range w.people {
			p.stay()
		}
		w.pass(4*time.Second, 250*time.Millisecond)
	}
	if len(w.failed) > 0 {
		return
	}
	for _, p := range w.people {
		p.checkRead()
		p.checkCalls()
	}
	w.checkSets(func(p *person, ch string) (bool, bool, string) { return p.here(ch), p.maybe(ch), p.data[ch] }, "though nothing is wrong any more")
	for ref, n := range w.asked.n {
		if n > 1 {
			w.fail("the handler was asked %d times for the call %s", n, ref)
		}
	}
}

// members returns who is in ch, by key, as the log says, in which no leave may
// follow another node's entry than it is about.
func (w *waysWorld) members(ch string) map[string]string {
	type body struct {
		Node string
		Data json.RawMessage
	}
	set, last := map[string]string{}, map[string]body{}
	for _, e := range w.entries(pabal.Presence+ch, pabal.FromAll(), 1<<20) {
		var b body
		w.check(json.Unmarshal(e.Data, &b))
		if before, known := last[e.Key]; known && e.Type == "leave" && before.Node != b.Node {
			w.fail("%s has left %s by %s, says %s, and was there by %s", e.Key, ch, b.Node, e.Position(), before.Node)
		}
		last[e.Key] = b
		if set[e.Key] = string(b.Data); e.Type == "leave" {
			delete(set, e.Key)
			delete(last, e.Key)
		}
	}
	return set
}

// checkSets holds who is in each channel against who is to be.
func (w *waysWorld) checkSets(is func(*person, string) (must, may bool, data string), when string) {
	for _, ch := range waysChannels {
		set := w.members(ch)
		for _, p := range w.people {
			here, maybe, data := is(p, ch)
			got, there := set[p.key()]
			delete(set, p.key())
			switch {
			case here && !there:
				w.fail("%s is not among those in %s, %s", p.name, ch, when)
			case there && !here && !maybe:
				w.fail("%s is among those in %s, %s", p.name, ch, when)
			case here && data != "?" && got != data:
				w.fail("%s is shown in %s with %s, and said %s last, %s", p.name, ch, got, data, when)
			}
		}
		for key := range maps.Keys(set) {
			w.fail("nobody knows %s, who is in %s", key, ch)
		}
	}
}
