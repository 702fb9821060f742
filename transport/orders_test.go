package transport_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/transport"
)

// restoring is signed, but Restore does as package auth does: expired claims are no error.
type restoring struct{ signed }

func (restoring) Restore(claims []byte) (g pabal.Grant, err error) {
	var token string
	if err := json.Unmarshal(claims, &token); err != nil {
		return g, err
	}
	parts := strings.Split(token, " ")
	g = pabal.Grant{User: parts[0], Claims: claims}
	if len(parts) > 1 {
		g.Expires, err = time.Parse(time.RFC3339, parts[1])
	}
	if len(parts) > 2 {
		var may only
		for _, ch := range parts[2:] {
			may = append(may, pabal.Channel(ch))
		}
		g.Rules = may
	}
	return g, err
}

// A URL's channel that was unsubscribed from comes back on Last-Event-ID.
func TestOrdersUnsubscribedComesBack(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		t := w.T
		path := "/channels?channel=a&channel=b&since=all&via=sse&connection=" + conn1
		w.tell("a", "old-a")
		body := w.opened(path)
		body.now()
		if m := w.command("?connection="+conn1, `{"id":1,"command":"unsubscribe","channel":"a"}`); !m.OK {
			t.Fatal(m.text)
		}
		w.tell("b", "b1")
		got, _ := body.now()
		again := w.opened(path, "Last-Event-ID: "+vectorIn(got))
		w.tell("a", "new-a")
		got, _ = again.now()
		hasNot(t, "resumed", got, "old-a", "new-a")
	})
}

// An order that the stream refused makes its resumption impossible.
func TestOrdersRefusedOrderKillsResume(t *testing.T) {
	bubble(t, withAccess(), func(w *world) {
		t := w.T
		narrow, wide := "Authorization: Bearer "+until("alice", time.Hour, "a"), "Authorization: Bearer "+until("alice", time.Hour, "a", "b")
		path := "/channels/a?via=sse&connection=" + conn1
		body := w.opened(path, narrow)
		if m := w.command("?connection="+conn1, `{"id":1,"command":"subscribe","channel":"b"}`, wide); !m.OK {
			t.Fatal(m.text)
		}
		w.tell("a", "one")
		got, _ := body.now()
		has(t, "told", got, "refused", "one")
		resp := w.get(path+"&_=1", narrow, "Last-Event-ID: "+vectorIn(got), "Accept: text/event-stream")
		if resp.status != 200 {
			t.Errorf("resume: %v", resp)
		}
	})
}

// An old unsubscribe takes a channel from a later response that names it.
func TestOrdersOldUnsubscribeTakesNamed(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		t := w.T
		first := w.opened("/channels/a?via=sse&connection=" + conn1)
		w.command("?connection="+conn1, `{"id":1,"command":"subscribe","channel":"b"}`)
		w.command("?connection="+conn1, `{"id":2,"command":"unsubscribe","channel":"b"}`)
		first.now()
		w.sleep(time.Second)
		second := w.opened("/channels?channel=a&channel=b&via=sse&connection=" + conn1)
		second.now()
		w.tell("b", "wanted")
		got, _ := second.now()
		has(t, "named in the URL", got, "wanted")
	})
}

// An old refresh ends a later response that has a newer token.
func TestOrdersOldRefresh(t *testing.T) {
	by := &setup{reads: transport.Handler{Services: transport.Services{Access: restoring{}}}}
	bubble(t, by, func(w *world) {
		t := w.T
		first := w.opened("/channels/a?via=sse&connection="+conn1, "Authorization: Bearer "+until("alice", 10*time.Minute))
		m := w.command("?connection="+conn1, fmt.Sprintf(`{"id":1,"command":"refresh","token":%q}`, until("alice", 20*time.Minute)), "Authorization: Bearer "+until("alice", 10*time.Minute))
		if !m.OK {
			t.Fatal(m.text)
		}
		w.sleep(25 * time.Minute)
		first.now()
		second := w.opened("/channels/a?via=sse&connection="+conn1, "Authorization: Bearer "+until("alice", 3*time.Hour))
		w.sleep(time.Minute)
		got, open := second.now()
		if !open {
			t.Errorf("it ended: %s", got)
		}
		hasNot(t, "new token", got, "$expiring", "expired")
	})
}

