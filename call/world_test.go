package call

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const connection = "conn-alice-0123456789abcdef"

var alice = pabal.Grant{User: "alice", Connection: connection, Data: []byte(`{"vip":true}`)}

// shopkeeper answers for shop, and may do nothing else.
var shopkeeper = pabal.Grant{User: "bob", Connection: "conn-bob-0123456789abcdef", Rules: reads("$calls/shop")}

type reads pabal.Channel

func (r reads) Allow(a pabal.Action, ch pabal.Channel) bool {
	return a == pabal.ToRead && ch == pabal.Channel(r)
}

// A line is a node's way to the store, which may fail.
type line struct {
	pabal.Broker
	dead atomic.Bool                             // nothing goes through
	mu   sync.Mutex                              // of fail
	fail func(ch pabal.Channel) (lost, not bool) // the answer is lost, or the append does not happen; nil: neither
}

var errLine = errors.New("the line is down")

func (l *line) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	var lost, not bool
	if l.fail != nil {
		l.mu.Lock()
		lost, not = l.fail(ch)
		l.mu.Unlock()
	}
	if l.dead.Load() || not {
		return pabal.Appended{}, errLine
	}
	done, err := l.Broker.Append(ctx, ch, p)
	if lost {
		return pabal.Appended{}, errLine
	}
	return done, err
}

func (l *line) Read(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
	if l.dead.Load() {
		return pabal.Page{}, errLine
	}
	return l.Broker.Read(ctx, ch, q)
}

// A world is a store and the nodes over it.
type world struct {
	t     testing.TB
	store *memory.Broker
}

func newWorld(t testing.TB) *world { return newWorldOf(t, Retention) }

// newWorldOf returns a world of which keep is what is kept of the logs of calls.
func newWorldOf(t testing.TB, keep pabal.Retention) *world {
	w := &world{t: t, store: memory.New(memory.Config{Retention: func(ch pabal.Channel) pabal.Retention {
		if strings.HasPrefix(string(ch), Logs) {
			return keep
		}
		return pabal.Retention{}
	}})}
	t.Cleanup(func() { _ = w.store.Close() })
	return w
}

type node struct {
	*Service
	line *line
	hub  *pabal.Hub
}

// node returns one more node.
func (w *world) node(c Config) *node { return w.nodeOver(w.store, c) }

func (w *world) nodeOver(b pabal.Broker, c Config) *node {
	n := &node{line: &line{Broker: b}}
	n.hub = pabal.NewHub(n.line, pabal.Limits{MessageBytes: 64 << 10})
	c.Hub, c.Log = n.hub, cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	n.Service = New(c)
	w.t.Cleanup(func() {
		n.Close()
		n.hub.Close()
	})
	return n
}

// call calls shop.
func (n *node) call(t testing.TB, id string) {
	t.Helper()
	if err := n.Call(t.Context(), alice, "shop", pabal.Message{ID: id, Data: []byte("x")}, 0); err != nil {
		t.Fatalf("call %s: %v", id, err)
	}
}

func (n *node) answer(t testing.TB, id, kind, data string) error {
	t.Helper()
	return n.Answer(t.Context(), shopkeeper, "shop", refOf(connection, id), pabal.Message{Type: kind, Data: []byte(data)})
}

// entries returns what ch holds.
func (w *world) entries(ch pabal.Channel) []*pabal.Entry {
	w.t.Helper()
	page, err := w.store.Read(context.Background(), ch, pabal.Query{MaxEntries: 10_000, MaxBytes: 64 << 20})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Entries
}

// heard returns what came of the call id: of each entry the type and the data,
// or of a problem the status.
func (w *world) heard(id string) (all []string) {
	w.t.Helper()
	ids := map[string]bool{}
	for _, e := range w.entries(pabal.Inbox + connection) {
		if e.Key != id {
			continue
		}
		if ids[e.ID] || !strings.HasPrefix(e.ID, "answer/"+refOf(connection, id)+"/") {
			w.t.Errorf("an entry of the id %q: want answer/<ref>/<n>, each once", e.ID)
		}
		ids[e.ID] = true
		text := string(e.Data)
		if e.Type == "failed" {
			var p struct{ Status int }
			if err := json.Unmarshal(e.Data, &p); err != nil || e.ContentType != "application/problem+json" {
				w.t.Errorf("failed with %s %q: want a problem", e.ContentType, e.Data)
			}
			text = fmt.Sprint(p.Status)
		}
		all = append(all, e.Type+" "+text)
	}
	return all
}

// want checks all that came of the call id.
func (w *world) want(id string, want ...string) {
	w.t.Helper()
	if got := w.heard(id); !slices.Equal(got, want) {
		w.t.Errorf("call %s: got %q, want %q", id, got, want)
	}
}

// idle checks that nothing is waited for, after a moment.
func (n *node) idle(t testing.TB) {
	t.Helper()
	for range 10_000 {
		if n.InFlight() == 0 {
			break
		}
		<-time.After(time.Millisecond)
	}
	if got := n.InFlight(); got != 0 {
		t.Errorf("%d calls are waited for, want none", got)
	}
}

func wantInvalid(t testing.TB, what string, err error) {
	t.Helper()
	if _, ok := errors.AsType[*pabal.InvalidError](err); !ok {
		t.Errorf("%s: got the error %v, want one that says what is wrong", what, err)
	}
}

func wantLimit(t testing.TB, err error, name string) {
	t.Helper()
	if over, ok := errors.AsType[*pabal.LimitError](err); !ok || over.Limit != name {
		t.Errorf("got the error %v, want the limit %s", err, name)
	}
}
