package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/internal/problem"
)

// rights are lists of channels by action.
type rights map[pabal.Action][]pabal.Channel

func (r rights) Allow(a pabal.Action, ch pabal.Channel) bool { return slices.Contains(r[a], ch) }

// tokens are what may be done by a token; "" is without one.
type tokens map[string]rights

func (k tokens) Grant(r *http.Request) (pabal.Grant, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.URL.Query().Get("token")
	rules, ok := k[token]
	if !ok {
		return pabal.Grant{}, problem.Unauthorized("the token is bad")
	}
	g := pabal.Grant{Rules: rules}
	if token != "" {
		g.User, g.Claims = token, []byte(token)
	}
	return g, nil
}

func TestAccess(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	for _, ch := range []pabal.Channel{"chat", "news", "$user/ann", "$user/ben", "$conn/secret", "$calls/chat"} {
		if _, err := w.broker.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{{}}}); err != nil {
			t.Fatal(err)
		}
	}
	w.handler.Access = tokens{
		"":    {pabal.ToRead: {"news"}, pabal.ToPublish: {"open"}},
		"ann": {pabal.ToRead: {"chat"}, pabal.ToPublish: {"chat", "$user/ben"}},
	}
	for _, c := range []struct {
		method, target, token string
		status                int
		says                  string
	}{
		{"HEAD", "/channels/news", "", 200, ""},
		{"HEAD", "/channels/chat", "", 401, ""},
		{"HEAD", "/channels/chat", "ann", 200, ""},
		{"HEAD", "/channels/news", "ann", 403, ""},
		{"HEAD", "/channels/$user/ann", "ann", 200, ""},
		{"HEAD", "/channels/$user/ben", "ann", 403, ""},
		{"HEAD", "/channels/$conn/secret", "ann", 403, ""},
		{"HEAD", "/channels/$calls/chat", "ann", 403, ""},
		{"POST", "/channels/open", "", 200, ""},
		{"POST", "/channels/chat", "", 401, "use a token that allows it"},
		{"POST", "/channels/chat", "ann", 200, ""},
		{"POST", "/channels/chat?close", "", 401, "use a token that allows it"},
		{"POST", "/channels/news", "ann", 403, `you may not publish to channel "news": use a token that allows it`},
		{"POST", "/channels/chat", "eve", 401, "the token is bad"},
		{"POST", "/channels/chat?token=ann&type=note", "", 200, ""},
		{"HEAD", "/channels/chat?token=ann", "", 200, ""},
		{"GET", "/channels?token=ann", "", 200, `{"channels":["chat"]}`},
		{"POST", "/channels/chat?token=ann&token=ann", "", 400, "given 2 times"},
		{"POST", "/channels/$user/ben", "ann", 200, ""},
		{"POST", "/channels/$user/ben", "", 401, "use a token that allows it"},
		{"POST", "/channels/$conn/secret", "ann", 403, "Pabal's own"},
		{"POST", "/channels/$presence/chat", "", 403, "Pabal's own"},
		{"DELETE", "/channels/chat", "", 401, "use a token that allows it"},
		{"DELETE", "/channels/news", "ann", 403, "use a token that allows it"},
		{"GET", "/channels", "", 401, "a list of channels is for who has a token"},
		{"GET", "/channels", "eve", 401, "the token is bad"},
		{"GET", "/channels", "ann", 200, `{"channels":["chat"]}`},
		{"GET", "/channels?prefix=$", "ann", 200, `{"channels":["$user/ann"]}`},
	} {
		var header []string
		if c.token != "" {
			header = []string{"Authorization: Bearer " + c.token}
		}
		resp := w.do(c.method, c.target, "a", header...)
		if resp.Code != c.status {
			t.Errorf("%s %s by %q: got %d %s, want %d", c.method, c.target, c.token, resp.Code, resp.Body, c.status)
		} else if !strings.Contains(strings.ReplaceAll(resp.Body.String(), `\"`, `"`), c.says) {
			t.Errorf("%s %s by %q: got %s, want something about %q", c.method, c.target, c.token, resp.Body, c.says)
		}
	}
}

