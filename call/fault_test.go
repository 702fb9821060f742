package call

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/brokertest"
	"github.com/pabal/pabal/internal/problem"
)

// The node that was asked dies in the middle: the asker asks again on another,
// which copies what is there, once, and goes on.
func TestNodeDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := w.node(Config{}), w.node(Config{})
		for _, id := range []string{"answered", "late", "silent"} {
			one.call(t, id)
			if err := two.answer(t, id, "part", "1"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		one.line.dead.Store(true)
		one.Close()
		for _, id := range []string{"answered", "late", "silent"} {
			if err := two.answer(t, id, "part", "2"); err != nil {
				t.Fatal(err)
			}
		}
		if err := two.answer(t, "answered", "answer", "3"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.want("answered", "part 1") // until it is asked again

		time.Sleep(4 * time.Second)
		for _, id := range []string{"answered", "late", "silent"} {
			two.call(t, id)
		}
		synctest.Wait()
		w.want("answered", "part 1", "part 2", "answer 3")
		w.want("late", "part 1", "part 2")
		if err := two.answer(t, "late", "answer", "3"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6*time.Second - time.Nanosecond)
		synctest.Wait()
		w.want("late", "part 1", "part 2", "answer 3")
		w.want("silent", "part 1", "part 2")
		time.Sleep(time.Nanosecond) // its time is that which the ask says
		synctest.Wait()
		w.want("silent", "part 1", "part 2", "failed 504")
		if got := len(w.entries("$calls/shop")); got != 3 {
			t.Errorf("offered %d times, want 3", got)
		}
	})
}

// Nobody waits for a call any more: who cancels it still hears its end, and who
// asks for it long after.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := w.node(Config{}), w.node(Config{})
		one.call(t, "c1")
		one.call(t, "c2")
		one.Close()
		if err := two.answer(t, "c1", "part", "1"); err != nil {
			t.Fatal(err)
		}
		if err := two.Cancel(t.Context(), alice, "c1"); err != nil {
			t.Fatal(err)
		}
		w.want("c1", "part 1", "failed 499")
		time.Sleep(5 * time.Minute)
		two.call(t, "c2")
		synctest.Wait()
		w.want("c2", "failed 504")
		if err := one.Call(t.Context(), alice, "shop", pabal.Message{ID: "c3"}, 0); !errors.Is(err, pabal.ErrHubClosed) {
			t.Errorf("asked of what is closed: got the error %v, want %v", err, pabal.ErrHubClosed)
		}
	})
}

// A service closes, though a call waits for a broker that does not answer, for
// somebody who would wait for ever.
func TestCloseWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.nodeOver(silent{w.store}, Config{})
		asked := make(chan error, 1)
		go func() {
			asked <- n.Call(context.Background(), alice, "shop", pabal.Message{ID: "c"}, 0)
		}()
		synctest.Wait()
		n.Close()
		synctest.Wait()
		select {
		case err := <-asked:
			if p := problem.From(err); p.Status != 503 {
				t.Errorf("got the error %v, want one that says that the server stopped", err)
			}
		default:
			t.Error("the call goes on, and the service is closed")
		}
	})
}

// silent is a store that answers no append.
type silent struct{ pabal.Broker }

func (silent) Append(ctx context.Context, _ pabal.Channel, _ pabal.Publish) (pabal.Appended, error) {
	<-ctx.Done()
	return pabal.Appended{}, ctx.Err()
}