// $expiring has a cursor that is after entries that come after it.
func TestOrdersExpiringCursor(t *testing.T) {
	bubble(t, withAccess(), func(w *world) {
		t := w.T
		body := w.opened("/channels/a?via=stream", "Authorization: Bearer "+until("alice", 2*time.Minute))
		w.sleep(50 * time.Second)
		w.tell("a", "early")
		body.now()
		w.sleep(12 * time.Second)
		w.tell("a", "late")
		got, _ := body.now()
		w.sleep(20 * time.Second)
		more, _ := body.now()
		got += more
		lines := strings.Split(strings.TrimSpace(got), "\n")
		var cursors []string
		for _, l := range lines {
			var m struct{ Notice, Cursor, Data string }
			if json.Unmarshal([]byte(l), &m) == nil && m.Cursor != "" {
				cursors = append(cursors, m.Notice+m.Data+"@"+m.Cursor)
			}
		}
		for i, c := range cursors {
			if strings.HasPrefix(c, "$expiring@") && i+1 < len(cursors) && strings.HasSuffix(cursors[i+1], strings.TrimPrefix(c, "$expiring@")) {
				t.Errorf("a reader cut after $expiring resumes after the entry that it has not got: %v", cursors)
			}
		}
		t.Log(cursors)
	})
}

// presence and at once leave, by POST: a ghost.
func TestOrdersGhost(t *testing.T) {
	twoWays(t, signed{}, func(w *world) {
		t := w.T
		alice := "Authorization: Bearer alice"
		body := w.opened("/channels/chat?via=sse&connection="+conn1, alice)
		body.now()
		w.command("?connection="+conn1, `{"id":1,"command":"presence","channel":"chat"}`, alice)
		body.now()
		w.sleep(time.Second)
		w.command("?connection="+conn1, `{"id":2,"command":"presence","channel":"chat","leave":true}`, alice)
		body.now()
		w.sleep(5 * time.Minute)
		if got := w.who(); got != "" {
			t.Errorf("first: %q", got)
		}
		// a later response reads the orders from the beginning
		again := w.opened("/channels/chat?via=sse&connection="+conn1, alice)
		again.now()
		w.sleep(5 * time.Minute)
		if got := w.who(); got != "" {
			t.Errorf("who has left is back: %q", got)
		}
		// one POST
		resp := do(w, w.client, newRequest(w, w.Context(), "POST", "http://pabal.test/commands?connection="+conn1,
			`{"id":1,"command":"presence","channel":"chat"}`+"\n"+`{"id":2,"command":"presence","channel":"chat","leave":true}`, alice, "Content-Type: application/x-ndjson"))
		t.Log(resp.body)
		w.sleep(5 * time.Minute)
		if got := w.who(); got != "" {
			t.Errorf("who has joined and left in one POST is there: %q", got)
		}
	})
}

// After the inbox's retention what was subscribed to is forgotten without a word.
func TestOrdersSubscriptionForgotten(t *testing.T) {
	by := &setup{memory: memory.Config{Retention: func(ch pabal.Channel) pabal.Retention {
		if strings.HasPrefix(string(ch), pabal.Inbox) { // as server/rules.go
			return pabal.Retention{Namespace: "$conn", Age: 24 * time.Hour, Entries: 1000, Bytes: 4 << 20, IDs: 1_000_000, IDWindow: 24 * time.Hour}
		}
		return pabal.Retention{Age: -1}
	}}, reads: transport.Handler{Heartbeat: time.Hour, RotateAfter: 100 * time.Hour}}
	bubble(t, by, func(w *world) {
		t := w.T
		path := "/channels/a?via=sse&connection=" + conn1
		body := w.opened(path)
		w.command("?connection="+conn1, `{"id":1,"command":"subscribe","channel":"b"}`)
		body.now()
		w.sleep(25 * time.Hour)
		w.tell("b", "x")
		got, _ := body.now()
		has(t, "live", got[max(0, len(got)-400):], "x")
		body = w.opened(path, "Last-Event-ID: "+vectorIn(got)) // such as after rotate-after
		got, _ = body.now()
		has(t, "a day later", got, "forgotten")
	})
}

