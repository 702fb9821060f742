package transport_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

// A response that goes on is told by POST which channels to read, and one that
// comes after it, from where the first was, begins with the same.
func TestSubscribeByPost(t *testing.T) {
	for _, via := range []string{"sse", "stream", "multipart"} {
		t.Run(via, func(t *testing.T) {
			bubble(t, &setup{}, func(w *world) {
				t := w.T
				path := "/channels/a?via=" + via + "&connection=" + conn1
				body := w.opened(path)
				w.tell("b", "before")
				m := w.command("?connection="+conn1, `{"id":1,"command":"subscribe","channel":"b"}`)
				if !m.OK || m.Channel != "b" || m.Cursor == "" {
					t.Fatalf("subscribe: got %s", m.text)
				}
				w.tell("a", "one")
				w.tell("b", "two")
				got, _ := body.now()
				has(t, "once subscribed", got, "one", "two")
				hasNot(t, "once subscribed", got, "before")
				w.tell("b", "three")
				again := body
				if via == "sse" {
					again = w.opened(path, "Last-Event-ID: "+vectorIn(got))
					got, _ = again.now()
					has(t, "resumed", got, "three")
					hasNot(t, "resumed", got, "one", "two")
				}
				if m := w.command("?connection="+conn1, `{"id":2,"command":"unsubscribe","channel":"b"}`); !m.OK {
					t.Fatalf("unsubscribe: got %s", m.text)
				}
				body.now()
				w.tell("b", "four")
				w.tell("a", "five")
				for _, b := range slices.Compact([]*text{body, again}) {
					got, open := b.now()
					has(t, "once unsubscribed", got, "five")
					if hasNot(t, "once unsubscribed", got, "four"); !open {
						t.Error("it ended")
					}
				}
			})
		})
	}
}

// What was asked of a response is known for as long as it comes again, and if the
// inbox has lost it that is said.
func TestOrdersAreKept(t *testing.T) {
	by := &setup{memory: memory.Config{Retention: func(pabal.Channel) pabal.Retention { return pabal.Retention{Age: 24 * time.Hour} }}}
	bubble(t, by, func(w *world) {
		t := w.T
		path := "/channels/a?via=sse&connection=" + conn1
		body := w.opened(path)
		w.command("?connection="+conn1, `{"id":1,"command":"subscribe","channel":"b"}`)
		w.tell("b", "0")
		got, _ := body.now()
		for day := range 5 {
			w.sleep(20 * time.Hour)
			body = w.opened(path, "Last-Event-ID: "+vectorIn(got))
			w.tell("b", fmt.Sprint("day ", day))
			got, _ = body.now()
			has(t, fmt.Sprint("on day ", day), got, fmt.Sprint("day ", day))
			hasNot(t, fmt.Sprint("on day ", day), got, "forgotten")
		}
		w.sleep(100 * time.Hour)
		body = w.opened(path, "Last-Event-ID: "+vectorIn(got))
		w.tell("b", "too late")
		got, _ = body.now()
		has(t, "long after", got, "forgotten")
		hasNot(t, "long after", got, "too late")
	})
}

// vectorIn returns the last cursor of all channels that text has.
func vectorIn(text string) string {
	all := regexp.MustCompile(`~[A-Za-z0-9_-]+`).FindAllString(text, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// Who polls is answered with the URL of its next read.
func TestSubscribeWhilePolling(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		t := w.T
		w.tell("a", "one")
		w.tell("b", "old")
		first := w.poll("/channels/a")
		read := "/channels/a?via=poll&limit=5&cursor=" + first.cursor
		m := w.command("", fmt.Sprintf(`{"id":1,"command":"subscribe","channel":"b","read":%q}`, read))
		if !m.OK || !strings.Contains(m.text, "/channels?") {
			t.Fatalf("subscribe: got %s", m.text)
		}
		w.tell("a", "two")
		w.tell("b", "three")
		next := w.answered(w.get(m.URL))
		if got := next.data(); got != "two,three" && got != "three,two" {
			t.Errorf("the next read has %q", got)
		}
		m = w.command("", fmt.Sprintf(`{"id":2,"command":"unsubscribe","channel":"a","read":"/channels?via=poll&channel=a&channel=b&cursor=%s"}`, next.cursor))
		w.tell("a", "four")
		w.tell("b", "five")
		if got := w.answered(w.get(m.URL)).data(); got != "five" {
			t.Errorf("after unsubscribing from a: got %q", got)
		}
		for _, c := range []struct{ read, want string }{
			{"http://elsewhere/channels/a", "is not the URL of a read"}, {"/health", "is not the URL of a read"}, {"/channels/a?via=never", "not a technique"},
			{"/channels/b?via=poll", "subscribed to already"}, {"/channels/a?via=poll&cursor=x", "cursor"},
		} {
			if m := w.command("", fmt.Sprintf(`{"id":3,"command":"subscribe","channel":"b","read":%q}`, c.read)); m.Error == nil || !strings.Contains(m.Error.Detail, c.want) {
				t.Errorf("%s: got %s, want something about %q", c.read, m.text, c.want)
			}
		}
	})
}