// A handler is asked once, though the node that asks it dies or the answer of
// the store to that is lost.
func TestHandlerIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		asked := 0
		hang := Answer(func(ctx context.Context, _ *Request) (pabal.Message, error) {
			asked++
			<-ctx.Done()
			return pabal.Message{}, ctx.Err()
		})
		var mux Mux
		if err := mux.Handle("shop", hang); err != nil {
			t.Fatal(err)
		}
		one, two := w.node(Config{Handler: &mux}), w.node(Config{Handler: &mux})
		lost := map[pabal.Channel]int{}
		one.line.fail = func(ch pabal.Channel) (bool, bool) { // the answers to the ask, and to what follows it
			lost[ch]++
			return lost[ch] == 1 || lost[ch] == 3, false
		}
		err := one.Call(t.Context(), alice, "shop", pabal.Message{ID: "c"}, 0)
		if err == nil || asked > 0 {
			t.Fatalf("asked %d times with the error %v, want none and an error", asked, err)
		}
		if err := one.Call(t.Context(), alice, "shop", pabal.Message{ID: "c"}, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := two.Call(t.Context(), alice, "shop", pabal.Message{ID: "c"}, 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}
		one.line.dead.Store(true)
		one.Close()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		w.want("c", "failed 504")
		if asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}

		if err := two.Call(t.Context(), alice, "shop", pabal.Message{ID: "d"}, 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		two.Close() // in order
		w.want("d", "failed 503")
	})
}

// While the store fails nothing is lost, and when it is back nothing is late.
func TestStoreFails(t *testing.T) {
	for _, down := range []time.Duration{3 * time.Second, 15 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			one, two := w.node(Config{}), w.node(Config{})
			one.call(t, "c")
			synctest.Wait()
			one.line.dead.Store(true)
			want := []string{"part 1", "failed 504"}
			if err := two.answer(t, "c", "part", "1"); err != nil {
				t.Fatal(err)
			}
			if down < 10*time.Second {
				want[1] = "answer 2"
				if err := two.answer(t, "c", "answer", "2"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(down)
			w.want("c")
			one.line.dead.Store(false)
			time.Sleep(6 * time.Second)
			synctest.Wait()
			w.want("c", want...)
			one.idle(t)
		})
	}
}

// The log is gone: the asker is told.
func TestLogIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(Config{})
		n.call(t, "c")
		if err := n.answer(t, "c", "part", "1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := w.store.Delete(t.Context(), logOf(refOf(connection, "c"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		w.want("c", "part 1", "failed 502")
		n.idle(t)
	})
}

// Parts come faster than the node hears of them, and are not kept: the asker is
// told.
func TestPartsAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, pabal.Retention{Entries: 3})
		deaf := brokertest.Faulty(w.store, brokertest.Faults{})
		one, two := w.nodeOver(deaf, Config{}), w.node(Config{})
		one.call(t, "c")
		synctest.Wait()
		deaf.Mute(true)
		for _, data := range []string{"1", "2", "3", "4", "5"} {
			if err := one.answer(t, "c", "part", data); err != nil {
				t.Fatal(err)
			}
		}
		wantInvalid(t, "the ask is not kept, and another node does not know it", two.answer(t, "c", "part", "6"))
		deaf.Mute(false)
		time.Sleep(6 * time.Second)
		w.want("c", "part 3", "part 4", "part 5", "failed 502")
		one.idle(t)
	})
}

// The inbox has what another life of the store has said: that stands.
func TestInboxHasOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		log := &logText{}
		n := w.node(Config{Log: slog.New(slog.NewTextHandler(log, nil))})
		say := func(id, what string) {
			m := pabal.Message{ID: "answer/" + refOf(connection, id) + "/" + what, Type: "answer", Key: id, Data: []byte("other")}
			if what != "final" {
				m.Type = "part"
			}
			if _, err := w.store.Append(t.Context(), pabal.Inbox+connection, pabal.Publish{Messages: []pabal.Message{m}}); err != nil {
				t.Fatal(err)
			}
		}
		say("c", "final")
		n.call(t, "c")
		if err := n.answer(t, "c", "answer", "1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.want("c", "answer other")
		if got := log.String(); got != "" {
			t.Errorf("logged %q, want nothing: the call has ended", got)
		}

		two := w.node(Config{})
		var late atomic.Bool // so that it is not copied before the other is there
		two.line.fail = func(ch pabal.Channel) (bool, bool) { return false, ch == pabal.Inbox+connection && !late.Load() }
		two.call(t, "d")
		if err := two.answer(t, "d", "part", "1"); err != nil {
			t.Fatal(err)
		}
		last := w.entries(logOf(refOf(connection, "d")))[1]
		say("d", fmt.Sprint(last.Offset))
		late.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		w.want("d", "part other", "failed 502")
		two.idle(t)
	})
}

