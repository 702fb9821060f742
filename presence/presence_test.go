package presence_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/presence"
)

func TestJoinAndLeave(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		began := time.Now()
		g := as("alice/1")
		g.Data = []byte(`{"color": "red"}`)
		if err := n.Join(t.Context(), g, "a", nil, 0); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("a single join took %v, want no delay", waited)
		}
		e := w.entries()[0]
		if e.Type != "join" || e.Key != presence.KeyOf("alice/1") || len(e.Key) != 16 || strings.Contains(e.Key, "alice") {
			t.Errorf("got type %s, key %s, want a join under the hash of the connection", e.Type, e.Key)
		}
		if got, want := string(e.Data), `{"color":"red"}`; e.User != "alice" || got != want || !strings.HasPrefix(e.Node, "n0.") || e.ContentType != "application/json" {
			t.Errorf("got %s of %s on %s as %s, want alice's %s on n0", got, e.User, e.Node, e.ContentType, want)
		}
		pass(window)
		if err := n.Join(t.Context(), g, "a", []byte(`1`), 0); err != nil {
			t.Fatal(err)
		}
		w.wantStory("other data", "join alice, change alice")
		n.Leave(g, "a", true)
		pass(time.Minute)
		w.wantStory("left once of twice", "join alice, change alice")
		n.Leave(g, "a", true)
		w.wantStory("left as often as joined", "join alice, change alice, leave alice left")
		n.Leave(g, "a", true)
		n.Leave(as("bob/1"), "b", false)
		pass(time.Minute)
		if n.Rooms() != 0 {
			t.Errorf("%d rooms when nobody is there, want none", n.Rooms())
		}
	})
}

func TestLinger(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		w.join(n, "alice/1")
		n.Leave(as("alice/1"), "a", false)
		pass(linger - 2*window)
		w.want("before the linger has run out", "alice")
		w.join(n, "alice/1")
		pass(time.Minute)
		w.wantStory("come back", "join alice")
		n.Leave(as("alice/1"), "a", false)
		pass(linger)
		w.wantStory("gone", "join alice, leave alice gone")
	})
}

// An overlap of two streams of one connection, as when it changes its
// technique, is no event.
func TestOverlap(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		w.join(n, "alice/1")
		for range 10 {
			w.join(n, "alice/1")
			n.Leave(as("alice/1"), "a", false)
			pass(time.Minute)
		}
		w.wantStory("ten hops", "join alice")
	})
}

func TestStay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		poll := func() {
			if err := n.Join(t.Context(), as("alice/1"), "a", nil, 20*time.Second); err != nil {
				t.Error(err)
			}
		}
		for range 5 {
			poll()
			pass(19 * time.Second)
		}
		w.wantStory("while it polls", "join alice")
		pass(time.Second)
		w.wantStory("it polls no more", "join alice, leave alice gone")
		poll()
		n.Leave(as("alice/1"), "a", true)
		w.want("said that it leaves")
		poll()
		w.join(n, "alice/1") // ends what was to stay
		n.Leave(as("alice/1"), "a", false)
		pass(linger)
		w.want("its stream has ended")
	})
}

// What comes within the window is one publish, and who comes and goes in it is
// nothing.
func TestCoalesce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		w.join(n, "first/1")
		before := n.way.appends
		var all sync.WaitGroup
		for _, who := range []string{"a/1", "b/1", "c/1"} {
			all.Go(func() { w.join(n, who) })
		}
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if err := n.Join(ctx, as("hasty/1"), "a", nil, 0); !errors.Is(err, context.Canceled) {
				t.Errorf("a join that is given up: got %v, want that it was cancelled", err)
			}
		})
		pass(window / 2)
		cancel()
		synctest.Wait()
		if got := len(w.entries()); got != 1 {
			t.Errorf("within the window: got %d entries, want 1", got)
		}
		all.Wait()
		n.Leave(as("a/1"), "a", true)
		pass(window)
		n.Leave(as("b/1"), "a", true)
		w.want("in the end", "c", "first")
		if got := n.way.appends - before; got != 3 {
			t.Errorf("%d publishes, want 3: three joins, one leave and another", got)
		}
		if got := w.story(); strings.Contains(got, "hasty") {
			t.Errorf("who came and went in between is in the log: %s", got)
		}
	})
}