// A connection's inbox is of the user who used it first.
func TestInboxIsOwned(t *testing.T) {
	bubble(t, withAccess(), func(w *world) {
		t := w.T
		alice, bob := "Authorization: Bearer alice", "Authorization: Bearer bob"
		w.opened("/channels/a?via=sse&connection="+conn1, alice)
		for _, c := range []struct {
			path    string
			headers []string
			status  int
			want    string
		}{
			{"/channels/a?via=sse&connection=" + conn1, []string{bob}, 403, "of another user"},
			{"/channels/a?via=poll&connection=" + conn1, []string{bob}, 403, "of another user"},
			{"/channels/$conn/" + conn1 + "?via=poll", []string{alice}, 403, "inbox of another connection"},
			{"/channels/$conn/" + conn1 + "?via=poll&connection=" + conn2, []string{alice}, 403, "inbox of another connection"},
			{"/channels/$user/alice?via=poll", []string{bob}, 403, "inbox of another user"},
			{"/channels/$user/alice?via=poll", nil, 401, "inbox of another user"},
			{"/channels/a?via=poll", nil, 401, "token"},
			{"/channels/$-/leases?via=poll", []string{alice}, 403, "Pabal's own"},
			{"/channels/a?via=sse&connection=short", []string{alice}, 400, "22 to 64"},
			{"/channels/a?via=sse&connection=" + strings.Repeat("x", 65), []string{alice}, 400, "22 to 64"},
			{"/channels/a?via=sse&connection=" + strings.Repeat("x", 21) + "%0d%0a", []string{alice}, 400, "not allowed"},
			{"/channels/a?via=poll&connection=" + conn2 + "&only=latest", []string{alice}, 400, "leave out ?only="},
		} {
			resp := w.get(c.path, c.headers...)
			if resp.status != c.status || !strings.Contains(resp.body, c.want) {
				t.Errorf("%s %v: got %v, want %d and something about %q", c.path, c.headers, resp, c.status, c.want)
			}
			if challenge := resp.header.Get("WWW-Authenticate"); (challenge != "") != (c.status == 401) {
				t.Errorf("%s: status %d with WWW-Authenticate %q", c.path, resp.status, challenge)
			}
		}
		if got := w.get("/channels/$user/alice?via=poll", alice); got.status != 200 {
			t.Errorf("alice's own inbox: got %v", got)
		}
		if m := w.command("?connection="+conn1, `{"id":1,"command":"subscribe","channel":"b"}`, bob); m.Error == nil || m.Error.Status != 403 {
			t.Errorf("bob's command to alice's stream: got %s", m.text)
		}
		if m := w.command("", `{"id":1,"command":"subscribe","channel":"b"}`, alice); m.Error == nil || !strings.Contains(m.Error.Detail, "?connection=") {
			t.Errorf("a command to nobody: got %s", m.text)
		}
	})
}

// A stream is told when its token expires soon, and is closed when it has.
func TestExpiry(t *testing.T) {
	for _, via := range []string{"sse", "stream", "multipart", "page"} {
		t.Run(via, func(t *testing.T) {
			bubble(t, withAccess(), func(w *world) {
				t := w.T
				soon, late := until("alice", 10*time.Minute), until("bob", time.Hour)
				body := w.opened("/channels/a?via="+via, "Authorization: Bearer "+soon)
				other := w.opened("/channels/a?via="+via, "Authorization: Bearer "+late)
				never := w.opened("/channels/a?via="+via, "Authorization: Bearer eve")
				w.sleep(8*time.Minute + 30*time.Second)
				w.tell("a", "one")
				got, _ := body.now()
				has(t, "long before", got, "one")
				hasNot(t, "long before", got, "$expiring")
				w.sleep(time.Minute)
				got, _ = body.now()
				has(t, "soon", got, "$expiring")
				w.tell("a", "two")
				got, _ = body.now()
				has(t, "after that", got, "two")
				hasNot(t, "after that", got, "$expiring")
				w.sleep(31 * time.Second)
				got, open := body.now()
				if has(t, "at the end", got, "$closed", "expired"); open {
					t.Error("it goes on")
				}
				w.tell("a", "three")
				for what, b := range map[string]*text{"another's": other, "one without end": never} {
					got, open := b.now()
					has(t, what, got, "one", "two", "three")
					if hasNot(t, what, got, "$expiring", "expired"); !open {
						t.Errorf("%s ended", what)
					}
				}
				if got := w.get("/channels/a?via="+via, "Authorization: Bearer "+soon); got.status != 401 {
					t.Errorf("with the dead token: got %v", got)
				}
			})
		})
	}
}

