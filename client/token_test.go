package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/embed"
)

// A token that lasts three minutes is no end to what is read for half an hour,
// nor does anything get lost or come twice. A WebSocket is refreshed in place.
func TestTokenIsRenewed(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		count := &counter{next: whole(t, embed.Config{Access: gate{}})}
		base := serve(t, count, nil)
		s := &signer{user: "alice", life: 3 * time.Minute}
		c := as(base, s.token)
		c.Retrying = func(err error, _ time.Duration) { t.Errorf("after %v of reading: %v", time.Now(), err) }
		var publisher sync.WaitGroup
		publisher.Go(func() {
			for i := range 260 {
				if _, err := c.Publish(t.Context(), "a", pabal.Message{Data: fmt.Append(nil, i)}); err != nil {
					t.Errorf("publish: %v", err)
				}
				pause(7 * time.Second)
			}
			if _, err := c.CloseChannel(t.Context(), "a"); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		got, notices := readAll(t, c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via, Since: "all"}))
		publisher.Wait()
		if want := numbers(0, 259); !slices.Equal(got["a"], want) {
			t.Errorf("got %v, want %v", got["a"], want)
		}
		if want := []string{"$closed"}; !slices.Equal(notices, want) {
			t.Errorf("notices: got %v, want %v", notices, want)
		}
		switch n := count.of(via); {
		case via == "websocket" && n != 1:
			t.Errorf("there were %d WebSockets, want one, whose token is refreshed", n)
		case via != "websocket" && n < 10:
			t.Errorf("there were %d requests, want one for each token at least", n)
		}
	})
}

// Without Token a subscription is told that its token expires, and ends then.
func TestExpiryWithoutToken(t *testing.T) {
	each(t, func(t *testing.T, via string) {
		base := serve(t, whole(t, embed.Config{Access: gate{}}), nil)
		s := &signer{user: "alice", life: 3 * time.Minute}
		token, _ := s.token(t.Context())
		base.Header = http.Header{"Authorization": {"Bearer " + token}}
		var notices []string
		var end error
		for event, err := range base.Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via}).Events(t.Context()) {
			if end = err; err == nil {
				notices = append(notices, string(event.Notice.Kind))
			}
		}
		var e *client.Error
		if !errors.As(end, &e) || e.Status != http.StatusUnauthorized {
			t.Errorf("got %v, want a refusal with 401", end)
		}
		if polls := strings.HasSuffix(via, "poll"); slices.Contains(notices, "$expiring") == polls {
			t.Errorf("got %v", notices)
		}
	})
}

// A token that is not taken is replaced once; the next refusal is the end, and
// no error tells the token.
func TestTokenIsRefused(t *testing.T) {
	stale := func(int) (string, error) { return "secret/1", nil }
	for _, via := range client.Techniques() {
		t.Run(via, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := serve(t, whole(t, embed.Config{Access: gate{}}), nil)
				s := &signer{user: "alice", life: time.Hour, fail: stale}
				for event, err := range as(base, s.token).Subscribe(client.Options{Channels: []pabal.Channel{"a"}, Via: via}).Events(t.Context()) {
					refused(t, err)
					if err == nil {
						t.Fatalf("got %v", event)
					}
				}
				if s.n != 2 {
					t.Errorf("the token was asked for %d times, want 2", s.n)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		base := serve(t, whole(t, embed.Config{Access: gate{}}), nil)
		s := &signer{user: "alice", life: time.Hour, fail: stale}
		c := as(base, s.token)
		_, err := c.Publish(t.Context(), "a", pabal.Message{Data: []byte("x")})
		refused(t, err)
		_, err = c.Read(t.Context(), "a", client.Range{})
		refused(t, err)
		_, err = c.Call(t.Context(), "a", pabal.Message{Data: []byte("x")})
		refused(t, err)
		_, err = c.Who(t.Context(), "a")
		refused(t, err)

		first := &signer{user: "alice", life: time.Hour, fail: func(n int) (string, error) {
			if n == 1 {
				return "secret/1", nil
			}
			return "", nil
		}}
		if _, err := as(base, first.token).Publish(t.Context(), "a", pabal.Message{Data: []byte("x")}); err != nil || first.n != 2 {
			t.Errorf("the second token: got %v after %d", err, first.n)
		}
	})
}

func refused(t *testing.T, err error) {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
		t.Errorf("got %v, want a refusal with 401", err)
	}
	if strings.Contains(fmt.Sprint(err), "secret") {
		t.Errorf("the error tells the token: %v", err)
	}
}

// What fails in Token is tried again, and is not the technique's fault; what
// cannot be a token is the end.
func TestTokenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := &counter{next: whole(t, embed.Config{Access: gate{}})}
		base := serve(t, count, nil)
		asleep := errors.New("the token server is asleep")
		s := &signer{user: "alice", life: time.Hour, fail: func(n int) (string, error) {
			if n <= 6 {
				return "", asleep
			}
			return "", nil
		}}
		c := as(base, s.token)
		tries := 0
		c.Retrying = func(err error, _ time.Duration) {
			if tries++; !errors.Is(err, asleep) {
				t.Errorf("got %v", err)
			}
		}
		for event, err := range c.Subscribe(client.Options{Channels: []pabal.Channel{"a"}}).Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if event.Notice.Kind == pabal.NoticeLive {
				break
			}
		}
		if tries != 6 || count.of("websocket") != 1 || count.of("sse") != 0 {
			t.Errorf("after %d tries: %v", tries, count.n)
		}
		bad := &signer{fail: func(int) (string, error) { return "se\ncret", nil }}
		_, err := as(base, bad.token).Publish(t.Context(), "a", pabal.Message{Data: []byte("x")})
		if err == nil || bad.n != 1 || strings.Contains(err.Error(), "cret") || errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("got %v after %d", err, bad.n)
		}
	})
}
