package presence_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/presence"
)

// What here is between two things that happen at the same time is made to
// happen there: nodes are deaf, so that they learn what others do only from what
// they read, and others write just before they do.

func all(pabal.Channel) bool { return true }

func isPresence(ch pabal.Channel) bool { return ch != presence.LeaseLog }

// A leave does not replace a join of the same connection by way of another
// node, although its node has not heard of it.
func TestLeaveReplacesNoNewerJoin(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old, other := w.deafNode(presence.Config{}, isPresence), w.node(presence.Config{})
		w.join(old, "alice/1")
		w.join(old, "bob/1")
		pass(window)
		w.join(other, "alice/1")
		old.Leave(as("alice/1"), "a", true)
		old.Leave(as("bob/1"), "a", true)
		w.wantStory("both left a node, and one is elsewhere", "join alice, join bob, join alice, leave bob left")
	})
}

// Nor does it where the node was about to write the connection anew, and does
// not any more, whether it heard of the other node before that or meanwhile.
func TestLeaveAfterJoinGivenUp(t *testing.T) {
	for _, before := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			old, other := w.node(presence.Config{}), w.node(presence.Config{})
			w.join(old, "alice/1")
			want := "join alice, join alice"
			if before {
				w.join(other, "alice/1")
				pass(window)
				w.join(old, "bob/1") // so that a window begins
				want += ", join bob"
			}
			ctx, cancel := context.WithCancel(t.Context())
			given := make(chan error, 1)
			go func() { given <- old.Join(ctx, as("alice/1"), "a", []byte("2"), 0) }()
			synctest.Wait() // until the window is over
			if !before {
				w.join(other, "alice/1")
				synctest.Wait()
			}
			cancel()
			if err := <-given; err == nil {
				t.Error("it was written before the window was over")
			}
			old.Leave(as("alice/1"), "a", true)
			pass(time.Second)
			w.wantStory("it has gone to another node", want)
		})
	}
}

// Data that is given while the join before it is being written is shown.
func TestDataGivenWhileJoining(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.node(presence.Config{})
		n.way.stop()
		joined := make(chan error, 2)
		for _, data := range []string{"1", "2"} {
			go func() { joined <- n.Join(t.Context(), as("alice/1"), "a", []byte(data), 0) }()
			synctest.Wait()
		}
		n.way.clear()
		for range 2 {
			if err := <-joined; err != nil {
				t.Error(err)
			}
		}
		all := w.entries()
		if last := all[len(all)-1]; string(last.Data) != "2" || len(all) != 2 {
			t.Errorf("after both have joined %d entries, the last with the data %s: want 2, and the data 2", len(all), last.Data)
		}
	})
}

// Nor does that of a node whose lease has run out, though somebody was found on
// it just before.
func TestExpiryReplacesNoNewerJoin(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.node(presence.Config{}), w.node(presence.Config{})
		w.join(n, "alice/1")
		n.kill()
		hopped := false
		other.way.fail(func(ch pabal.Channel, p *pabal.Publish) (error, error) {
			if !hopped && isPresence(ch) && p.Messages[0].Type == "leave" {
				hopped = true
				join := pabal.Message{Type: "join", Key: presence.KeyOf("alice/1"), Data: []byte(`{"user":"alice","node":"` + other.Node() + `"}`)}
				if _, err := w.broker.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{join}}); err != nil {
					t.Error(err)
				}
			}
			return nil, nil
		})
		pass(2 * lease)
		w.wantStory("it came back at the last moment", "join alice, join alice")
		if !hopped {
			t.Error("nobody tried to write that alice left")
		}
	})
}

// A node that begins while another removes the members of a dead one is not
// taken for dead, although the other has not heard of it.
func TestNewNodeIsNotDead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.node(presence.Config{}), w.deafNode(presence.Config{}, all)
		w.join(n, "alice/1")
		n.kill()
		begun := false
		other.way.listing(func() {
			begun = true
			w.join(w.node(presence.Config{}), "bob/1")
		})
		pass(lease + 10*time.Second)
		w.want("a node has begun meanwhile", "bob")
		if got := w.story(); strings.Contains(got, "leave bob") {
			t.Errorf("the new node was taken for dead: %s", got)
		}
		if !begun {
			t.Error("nobody looked for ghosts")
		}
	})
}

// A node whose lease has run out reads what that has led to, rather than wait
// to be told.
func TestLapsedNodeReads(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n := w.deafNode(presence.Config{}, all)
		_ = w.node(presence.Config{})
		w.join(n, "alice/1")
		n.way.stop()
		pass(2 * lease)
		n.way.clear()
		w.want("it is no longer slow", "alice")
	})
}

// A node that others take for dead, by whatever mistake, says at once that it
// is not.
func TestTakenForDead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.node(presence.Config{}), w.node(presence.Config{})
		w.join(n, "alice/1")
		ended := pabal.Message{Type: "ended", Key: n.Node(), Data: []byte("{}")}
		if _, err := w.broker.Append(t.Context(), presence.LeaseLog, pabal.Publish{Messages: []pabal.Message{ended}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if view, err := other.View(t.Context(), "a"); err != nil || view.Connections != 1 {
			t.Errorf("the view has %d connections, %v, want 1", view.Connections, err)
		}
	})
}

// A node that is alone again reads once more what it will not be told.
func TestAloneAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		n, other := w.deafNode(presence.Config{}, isPresence), w.node(presence.Config{})
		w.join(n, "alice/1")
		w.join(other, "alice/1")
		pass(window)
		other.Leave(as("alice/1"), "a", true)
		if err := other.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.want("the other node has ended", "alice")
		if got := w.story(); !strings.Contains(got, "leave alice left") {
			t.Errorf("the other node did not write that alice left: %s", got)
		}
	})
}
