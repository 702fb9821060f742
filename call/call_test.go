package call

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
)

// Who reads $calls/shop on one node answers what was asked on another.
func TestResponder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := w.node(Config{}), w.node(Config{})
		until := time.Now().Add(5 * time.Second)
		if err := one.Call(t.Context(), alice, "shop", pabal.Message{ID: "c1", ContentType: "application/json", Data: []byte(`{"buy": 1}`)}, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		offers := w.entries("$calls/shop")
		ref := refOf(connection, "c1")
		if len(offers) != 1 || offers[0].ID != ref || offers[0].Key != ref || offers[0].Type != "call" {
			t.Fatalf("offered %+v, want one call of the ref %s", offers, ref)
		}
		want := fmt.Sprintf(`{"ref":%q,"user":"alice","userData":{"vip":true},"until":%q,"data":{"buy":1}}`, ref, until.UTC().Format(time.RFC3339Nano))
		if got := string(offers[0].Data); got != want {
			t.Errorf("offered %s, want %s", got, want)
		}
		for _, m := range []pabal.Message{
			{Type: "part", Data: []byte("1"), ID: "p1"}, {Type: "part", Data: []byte("1"), ID: "p1"}, {Type: "part", Data: []byte("1"), ID: "p2"},
			{Type: "answer", ContentType: "application/json", Data: []byte(`{"sold":true}`)}, {Type: "answer", ContentType: "application/json", Data: []byte(`{"sold":true}`)},
		} {
			if err := two.Answer(t.Context(), shopkeeper, "shop", ref, m); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		w.want("c1", "part 1", "part 1", `answer {"sold":true}`)
		last := w.entries(pabal.Inbox + connection)[2]
		if last.ContentType != "application/json" || last.ID != "answer/"+ref+"/final" {
			t.Errorf("answered %+v, want the responder's content type", last)
		}
		one.idle(t)
		for _, kind := range []string{"part", "answer", "failed"} {
			if err := two.answer(t, "c1", kind, "late"); !errors.Is(err, ErrAnswered) {
				t.Errorf("%s after the answer: got the error %v, want %v", kind, err, ErrAnswered)
			}
		}
	})
}

