package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
)

func TestPublishIsRepeatedUnderTheSameID(t *testing.T) {
	for _, messages := range [][]pabal.Message{
		{{Data: []byte("a")}},
		{{ID: "mine", Data: []byte("a")}},
		{{Data: []byte("a")}, {ID: "b", Data: []byte("b")}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			c := start(t, f)
			var keys, ids []string
			f.hook = func(w http.ResponseWriter, r *http.Request) bool {
				keys = append(keys, r.Header.Get("Idempotency-Key"))
				ids = append(ids, r.URL.Query().Get("id"))
				switch len(keys) {
				case 1: // done, but the answer is lost
					f.post(discard{}, r)
					panic(http.ErrAbortHandler)
				case 2:
					problem(w, http.StatusInternalServerError, "a hiccup")
					return true
				case 3: // garbage from between
					_, _ = w.Write([]byte("<html>"))
					return true
				}
				return false
			}
			receipt, err := c.Publish(t.Context(), "a", messages...)
			if err != nil || !receipt.Duplicate || len(f.logs["a"]) != len(messages) {
				t.Errorf("got %+v, %v and %d entries, want a duplicate and %d", receipt, err, len(f.logs["a"]), len(messages))
			}
			for i := range keys {
				if keys[i] != keys[0] || ids[i] != ids[0] || keys[i]+ids[i] == "" {
					t.Errorf("attempt %d: got key %q and id %q, want %q and %q", i, keys[i], ids[i], keys[0], ids[0])
				}
			}
		})
	}
}

// discard is an answer that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestPublishComesBackWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		asked := 0
		f.hook = func(w http.ResponseWriter, _ *http.Request) bool {
			if asked++; asked == 1 {
				w.Header().Set("Retry-After", "20")
				problem(w, http.StatusTooManyRequests, "slow down")
			}
			return asked == 1
		}
		c := start(t, f)
		began := time.Now()
		if _, err := c.Publish(t.Context(), "a", pabal.Message{Data: []byte("1")}); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 20*time.Second || took > 21*time.Second {
			t.Errorf("published after %v, want 20 s and a little", took)
		}
	})
}

func TestRefusalsAreTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{hook: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"type":"/problems/closed","title":"Closed","detail":"the channel is closed","limit":"x"}`))
			return true
		}}
		_, err := start(t, f).Publish(t.Context(), "a", pabal.Message{Data: []byte("1")})
		var refused *client.Error
		if !errors.As(err, &refused) || refused.Status != 409 || refused.Title != "Closed" || refused.Limit != "x" || refused.Temporary() {
			t.Errorf("got %#v, want the problem", err)
		}
		if !errors.Is(err, pabal.ErrClosed) || errors.Is(err, pabal.ErrConflict) {
			t.Errorf("%v: want it to be ErrClosed, and nothing else", err)
		}
	})
}

func TestPublishSaysWhetherTheOutcomeIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		publish := func(c *client.Client) string {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := c.Publish(ctx, "a", pabal.Message{Data: []byte("1")})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the deadline", err)
			}
			return err.Error()
		}
		silent := start(t, &fake{hook: func(_ http.ResponseWriter, r *http.Request) bool {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client has left
			<-r.Context().Done()
			return true
		}})
		if text := publish(silent); !strings.Contains(text, "the outcome is unknown") {
			t.Errorf("from a silent server: got %q, want that the outcome is unknown", text)
		}
		full := start(t, &fake{hook: func(w http.ResponseWriter, _ *http.Request) bool {
			problem(w, http.StatusTooManyRequests, "slow down")
			return true
		}})
		if text := publish(full); strings.Contains(text, "unknown") {
			t.Errorf("from a server that refuses: got %q, want no doubt", text)
		}
	})
}

// What net/http repeats by itself may have been done the first time, though
// the last failure is that there is no connection. (server.TestWhole, seed 20025.)
func TestOutcomeIsUnknownIfTheTransportRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		c := start(t, f)
		transport, away := c.HTTP.Transport.(*http.Transport), false
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if away {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return dial(ctx, network, address)
		}
		if _, err := c.Publish(t.Context(), "a", pabal.Message{Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		f.hook = func(_ http.ResponseWriter, r *http.Request) bool {
			f.post(discard{}, r)
			away = true
			panic(http.ErrAbortHandler)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Publish(ctx, "a", pabal.Message{Data: []byte("2")})
		if len(f.logs["a"]) != 2 || !errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("it was done, and its answer lost: got %v, want that the outcome is unknown", err)
		}
	})
}

func TestCloseAndDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		c := start(t, f)
		if _, err := c.CloseChannel(t.Context(), "a/b", pabal.Message{Data: []byte("last")}); err != nil {
			t.Error(err)
		}
		if !f.closed["a/b"] || len(f.logs["a/b"]) != 1 {
			t.Errorf("got closed %v with %d entries, want it closed with one", f.closed["a/b"], len(f.logs["a/b"]))
		}
		if err := c.DeleteChannel(t.Context(), "a/b"); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatNoAttemptCanMend(t *testing.T) {
	m := pabal.Message{Data: []byte("1")}
	for name, err := range map[string]error{
		"no message":   second((&client.Client{}).Publish(t.Context(), "a")),
		"bad channel":  second((&client.Client{}).Publish(t.Context(), "a?b", m)),
		"no scheme":    second((&client.Client{URL: "localhost:8080"}).Publish(t.Context(), "a", m)),
		"other scheme": second((&client.Client{URL: "ws://localhost"}).Publish(t.Context(), "a", m)),
		"bad address":  second((&client.Client{URL: "http://a b"}).Publish(t.Context(), "a", m)),
	} {
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func second(_ client.Receipt, err error) error { return err }
