package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

const fuzzConnection = "0123456789abcdef0123456789abcdef"

// few is an Authenticator that lets everybody do some things with chat, and with
// a and what is below it.
type few struct{ user string }

func (few) Allow(a pabal.Action, ch pabal.Channel) bool {
	return ch == "chat" || ch == "a" && a != pabal.ToPublish || strings.HasPrefix(string(ch), "a/")
}

func (f few) grant() pabal.Grant {
	return pabal.Grant{User: f.user, Connection: fuzzConnection, Rules: f, Claims: []byte(`"` + f.user + `"`)}
}

func (f few) Grant(*http.Request) (pabal.Grant, error) { return f.grant(), nil }

func (f few) Renew(_ context.Context, token string) (pabal.Grant, error) {
	if token != "good" {
		return pabal.Grant{}, problem.Unauthorized("the token is not good")
	}
	return f.grant(), nil
}

func (f few) Restore(claims []byte) (g pabal.Grant, err error) {
	if err := json.Unmarshal(claims, &f.user); err != nil {
		return g, err
	}
	return f.grant(), nil
}

// here is a Presence that tells what is to be shown of somebody.
type here struct{ shown chan []byte }

func (h here) Join(_ context.Context, g pabal.Grant, ch pabal.Channel, data []byte, _ time.Duration) error {
	if h.shown != nil {
		h.shown <- data
	}
	if ch.Own() {
		return problem.Forbidden("nobody is there")
	}
	return g.Check(pabal.ToRead, ch)
}

func (here) Leave(pabal.Grant, pabal.Channel, bool) {}
func (here) EndStay(pabal.Grant, pabal.Channel)     {}

// Whatever is found in an inbox, it changes nothing but what the response reads
// of what it may read; and nothing that is not in the inbox does.
func FuzzOrder(f *testing.F) {
	hub := fuzzHandler(f).Hub
	inbox := pabal.Channel(pabal.Inbox + fuzzConnection)
	for _, data := range []string{
		`{"command":"subscribe","channel":"chat","cursor":"CURSOR"}`, `{"command":"subscribe","channel":"secret","cursor":"CURSOR"}`,
		`{"command":"subscribe","channel":"$user/ben","cursor":"CURSOR"}`, `{"command":"subscribe","channel":"a//b","cursor":"CURSOR"}`,
		`{"command":"subscribe","channel":"a/\u0000","cursor":"~"}`, `{"command":"unsubscribe","channel":"a"}`, `{"command":"unsubscribe","channel":"$conn/` + fuzzConnection + `"}`,
		`{"command":"presence","channel":"a","data":{"n":1}}`, `{"command":"presence","channel":"a","leave":true}`, `{"command":"presence","channel":"$-/x","data":"\ud800"}`,
		`{"command":"refresh","claims":"kim"}`, `{"command":"refresh","claims":"ben"}`, `{"command":"refresh","claims":null}`, `{"command":"refresh","claims":{}}`,
		`{"command":"publish","channel":"chat"}`, `{"command":7}`, `[]`, `null`, ``, `{"command":"subscribe","channel":"a/` + strings.Repeat("x", 300) + `","cursor":"1-1"}`,
	} {
		f.Add(commandType, string(inbox), data)
	}
	f.Add("part", string(inbox), `{"command":"unsubscribe","channel":"a"}`)
	f.Add(commandType, "$conn/ffffffffffffffffffffffffffffffff", `{"command":"unsubscribe","channel":"a"}`)
	f.Add(commandType, "$user/kim", `{"command":"unsubscribe","channel":"a"}`)
	end, _, err := hub.End(f.Context(), "chat")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind, channel, data string) {
		data = strings.ReplaceAll(data, "CURSOR", end.String())
		presence := here{make(chan []byte, 1)}
		h := &Handler{Hub: hub, Log: slog.New(slog.DiscardHandler), Services: Services{Access: few{"kim"}, Presence: presence}}
		h.init()
		s, err := hub.Open(few{"kim"}.grant(), pabal.NewSignal(), pabal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		channels := []pabal.Channel{"a", inbox}
		for _, ch := range channels {
			if err := s.Subscribe(ch, pabal.FromNow()); err != nil {
				t.Fatal(err)
			}
		}
		m := &more{handler: h, inbox: inbox, session: s, present: &attendance{}}
		e := &pabal.Entry{Channel: pabal.Channel(channel), Offset: 1, Message: pabal.Message{Type: kind, Data: []byte(data)}}
		order, changed := m.order(e)
		if changed {
			m.obey(&order, &channels)
		}
		if o, ok := orderOf(e, inbox); ok && o.Command == "presence" && !o.Leave {
			if shown := <-presence.shown; shown != nil && !json.Valid(shown) { // it is said elsewhere, and nobody waits for it
				t.Errorf("%q is shown of somebody", shown)
			}
		}
		m.end(h, s.Grant())
		if ours := kind == commandType && e.Channel == inbox; changed && !ours || !changed && len(channels) != 2 {
			t.Errorf("an entry of %q of type %q is obeyed", channel, kind)
		}
		if g := s.Grant(); g.User != "kim" || g.Connection != fuzzConnection || !slices.Contains(channels, inbox) {
			t.Errorf("after %q it is of %q on %q, and reads %q", data, g.User, g.Connection, channels)
		}
		for i, ch := range channels {
			if g := s.Grant(); g.Check(pabal.ToRead, ch) != nil || slices.Index(channels, ch) != i {
				t.Errorf("after %q it reads %q", data, channels)
			}
		}
	})
}

