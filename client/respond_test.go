package client_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/embed"
)

// responding has c answer what is asked of the kitchen until stop is called, which
// returns why it ended.
func responding(t *testing.T, c *client.Client, answer func(context.Context, client.Request) iter.Seq2[pabal.Message, error]) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Respond(ctx, "kitchen", answer) }()
	synctest.Wait()
	return func() error {
		cancel()
		return <-ended
	}
}

// kitchen answers what a responder is asked.
func kitchen(_ context.Context, r client.Request) iter.Seq2[pabal.Message, error] {
	return func(yield func(pabal.Message, error) bool) {
		switch what := string(r.Message.Data); {
		case what == "refuse":
			yield(pabal.Message{}, &client.Error{Status: http.StatusConflict, Title: "Sold out", Detail: "no rice"})
		case what == "forbid":
			yield(pabal.Message{}, &pabal.ForbiddenError{Action: pabal.ToCall, Channel: r.Channel, Why: "not today"})
		case what == "fail":
			yield(pabal.Message{}, errors.New("a secret of the kitchen"))
		case what == "nothing":
		case what == "wrong":
			yield(pabal.Message{ContentType: "application/json", Data: []byte("{")}, nil)
		case strings.HasPrefix(what, "parts"):
			for i := range 5 {
				if !yield(pabal.Message{Type: "part", Data: fmt.Append(nil, i)}, nil) {
					return
				}
			}
		default:
			if yield(pabal.Message{ContentType: r.Message.ContentType, Data: []byte(r.User + " gets " + what)}, nil) {
				panic("it was asked on after the answer")
			}
		}
	}
}

func TestRespond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := serve(t, whole(t, embed.Config{Access: gate{anonymous: true}}), nil)
		alice := as(base, (&signer{user: "alice", life: time.Hour}).token)
		stop := responding(t, as(base, nil), kitchen)
		for what, want := range map[string]string{
			"rice": "alice gets rice", "nothing": "", "parts": "", `{"a":1}`: `alice gets {"a":1}`,
			"refuse": "409: no rice", "forbid": "403: you may not call channel \"kitchen\": not today", "fail": "500: the server failed; its log says why",
			"wrong": "502: the answer was refused: the content type is \"application/json\"",
		} {
			m := pabal.Message{Data: []byte(what)}
			if what[0] == '{' {
				m.ContentType = "text/x-dish"
			}
			got, err := alice.Call(t.Context(), "kitchen", m)
			text := string(got.Data)
			var e *client.Error
			if errors.As(err, &e) {
				text = fmt.Sprintf("%d: %s", e.Status, e.Detail)
			}
			if !strings.HasPrefix(text, want) || want == "" && text != "" || err == nil && got.ContentType != m.ContentType && want != "" {
				t.Errorf("%s: got %q %q, %v; want %q", what, text, got.ContentType, err, want)
			}
		}
		var parts []string
		for m, err := range alice.CallStream(t.Context(), "kitchen", text("parts")) {
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, m.Type+" "+string(m.Data))
		}
		if want := []string{"part 0", "part 1", "part 2", "part 3", "part 4", "answer "}; !slices.Equal(parts, want) {
			t.Errorf("got %q", parts)
		}
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}

// Two respond through connections that break: each call has one answer, no call
// is lost, and of its parts none comes twice or out of order.
func TestRespondThroughBreaks(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			n := whole(t, embed.Config{CallTimeout: 5 * time.Minute})
			asker, first, second := serve(t, n, nil), serve(t, n, cuts(seed)), serve(t, n, cuts(seed+100))
			answer := func(_ context.Context, r client.Request) iter.Seq2[pabal.Message, error] {
				return func(yield func(pabal.Message, error) bool) {
					yield(pabal.Message{Data: append([]byte("re "), r.Message.Data...)}, nil)
				}
			}
			stops := []func() error{responding(t, first, answer), responding(t, second, answer)}
			pause(time.Minute) // until they read
			var work sync.WaitGroup
			for i := range 20 {
				work.Go(func() {
					pause(time.Duration(i) * time.Second)
					got, err := asker.Call(t.Context(), "kitchen", text(fmt.Sprint(i)))
					if want := fmt.Sprint("re ", i); err != nil || string(got.Data) != want {
						t.Errorf("got %q, %v; want %q", got.Data, err, want)
					}
				})
			}
			work.Wait()
			for _, stop := range stops {
				if err := stop(); !errors.Is(err, context.Canceled) {
					t.Errorf("it ended with %v", err)
				}
			}
		})
	}
}

// A part of which it is not known whether it was taken ends the answer.
func TestRespondLosesPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := whole(t, embed.Config{})
		var lose atomic.Bool
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/commands" && lose.CompareAndSwap(true, false) {
				n.ServeHTTP(nowhere{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			}
			n.ServeHTTP(w, r)
		}), nil)
		asker := serve(t, n, nil)
		stop := responding(t, c, kitchen)
		lose.Store(true)
		var e *client.Error
		n2 := 0
		for m, err := range asker.CallStream(t.Context(), "kitchen", text("parts")) {
			if err != nil {
				errors.As(err, &e)
				break
			}
			if n2++; m.Type != "part" {
				t.Errorf("got %+v, want no answer", m)
			}
		}
		if e == nil || e.Status != http.StatusBadGateway || n2 != 1 {
			t.Errorf("got %d parts and %v, want one and a failure", n2, e)
		}
		_ = stop()
	})
}

// Answers are given at once, up to a bound, and end with the call.
func TestRespondAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := whole(t, embed.Config{CallTimeout: time.Minute})
		base := serve(t, n, nil)
		var running, most atomic.Int32
		stop := responding(t, base, func(ctx context.Context, _ client.Request) iter.Seq2[pabal.Message, error] {
			return func(func(pabal.Message, error) bool) {
				if now := running.Add(1); now > most.Load() {
					most.Store(now)
				}
				<-ctx.Done()
				running.Add(-1)
			}
		})
		var work sync.WaitGroup
		for range 10 {
			asker := as(base, nil) // each may have 16 calls
			for range 10 {
				work.Go(func() {
					var e *client.Error
					if _, err := asker.Call(t.Context(), "kitchen", text("x")); !errors.As(err, &e) || e.Status != http.StatusGatewayTimeout {
						t.Errorf("got %v, want a time-out", err)
					}
				})
			}
		}
		pause(2 * time.Minute)
		work.Wait()
		if most.Load() != 64 || running.Load() != 0 {
			t.Errorf("%d at once, and now %d; want 64 and none", most.Load(), running.Load())
		}
		_ = stop()
	})
}
