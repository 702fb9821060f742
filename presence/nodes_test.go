package presence_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/presence"
)

// A connection that goes from one node to another does not leave in between,
// whether it comes back or not.
func TestHop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		nodes := []*node{w.node(presence.Config{}), w.node(presence.Config{})}
		w.join(nodes[0], "alice/1")
		for i := range 6 {
			from, to := nodes[i%2], nodes[(i+1)%2]
			from.Leave(as("alice/1"), "a", false)
			pass(time.Second)
			w.join(to, "alice/1")
			pass(time.Second)
		}
		pass(time.Minute)
		if got := w.story(); strings.Contains(got, "leave") {
			t.Errorf("six hops: %s, want no leave", got)
		}
		w.join(nodes[1], "alice/1") // this overlaps
		nodes[0].Leave(as("alice/1"), "a", true)
		w.want("it left the older node", "alice")
		nodes[1].Leave(as("alice/1"), "a", true)
		w.want("it left the other")
	})
}

// Who leaves the node that it came to last is there by way of the other.
func TestLeavesTheNewerNode(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old, other := w.node(presence.Config{}), w.node(presence.Config{})
		w.join(old, "alice/1")
		w.join(other, "alice/1")
		pass(window)
		other.Leave(as("alice/1"), "a", true)
		w.wantStory("it left the newer", "join alice, join alice, leave alice left, join alice")
		old.Leave(as("alice/1"), "a", false)
		pass(linger)
		w.want("it left both")
	})
}

// Who left by way of another node is not kept by a node on which it lingers.
func TestLeftElsewhere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old, other := w.node(presence.Config{}), w.node(presence.Config{})
		w.join(old, "alice/1")
		w.join(other, "alice/1")
		pass(window)
		old.Leave(as("alice/1"), "a", false)
		other.Leave(as("alice/1"), "a", true)
		pass(time.Minute)
		w.wantStory("left", "join alice, join alice, leave alice left")
	})
}

func TestNodeDies(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		others := []*node{w.node(presence.Config{}), w.node(presence.Config{}), w.node(presence.Config{})}
		for i := range 5 {
			w.join(n, fmt.Sprint("u", i, "/1"))
			pass(window)
		}
		w.join(others[0], "u3/1")
		pass(window)
		n.kill()
		pass(lease - time.Second)
		w.want("before the lease has run out", "u0", "u1", "u2", "u3", "u4")
		pass(time.Second)
		w.want("once it has", "u3")
		view, err := others[0].View(t.Context(), "a")
		if err != nil || view.Connections != 1 {
			t.Errorf("the view has %d connections, %v, want 1", view.Connections, err)
		}
		if got := strings.Count(w.story(), "expired-lease"); got != 4 {
			t.Errorf("%d leaves for 4 ghosts and 3 nodes: %s", got, w.story())
		}
	})
}

// A view does not wait until somebody has written the leaves.
func TestViewWithoutGhosts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.node(presence.Config{}), w.node(presence.Config{})
		w.join(n, "alice/1")
		n.kill()
		refuse := func(ch pabal.Channel, _ *pabal.Publish) (error, error) {
			if ch == presence.LeaseLog {
				return nil, nil
			}
			return errors.New("broken"), nil
		}
		other.way.fail(refuse)
		pass(lease + lease/3 + time.Second)
		w.want("the log", "alice")
		one, err1 := other.View(t.Context(), "a")
		two, err2 := presence.View(t.Context(), other.hub, "a")
		if err := errors.Join(err1, err2); err != nil || one.Connections+two.Connections != 0 {
			t.Errorf("the views have %d and %d connections, %v, want none", one.Connections, two.Connections, err)
		}
		if other.log.count("broken") == 0 {
			t.Error("that the leaves cannot be written is not logged")
		}
		other.way.clear()
		pass(time.Minute)
		w.want("the log, later")
	})
}

// A server that is alone, killed and started again has no ghosts once its old
// lease has run out.
func TestRestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		w.join(n, "alice/1")
		w.join(n, "bob/1")
		pass(window)
		n.kill()
		pass(time.Second)
		n = w.node(presence.Config{})
		w.join(n, "alice/1")
		w.want("started again", "alice", "bob")
		pass(lease)
		w.want("the old lease has run out", "alice")
		pass(time.Hour)
		w.want("much later", "alice")
		if n.Followed("a") {
			t.Error("a node that is alone follows the log, want that it does not need to")
		}
	})
}

// A node that was only slow writes that its members are there, once it can;
// those who went to another node meanwhile it leaves alone.
func TestSlowNode(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.node(presence.Config{}), w.node(presence.Config{})
		for _, who := range []string{"alice/1", "bob/1", "carol/1"} {
			w.join(n, who)
			pass(window)
		}
		n.way.stop()
		pass(2 * lease)
		w.want("while it is slow")
		w.join(other, "bob/1")
		n.Leave(as("carol/1"), "a", true)
		n.way.clear()
		w.want("it is back", "alice", "bob")
		for _, e := range w.entries()[6:] {
			if e.Type == "join" && e.User == "bob" && strings.HasPrefix(e.Node, "n0") {
				t.Errorf("the slow node took back who went to another: %s", w.story())
			}
		}
		pass(2 * lease)
		w.want("and stays", "alice", "bob")
		if got := strings.Count(w.story(), "expired-lease"); got != 3 {
			t.Errorf("%d members left with the lease, want 3: %s", got, w.story())
		}
	})
}