type only struct{}

func (only) Allow(a pabal.Action, ch pabal.Channel) bool { return ch == "a" }

func TestRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mode := func(ch pabal.Channel) presence.Mode {
			if ch == "off" {
				return presence.Off
			}
			return presence.On
		}
		n := w.node(presence.Config{Members: 2, Mode: mode})
		join := func(g pabal.Grant, ch pabal.Channel, data string) error {
			return n.Join(t.Context(), g, ch, []byte(data), 0)
		}
		limited := as("alice/1")
		limited.Rules = only{}
		if _, ok := errors.AsType[*pabal.ForbiddenError](join(limited, "b", "{}")); !ok {
			t.Error("a channel that it may not read: want it forbidden")
		}
		if _, ok := errors.AsType[*pabal.ForbiddenError](join(as("alice/1"), "$conn/x", "{}")); !ok {
			t.Error("one of Pabal's own: want it forbidden")
		}
		for what, err := range map[string]error{
			"presence is off": join(as("alice/1"), "off", "{}"),
			"?connection=":    join(pabal.Grant{User: "alice"}, "a", "{}"),
			"must be JSON":    join(as("alice/1"), "a", "{"),
		} {
			if _, ok := errors.AsType[*pabal.InvalidError](err); !ok || !strings.Contains(err.Error(), what) {
				t.Errorf("got %v, want that it is invalid since %q", err, what)
			}
		}
		if err := join(as("alice/1"), "a", `"`+strings.Repeat("x", 4<<10)+`"`); limitOf(err) != "presence-data-bytes" {
			t.Errorf("long data: got %v, want the limit presence-data-bytes", err)
		}
		if err := join(as("alice/1"), pabal.Channel(strings.Repeat("x", 250)), "{}"); limitOf(err) != "channel-bytes" {
			t.Errorf("a channel whose log has no name: got %v, want the limit channel-bytes", err)
		}
		w.join(n, "alice/1")
		w.join(n, "bob/1")
		w.join(n, "bob/1")
		if err := join(as("carol/1"), "a", "{}"); limitOf(err) != "members" {
			t.Errorf("a third member: got %v, want the limit members", err)
		}
		other := w.node(presence.Config{Members: 2})
		w.join(other, "alice/1") // a member that hops
		pass(window)
		if err := other.Join(t.Context(), as("carol/1"), "a", nil, 0); limitOf(err) != "members" {
			t.Errorf("a third member by way of another node: got %v, want the limit members", err)
		}
		w.want("in the end", "alice", "bob")
	})
}

func TestCountsOnly(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := presence.Config{Mode: func(pabal.Channel) presence.Mode { return presence.CountsOnly }}
		n, other := w.node(c), w.node(c)
		w.join(n, "a/1")
		synctest.Wait()
		for _, who := range []string{"b/1", "c/1", "d/1"} {
			w.join(n, who)
		}
		n.Leave(as("a/1"), "a", true)
		w.join(other, "e/1")
		pass(time.Second)
		w.join(n, "f/1")
		pass(time.Second)
		w.wantStory("two nodes", "count 1, count 1, count 3, count 4")
		view, err := n.View(t.Context(), "a")
		if err != nil || view.Connections != 5 {
			t.Errorf("got %d connections, %v, want 5", view.Connections, err)
		}
		other.kill()
		pass(lease + time.Second)
		for _, who := range []string{"b/1", "c/1", "d/1", "f/1"} {
			n.Leave(as(who), "a", false)
		}
		pass(linger + time.Second)
		w.wantStory("nobody", "count 1, count 1, count 3, count 4, count 0, count 0")
		if n.Rooms() != 0 {
			t.Errorf("%d rooms when nobody is there, want none", n.Rooms())
		}
	})
}

