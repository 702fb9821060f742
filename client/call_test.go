package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/embed"
)

// shop answers calls in Go, and counts how often it was asked each.
type shop struct {
	mu    sync.Mutex
	asked map[string]int
	ended chan error // of "wait": why
}

func newShop() *shop { return &shop{asked: map[string]int{}, ended: make(chan error, 10)} }

func (s *shop) times(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[what]
}

func (s *shop) Find(ch pabal.Channel) call.Func {
	if ch != "shop" {
		return nil
	}
	return func(ctx context.Context, r *call.Request) iter.Seq2[pabal.Message, error] {
		what := string(r.Message.Data)
		s.mu.Lock()
		s.asked[what]++
		s.mu.Unlock()
		return func(yield func(pabal.Message, error) bool) {
			switch {
			case what == "wait":
				<-ctx.Done()
				s.ended <- ctx.Err()
			case what == "fail":
				yield(pabal.Message{Type: "failed", ContentType: "application/json", Data: []byte(`{"title":"Sold out","status":409,"detail":"no tea","retryAfter":3}`)}, nil)
			case strings.HasPrefix(what, "parts"):
				for i := range 50 {
					if !yield(pabal.Message{Type: "part", Data: fmt.Append(nil, i)}, nil) {
						return
					}
				}
				yield(pabal.Message{Data: []byte("sold " + what)}, nil)
			default:
				yield(pabal.Message{ContentType: r.Message.ContentType, Data: []byte("sold " + what)}, nil)
			}
		}
	}
}

func text(s string) pabal.Message { return pabal.Message{Data: []byte(s)} }

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		count := &counter{next: whole(t, embed.Config{Calls: s})}
		c := serve(t, count, nil)
		began := time.Now()
		for i := range 5 {
			m := pabal.Message{ContentType: "text/html", Data: fmt.Append(nil, "tea ", i)}
			got, err := c.Call(t.Context(), "shop", m)
			if want := fmt.Sprint("sold tea ", i); err != nil || string(got.Data) != want || got.ContentType != m.ContentType || got.ID != "" || got.Key != "" {
				t.Errorf("got %+v, %v; want %q", got, err, want)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("five calls took %v", took)
		}
		_, err := c.Call(t.Context(), "shop", text("fail"))
		var e *client.Error
		if !errors.As(err, &e) || e.Status != 409 || e.Detail != "no tea" || e.RetryAfter != 3*time.Second || e.Temporary() {
			t.Errorf("a call that fails: got %+v", err)
		}
		got, err := c.Call(t.Context(), "shop", text("parts"))
		if err != nil || string(got.Data) != "sold parts" {
			t.Errorf("a call whose parts are left out: got %q, %v", got.Data, err)
		}
		if _, err := c.Call(t.Context(), "closed", text("x")); !errors.As(err, &e) || e.Status != http.StatusGatewayTimeout {
			t.Errorf("a call that nobody answers: got %v", err)
		}
		for name, m := range map[string]pabal.Message{"neither type": {Type: "x"}, "no JSON": {ContentType: "application/json", Data: []byte("{")}} {
			if _, err := c.Call(t.Context(), "shop", m); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%+v: got %v", m, err)
			}
		}
		var parts []string
		for m, err := range c.CallStream(t.Context(), "shop", text("parts")) {
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, m.Type+" "+string(m.Data))
		}
		if len(parts) != 51 || parts[0] != "part 0" || parts[49] != "part 49" || parts[50] != "answer sold parts" {
			t.Errorf("got %q", parts)
		}
	})
}

// Many calls at once are answered through one reader, by connections that break
// at any byte, and each was asked once.
func TestCallsThroughBreaks(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			n := whole(t, embed.Config{Calls: s, CallTimeout: 5 * time.Minute})
			c := serve(t, n, cuts(seed))
			var work sync.WaitGroup
			for i := range 10 { // whose answers an inbox can hold
				work.Go(func() {
					pause(time.Duration(i) * 300 * time.Millisecond)
					what := fmt.Sprint("parts ", i)
					var got []string
					for m, err := range c.CallStream(t.Context(), "shop", text(what)) {
						if err != nil {
							t.Errorf("%s: %v", what, err)
						}
						got = append(got, string(m.Data))
					}
					if want := append(numbers(0, 49), "sold "+what); !slices.Equal(got, want) {
						t.Errorf("%s: got %q", what, got)
					}
					if n := s.times(what); n != 1 {
						t.Errorf("%s was asked %d times", what, n)
					}
				})
			}
			work.Wait()
		})
	}
}