// What cannot be JSON arrives as it is, in the offer and in the handler.
func TestAskKeepsWhatIsAsked(t *testing.T) {
	for _, m := range []pabal.Message{
		{}, {ContentType: "text/x"}, {Data: []byte("hi\n\"<")}, {Data: []byte{0, 0xff}}, {ContentType: "image/png", Data: []byte("a")},
		{ContentType: "application/json", Data: []byte(`"a"`)}, {ContentType: "application/json", Data: []byte(`[1]`)}, {ContentType: "text/plain; charset=utf-8", Data: []byte("é")},
	} {
		a := &ask{Ref: refOf("c", "1"), Channel: "shop", Message: m, Until: time.Unix(7, 5).UTC()}
		first := a.first()
		if err := first.Check(); err != nil {
			t.Fatal(err)
		}
		got, err := parseAsk(&first)
		if err != nil || !got.same(a) || !got.Until.Equal(a.Until) || got.Ref != a.Ref || string(got.Message.Data) != string(m.Data) {
			t.Errorf("%q: got %+v, %v", m, got, err)
		}
		if len(a.offer().Data) > len(first.Data) {
			t.Errorf("%q: the offer is longer than the ask, so that it may be over a limit", m)
		}
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(Config{TimeoutOf: func(ch pabal.Channel) time.Duration {
			return map[pabal.Channel]time.Duration{"slow": time.Minute}[ch]
		}})
		for _, c := range []struct {
			id      string
			ch      pabal.Channel
			timeout time.Duration
			want    time.Duration
		}{{"a", "shop", 0, 10 * time.Second}, {"b", "shop", time.Hour, 10 * time.Second}, {"c", "shop", time.Second, time.Second}, {"d", "slow", time.Hour, time.Minute}, {"e", "shop", -1, 10 * time.Second}} {
			if err := n.Call(t.Context(), alice, c.ch, pabal.Message{ID: c.id}, c.timeout); err != nil {
				t.Fatal(err)
			}
			time.Sleep(c.want - time.Nanosecond)
			synctest.Wait()
			w.want(c.id)
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			w.want(c.id, "failed 504")
		}
		n.idle(t)
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := w.node(Config{}), w.node(Config{})
		one.call(t, "c1")
		for _, g := range []pabal.Grant{{User: "alice"}, {User: "alice", Connection: "conn-other-0123456789abcdef"}} {
			wantInvalid(t, "cancelled by another connection", two.Cancel(t.Context(), g, "c1"))
		}
		wantInvalid(t, "cancelled what was not asked", two.Cancel(t.Context(), alice, "c2"))
		for range 2 { // on another node than where it was asked
			if err := two.Cancel(t.Context(), alice, "c1"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		w.want("c1", "failed 499")
		one.idle(t)
		if err := two.answer(t, "c1", "answer", "x"); !errors.Is(err, ErrAnswered) {
			t.Errorf("answered once cancelled: got the error %v, want %v", err, ErrAnswered)
		}

		one.call(t, "c2")
		if err := two.answer(t, "c2", "answer", "y"); err != nil {
			t.Fatal(err)
		}
		if err := two.Cancel(t.Context(), alice, "c2"); !errors.Is(err, ErrAnswered) {
			t.Errorf("cancelled once answered: got the error %v, want %v", err, ErrAnswered)
		}
		synctest.Wait()
		w.want("c2", "answer y")
	})
}

// Who asks again under one name gets one answer, and what is refused is not asked.
func TestAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		one, two := w.node(Config{}), w.node(Config{})
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { one.call(t, "c1") })
			all.Go(func() { two.call(t, "c1") })
		}
		all.Wait()
		time.Sleep(time.Second)
		two.call(t, "c1") // with another time left
		newer := alice
		newer.Data = []byte(`{"vip":false}`)
		if err := one.Call(t.Context(), newer, "shop", pabal.Message{ID: "c1", Data: []byte("x")}, time.Second); err != nil {
			t.Errorf("asked again with a newer token: %v", err)
		}
		conflict := func(n *node, m pabal.Message, ch pabal.Channel) {
			t.Helper()
			m.ID = "c1"
			if err := n.Call(t.Context(), alice, ch, m, 0); !errors.Is(err, pabal.ErrConflict) {
				t.Errorf("other content under one name: got the error %v, want %v", err, pabal.ErrConflict)
			}
		}
		conflict(one, pabal.Message{Data: []byte("y")}, "shop")
		conflict(two, pabal.Message{Data: []byte("x"), ContentType: "text/html"}, "shop")
		conflict(two, pabal.Message{Data: []byte("x")}, "shop2")
		synctest.Wait()
		if got := len(w.entries("$calls/shop")); got != 1 {
			t.Errorf("offered %d times, want once", got)
		}
		if err := two.answer(t, "c1", "part", "p"); err != nil {
			t.Fatal(err)
		}
		if err := two.answer(t, "c1", "answer", "a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.want("c1", "part p", "answer a")
		one.idle(t)
		two.idle(t)
		one.call(t, "c1") // whose answer is there
		conflict(two, pabal.Message{Data: []byte("y")}, "shop")
		synctest.Wait()
		w.want("c1", "part p", "answer a")
		one.idle(t)

		if err := w.store.Delete(t.Context(), logOf(refOf(connection, "c1"))); err != nil {
			t.Fatal(err)
		}
		wantInvalid(t, "a name whose log is gone", one.Call(t.Context(), alice, "shop", pabal.Message{ID: "c1", Data: []byte("x")}, 0))
		one.idle(t)
	})
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(Config{})
		ask := func(g pabal.Grant, ch pabal.Channel, m pabal.Message) error {
			return n.Call(t.Context(), g, ch, m, 0)
		}
		var not *pabal.ForbiddenError
		if err := ask(shopkeeper, "shop", pabal.Message{ID: "c"}); !errors.As(err, &not) || not.Action != pabal.ToCall {
			t.Errorf("without the right to call: got the error %v", err)
		}
		if err := ask(alice, "$calls/shop", pabal.Message{ID: "c"}); !errors.As(err, &not) {
			t.Errorf("called one of Pabal's own: got the error %v", err)
		}
		broken := alice
		broken.Data = []byte("{")
		wantInvalid(t, "no connection", ask(pabal.Grant{User: "alice"}, "shop", pabal.Message{ID: "c"}))
		wantInvalid(t, "no name", ask(alice, "shop", pabal.Message{}))
		wantInvalid(t, "a type", ask(alice, "shop", pabal.Message{ID: "c", Type: "t"}))
		wantInvalid(t, "a key", ask(alice, "shop", pabal.Message{ID: "c", Key: "k"}))
		wantInvalid(t, "data of the user", ask(broken, "shop", pabal.Message{ID: "c"}))
		wantInvalid(t, "no JSON", ask(alice, "shop", pabal.Message{ID: "c", ContentType: "application/json", Data: []byte("{")}))
		wantLimit(t, ask(alice, "shop", pabal.Message{ID: strings.Repeat("c", 257)}), "field-bytes")
		wantLimit(t, ask(alice, "shop", pabal.Message{ID: "c", Data: make([]byte, 64<<10)}), "max-message")
		wantLimit(t, ask(alice, pabal.Channel(strings.Repeat("c", 250)), pabal.Message{ID: "c"}), "channel-bytes")
		n.idle(t)
		synctest.Wait()
		w.want("c")
		n.call(t, "c") // none of these has used the name
	})
}

func TestAnswerRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(Config{})
		n.call(t, "c")
		ref := refOf(connection, "c")
		answer := func(g pabal.Grant, ch pabal.Channel, ref string, m pabal.Message) error {
			return n.Answer(t.Context(), g, ch, ref, m)
		}
		var not *pabal.ForbiddenError
		if err := answer(shopkeeper, "bank", ref, pabal.Message{Type: "answer"}); !errors.As(err, &not) || not.Channel != "$calls/bank" {
			t.Errorf("for a channel that it may not answer for: got the error %v", err)
		}
		wantInvalid(t, "of another channel", answer(pabal.Grant{}, "bank", ref, pabal.Message{Type: "answer"}))
		for _, ref := range []string{"", "x", "../" + ref[3:], ref + "x", refOf(connection, "other")} {
			wantInvalid(t, "the ref "+ref, answer(shopkeeper, "shop", ref, pabal.Message{Type: "answer"}))
		}
		for _, m := range []pabal.Message{
			{}, {Type: "$x"}, {Type: "call"}, {Type: "answer", ContentType: "application/json", Data: []byte("{")},
			{Type: "failed", ContentType: "application/json", Data: []byte("7")}, {Type: "failed", Data: []byte{0xff}},
		} {
			wantInvalid(t, fmt.Sprintf("%q", m), answer(shopkeeper, "shop", ref, m))
		}
		wantLimit(t, answer(shopkeeper, "shop", ref, pabal.Message{Type: "part", Data: make([]byte, 65<<10)}), "max-message")
		synctest.Wait()
		w.want("c")
		if err := n.answer(t, "c", "failed", "sold out"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var p struct{ Title, Detail string }
		if err := json.Unmarshal(w.entries(pabal.Inbox + connection)[0].Data, &p); err != nil || p.Detail != "sold out" {
			t.Errorf("failed with %+v, %v: want the responder's words", p, err)
		}
		n.call(t, "d")
		if err := answer(shopkeeper, "shop", refOf(connection, "d"), pabal.Message{Type: "failed", ContentType: "application/json", Data: []byte(`{"status":409}`)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.want("d", "failed 409")
	})
}

// At a limit the newcomer is told which, and nobody else suffers.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(Config{InFlight: 5, PerConnection: 3})
		call := func(g pabal.Grant, id string) error {
			return n.Call(t.Context(), g, "shop", pabal.Message{ID: id}, 0)
		}
		other := pabal.Grant{Connection: "conn-other-0123456789abcdef"}
		for i := range 50 {
			if err := call(alice, fmt.Sprint("a", i)); i < 3 && err != nil {
				t.Fatal(err)
			} else if i >= 3 {
				wantLimit(t, err, "calls-per-connection")
			}
		}
		if err := call(alice, "a0"); err != nil {
			t.Errorf("asked again what is waited for: %v", err)
		}
		for i := range 2 {
			if err := call(other, fmt.Sprint("b", i)); err != nil {
				t.Fatal(err)
			}
		}
		wantLimit(t, call(other, "b2"), "calls")
		if got := len(w.entries("$calls/shop")); got > 5 {
			t.Errorf("%d calls are offered, want those that were taken", got)
		}
		if err := n.answer(t, "a1", "answer", "x"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := call(other, "b2"); err != nil {
			t.Errorf("once there is room: %v", err)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		w.want("a0", "failed 504")
		w.want("a3")
		n.idle(t)
		if len(n.perConnection) > 0 {
			t.Errorf("connections are counted that ask nothing: %v", n.perConnection)
		}
	})
}