// Nothing is listed that is an inbox of somebody else, even where everybody may
// do everything.
func TestListTellsNoInbox(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	for _, ch := range []pabal.Channel{"chat", "$user/ann", "$conn/secret", "$-/leases", "$host/cpu", "$presence/chat"} {
		if _, err := w.broker.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{{}}}); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"channels":["$host/cpu","$presence/chat"]}` + "\n"
	if resp := w.do("GET", "/channels?prefix=$", ""); resp.Body.String() != want {
		t.Errorf("got %d %s, want %s", resp.Code, resp.Body, want)
	}
}

// A list goes on over what may not be read, though not for ever.
func TestListSkips(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	mine := rights{}
	for i := range 12_001 {
		ch := pabal.Channel(fmt.Sprintf("c/%05d", i))
		if _, err := w.broker.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{{}}}); err != nil {
			t.Fatal(err)
		}
		if i == 3 || i == 2500 || i == 12_000 {
			mine[pabal.ToRead] = append(mine[pabal.ToRead], ch)
		}
	}
	w.handler.Access = tokens{"ann": mine}
	for query, want := range map[string]string{
		"?limit=1":               `{"channels":["c/00003"],"more":true}`,
		"?limit=2":               `{"channels":["c/00003","c/02500"],"more":true}`,
		"?limit=5":               `{"channels":["c/00003","c/02500"],"more":true}`,
		"?limit=5&after=c/02501": `{"channels":["c/12000"]}`,
		"?prefix=c/12":           `{"channels":["c/12000"]}`,
		"?prefix=d":              `{"channels":[]}`,
	} {
		if resp := w.do("GET", "/channels"+query, "", "Authorization: Bearer ann"); resp.Body.String() != want+"\n" {
			t.Errorf("%s: got %d %s, want %s", query, resp.Code, resp.Body, want)
		}
	}
	w.handler.Access = tokens{"ben": {}}
	w.refused("none of many", w.do("GET", "/channels", "", "Authorization: Bearer ben"), 400, "of the next 10000 names you may read none")
}

// A body is not read for who may not publish it.
func TestForbiddenBody(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	w.handler.Access = tokens{"": {}}
	r := httptest.NewRequest("POST", "/channels/chat", unread{t})
	w.refused("no token", w.serve(r), 401, "use a token")
}

// unread is a body that must not be read.
type unread struct{ *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.Error("the body of who may not publish was read")
	return 0, io.EOF
}

// viewer knows who is in one channel.
type viewer map[pabal.Channel]api.Present

func (v viewer) View(_ context.Context, ch pabal.Channel) (api.Present, error) {
	p, ok := v[ch]
	if !ok {
		return p, errors.New("the store is gone")
	}
	return p, nil
}

func TestPresence(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	w.refused("nobody knows", w.do("GET", "/presence/chat", ""), 404, "does not know who is in a channel")
	at, err := pabal.ParsePosition("10feor7gw6skm-5")
	if err != nil {
		t.Fatal(err)
	}
	w.handler.Presence = viewer{
		"chat":  {Users: []api.User{{Name: "ann", Data: []byte(`{"x":1}`), Connections: 2}, {Name: "ben", Connections: 1}}, Anonymous: 3, Connections: 6, At: at},
		"empty": {At: at},
	}
	w.handler.Access = tokens{"": {pabal.ToSee: {"empty"}}, "ann": {pabal.ToSee: {"chat", "gone"}, pabal.ToRead: {"news"}}}
	for target, want := range map[string]string{
		"/presence/chat": `{"users":[{"user":"ann","data":{"x":1},"connections":2},{"user":"ben","connections":1}],"anonymous":3,"connections":6,"cursor":"10feor7gw6skm-5"}`,
	} {
		resp := w.do("GET", target, "", "Authorization: Bearer ann")
		if resp.Body.String() != want+"\n" || resp.Header().Get("Cache-Control") != "no-store" || resp.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %v %s, want %s", target, resp.Code, resp.Header(), resp.Body, want)
		}
	}
	if resp := w.do("GET", "/presence/empty", ""); resp.Body.String() != `{"users":[],"anonymous":0,"connections":0,"cursor":"10feor7gw6skm-5"}`+"\n" {
		t.Errorf("nobody: got %d %s", resp.Code, resp.Body)
	}
	for _, c := range []struct {
		what, method, target, token string
		status                      int
		says                        string
	}{
		{"without a token", "GET", "/presence/chat", "", 401, "use a token"},
		{"who may read but not see", "GET", "/presence/news", "ann", 403, `you may not see who is in channel \"news\"`},
		{"one of Pabal's own", "GET", "/presence/$user/ann", "ann", 403, "in which nobody is"},
		{"a bad name", "GET", "/presence/a//b", "ann", 400, "channel"},
		{"no name", "GET", "/presence/", "ann", 400, "channel"},
		{"a parameter", "GET", "/presence/chat?since=all", "ann", 400, "it has none"},
		{"a method", "POST", "/presence/chat", "ann", 405, "read with GET"},
		{"a failure", "GET", "/presence/gone", "ann", 500, "the server failed"},
	} {
		var header []string
		if c.token != "" {
			header = []string{"Authorization: Bearer " + c.token}
		}
		w.refused(c.what, w.do(c.method, c.target, "", header...), c.status, strings.ReplaceAll(c.says, `\"`, `"`))
	}
}