// A token is refreshed by POST beside a one-way stream, which keeps its place.
func TestRefreshByPost(t *testing.T) {
	bubble(t, withAccess(), func(w *world) {
		t := w.T
		old := until("alice", 10*time.Minute)
		body := w.opened("/channels/a?via=sse&connection="+conn1, "Authorization: Bearer "+old)
		fresh := until("alice", 30*time.Minute)
		refresh := func(token string) said {
			return w.command("?connection="+conn1, fmt.Sprintf(`{"id":1,"command":"refresh","token":%q}`, token))
		}
		w.sleep(9*time.Minute + 30*time.Second)
		if m := refresh(until("bob", time.Hour)); m.Error == nil || m.Error.Status != 403 {
			t.Errorf("with another's token: got %s", m.text)
		}
		if m := refresh("alice 2000-01-01T00:00:00Z"); m.Error == nil || m.Error.Status != 401 {
			t.Errorf("with a dead token: got %s", m.text)
		}
		m := refresh(fresh)
		if !m.OK || !strings.Contains(m.text, `"expires":"`) {
			t.Fatalf("refresh: got %s", m.text)
		}
		w.sleep(5 * time.Minute)
		w.tell("a", "one")
		got, open := body.now()
		if has(t, "after the old token's end", got, "one"); !open {
			t.Error("it ended")
		}
		w.sleep(20 * time.Minute)
		got, open = body.now()
		if has(t, "at the new one's end", got, "$expiring", "$closed"); open {
			t.Error("it goes on")
		}
		again := refresh(until("alice", time.Hour, "b")) // which does not allow a
		if !again.OK {
			t.Errorf("a token that allows less: got %s", again.text)
		}
	})
}

// A WebSocket is told, refreshed in band, or closed with a code of its own.
func TestExpiryOfWebSocket(t *testing.T) {
	by := withAccess()
	by.reads.Heartbeat = 10 * time.Hour // or the test would have to answer pings
	bubble(t, by, func(w *world) {
		t := w.T
		dial := func(path, token string, headers ...string) *socket {
			conn, err := w.pipes.Dial(w.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			s := handshake(t, conn, path, append(headers, "Authorization: Bearer "+token)...)
			if err := s.SetDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := dial("/channels/a", until("alice", 2*time.Minute), v1)
		raw := dial("/channels/a", until("alice", 2*time.Minute))
		s.opened()
		s.hear() // $live
		w.sleep(90 * time.Second)
		if m := s.hear(); m.Notice != "$expiring" {
			t.Errorf("soon: got %s", m.text)
		}
		if m := s.reply(fmt.Sprintf(`{"id":1,"command":"refresh","token":%q}`, until("alice", time.Hour, "b"))); m.Error == nil || m.Error.Status != 403 {
			t.Errorf("a token that does not allow what is read: got %s", m.text)
		}
		if m := s.reply(fmt.Sprintf(`{"id":2,"command":"refresh","token":%q}`, until("alice", 10*time.Minute, "a"))); !m.OK {
			t.Errorf("refresh: got %s", m.text)
		}
		if m := s.reply(`{"id":3,"command":"publish","channel":"b","data":"x"}`); m.Error == nil || m.Error.Status != 403 {
			t.Errorf("what the new token does not allow: got %s", m.text)
		}
		w.sleep(time.Minute)
		raw.wantClose(4002, "expired")
		w.tell("a", "one")
		if m := s.hear(); m.Data != "one" {
			t.Errorf("after the old token's end: got %s", m.text)
		}
		w.sleep(10 * time.Minute)
		if m := s.hear(); m.Notice != "$expiring" {
			t.Errorf("soon, again: got %s", m.text)
		}
		if m := s.hear(); m.Notice != "$closed" || m.Reason != "expired" {
			t.Errorf("at the end: got %s", m.text)
		}
		s.wantClose(4002, "expired")
	})
}

// The same text under one id is one message, whether it is posted or comes as a
// command.
func TestOneMessageByTwoRoads(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		for i, contentType := range []string{"text/plain", "text/plain; charset=UTF-8", "text/html", "application/json"} {
			text := `"hi"`
			data := text
			if contentType != "application/json" {
				text = "hi"
			}
			w.do("POST", fmt.Sprintf("/channels/a?id=m%d", i), text, "Content-Type: "+contentType)
			m := w.command("", fmt.Sprintf(`{"id":1,"command":"publish","channel":"a","messageId":"m%d","contentType":%q,"data":%s}`, i, contentType, data))
			if !m.OK || m.Duplicate == nil || !*m.Duplicate {
				w.Errorf("%s: got %s, want a duplicate", contentType, m.text)
			}
		}
	})
}
