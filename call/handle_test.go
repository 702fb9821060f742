package call

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
)

// seq is a Func that yields what is given.
func seq(each ...any) Func {
	return func(context.Context, *Request) iter.Seq2[pabal.Message, error] {
		return func(yield func(pabal.Message, error) bool) {
			for _, one := range each {
				var m pabal.Message
				var err error
				switch one := one.(type) {
				case string:
					kind, data, _ := strings.Cut(one, " ")
					m = pabal.Message{Type: kind, Data: []byte(data)}
				case pabal.Message:
					m = one
				case error:
					err = one
				default:
					panic(one)
				}
				if !yield(m, err) {
					return
				}
			}
		}
	}
}

// What a handler yields is what the asker hears.
func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var mux Mux
		cases := []struct {
			id     string
			answer Func
			want   []string
		}{
			{"one", seq("answer a"), []string{"answer a"}},
			{"untyped", seq(" a"), []string{"answer a"}},
			{"parts", seq("part a", "part a", "answer b"), []string{"part a", "part a", "answer b"}},
			{"no-end", seq("part a"), []string{"part a", "answer "}},
			{"nothing", seq(), []string{"answer "}},
			{"after", seq("answer a", "part b", "answer c"), []string{"answer a"}},
			{"failed", seq("part a", "failed no"), []string{"part a", "failed 500"}},
			{"problem", seq(pabal.Message{Type: "failed", ContentType: "application/problem+json", Data: []byte(`{"status":418}`)}), []string{"failed 418"}},
			{"invalid", seq(&pabal.InvalidError{Detail: "no"}), []string{"failed 400"}},
			{"forbidden", seq("part a", &pabal.ForbiddenError{}), []string{"part a", "failed 403"}},
			{"error", seq(errors.New("secret")), []string{"failed 500"}},
			{"panic", seq("part a", 7), []string{"part a", "failed 500"}},
			{"type", seq("x a"), []string{"failed 502"}},
			{"no-json", seq(pabal.Message{Type: "part", ContentType: "application/json", Data: []byte("{")}), []string{"failed 502"}},
			{"too-much", seq(pabal.Message{Data: make([]byte, 65<<10)}), []string{"failed 502"}},
		}
		for _, c := range cases {
			if err := mux.Handle("do/"+c.id, c.answer); err != nil {
				t.Fatal(err)
			}
		}
		n := w.node(Config{Handler: &mux})
		for _, c := range cases {
			if err := n.Call(t.Context(), alice, pabal.Channel("do/"+c.id), pabal.Message{ID: c.id}, 0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			w.want(c.id, c.want...)
			n.idle(t)
			if got := len(w.entries(pabal.Channel("$calls/do/" + c.id))); got > 0 {
				t.Errorf("%s: offered to responders too", c.id)
			}
		}
		for _, e := range w.entries(pabal.Inbox + connection) {
			if strings.Contains(string(e.Data), "secret") {
				t.Errorf("the asker hears what is internal: %s", e.Data)
			}
		}
	})
}

// A handler sees who asks what, but not the name of the connection.
func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var got Request
		var mux Mux
		if err := mux.Handle("*", Answer(func(_ context.Context, r *Request) (pabal.Message, error) {
			got = *r
			return pabal.Message{}, nil
		})); err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(3 * time.Second)
		if err := w.node(Config{Handler: &mux}).Call(t.Context(), alice, "shop/a", pabal.Message{ID: "c", Data: []byte("x")}, 3*time.Second); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got.Channel != "shop/a" || got.User != "alice" || string(got.UserData) != `{"vip":true}` || string(got.Message.Data) != "x" || !got.Until.Equal(until) || got.Ref != refOf(connection, "c") {
			t.Errorf("asked %+v", got)
		}
		if len(got.Connection) != 16 || strings.Contains(fmt.Sprintf("%+v", got), connection) {
			t.Errorf("asked of the connection %q: want what others see of it", got.Connection)
		}
	})
}

// More parts than may wait come whole and in order.
func TestManyParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var all []any
		var want []string
		for i := range 10 * partsAhead {
			all = append(all, fmt.Sprint("part ", i))
			want = append(want, fmt.Sprint("part ", i))
		}
		var mux Mux
		if err := mux.Handle("shop", seq(all...)); err != nil {
			t.Fatal(err)
		}
		n := w.node(Config{Handler: &mux})
		n.call(t, "c")
		synctest.Wait()
		w.want("c", append(want, "answer ")...)
		n.idle(t)
	})
}

// When the call ends, so does the context of who works on it, on whatever node
// that is said; until it has returned, it counts.
func TestHandlerIsStopped(t *testing.T) {
	for _, end := range []string{"cancel", "timeout", "answer", "close"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			release, stopped := make(chan struct{}), false
			var mux Mux
			if err := mux.Handle("shop", Answer(func(ctx context.Context, _ *Request) (pabal.Message, error) {
				<-ctx.Done()
				stopped = true
				<-release
				return pabal.Message{Data: []byte("late")}, nil
			})); err != nil {
				t.Fatal(err)
			}
			one, two := w.node(Config{Handler: &mux}), w.node(Config{})
			one.call(t, "c")
			synctest.Wait()
			want := "failed 499"
			var err error
			switch end {
			case "cancel":
				err = two.Cancel(t.Context(), alice, "c")
			case "answer":
				want, err = "answer a", two.answer(t, "c", "answer", "a")
			case "timeout":
				want = "failed 504"
				time.Sleep(10 * time.Second)
			case "close":
				want = "failed 503"
				go one.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if !stopped || one.InFlight() != 1 {
				t.Errorf("%s: stopped %v with %d calls, want it stopped and still counted", end, stopped, one.InFlight())
			}
			close(release)
			synctest.Wait()
			w.want("c", want)
			one.idle(t)
		})
	}
}

func TestMux(t *testing.T) {
	var mux Mux
	if mux.Find("a") != nil {
		t.Error("an empty mux answers")
	}
	if err := mux.Handle("a//b", seq()); err == nil {
		t.Error("a pattern that matches nothing is taken")
	}
	found := ""
	for _, p := range []string{"shop/new", "shop/*", "*/x"} {
		if err := mux.Handle(p, func(context.Context, *Request) iter.Seq2[pabal.Message, error] { found = p; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for ch, want := range map[pabal.Channel]string{"shop/new": "shop/new", "shop/x": "shop/*", "a/x": "*/x", "a": "", "$a/x": ""} {
		found = ""
		if f := mux.Find(ch); f != nil {
			f(t.Context(), nil)
		}
		if found != want {
			t.Errorf("%s is answered by %q, want %q", ch, found, want)
		}
	}
}