func TestView(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.node(presence.Config{}), w.node(presence.Config{})
		for i, who := range []string{"bob/1", "alice/1", "alice/2", "/1", "/2"} {
			g := as(who)
			if i%2 == 0 && g.User != "" {
				g.Data = []byte(`{"tab":"` + who + `"}`)
			}
			if err := []*node{n, other}[i%2].Join(t.Context(), g, "a", nil, 0); err != nil {
				t.Fatal(err)
			}
			pass(window)
		}
		check := func(when, want string) {
			t.Helper()
			one, err := n.View(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			two, err := presence.View(t.Context(), n.hub, "a")
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range []presence.List{one, two} {
				if at, _, err := n.hub.End(t.Context(), pabal.Presence+"a"); err != nil || l.Position != at || l.Cursor != at.String() {
					t.Errorf("%s: the view's cursor is %s, want the log's end %s (%v)", when, l.Cursor, at, err)
				}
				l.Cursor = ""
				if got, _ := json.Marshal(l); string(got) != want {
					t.Errorf("%s:\n got %s\nwant %s", when, got, want)
				}
			}
		}
		check("all are there", `{"users":[{"user":"alice","data":{"tab":"alice/2"},"connections":2},{"user":"bob","data":{"tab":"bob/1"},"connections":1}],"anonymous":2,"connections":5,"cursor":""}`)
		n.Leave(as("alice/2"), "a", true)
		pass(window)
		check("without alice's second tab", `{"users":[{"user":"alice","connections":1},{"user":"bob","data":{"tab":"bob/1"},"connections":1}],"anonymous":2,"connections":4,"cursor":""}`)
	})
}

// The cursor of a view goes on with each change, once.
func TestSetAndChangesHaveNoRace(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		w.join(n, "alice/1")
		view, err := n.View(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		pass(window)
		w.join(n, "bob/1")
		page, err := w.broker.Read(t.Context(), pabal.Presence+"a", pabal.Query{From: pabal.After(view.Position), MaxEntries: 10, MaxBytes: 1 << 20})
		if err != nil || len(page.Entries) != 1 || page.Entries[0].Key != presence.KeyOf("bob/1") {
			t.Errorf("after the view: got %d entries, %v, want bob's join", len(page.Entries), err)
		}
	})
}

func TestClose(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.node(presence.Config{}), w.node(presence.Config{})
		for _, who := range []string{"a/1", "b/1", "c/1"} {
			w.join(n, who)
			pass(window)
		}
		w.join(other, "b/1")
		n.Leave(as("c/1"), "a", false)
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.want("closed", "b")
		if got := w.story(); strings.Count(got, "leave") != 2 || strings.Contains(got, "leave b") {
			t.Errorf("closed: %s, want that a and c left, and that b, who is elsewhere, did not", got)
		}
		if err := n.Join(t.Context(), as("d/1"), "a", nil, 0); !errors.Is(err, pabal.ErrHubClosed) {
			t.Errorf("join once it is closed: got %v, want that the server is stopping", err)
		}
		if err := n.Close(t.Context()); err != nil {
			t.Errorf("closed again: %v", err)
		}
		n.Leave(as("a/1"), "a", true)
		pass(window)
		if other.Followed("a") {
			t.Error("a node that is alone follows the log of presence, want that it does not need to")
		}
	})
}

func TestCloseInVain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.node(presence.Config{}), w.node(presence.Config{})
		w.join(n, "alice/1")
		n.way.fail(func(pabal.Channel, *pabal.Publish) (error, error) { return errors.New("broken"), nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that the time ran out", err)
		}
		w.want("closed in vain", "alice")
		pass(lease)
		w.wantStory("its lease has run out", "join alice, leave alice expired-lease")
		_ = other
	})
}
