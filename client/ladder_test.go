package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
)

// walk reads by "auto" from f until it has an entry, and returns the
// techniques that were tried.
func walk(t *testing.T, f *fake) []string {
	t.Helper()
	c := start(t, f)
	f.publish("a", "1")
	for event, err := range c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Since: "all"}).Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Entry != nil {
			break
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Compact(f.via)
}

func TestTheLadderGoesDownWhereTheWayIsBlocked(t *testing.T) {
	for name, c := range map[string]struct {
		blocked func(via string, w http.ResponseWriter, r *http.Request) bool
		want    string
	}{
		"nothing": {func(string, http.ResponseWriter, *http.Request) bool { return false }, "websocket"},
		"an upgrade that is stripped": {func(via string, w http.ResponseWriter, _ *http.Request) bool {
			if via == "websocket" {
				problem(w, http.StatusUpgradeRequired, "no upgrade")
			}
			return via == "websocket"
		}, "websocket sse"},
		"a proxy that holds back all but whole answers": {func(via string, _ http.ResponseWriter, r *http.Request) bool {
			if via != "longpoll" {
				<-r.Context().Done()
			}
			return via != "longpoll"
		}, "websocket sse longpoll"},
		"a proxy that refuses what goes on": {func(via string, w http.ResponseWriter, _ *http.Request) bool {
			if via != "longpoll" {
				w.WriteHeader(http.StatusTooManyRequests)
			}
			return via != "longpoll"
		}, "websocket sse longpoll"},
		// server.TestWhole, seed 14366
		"a proxy that holds back all but the first of each response": {func(via string, w http.ResponseWriter, r *http.Request) bool {
			switch via {
			case "websocket":
				problem(w, http.StatusUpgradeRequired, "no upgrade")
			case "sse":
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, "event: $open\ndata: {\"notice\":\"$open\",\"channel\":\"a\",\"heartbeat\":15}\n\nid: an entry, not all of wh")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
			return via != "longpoll"
		}, "websocket sse longpoll"},
		"a page instead of a stream": {func(via string, w http.ResponseWriter, _ *http.Request) bool {
			if via != "longpoll" {
				_, _ = io.WriteString(w, "<html>")
			}
			return via != "longpoll"
		}, "websocket sse longpoll"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{}
				f.hook = func(w http.ResponseWriter, r *http.Request) bool { return c.blocked(r.URL.Query().Get("via"), w, r) }
				if got := strings.Join(walk(t, f), " "); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		})
	}
}

func TestTheLadderStaysWhileTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		c := start(t, f)
		transport := c.HTTP.Transport
		began := time.Now()
		c.HTTP.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if time.Since(began) < time.Hour {
				return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
			}
			return transport.RoundTrip(r)
		})
		f.closeChannel("a")
		readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}}))
		if want := []string{"websocket"}; !slices.Equal(f.via, want) {
			t.Errorf("got %v, want %v", f.via, want)
		}
	})
}

// A technique that has worked is not left because a server that starts anew has
// a proxy before it, which takes connections and breaks them.
func TestTheLadderStaysWhileTheServerStarts(t *testing.T) {
	for broken, want := range map[int]string{3: "websocket", 9: "websocket sse"} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			asked := 0
			f.hook = func(w http.ResponseWriter, r *http.Request) bool {
				switch asked++; {
				case asked == 1: // works until the server ends
					ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
					defer cancel()
					f.read(w, r.WithContext(ctx))
					return true
				case asked <= 1+broken && r.URL.Query().Get("via") == "websocket":
					panic(http.ErrAbortHandler)
				}
				f.closeChannel("a")
				return false
			}
			c := start(t, f)
			f.publish("a", "1")
			readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Since: "all"}))
			if got := strings.Join(slices.Compact(f.via), " "); got != want {
				t.Errorf("after %d broken connections: got %s, want %s", broken, got, want)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheLadderIsClimbedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		began := time.Now()
		f.hook = func(w http.ResponseWriter, r *http.Request) bool {
			blocked := r.URL.Query().Get("via") == "websocket" && time.Since(began) < 10*time.Minute
			if blocked {
				w.WriteHeader(http.StatusNotImplemented)
			}
			return blocked
		}
		c := start(t, f)
		go func() {
			for i := range 60 {
				f.publish("a", numbers(i, i)...)
				pause(time.Minute)
			}
			f.closeChannel("a")
		}()
		got, _ := readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Since: "all"}))
		if want := numbers(0, 59); !slices.Equal(got["a"], want) {
			t.Errorf("got %v, want %v", got["a"], want)
		}
		if got, want := strings.Join(f.via, " "), "websocket sse websocket sse websocket"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("nobody home")
		c := &client.Client{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, away
		})}}
		began := time.Now()
		var got error
		for _, err := range c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, GiveUp: 5 * time.Second}).Events(t.Context()) {
			got = err
		}
		if took := time.Since(began); !errors.Is(got, away) || took != 5*time.Second {
			t.Errorf("got %v after %v, want the failure after 5 s", got, took)
		}
	})
}

func TestGiveUpIsOnlyForTheFirstContact(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		f := &fake{}
		c := start(t, f)
		began := time.Now()
		f.hook = func(w http.ResponseWriter, r *http.Request) bool {
			if time.Since(began) < 2*time.Second { // one contact, which breaks
				ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
				defer cancel()
				f.read(w, r.WithContext(ctx))
				return true
			}
			away := time.Since(began) < time.Hour
			if away {
				w.WriteHeader(http.StatusBadGateway)
			}
			return away
		}
		f.publish("a", "1")
		time.AfterFunc(90*time.Minute, func() { f.closeChannel("a") })
		got, _ := readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via, Since: "all", GiveUp: 5 * time.Second}))
		if !slices.Equal(got["a"], []string{"1"}) {
			t.Errorf("got %v, want [1]", got["a"])
		}
	})
}

func TestPollKeepsTheServersInterval(t *testing.T) {
	for every, want := range map[time.Duration]time.Duration{0: 5 * time.Second, 100 * time.Millisecond: 100 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			c := start(t, f)
			var asked []time.Time
			f.hook = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "5")
				if asked = append(asked, time.Now()); len(asked) == 3 {
					f.closeChannel("a")
				}
				return false
			}
			readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: "poll", Every: every}))
			for i := range asked[1:] {
				if got := asked[i+1].Sub(asked[i]); got != want {
					t.Errorf("every %v: got %v between polls, want %v", every, got, want)
				}
			}
		})
	}
}