// The same by 1000 entries.
func TestOrdersSubscriptionPushedOut(t *testing.T) {
	by := &setup{memory: memory.Config{Retention: func(ch pabal.Channel) pabal.Retention {
		return pabal.Retention{Entries: 1000}
	}}}
	bubble(t, by, func(w *world) {
		t := w.T
		path := "/channels/a?via=sse&connection=" + conn1
		body := w.opened(path)
		w.command("?connection="+conn1, `{"id":1,"command":"subscribe","channel":"b"}`)
		body.now()
		for range 1001 { // such as parts of answers
			w.tell(pabal.Channel("$conn/"+conn1), "part")
		}
		w.tell("b", "x")
		got, _ := body.now()
		body = w.opened(path, "Last-Event-ID: "+vectorIn(got))
		got, _ = body.now()
		has(t, "resumed", got, "forgotten")
	})
}

// Who may do nothing has a channel made on disk for each request.
func TestOrdersNobodyWrites(t *testing.T) {
	bubble(t, withAccess(), func(w *world) {
		t := w.T
		for i := range 5 {
			id := fmt.Sprintf("%032d", i)
			if got := w.get("/channels/a?via=poll&connection=" + id); got.status != 401 {
				t.Errorf("%v", got)
			}
			if m := w.command("?connection=x"+id, `{"id":1,"command":"unsubscribe","channel":"a"}`); m.Error == nil {
				t.Errorf("without a token: %s", m.text)
			}
		}
		all, err := w.hub.Channels(w.Context(), "$", "", 100)
		if err != nil || len(all) > 0 {
			t.Errorf("%v %v", all, err)
		}
	})
}