// Whatever is posted, each command has one reply in its order: with ok, or with
// an error that is the client's to mend.
func FuzzCommands(f *testing.F) {
	h := fuzzHandler(f)
	h.Access = few{"kim"}
	const one, several = "application/json", "application/x-ndjson"
	for _, c := range [][3]string{
		{one, "", `{"id":1,"command":"ping"}`},
		{several, "", `{"id":1,"command":"ping"}` + "\n" + `{"id":"2","command":"ping"}` + "\r\n"},
		{several, "", "\n\n{}\nnull\n[]\n{\"id\":{}}\n"},
		{several, "connection=" + fuzzConnection, `{"id":1,"command":"subscribe","channel":"chat","since":"all"}` + "\n" + `{"id":2,"command":"unsubscribe","channel":"chat"}`},
		{one, "connection=" + fuzzConnection, `{"id":1,"command":"subscribe","channel":"secret"}`},
		{one, "", `{"id":1,"command":"subscribe","channel":"chat","read":"/channels/a?via=poll"}`},
		{one, "", `{"id":1,"command":"unsubscribe","channel":"a","read":"/channels?channel=a&channel=chat&token=x&connection=` + fuzzConnection + `"}`},
		{one, "", `{"id":1,"command":"subscribe","channel":"chat","read":"//evil.test/channels/a"}`},
		{one, "", `{"id":1,"command":"subscribe","channel":"chat","read":"/channels/../metrics?%zz"}`},
		{one, "", `{"id":1,"command":"publish","channel":"chat","data":{"n":1},"messageId":"m","ifMatch":"1-1"}`},
		{one, "", `{"id":1,"command":"publish","channel":"$conn/` + fuzzConnection + `","type":"command","data":"x"}`},
		{one, "", `{"id":1,"command":"publish","channel":"chat","encoding":"base64","data":"/w==","type":"a\r\nb"}`},
		{one, "connection=" + fuzzConnection, `{"id":1,"command":"refresh","token":"good"}`},
		{one, "connection=short", `{"id":1,"command":"ping"}`}, {one, "x=y", ""}, {one, "%zz", "{"}, {"text/plain", "", "{}"}, {"", "", ""},
		{one, "connection=" + fuzzConnection, `{"id":1,"command":"presence","channel":"chat","data":1}`},
		{one, "", "{\"id\":\"\xff\",\"command\":\"ping\"}"}, {one, "", `{"id":1e999,"command":"ping"}`}, {one, "", `{"id":"\ud800","command":"ping"}`},
		{one, "", strings.Repeat(`{"id":`, 200)}, {several, "", strings.Repeat("[", 20_000)},
	} {
		f.Add(c[0], c[1], []byte(c[2]))
	}
	f.Fuzz(func(t *testing.T, contentType, query string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/commands", bytes.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		h.ServeCommands(w, r)
		text := w.Body.Bytes()
		if media := w.Header().Get("Content-Type"); media == problem.ContentType {
			checkProblem(t, w.Code, text)
			return
		} else if media != one && media != several {
			t.Fatalf("answered as %q: %q", media, text)
		}
		asked := [][]byte{body}
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), several) {
			asked = bytes.Split(bytes.TrimRight(body, "\r\n"), []byte("\n"))
		}
		replies := bytes.SplitAfter(text, []byte("\n"))
		if last := len(replies) - 1; len(replies[last]) > 0 || last != len(asked) {
			t.Fatalf("%d commands have the replies %q", len(asked), replies)
		}
		for i, command := range asked {
			checkReply(t, command, replies[i])
		}
		if h.unfinished.used.Load() != 0 {
			t.Fatalf("the room for %d bytes was not given back", h.unfinished.used.Load())
		}
	})
}