// Whatever races and whatever fails, a call that is asked until it is answered
// has parts in order, each once, and then one end.
func TestRaces(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { race(t, seed) })
		})
	}
}

func race(t *testing.T, seed uint64) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(seed, 1))
	chance := func(of int) bool { return r.IntN(of) == 0 }
	after := func(most time.Duration) <-chan time.Time { return time.After(time.Duration(r.Int64N(int64(most)))) }
	var mux Mux
	var asked atomic.Int64
	parts, every := r.IntN(6), time.Duration(r.Int64N(int64(time.Second)))
	counts := func(yield func(pabal.Message, error) bool) {
		asked.Add(1)
		for i := range parts {
			if !yield(pabal.Message{Type: "part", Data: fmt.Append(nil, "w", i)}, nil) {
				return
			}
			<-time.After(every)
		}
	}
	if err := mux.Handle("shop", func(context.Context, *Request) iter.Seq2[pabal.Message, error] { return counts }); err != nil {
		t.Fatal(err)
	}
	var c Config
	if chance(3) {
		c.Handler = &mux
	}
	faulty := brokertest.Faulty(w.store, brokertest.Faults{Seed: seed, Drop: 0.2, Repeat: 0.2, Delay: 0.3, Swap: 0.2})
	nodes := make([]*node, 3)
	for i := range nodes {
		nodes[i] = w.nodeOver(faulty, c)
		if f := rand.New(rand.NewPCG(seed, uint64(i+9))); chance(2) {
			nodes[i].line.fail = func(pabal.Channel) (bool, bool) { n := f.IntN(10); return n == 0, n == 1 }
		}
	}
	any := func() *node { return nodes[r.IntN(len(nodes))] }
	ended := func() bool {
		heard := w.heard("c")
		return len(heard) > 0 && !strings.HasPrefix(heard[len(heard)-1], "part")
	}
	ref, timeout := refOf(connection, "c"), time.Duration(1+r.Int64N(int64(5*time.Second)))
	answered := map[string]bool{}
	for i := 0; i < 400 && !ended(); i++ {
		n := any()
		switch k := r.IntN(10); {
		case i == 0 || k == 0:
			_ = n.Call(t.Context(), alice, "shop", pabal.Message{ID: "c", Data: []byte("x")}, timeout) // is asked again if it failed
		case k <= 5:
			data := fmt.Sprint("p", i)
			err := n.Answer(t.Context(), shopkeeper, "shop", ref, pabal.Message{ID: data, Type: "part", Data: []byte(data)})
			answered[data] = err == nil
		case k == 6 && chance(3):
			data := fmt.Sprint("a", i)
			err := n.Answer(t.Context(), shopkeeper, "shop", ref, pabal.Message{Type: "answer", Data: []byte(data)})
			answered[data] = err == nil
		case k == 7 && chance(5):
			_ = n.Cancel(t.Context(), alice, "c") // another end may have come first
		case k == 8 && chance(4) && len(nodes) > 1:
			n.line.dead.Store(true)
			n.Close()
			nodes = slices.DeleteFunc(nodes, func(other *node) bool { return other == n })
		default:
			<-after(300 * time.Millisecond)
		}
	}
	<-time.After(20 * time.Second)
	check(t, w.heard("c"), asked.Load(), answered)
}

func check(t *testing.T, heard []string, asked int64, answered map[string]bool) {
	last := 0
	for i, one := range heard {
		kind, data, _ := strings.Cut(one, " ")
		if end := i == len(heard)-1; end == (kind == "part") {
			t.Errorf("heard %q: want parts, and one end", heard)
		}
		var n int
		if _, err := fmt.Sscanf(data, "p%d", &n); err == nil {
			if n <= last {
				t.Errorf("heard %q: parts out of order", heard)
			}
			last = n
		}
		delete(answered, data)
	}
	if len(heard) == 0 {
		t.Error("nothing was heard")
	}
	for data, taken := range answered {
		if taken {
			t.Errorf("heard %q: the answer %s, which was taken, is not there", heard, data)
		}
	}
	if asked > 1 {
		t.Errorf("the handler was asked %d times", asked)
	}
}