// A refresh by POST does not reach what a WebSocket asks.
func TestOrdersRefreshOfWebSocket(t *testing.T) {
	by := withAccess()
	by.reads.Heartbeat = 10 * time.Hour
	bubble(t, by, func(w *world) {
		t := w.T
		conn, err := w.pipes.Dial(w.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		s := handshake(t, conn, "/channels/a?connection="+conn1, "Authorization: Bearer "+until("alice", 2*time.Minute), v1)
		_ = s.SetDeadline(time.Time{})
		s.opened()
		if m := w.command("?connection="+conn1, fmt.Sprintf(`{"id":1,"command":"refresh","token":%q}`, until("alice", time.Hour)), "Authorization: Bearer "+until("alice", time.Hour)); !m.OK {
			t.Fatal(m.text)
		}
		w.sleep(3 * time.Minute)
		m := s.reply(`{"id":7,"command":"publish","channel":"a","data":"x"}`)
		if !m.OK {
			t.Errorf("after a refresh by POST: %s", m.text)
		}
	})
}

// After unsubscribing from the inbox a call is never answered.
func TestOrdersInboxUnsubscribed(t *testing.T) {
	twoWays(t, signed{}, func(w *world) {
		t := w.T
		conn, err := w.pipes.Dial(w.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		s := handshake(t, conn, "/channels/a", "Authorization: Bearer alice", v1)
		_ = s.SetDeadline(time.Now().Add(time.Hour))
		open := s.opened()
		_ = open
		m := s.reply(`{"id":1,"command":"call","channel":"shop","call":"c1","data":"x"}`)
		if !m.OK {
			t.Fatal(m.text)
		}
		var inbox string
		for range 6 {
			m := s.hear()
			if strings.HasPrefix(m.Channel, "$conn/") {
				inbox = m.Channel
			}
			if m.Data == "xx" {
				break
			}
		}
		if m := s.reply(fmt.Sprintf(`{"id":2,"command":"unsubscribe","channel":%q}`, inbox)); m.Error == nil || m.Error.Status != 400 {
			t.Errorf("unsubscribed from its own inbox: %s", m.text)
		}
	})
}

// unsubscribed and subscribed again from earlier, and cut: the past is lost.
func TestOrdersAgainFromEarlier(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		t := w.T
		path := "/channels/a?via=sse&connection=" + conn1
		body := w.opened(path)
		w.tell("b", "one")
		w.command("?connection="+conn1, `{"id":1,"command":"subscribe","channel":"b"}`)
		w.tell("b", "two")
		body.now()
		resp := do(w, w.client, newRequest(w, w.Context(), "POST", "http://pabal.test/commands?connection="+conn1,
			`{"id":1,"command":"unsubscribe","channel":"b"}`+"\n"+`{"id":2,"command":"subscribe","channel":"b","since":"all"}`, "Content-Type: application/x-ndjson"))
		t.Log(resp.body)
		got, _ := body.now()
		// cut just after the order's own entry
		i := strings.LastIndex(got, `"subscribe"`)
		if i < 0 {
			t.Fatal(got)
		}
		again := w.opened(path, "Last-Event-ID: "+vectorIn(got[:i]))
		w.tell("b", "three")
		more, _ := again.now()
		has(t, "resumed", more, "one", "two", "three")
	})
}

// The owner of an inbox that is used all the time is anybody's after a day.
func TestOrdersOwnerForgotten(t *testing.T) {
	by := withAccess()
	by.memory.Retention = func(ch pabal.Channel) pabal.Retention {
		if strings.HasPrefix(string(ch), pabal.Inbox) {
			return pabal.Retention{Namespace: "$conn", Age: 24 * time.Hour, Entries: 1000, Bytes: 4 << 20, IDs: 1_000_000, IDWindow: 24 * time.Hour}
		}
		return pabal.Retention{Age: -1}
	}
	bubble(t, by, func(w *world) {
		t := w.T
		alice, bob := "Authorization: Bearer alice", "Authorization: Bearer bob"
		for range 24 {
			if got := w.get("/channels/a?via=poll&connection="+conn1, alice); got.status != 200 && got.status != 204 {
				t.Fatal(got)
			}
			w.sleep(time.Hour - time.Second/2)
		}
		w.tell(pabal.Channel("$conn/"+conn1), "secret")
		w.sleep(time.Minute)
		if got := w.get("/channels/a?via=poll&connection="+conn1, bob); got.status != 403 || strings.Contains(got.body, "secret") {
			t.Errorf("bob reads alice's inbox, used a minute ago: %v", got)
		}
		if got := w.get("/channels/a?via=poll&connection="+conn1, alice); got.status == 403 {
			t.Errorf("and alice: %v", got)
		}
	})
}

// Another user's call is cancelled.
func TestOrdersCancelOfAnother(t *testing.T) {
	twoWays(t, signed{}, func(w *world) {
		t := w.T
		alice, bob := "Authorization: Bearer alice", "Authorization: Bearer bob"
		body := w.opened("/channels/a?via=sse&connection="+conn1, alice)
		if m := w.command("?connection="+conn1, `{"id":1,"command":"call","channel":"never","call":"c1","timeout":9}`, alice); !m.OK {
			t.Fatal(m.text)
		}
		body.now()
		if m := w.command("?connection="+conn1, `{"id":1,"command":"cancel","call":"c1"}`, bob); m.Error == nil {
			got, _ := body.now()
			t.Errorf("bob: %s %s", m.text, got)
		}
	})
}
