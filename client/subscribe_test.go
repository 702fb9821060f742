package client_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
)

// techniques are those that are one technique.
var techniques = client.Techniques()[1:]

// each runs test for each technique, in a bubble of its own.
func each(t *testing.T, test func(t *testing.T, via string)) {
	for _, via := range techniques {
		t.Run(via, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, via) })
		})
	}
}

func numbers(from, to int) []string {
	var list []string
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// readAll reads until the subscription ends by itself.
func readAll(t *testing.T, sub *client.Subscription) (data map[pabal.Channel][]string, notices []string) {
	t.Helper()
	data = map[pabal.Channel][]string{}
	for event, err := range sub.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e := event.Entry; e != nil {
			data[e.Channel] = append(data[e.Channel], string(e.Data))
		} else if k := event.Notice.Kind; k != pabal.NoticeOpen && k != pabal.NoticeLive {
			notices = append(notices, string(k))
		}
	}
	return data, notices
}

func TestEveryEntryOnceThroughBreaks(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		for seed := range uint64(5) {
			f := &fake{cut: cuts(seed)}
			c := start(t, f)
			f.publish("a", numbers(1, 100)...)
			go func() {
				for i := 101; i <= 300; i++ {
					f.publish("a", fmt.Sprint(i))
					f.publish("b/c", fmt.Sprint(i))
					pause(time.Duration(i%7) * 100 * time.Millisecond)
				}
				f.closeChannel("a")
				f.closeChannel("b/c")
			}()
			sub := c.Subscribe(client.Options{Channels: []pabal.Channel{"a", "b/c"}, Via: via, Since: "all"})
			got, notices := readAll(t, sub)
			if want := numbers(1, 300); !slices.Equal(got["a"], want) {
				t.Errorf("seed %d: a: got %v", seed, got["a"])
			}
			if want := numbers(101, 300); !slices.Equal(got["b/c"], want) {
				t.Errorf("seed %d: b/c: got %v", seed, got["b/c"])
			}
			if want := []string{"$closed", "$closed"}; !slices.Equal(notices, want) {
				t.Errorf("seed %d: notices: got %v, want %v", seed, notices, want)
			}
			if want := (map[pabal.Channel]string{"a": "7-300", "b/c": "7-200"}); !maps.Equal(sub.Cursors(), want) {
				t.Errorf("seed %d: cursors: got %v, want %v", seed, sub.Cursors(), want)
			}
			for event, err := range sub.Events(t.Context()) {
				t.Errorf("seed %d: after the end: got %v, %v", seed, event, err)
			}
		}
	})
}

func TestHopFromAnyTechniqueToAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		f := &fake{}
		c := start(t, f)
		f.publish("a", numbers(1, 200)...)
		f.closeChannel("a")
		var got []string
		o := client.Options{Channels: []pabal.Channel{"a"}, Since: "all"}
		for len(got) < 200 {
			o.Via = techniques[random.IntN(len(techniques))]
			sub, n := c.Subscribe(o), random.IntN(12)
			for event, err := range sub.Events(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if event.Entry != nil {
					got = append(got, string(event.Entry.Data))
				}
				if n--; n < 0 {
					break
				}
			}
			if sub.Cursors() != nil && len(sub.Cursors()) > 0 {
				o.Cursors = sub.Cursors()
			}
		}
		if want := numbers(1, 200); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
}

func TestWholeEntriesOnEveryTechnique(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		f := &fake{}
		c := start(t, f)
		want := []pabal.Message{
			{ID: "i", Type: "say", Key: "k", ContentType: "text/plain", Data: []byte("line\nand line\r\n")},
			{ContentType: "application/json", Data: []byte(`{"a":[1,2]}`)},
			{ContentType: "image/png", Data: []byte{0, 255, '\r', '\n', '-', '-', 'b'}},
			{Data: []byte(strings.Repeat("long ", 100_000))},
		}
		for _, m := range want {
			f.append("a", m)
		}
		f.closeChannel("a")
		i := 0
		for event, err := range c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via, Since: "all"}).Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if event.Entry == nil {
				continue
			}
			got, want := event.Entry, want[i]
			if i++; got.Digest() != want.Digest() || got.ID != want.ID || got.Offset != pabal.Offset(i) || got.Time.Unix() != 1e9 {
				t.Errorf("entry %d: got %.200v, want %.200v", i, got, want)
			}
		}
		if i != len(want) {
			t.Errorf("got %d entries, want %d", i, len(want))
		}
	})
}

func TestSinceNowSurvivesABreakBeforeTheFirstEntry(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		f := &fake{}
		c := start(t, f)
		f.publish("a", "before")
		// What follows $open or the first empty answer is lost.
		asked := 0
		f.hook = func(w http.ResponseWriter, r *http.Request) bool {
			last := 1
			if strings.HasSuffix(via, "poll") {
				last = 2
			}
			if asked++; asked != last {
				return false
			}
			if last == 1 {
				ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
				defer cancel()
				f.read(w, r.WithContext(ctx))
			}
			f.publish("a", "while away")
			f.closeChannel("a")
			panic(http.ErrAbortHandler)
		}
		got, _ := readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via}))
		if want := []string{"while away"}; !slices.Equal(got["a"], want) {
			t.Errorf("got %v, want %v", got["a"], want)
		}
	})
}

