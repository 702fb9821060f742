package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pabal/pabal/auth"
)

// Words of refusals.
const (
	otherConnection = "it is the inbox of another connection"
	otherUser       = "it is the inbox of another user"
	othersID        = "this connection id is of another user"
	pabalsOwn       = "names that begin with $ are Pabal's own"
)

// What comes to a connection or a user, nobody else reads, and nobody but Pabal
// writes.
func (s *siege) inboxes(t *testing.T) {
	ben := s.token(t, auth.Claims{User: "ben", Rights: auth.Rights{Read: []string{"chat"}, Call: []string{"shop"}}})
	backend := s.token(t, auth.Claims{User: "backend", Rights: auth.Rights{Publish: []string{"$user/*"}}})
	greedy := s.token(t, auth.Claims{User: "eve", Rights: everything})
	id := connection(t)
	s.works(t, "GET", "/channels/chat?via=poll&connection="+id, "", bearer(ben))
	s.works(t, "POST", "/channels/$user/ben", "a secret of ben's", bearer(backend))
	if got := s.works(t, "GET", "/channels/$user/ben?via=poll", "", bearer(ben)); !strings.Contains(got, "secret of ben") {
		t.Errorf("ben reads his inbox: got %s", got)
	}
	var at struct{ Cursor string }
	if err := json.Unmarshal([]byte(s.works(t, "GET", "/channels?channel=$user/ben&via=poll&connection="+id, "", bearer(ben))), &at); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{s.ann, greedy} {
		s.inboxRead(t, token, id)
		s.inboxWritten(t, token, id)
		s.inboxCommanded(t, token, id)
		s.inboxBySocket(t, token, id)
	}
	// A cursor tells where to begin, and nothing of what to read.
	for _, header := range []string{"Last-Event-ID: " + at.Cursor, "X: y"} {
		path := "/channels?channel=news/1&channel=lobby&via=poll&connection=" + connection(t)
		if header == "X: y" {
			path += "&cursor=" + at.Cursor
		}
		if got := s.works(t, "GET", path, "", bearer(s.ann), header); strings.Contains(got, "ben") || strings.Contains(got, id) {
			t.Errorf("with the cursor of another: got %s", got)
		}
	}
	for _, prefix := range []string{"$", "$conn/", "$user/", "$-/", "$conn/" + id[:10]} {
		if got := s.works(t, "GET", "/channels?limit=1000&prefix="+prefix, "", bearer(greedy)); strings.Contains(got, id) || strings.Contains(got, "$user/ben") || strings.Contains(got, "$-/") {
			t.Errorf("a list of %s: got %s", prefix, got)
		}
	}
}

// everything is what a token can ask for at most.
var everything = auth.Rights{Read: wide, Publish: narrow, Call: wide, See: wide}

var (
	wide   = []string{"*", "$*", "$*/*", "$conn/*", "$user/*", "$presence/*", "$calls/*", "$-/*", "$host/*"}
	narrow = []string{"*", "$conn/*", "$presence/*", "$calls/*", "$-/*", "$host/*"} // but for users
)

func (s *siege) inboxRead(t *testing.T, token, id string) {
	another := "&connection=" + connection(t)
	inbox := "/channels/$conn/" + id
	for _, a := range []attempt{
		{method: "GET", path: inbox + "?via=poll", says: otherConnection},
		{method: "GET", path: inbox + "?via=sse", says: otherConnection},
		{method: "GET", path: inbox + "?via=poll&only=latest", says: otherConnection},
		{method: "GET", path: inbox + "?via=poll&before=x-1", says: ""},
		{method: "GET", path: inbox + "?via=poll" + another, says: otherConnection},
		{method: "GET", path: "/channels/%24conn%2F" + id + "?via=poll", says: otherConnection},
		{method: "GET", path: "/channels?channel=news/1&channel=$conn/" + id, says: otherConnection},
		{method: "GET", path: inbox + "?via=poll&connection=" + id, says: othersID},
		{method: "GET", path: "/channels/news/1?via=poll&connection=" + id, says: othersID},
		{method: "GET", path: "/channels/news/1?via=sse&connection=" + id, says: othersID},
		{method: "GET", path: "/channels/news/1?via=poll&join&connection=" + id, says: othersID},
		{method: "GET", path: "/channels?via=poll&connection=" + id, says: othersID},
		{method: "GET", path: "/channels?connection=" + id, header: append(upgrade, v1), says: othersID},
		{method: "GET", path: inbox, header: append(upgrade, v1), says: otherConnection},
		{method: "GET", path: inbox, header: upgrade, says: otherConnection},
		{method: "HEAD", path: inbox},
		{method: "GET", path: "/channels/$user/ben?via=poll", says: otherUser},
		{method: "GET", path: "/channels/$user/ben?via=sse", header: []string{"Last-Event-ID: 0-1"}, says: ""},
		{method: "GET", path: "/channels/$user/ben", header: upgrade, says: otherUser},
		{method: "HEAD", path: "/channels/$user/ben"},
		{method: "GET", path: "/channels/$presence/$conn/" + id + "?via=poll", says: ""},
		{method: "GET", path: "/presence/$conn/" + id, says: "it is one of Pabal's own, in which nobody is"},
		{method: "GET", path: "/presence/$user/ben", says: "it is one of Pabal's own, in which nobody is"},
		{method: "GET", path: "/channels/$-/leases?via=poll", says: pabalsOwn},
		{method: "HEAD", path: "/channels/$-/leases"},
	} {
		a.what, a.status, a.header = "reading another's inbox", 403, append(slices.Clip(a.header), bearer(token))
		if strings.Contains(a.path, "before=") || strings.Contains(a.path, "$presence/$") || slices.Contains(a.header, "Last-Event-ID: 0-1") {
			a.status = 0 // refused for its form, before it is asked whose it is
			if got, err := s.ask(a.method, a.path, "", a.header...); err != nil || got.status != 400 && got.status != 403 {
				t.Errorf("%s: got %v, %v, want 400 or 403", a.path, got, err)
			}
			continue
		}
		s.attempts(t, a)
	}
}