// While the broker answers nobody, everybody's lease runs out. The first that
// is back does not take the others for dead.
func TestBrokerStops(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		nodes := []*node{w.node(presence.Config{}), w.node(presence.Config{}), w.node(presence.Config{})}
		for i, n := range nodes {
			w.join(n, fmt.Sprint("u", i, "/1"))
			n.way.stop()
		}
		pass(3 * lease)
		for _, n := range nodes {
			n.way.clear()
			pass(time.Second)
		}
		pass(lease)
		w.want("the broker works again", "u0", "u1", "u2")
		if got := w.story(); strings.Contains(got, "leave") {
			t.Errorf("somebody was taken for dead: %s", got)
		}
	})
}

// A log that was lost or deleted gets its members again.
func TestLostLog(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.node(presence.Config{}), w.node(presence.Config{})
		w.join(n, "alice/1")
		w.join(other, "bob/1")
		if err := w.broker.Delete(t.Context(), pabal.Presence+"a"); err != nil {
			t.Fatal(err)
		}
		w.want("it was deleted", "alice", "bob")
	})
}

func TestIdleLogsAreDeleted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		read, err := n.hub.Open(pabal.Grant{}, pabal.NewSignal(), pabal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		if err := read.Subscribe(pabal.Presence+"read", pabal.FromAll()); err != nil {
			t.Fatal(err)
		}
		for _, ch := range []pabal.Channel{"a", "stays", "read"} {
			if err := n.Join(t.Context(), as("alice/1"), ch, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		pass(window)
		n.Leave(as("alice/1"), "a", true)
		n.Leave(as("alice/1"), "read", true)
		logs := func() string {
			found, err := w.broker.Channels(t.Context(), pabal.Presence, "", 10)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(found)
		}
		pass(50 * time.Minute)
		if err := n.Tidy(); err != nil {
			t.Fatal(err)
		}
		if got, want := logs(), "[$presence/a $presence/read $presence/stays]"; got != want {
			t.Errorf("within an hour: got %s, want %s", got, want)
		}
		pass(2 * time.Hour)
		if got, want := logs(), "[$presence/read $presence/stays]"; got != want {
			t.Errorf("later: got %s, want %s", got, want)
		}
		w.join(n, "bob/1")
		w.want("somebody comes", "bob")
	})
}

func TestBrokerFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		w.join(n, "alice/1")
		pass(window)
		broken, tries := errors.New("broken"), 0
		n.way.fail(func(pabal.Channel, *pabal.Publish) (refuse, lose error) {
			if tries++; tries%2 == 0 {
				return nil, broken // it is done, but the answer is lost
			}
			return broken, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.Join(ctx, as("bob/1"), "a", nil, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("join while the broker fails: got %v, want that the time ran out", err)
		}
		n.Leave(as("alice/1"), "a", true)
		pass(5 * time.Second)
		if got := n.log.count("level=ERROR"); got != 1 {
			t.Errorf("logged %d times, want once: %v", got, n.log.text)
		}
		n.way.clear()
		pass(10 * time.Second)
		w.wantStory("it works again", "join alice, join bob, leave bob gone, leave alice left")
		if got := n.log.count("works again"); got != 1 {
			t.Errorf("that it works again is logged %d times, want once", got)
		}
		full := &pabal.StorageError{What: "full", Full: true}
		n.way.fail(func(pabal.Channel, *pabal.Publish) (refuse, lose error) { return full, nil })
		if err := n.Join(t.Context(), as("carol/1"), "a", nil, 0); !errors.Is(err, full) {
			t.Errorf("join when the broker says why not: got %v, want that", err)
		}
		n.way.clear()
		pass(10 * time.Second)
		w.want("carol was told that it failed")
		synctest.Wait()
	})
}

// Those who stay are in the set however many come and go, though the log keeps
// a bounded number of keys.
func TestMembersOutliveChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members = 20
		w := newWorld(t, members)
		defer w.end()
		n := w.node(presence.Config{Members: members})
		w.join(n, "alice/1")
		other := w.node(presence.Config{Members: members})
		w.join(other, "bob/1")
		keys := 4 * (3*members + 1000)
		for i := range keys / 10 {
			for j := range 10 {
				go w.join(n, fmt.Sprint("x/", i, "-", j))
			}
			pass(window)
			for j := range 10 {
				n.Leave(as(fmt.Sprint("x/", i, "-", j)), "a", true)
			}
			pass(window)
		}
		here, last := 0, w.read(true)
		for _, e := range last {
			if e.Type != "leave" {
				here++
			}
		}
		if here != 2 || len(last) >= keys {
			t.Errorf("after %d who came and went: %d present and %d keys, want 2, and fewer keys", keys, here, len(last))
		}
	})
}

// Who leaves by its word is not kept by the stay that another node gave it; who
// only breaks off is.
func TestStayEndsElsewhere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		asked, reads := w.node(presence.Config{}), w.node(presence.Config{})
		for _, atOnce := range []bool{true, false} {
			if err := asked.Join(t.Context(), as("alice/1"), "a", nil, time.Minute); err != nil {
				t.Fatal(err)
			}
			w.join(reads, "alice/1")
			pass(window)
			reads.Leave(as("alice/1"), "a", atOnce)
			pass(2 * linger)
			if atOnce {
				w.want("it said that it leaves")
			} else {
				w.want("it broke off, and its stay goes on", "alice")
			}
		}
		asked.EndStay(as("alice/1"), "a")
		pass(window)
		w.want("its stay was ended")
	})
}