func TestGapComesBeforeTheEntryAfterIt(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		f := &fake{first: 4}
		c := start(t, f)
		f.publish("a", numbers(1, 5)...)
		f.closeChannel("a")
		o := client.Options{Channels: []pabal.Channel{"a"}, Via: via, Cursors: map[pabal.Channel]string{"a": "7-1"}}
		var got []string
		for event, err := range c.Subscribe(o).Events(t.Context()) {
			switch {
			case err != nil:
				t.Fatal(err)
			case event.Entry != nil:
				got = append(got, string(event.Entry.Data))
			case event.Notice.Kind != pabal.NoticeOpen:
				got = append(got, string(event.Notice.Kind))
			}
		}
		if want := []string{"$gap", "4", "5", "$closed"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestSilenceIsAFailure(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		f := &fake{}
		c := start(t, f)
		f.publish("a", "1")
		asked := 0
		f.hook = func(w http.ResponseWriter, r *http.Request) bool {
			if asked++; asked == 1 {
				<-r.Context().Done() // as behind a proxy that holds all back
			}
			return asked == 1
		}
		f.closeChannel("a")
		began := time.Now()
		got, _ := readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via, Since: "all"}))
		if took := time.Since(began); !slices.Equal(got["a"], []string{"1"}) || took > 41*time.Second {
			t.Errorf("got %v after %v, want entry 1 within 41 s", got["a"], took)
		}
	})
}

func TestHeartbeatsKeepAConnection(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		f := &fake{}
		c := start(t, f)
		c.Retrying = func(err error, _ time.Duration) { t.Errorf("a new attempt: %v", err) }
		go func() {
			pause(10 * time.Minute)
			f.publish("a", "1")
			f.closeChannel("a")
		}()
		var got []string
		for event, err := range c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via}).Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if event.Entry != nil {
				got = append(got, string(event.Entry.Data))
			}
			pause(5 * time.Minute) // nor is a caller who takes time a failure
		}
		if !slices.Equal(got, []string{"1"}) {
			t.Errorf("got %v, want [1]", got)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		f := &fake{}
		c := start(t, f)
		f.closeChannel("a")
		asked := 0
		f.hook = func(w http.ResponseWriter, r *http.Request) bool {
			if asked++; asked == 1 {
				w.Header().Set("Retry-After", "7")
				problem(w, http.StatusServiceUnavailable, "full")
			}
			return asked == 1
		}
		began := time.Now()
		readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via}))
		if took := time.Since(began); took < 7*time.Second || took > 8*time.Second {
			t.Errorf("read after %v, want 7 s and a little", took)
		}
	})
}

func TestPermanentErrorsEndIt(t *testing.T) {
	for _, via := range client.Techniques() {
		for _, status := range []int{400, 401, 403, 404} {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{hook: func(w http.ResponseWriter, _ *http.Request) bool {
					problem(w, status, "because")
					return true
				}}
				var got error
				for _, err := range start(t, f).Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via}).Events(t.Context()) {
					got = err
				}
				var refusal *client.Error
				if !errors.As(got, &refusal) || refusal.Status != status || refusal.Detail != "because" || len(f.via) != 1 {
					t.Errorf("%s: got %v after %d requests, want the problem %d after one", via, got, len(f.via), status)
				}
			})
		}
	}
}

func TestClosedByTheServerOnlyGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		c := start(t, f)
		f.publish("a", "1")
		asked := 0
		f.hook = func(w http.ResponseWriter, _ *http.Request) bool {
			if asked++; asked == 1 {
				w.Header().Set("Content-Type", "application/x-ndjson")
				_, _ = w.Write([]byte(`{"notice":"$closed","channel":"a","cursor":"7-0","reason":"draining"}` + "\n"))
			}
			return asked == 1
		}
		f.closeChannel("a")
		got, notices := readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: "stream", Since: "all"}))
		if !slices.Equal(got["a"], []string{"1"}) || !slices.Equal(notices, []string{"$closed"}) {
			t.Errorf("got %v and %v, want entry 1 and one $closed", got, notices)
		}
	})
}

func TestContextEndsIt(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		c := start(t, &fake{})
		why := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, why)
		defer cancel()
		var got error
		for _, err := range c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via}).Events(ctx) {
			got = err
		}
		if !errors.Is(got, why) {
			t.Errorf("got %v, want the context's cause", got)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	c := &client.Client{}
	for _, bad := range []client.Options{
		{},
		{Channels: []pabal.Channel{"a", "a"}},
		{Channels: []pabal.Channel{"a b"}},
		{Channels: []pabal.Channel{"a"}, Via: "pigeon"},
		{Channels: []pabal.Channel{"a"}, Cursors: map[pabal.Channel]string{"a": "?"}},
	} {
		sub := c.Subscribe(bad)
		if n := len(sub.Cursors()); n != 0 {
			t.Errorf("%v: got %d cursors, want none", bad, n)
		}
		var got error
		for _, err := range sub.Events(t.Context()) {
			got = err
		}
		if got == nil {
			t.Errorf("%v: got no error", bad)
		}
	}
}