func (s *siege) inboxWritten(t *testing.T, token, id string) {
	for _, channel := range []string{"$conn/" + id, "$presence/chat", "$calls/shop", "$-/leases", "$host/cpu", "$other"} {
		s.attempts(t,
			attempt{what: "writing", method: "POST", path: "/channels/" + channel, body: "x", header: []string{bearer(token)}, status: 403, says: pabalsOwn},
			attempt{what: "writing an order", method: "POST", path: "/channels/" + channel + "?type=command", body: `{"command":"subscribe","channel":"chat"}`, header: []string{bearer(token), "Content-Type: application/json"}, status: 403, says: pabalsOwn},
			attempt{what: "closing", method: "POST", path: "/channels/" + channel + "?close", header: []string{bearer(token)}, status: 403, says: pabalsOwn},
			attempt{what: "deleting", method: "DELETE", path: "/channels/" + channel, header: []string{bearer(token)}, status: 403, says: pabalsOwn},
			commanded("writing", token, "", fmt.Sprintf(`{"id":1,"command":"publish","channel":%q,"data":"x"}`, channel), 403, pabalsOwn),
		)
	}
	s.attempts(t,
		attempt{what: "writing to a user", method: "POST", path: "/channels/$user/ben", body: "x", header: []string{bearer(token)}, status: 403, says: "use a token that allows it"},
		attempt{what: "deleting what a user has", method: "DELETE", path: "/channels/$user/ben", header: []string{bearer(token)}, status: 403, says: "use a token that allows it"},
		commanded("writing to a user", token, "", `{"id":1,"command":"publish","channel":"$user/ben","data":"x"}`, 403, "use a token that allows it"),
	)
}

func (s *siege) inboxCommanded(t *testing.T, token, id string) {
	for _, text := range []string{
		`{"id":1,"command":"subscribe","channel":"news/1"}`,
		`{"id":1,"command":"unsubscribe","channel":"chat"}`,
		`{"id":1,"command":"presence","channel":"news/1"}`,
		`{"id":1,"command":"presence","channel":"news/1","leave":true}`,
		`{"id":1,"command":"call","channel":"shop","call":"c-1"}`,
		`{"id":1,"command":"refresh","token":"` + token + `"}`,
	} {
		s.attempts(t, commanded("a command for another's connection", token, "?connection="+id, text, 403, othersID))
	}
	for channel, says := range map[string]string{"$conn/" + id: otherConnection, "$user/ben": otherUser, "$-/leases": pabalsOwn} {
		s.attempts(t,
			commanded("subscribing", token, "?connection="+connection(t), fmt.Sprintf(`{"id":1,"command":"subscribe","channel":%q}`, channel), 403, says),
			commanded("subscribing who polls", token, "", fmt.Sprintf(`{"id":1,"command":"subscribe","channel":%q,"read":"/channels/news/1?via=poll"}`, channel), 403, says),
			commanded("unsubscribing who polls", token, "", fmt.Sprintf(`{"id":1,"command":"unsubscribe","channel":"news/1","read":"/channels?channel=news/1&channel=%s"}`, channel), 403, says),
			commanded("being there", token, "?connection="+connection(t), fmt.Sprintf(`{"id":1,"command":"presence","channel":%q}`, channel), 403, says),
		)
	}
	s.attempts(t,
		commanded("polling on another's connection", token, "", `{"id":1,"command":"subscribe","channel":"lobby","read":"/channels/news/1?via=poll&connection=`+id+`"}`, 403, othersID),
		commanded("a read that is elsewhere", token, "", `{"id":1,"command":"subscribe","channel":"lobby","read":"https://evil.test/channels/news/1"}`, 400, "is not the URL of a read"),
		commanded("a read of something else", token, "", `{"id":1,"command":"subscribe","channel":"lobby","read":"/metrics"}`, 400, "is not the URL of a read"),
		commanded("a read that goes up", token, "", `{"id":1,"command":"subscribe","channel":"lobby","read":"/channels/../metrics"}`, 400, "a segment may not be"),
		commanded("a read of a host", token, "", `{"id":1,"command":"subscribe","channel":"lobby","read":"//evil.test/channels/a"}`, 400, "is not the URL of a read"),
	)
}

func (s *siege) inboxBySocket(t *testing.T, token, id string) {
	w := s.socket(t, "/channels/news/1", bearer(token), v1)
	defer w.close()
	for channel, says := range map[string]string{"$conn/" + id: otherConnection, "$user/ben": otherUser, "$-/leases": pabalsOwn, "$conn/" + connection(t): otherConnection} {
		for _, command := range []string{`{"id":1,"command":"subscribe","channel":%q,"since":"all"}`, `{"id":1,"command":"presence","channel":%q}`} {
			if got := w.say(t, fmt.Sprintf(command, channel)); !strings.Contains(got, `"status":403`) || !strings.Contains(got, says) {
				t.Errorf("a WebSocket says %s of %s: got %s, want %q", command, channel, got, says)
			}
		}
	}
	if got := w.say(t, `{"id":1,"command":"publish","channel":"$conn/`+id+`","data":"x"}`); !strings.Contains(got, pabalsOwn) {
		t.Errorf("a WebSocket publishes to another's inbox: got %s", got)
	}
}