// checkProblem fails the test unless text is a problem that the client can mend.
func checkProblem(t *testing.T, status int, text []byte) {
	t.Helper()
	var p struct {
		Status int
		Detail string
	}
	if err := json.Unmarshal(text, &p); err != nil || p.Status != status || status < 400 || status >= 500 || p.Detail == "" {
		t.Fatalf("answered with %d %q", status, text)
	}
}

var properID = regexp.MustCompile(`^[A-Za-z0-9_-]{22,64}$`)

// Whatever stands in ?connection= and ?join=, it is taken as it is or refused:
// an id that could be another's is never made of it, and nothing that is not
// JSON is shown.
func FuzzAsker(f *testing.F) {
	h := fuzzHandler(f)
	h.Access, h.Presence = few{"kim"}, here{}
	for _, c := range [][3]string{
		{"/channels/chat", fuzzConnection, ""}, {"/channels/chat", fuzzConnection + "\r\n", "{}"}, {"/channels/chat", "../" + fuzzConnection, `{"name":"Kim"}`},
		{"/channels", fuzzConnection, "1"}, {"/channels/$conn/" + fuzzConnection, fuzzConnection, "null"}, {"/channels/chat", strings.Repeat("a", 65), "\"\xff\""},
		{"/channels/secret", fuzzConnection, "{"}, {"/channels/chat", "ffffffffffffffffffffffffffffff\u00e9", `"\ud800"`}, {"/channels/chat", "", strings.Repeat("[", 5000)},
		{"/channels/$conn/ffffffffffffffffffffffffffffffff", fuzzConnection, " "}, {"/channels/$user/ben", fuzzConnection, ""}, {"/channels/a", fuzzConnection + "&token=x", "<script>"},
	} {
		f.Add(c[0], true, c[1], true, c[2])
	}
	f.Add("/channels/chat", false, "", true, "1")
	f.Add("/channels/chat", true, "", false, "")
	f.Fuzz(func(t *testing.T, path string, connects bool, id string, joins bool, join string) {
		query := url.Values{"via": {"poll"}}
		if connects {
			query.Set("connection", id)
		}
		if joins {
			query.Set("join", join)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: path, RawQuery: query.Encode()}
		h.init()
		q, err := h.parse(r)
		if err == nil {
			proper := properID.MatchString(id)
			if connects != q.inbox || connects && (!proper || q.grant.Connection != id || !slices.Contains(q.channels, pabal.Channel(pabal.Inbox+id))) {
				t.Fatalf("the connection %q is %q, and %q are read", id, q.grant.Connection, q.channels)
			}
			if q.join != joins || q.present != nil && (string(q.present) != join || !json.Valid(q.present) || len(q.present) > mostPresent) {
				t.Fatalf("of %q is shown %q", join, q.present)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusNoContent {
			checkProblem(t, w.Code, w.Body.Bytes())
			return
		}
		if err != nil {
			t.Fatalf("answered with %d, though %v", w.Code, err)
		}
		for _, ch := range q.channels {
			if own := pabal.Channel(pabal.Inbox + id); ch != own && ch != "chat" && ch != "a" && !strings.HasPrefix(string(ch), "a/") && ch != "$user/kim" {
				t.Fatalf("%q is read", ch)
			}
		}
	})
}
