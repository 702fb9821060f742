package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ask sends a request from an address through h.
func ask(h http.Handler, remote, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/channels/a", nil)
	r.RemoteAddr = remote
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// served counts how many of n requests from an address are served.
func served(h http.Handler, remote string, n int) (ok int) {
	for range n {
		if ask(h, remote, "*/*").Code == http.StatusOK {
			ok++
		}
	}
	return ok
}

var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := (&rateLimit{perSecond: 10}).handler(nothing)
		for _, test := range []struct {
			name, remote string
			wait         time.Duration
			want         int
		}{
			{"a burst of twice the rate", "192.0.2.1:1", 0, 20},
			{"and no more", "192.0.2.1:2", 0, 0},
			{"another address", "192.0.2.2:1", 0, 20},
			{"a tenth of a second", "192.0.2.1:1", 100 * time.Millisecond, 1},
			{"a second", "192.0.2.1:1", time.Second, 10},
			{"long", "192.0.2.1:1", time.Hour, 20},
			{"this machine", "127.0.0.1:1", 0, 100},
			{"and by IPv6", "[::1]:1", 0, 100},
			{"a client's network", "[2001:db8::1]:1", 0, 20},
			{"its other address", "[2001:db8::2]:1", 0, 0},
			{"another network", "[2001:db8:0:1::1]:1", 0, 20},
		} {
			time.Sleep(test.wait)
			if got := served(h, test.remote, 100); got != test.want {
				t.Errorf("%s: got %d of 100 served, want %d", test.name, got, test.want)
			}
		}
	})
}

func TestRateLimitAnswer(t *testing.T) {
	h := (&rateLimit{perSecond: 1}).handler(nothing)
	served(h, "192.0.2.1:1", 10)
	res := ask(h, "192.0.2.1:1", "application/json")
	if res.Code != http.StatusTooManyRequests || res.Header().Get("Retry-After") != "1" || res.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d with %v, want 429 with Retry-After: 1 and a problem", res.Code, res.Header())
	}
	body := res.Body.String()
	for _, want := range []string{`"limit":"request-rate"`, `"max":1,`, "come back in a second"} {
		if !strings.Contains(body, want) {
			t.Errorf("got %s, want it to contain %s", body, want)
		}
	}
	res = ask(h, "192.0.2.1:1", "text/event-stream")
	if body := res.Body.String(); res.Code != http.StatusOK || !strings.HasPrefix(body, "retry: ") || !strings.HasSuffix(body, "\n\n") {
		t.Errorf("for EventSource: got %d with %q, want 200 and a time to come back", res.Code, body)
	}
}

// The addresses that are counted are bounded, and nobody loses its count for a
// newcomer.
func TestRateLimitAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &rateLimit{perSecond: 1, most: 3}
		h := l.handler(nothing)
		for i := range 3 {
			if got := served(h, fmt.Sprintf("192.0.2.%d:1", i), 3); got != 2 {
				t.Errorf("address %d: got %d served, want 2", i, got)
			}
			time.Sleep(500 * time.Millisecond)
		}
		if got := served(h, "192.0.2.99:1", 1); got != 0 {
			t.Error("a newcomer was served while no address was idle")
		}
		if got := served(h, "192.0.2.1:1", 3); got != 1 { // a second later
			t.Errorf("address 1 after a second: got %d served, want 1", got)
		}
		time.Sleep(600 * time.Millisecond)
		if got := served(h, "192.0.2.99:1", 3); got != 2 {
			t.Errorf("a newcomer once an address was idle: got %d served, want 2", got)
		}
		if len(l.byAddr) != 3 || l.recent.Len() != 3 {
			t.Errorf("got %d addresses and %d in order, want 3", len(l.byAddr), l.recent.Len())
		}
	})
}

func TestRateLimitOff(t *testing.T) {
	if got := served((&rateLimit{}).handler(nothing), "192.0.2.1:1", 1000); got != 1000 {
		t.Errorf("got %d of 1000 served, want all", got)
	}
}
