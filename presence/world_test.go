package presence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/presence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	lease  = 30 * time.Second
	linger = 5 * time.Second
	window = 50 * time.Millisecond
)

// A world is nodes over one broker.
type world struct {
	t      testing.TB
	broker *memory.Broker
	nodes  []*node
}

// A node is a server of its own, and its way to the broker.
type node struct {
	*presence.Service
	hub  *pabal.Hub
	way  *way
	log  *lines
	over bool
}

// inWorld runs test in a bubble, and ends what it has begun.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		defer w.end()
		test(t, w)
	})
}

func newWorld(t testing.TB, members int) *world {
	keep := func(ch pabal.Channel) pabal.Retention {
		r, _ := presence.Retention(ch, members)
		if members > 0 {
			r.Entries = 100
		}
		return r
	}
	return &world{t: t, broker: memory.New(memory.Config{Retention: keep})}
}

func (w *world) end() {
	for _, n := range w.nodes {
		n.kill()
	}
	_ = w.broker.Close()
}

// node starts another node.
func (w *world) node(c presence.Config) *node { return w.deafNode(c, nil) }

// deafNode starts a node that is not told of some channels.
func (w *world) deafNode(c presence.Config, deaf func(pabal.Channel) bool) *node {
	n := w.start(c, deaf)
	synctest.Wait() // for its lease
	return n
}

// start starts a node, also where there is no bubble.
func (w *world) start(c presence.Config, deaf func(pabal.Channel) bool) *node {
	n := &node{way: &way{Broker: w.broker, deaf: deaf}, log: &lines{}}
	limits := pabal.Limits{}
	if deaf != nil {
		limits.TailCheck = time.Hour
	}
	n.hub = pabal.NewHub(n.way, limits)
	c.Hub, c.Node, c.Log = n.hub, fmt.Sprint("n", len(w.nodes)), slog.New(slog.NewTextHandler(n.log, nil))
	n.Service = presence.New(c)
	w.nodes = append(w.nodes, n)
	return n
}

// kill ends n as a crash does.
func (n *node) kill() {
	if !n.over {
		n.over = true
		n.Crash()
		n.way.clear()
		n.Kill()
		n.hub.Close()
	}
}

// A way is a broker that can be slow or broken for one node.
type way struct {
	*memory.Broker
	mu      sync.Mutex
	slow    chan struct{} // not nil: calls wait until it is closed
	append  func(pabal.Channel, *pabal.Publish) (refuse, lose error)
	list    func()                   // called once, before channels are listed
	deaf    func(pabal.Channel) bool // of which nothing is told: only reading finds out
	appends int                      // to logs of presence
}

func (v *way) stop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.slow == nil {
		v.slow = make(chan struct{})
	}
}

func (v *way) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.append = nil; v.slow != nil {
		close(v.slow)
		v.slow = nil
	}
}

func (v *way) fail(f func(pabal.Channel, *pabal.Publish) (refuse, lose error)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.append = f
}

func (v *way) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.appends
}

func (v *way) listing(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.list = f
}

// pass waits until a call may pass: also one whose caller has given up is done,
// but for those that are slow at the end.
func (v *way) pass() {
	v.mu.Lock()
	slow := v.slow
	v.mu.Unlock()
	if slow != nil {
		<-slow
	}
}

func (v *way) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	v.pass()
	v.mu.Lock()
	hook := v.append
	if strings.HasPrefix(string(ch), pabal.Presence) {
		v.appends++
	}
	v.mu.Unlock()
	var refuse, lose error
	if hook != nil {
		refuse, lose = hook(ch, &p)
	}
	if refuse != nil {
		return pabal.Appended{}, refuse
	}
	done, err := v.Broker.Append(context.WithoutCancel(ctx), ch, p)
	if lose != nil {
		return pabal.Appended{}, lose
	}
	return done, err
}

func (v *way) Read(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
	v.pass()
	return v.Broker.Read(ctx, ch, q)
}

// Lossless says that a hub has to look for itself now and then.
func (v *way) Lossless() bool { return v.deaf == nil }

func (v *way) Tail(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
	if v.deaf != nil && v.deaf(ch) {
		fn = func(*pabal.Entry) {}
	}
	return v.Broker.Tail(ctx, ch, fn)
}

func (v *way) Channels(ctx context.Context, prefix string, after pabal.Channel, limit int) ([]pabal.Channel, error) {
	v.pass()
	v.mu.Lock()
	list := v.list
	v.list = nil
	v.mu.Unlock()
	if list != nil {
		list()
	}
	return v.Broker.Channels(ctx, prefix, after, limit)
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(line))
	return len(line), nil
}

func (l *lines) count(what string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.text {
		if strings.Contains(line, what) {
			n++
		}
	}
	return n
}

// as is the grant of a connection; "alice/1" is one of alice's, "/1" of nobody's.
func as(who string) pabal.Grant {
	user, _, _ := strings.Cut(who, "/")
	return pabal.Grant{User: user, Connection: who}
}

func (w *world) join(n *node, who string) {
	w.t.Helper()
	if err := n.Join(w.t.Context(), as(who), "a", nil, 0); err != nil {
		w.t.Fatalf("join of %s: %v", who, err)
	}
}

type entry struct {
	*pabal.Entry
	User, Node, Reason string
	Data               json.RawMessage
	Connections        int
}

// entries returns all of the log of presence.
func (w *world) entries() []entry { return w.read(false) }

func (w *world) read(latest bool) (list []entry) {
	w.t.Helper()
	for from := pabal.FromAll(); ; {
		page, err := w.broker.Read(context.Background(), pabal.Presence+"a", pabal.Query{From: from, Latest: latest, MaxEntries: 1000, MaxBytes: 1 << 20})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range page.Entries {
			parsed := entry{Entry: e}
			if err := json.Unmarshal(e.Data, &parsed); err != nil {
				w.t.Fatal(err)
			}
			list = append(list, parsed)
			from = pabal.After(e.Position())
		}
		if !page.More {
			return list
		}
	}
}

// set returns who is in "a" by its log: "alice" for each connection of hers.
func (w *world) set() (users []string) {
	w.t.Helper()
	for _, e := range w.read(true) {
		if e.Type != "leave" {
			users = append(users, e.User)
		}
	}
	slices.Sort(users)
	return users
}

// story writes the log down: "join alice, leave alice gone".
func (w *world) story() string {
	w.t.Helper()
	var words []string
	for _, e := range w.entries() {
		text := e.Type + " " + e.User
		if e.Type == "count" {
			text = fmt.Sprint("count ", e.Connections)
		}
		words = append(words, strings.TrimSpace(text+" "+e.Reason))
	}
	return strings.Join(words, ", ")
}

// want waits for what is being coalesced, and compares the set.
func (w *world) want(when string, users ...string) {
	w.t.Helper()
	pass(window)
	if got := w.set(); !slices.Equal(got, users) {
		w.t.Errorf("%s: got %v present, want %v; the log is: %s", when, got, users, w.story())
	}
}

func (w *world) wantStory(when, want string) {
	w.t.Helper()
	pass(window)
	if got := w.story(); got != want {
		w.t.Errorf("%s:\n got %s\nwant %s", when, got, want)
	}
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func limitOf(err error) string {
	if limit, ok := errors.AsType[*pabal.LimitError](err); ok {
		return limit.Limit
	}
	return ""
}
