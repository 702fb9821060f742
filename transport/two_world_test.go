package transport_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/transport"
)

// signed is an Authenticator whose tokens are their own claims: "alice", or
// "alice 2000-01-01T00:10:00Z", or with the only channels that may be used after
// that. Without a token nothing is allowed.
type signed struct{}

type only []pabal.Channel

func (o only) Allow(_ pabal.Action, ch pabal.Channel) bool { return slices.Contains(o, ch) }

func (s signed) Grant(r *http.Request) (pabal.Grant, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		token = r.URL.Query().Get("token")
	}
	if token == "" {
		return pabal.Grant{Rules: only{}}, nil
	}
	return s.Renew(r.Context(), token)
}

func (s signed) Renew(_ context.Context, token string) (g pabal.Grant, err error) {
	claims, err := json.Marshal(token)
	if err != nil {
		return g, err
	}
	return s.Restore(claims)
}

func (signed) Restore(claims []byte) (g pabal.Grant, err error) {
	var token string
	if err := json.Unmarshal(claims, &token); err != nil {
		return g, err
	}
	parts := strings.Split(token, " ")
	g = pabal.Grant{User: parts[0], Claims: claims}
	if len(parts) > 1 {
		if g.Expires, err = time.Parse(time.RFC3339, parts[1]); err != nil {
			return g, problem.Unauthorized("%v", err)
		}
		if !time.Now().Before(g.Expires) {
			return g, problem.Unauthorized("the token has expired")
		}
	}
	if len(parts) > 2 {
		var may only
		for _, ch := range parts[2:] {
			may = append(may, pabal.Channel(ch))
		}
		g.Rules = may
	}
	return g, nil
}

// until returns a token of user that expires in d.
func until(user string, d time.Duration, channels ...string) string {
	return strings.Join(append([]string{user, time.Now().Add(d).UTC().Format(time.RFC3339)}, channels...), " ")
}

func withAccess() *setup {
	return &setup{reads: transport.Handler{Services: transport.Services{Access: signed{}}}}
}

const (
	conn1 = "0123456789abcdef0123456789abcdef"
	conn2 = "fedcba9876543210fedcba9876543210"
)

// opened opens a response that goes on.
func (w *world) opened(path string, headers ...string) *text {
	w.Helper()
	resp, err := w.client.Do(newRequest(w, w.Context(), "GET", "http://pabal.test"+path, "", headers...))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		w.Fatalf("%s: status %d", path, resp.StatusCode)
	}
	return readText(resp.Body)
}

// command posts a command and returns the reply to it.
func (w *world) command(query, text string, headers ...string) (m said) {
	w.Helper()
	resp := do(w, w.client, newRequest(w, w.Context(), "POST", "http://pabal.test/commands"+query, text, append(headers, "Content-Type: application/json")...))
	if err := json.Unmarshal([]byte(resp.body), &m); err != nil {
		w.Fatalf("%s: %v", text, resp)
	}
	m.text = strings.TrimSpace(resp.body)
	if got := m.Error; got != nil && got.Status != resp.status || got == nil && m.ID != nil && resp.status != 200 {
		w.Errorf("%s: status %d, and the reply says %s", text, resp.status, m.text)
	}
	return m
}

// publish publishes as root, who may do all.
func (w *world) tell(ch pabal.Channel, text string) {
	w.Helper()
	if _, err := w.hub.Publish(w.Context(), pabal.Grant{Own: true}, ch, pabal.Publish{Messages: []pabal.Message{{Data: []byte(text)}}}); err != nil {
		w.Fatal(err)
	}
}

func has(t *testing.T, what, got string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", what, got, want)
		}
	}
}

func hasNot(t *testing.T, what, got string, unwanted ...string) {
	t.Helper()
	for _, not := range unwanted {
		if strings.Contains(got, not) {
			t.Errorf("%s: got %q, want no %q in it", what, got, not)
		}
	}
}
