package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/embed"
	say "github.com/pabal/pabal/internal/problem"
)

// whole returns a whole node: with tokens, presence and calls.
func whole(t *testing.T, c embed.Config) *embed.Node {
	c.Log = slog.New(slog.DiscardHandler)
	n := embed.New(c)
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return n
}

// gate knows tokens that read "user/unix time of expiry", and tells the users
// apart. Without one nothing is allowed.
type gate struct{ anonymous bool }

type nothing struct{}

func (nothing) Allow(pabal.Action, pabal.Channel) bool { return false }

func (g gate) Grant(r *http.Request) (pabal.Grant, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		if g.anonymous {
			return pabal.Grant{}, nil
		}
		return pabal.Grant{Rules: nothing{}}, nil
	}
	return g.Renew(r.Context(), token)
}

func (g gate) Renew(_ context.Context, token string) (pabal.Grant, error) {
	user, at, _ := strings.Cut(token, "/")
	seconds, err := strconv.ParseInt(at, 10, 64)
	expires := time.Unix(seconds, 0)
	if err != nil || !expires.After(time.Now()) {
		return pabal.Grant{}, say.Unauthorized("the token has expired")
	}
	return pabal.Grant{User: user, Expires: expires, Claims: fmt.Appendf(nil, "%q", token)}, nil
}

func (g gate) Restore(claims []byte) (pabal.Grant, error) {
	token, err := strconv.Unquote(string(claims))
	if err != nil {
		return pabal.Grant{}, err
	}
	return g.Renew(context.Background(), token)
}

// A signer signs tokens, each for life.
type signer struct {
	user string
	life time.Duration

	mu   sync.Mutex
	n    int
	fail func(n int) (token string, err error) // may take over the n-th time; nil: never
}

func (s *signer) token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.fail != nil {
		if token, err := s.fail(s.n); token != "" || err != nil {
			return token, err
		}
	}
	return fmt.Sprintf("%s/%d", s.user, time.Now().Add(s.life).Unix()), nil
}

// A counter counts what is asked of a node.
type counter struct {
	next http.Handler
	mu   sync.Mutex
	n    map[string]int // by "GET /channels", and the technique
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[r.Method+" "+r.URL.Path]++
	c.n[r.URL.Query().Get("via")]++
	c.mu.Unlock()
	c.next.ServeHTTP(w, r)
}

func (c *counter) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

// as returns a client like c, of another connection.
func as(c *client.Client, token func(context.Context) (string, error)) *client.Client {
	return &client.Client{URL: c.URL, HTTP: c.HTTP, Token: token}
}

// refuse is a dialer where nothing listens.
func refuse(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
}