// Who stops waiting has the call cancelled where it is worked on, soon.
func TestCallIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		c := serve(t, whole(t, embed.Config{Calls: s, CallTimeout: 5 * time.Minute}), nil)
		ended := func(what string) {
			t.Helper()
			select {
			case err := <-s.ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: the handler was ended by %v", what, err)
				}
			case <-time.After(2 * time.Second):
				t.Errorf("%s: the handler goes on", what)
			}
		}
		left := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(left) })
		_, err := c.Call(ctx, "shop", text("wait"))
		if !errors.Is(err, left) || !errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("got %v", err)
		}
		ended("cancelled")
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		began := time.Now()
		if _, err = c.Call(ctx, "shop", text("wait")); err == nil {
			t.Error("a call without an answer succeeds")
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v to give up after 1s", took)
		}
		<-s.ended
	})
}

// A server that does not answer is waited for as long as the context says, and
// a second to cancel. What it surely did not take is not of unknown outcome.
func TestCallWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}), nil)
		gone := &client.Client{URL: "http://fake", HTTP: &http.Client{Transport: &http.Transport{DialContext: refuse}}}
		for c, unknown := range map[*client.Client]bool{silent: true, gone: false} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			began := time.Now()
			_, err := c.Call(ctx, "shop", text("x"))
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, client.ErrOutcomeUnknown) != unknown {
				t.Errorf("got %v, want it of unknown outcome: %v", err, unknown)
			}
			if took := time.Since(began); took > 11*time.Second+time.Millisecond {
				t.Errorf("it took %v", took)
			}
		}
	})
}

// A call that is asked again, under its ID, is asked once: also when the
// acknowledgement of each first request is lost.
func TestCallIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		n := whole(t, embed.Config{Calls: s})
		var posts atomic.Int32
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/commands" && posts.Add(1)%2 == 1 {
				n.ServeHTTP(nowhere{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			}
			n.ServeHTTP(w, r)
		}), nil)
		for i := range 5 {
			what := fmt.Sprint("tea ", i)
			got, err := c.Call(t.Context(), "shop", text(what))
			if err != nil || string(got.Data) != "sold "+what || s.times(what) != 1 {
				t.Errorf("%s, asked %d times: got %q, %v", what, s.times(what), got.Data, err)
			}
		}
		again, err := c.Call(t.Context(), "shop", pabal.Message{ID: "one", Data: []byte("rice")})
		if err != nil || string(again.Data) != "sold rice" {
			t.Fatalf("got %q, %v", again.Data, err)
		}
		_, err = c.Call(t.Context(), "shop", pabal.Message{ID: "one", Data: []byte("salt")})
		if !errors.Is(err, pabal.ErrConflict) || s.times("salt") != 0 {
			t.Errorf("another content under the same ID: got %v", err)
		}
	})
}

type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

// What an inbox cannot hold until it is read is not left out in silence.
func TestCallOverflows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		broker := memory.New(memory.Config{Retention: func(ch pabal.Channel) pabal.Retention {
			keep := embed.Retention(ch)
			if strings.HasPrefix(string(ch), pabal.Inbox) {
				keep.Entries = 20
			}
			return keep
		}})
		defer broker.Close()
		n := whole(t, embed.Config{Calls: s, Broker: broker, Limits: pabal.Limits{WindowEntries: 10}})
		defer n.Close() // before the broker
		var slow atomic.Bool
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slow.Load() && r.Method == http.MethodGet {
				pause(3 * time.Second)
			}
			n.ServeHTTP(w, r)
		}), nil)
		if _, err := c.Call(t.Context(), "shop", text("tea")); err != nil {
			t.Fatal(err)
		}
		slow.Store(true)
		got := 0
		var end error
		for _, err := range c.CallStream(t.Context(), "shop", text("parts")) {
			got++
			end = err
		}
		if !errors.Is(end, client.ErrOutcomeUnknown) || got > 30 {
			t.Errorf("got %d parts, and in the end %v", got, end)
		}
		slow.Store(false)
		pause(time.Hour) // what was missed is forgotten
		if got, err := c.Call(t.Context(), "shop", text("tea")); err != nil || string(got.Data) != "sold tea" {
			t.Errorf("after that: got %q, %v", got.Data, err)
		}
	})
}

// Who may not call is told so, and who may not be told why is not silent.
func TestCallIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := serve(t, whole(t, embed.Config{Access: gate{}, Calls: newShop()}), nil)
		_, err := base.Call(t.Context(), "shop", text("tea"))
		refused(t, err)
		// The id of a connection is of its first user.
		s := &signer{user: "alice", life: time.Hour}
		c := as(base, s.token)
		if _, err := c.Call(t.Context(), "shop", text("tea")); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.user = "bob"
		s.mu.Unlock()
		var e *client.Error
		if _, err := c.Call(t.Context(), "shop", text("tea")); !errors.As(err, &e) || e.Status != http.StatusForbidden {
			t.Errorf("another user on the same connection: got %v", err)
		}
	})
}
