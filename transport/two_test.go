package transport_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/presence"
	"github.com/pabal/pabal/transport"
)

// twoWays runs f over a world in which one may be present, and ask "shop", which
// answers twice what it is asked, after saying so, and "never", which does not.
func twoWays(t *testing.T, access transport.Authenticator, f func(w *world)) {
	t.Helper()
	by := &setup{memory: memory.Config{Retention: func(ch pabal.Channel) pabal.Retention {
		return pabal.Retention{Latest: strings.HasPrefix(string(ch), pabal.Presence)}
	}}}
	by.reads.Heartbeat = 10 * time.Hour // or the test would have to answer pings
	by.reads.Access = access
	bubble(t, by, func(w *world) {
		p := presence.New(presence.Config{Hub: w.hub, Node: "n"})
		mux := new(call.Mux)
		err := mux.Handle("shop", func(_ context.Context, r *call.Request) iter.Seq2[pabal.Message, error] {
			return func(yield func(pabal.Message, error) bool) {
				_ = yield(pabal.Message{Type: "part", Data: []byte("thinking")}, nil) &&
					yield(pabal.Message{Type: "answer", Data: append(r.Message.Data, r.Message.Data...)}, nil)
			}
		})
		if err == nil {
			err = mux.Handle("never", func(ctx context.Context, _ *call.Request) iter.Seq2[pabal.Message, error] {
				return func(yield func(pabal.Message, error) bool) { <-ctx.Done() }
			})
		}
		if err != nil {
			w.Fatal(err)
		}
		c := call.New(call.Config{Hub: w.hub, Handler: mux})
		w.reads.Presence, w.reads.Calls = p, c
		w.Cleanup(func() {
			c.Close()
			if err := p.Close(context.Background()); err != nil {
				w.Error(err)
			}
		})
		f(w)
	})
}

// who returns the users in the channel chat.
func (w *world) who() string {
	w.Helper()
	l, err := w.reads.Presence.(*presence.Service).View(w.Context(), "chat")
	if err != nil {
		w.Fatal(err)
	}
	var names []string
	for _, u := range l.Users {
		names = append(names, fmt.Sprintf("%s*%d%s", u.User, u.Connections, u.Data))
	}
	return strings.Join(names, " ")
}

// Who reads by any technique and says so is present for as long as it reads.
func TestJoinByAnyTechnique(t *testing.T) {
	for _, via := range []string{"sse", "stream", "multipart", "iframe", "page"} {
		t.Run(via, func(t *testing.T) {
			twoWays(t, signed{}, func(w *world) {
				alice := "Authorization: Bearer alice"
				first := w.open("/channels/chat?via="+via+"&join=%7B%22n%22:1%7D", alice)
				second := w.open("/channels/chat?via="+via+"&join&connection="+conn1, alice)
				w.open("/channels/chat?via="+via, "Authorization: Bearer bob") // who does not say so
				if got := w.who(); got != `alice*2{"n":1}` {
					w.Errorf("got %s", got)
				}
				if m := w.command("?connection="+conn1, `{"id":1,"command":"presence","channel":"chat","data":{"n":2}}`, alice); !m.OK {
					w.Errorf("presence: got %s", m.text)
				}
				w.sleep(time.Second)
				if got := w.who(); got != `alice*2{"n":2}` {
					w.Errorf("with other data: got %s", got)
				}
				first.Body.Close()
				w.sleep(time.Minute)
				if got := w.who(); got != `alice*1{"n":2}` {
					w.Errorf("with one left: got %s", got)
				}
				if m := w.command("?connection="+conn1, `{"id":2,"command":"presence","channel":"chat","leave":true}`, alice); !m.OK {
					w.Errorf("leave: got %s", m.text)
				}
				w.sleep(time.Second)
				if got := w.who(); got != "" {
					w.Errorf("having left: got %s", got)
				}
				second.Body.Close()
			})
		})
	}
}

// An absence that is asked for by POST takes no stay of its own for a hold: who
// reads stays, and leaves as it is told.
func TestLeaveByPost(t *testing.T) {
	twoWays(t, signed{}, func(w *world) {
		alice := "Authorization: Bearer alice"
		post := func(text string) {
			w.Helper()
			if m := w.command("?connection="+conn1, text, alice); !m.OK {
				w.Errorf("%s: got %s", text, m.text)
			}
			w.sleep(time.Second)
		}
		is := func(what, want string) {
			w.Helper()
			if got := w.who(); got != want {
				w.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
		post(`{"id":1,"command":"presence","channel":"chat"}`)
		is("for a while, with nothing that reads", "alice*1")
		post(`{"id":2,"command":"presence","channel":"chat","leave":true}`)
		is("having left", "")
		w.open("/channels/chat?via=sse&join&connection="+conn1, alice)
		w.sleep(10 * time.Second)
		is("reading", "alice*1")
		w.reads.Presence.EndStay(pabal.Grant{Connection: conn1}, "chat")
		w.sleep(10 * time.Second)
		is("without a stay", "alice*1")
		post(`{"id":3,"command":"presence","channel":"chat","leave":true}`)
		is("told to leave", "")
	})
}

// What a browser's URL says of presence when it comes again is older than what
// was posted; what a new URL says is newer.
func TestPresenceComesAgain(t *testing.T) {
	twoWays(t, signed{}, func(w *world) {
		alice := "Authorization: Bearer alice"
		path := "/channels/chat?via=sse&connection=" + conn1 + "&join=%7B%22n%22:1%7D"
		again := func(headers ...string) (id string) {
			body := w.opened(path, append(headers, alice)...)
			w.sleep(10 * time.Second)
			got, _ := body.now()
			return "Last-Event-ID: " + vectorIn(got)
		}
		id := again()
		for _, step := range []struct{ post, want string }{
			{`{"id":1,"command":"presence","channel":"chat","data":{"n":2}}`, `alice*1{"n":2}`},
			{`{"id":2,"command":"presence","channel":"chat","leave":true}`, ``},
		} {
			w.command("?connection="+conn1, step.post, alice)
			w.sleep(time.Second)
			id = again(id)
			if got := w.who(); got != step.want {
				w.Errorf("%s, and come again: got %q, want %q", step.post, got, step.want)
			}
		}
		again()
		if got := w.who(); got != `alice*1{"n":1}` {
			w.Errorf("anew: got %q", got)
		}
	})
}

// failing is a presence that cannot keep what is held on to, so many times.
type failing struct {
	transport.Presence
	times *atomic.Int32
}

func (f failing) Join(ctx context.Context, g pabal.Grant, ch pabal.Channel, data []byte, stay time.Duration) error {
	if stay == 0 && f.times.Add(-1) >= 0 {
		return &pabal.StorageError{What: "the storage cannot do this now", Retry: time.Second}
	}
	return f.Presence.Join(ctx, g, ch, data, stay)
}

// What was asked of a response by POST, and cannot be done, is tried again: also
// after the stay that the POST itself gave.
func TestJoinIsTriedAgain(t *testing.T) {
	twoWays(t, signed{}, func(w *world) {
		alice := "Authorization: Bearer alice"
		times := new(atomic.Int32)
		times.Store(4)
		real := w.reads.Presence
		w.reads.Presence = failing{real, times}
		w.open("/channels/chat?via=sse&connection="+conn1, alice)
		if m := w.command("?connection="+conn1, `{"id":1,"command":"presence","channel":"chat"}`, alice); !m.OK {
			w.Fatalf("presence: got %s", m.text)
		}
		w.sleep(5 * time.Minute)
		w.reads.Presence = real
		if got := w.who(); got != "alice*1" || times.Load() >= 0 {
			w.Errorf("after %d more failures: got %q", times.Load(), got)
		}
	})
}

// Who polls is present for some time after each poll.
func TestJoinWhilePolling(t *testing.T) {
	twoWays(t, signed{}, func(w *world) {
		path := "/channels/chat?via=poll&join&connection=" + conn1
		for range 3 {
			w.get(path, "Authorization: Bearer alice")
			w.sleep(40 * time.Second)
			if got := w.who(); got != "alice*1" {
				w.Errorf("between two polls: got %q", got)
			}
		}
		w.sleep(2 * time.Minute)
		if got := w.who(); got != "" {
			w.Errorf("long after the last: got %s", got)
		}
		if got := w.get("/channels/chat?via=poll&join", "Authorization: Bearer alice"); got.status != 400 || !strings.Contains(got.body, "connection") {
			w.Errorf("without a connection: got %v", got)
		}
		if got := w.get("/channels/chat?via=sse&join=x", "Authorization: Bearer alice"); got.status != 400 || !strings.Contains(got.body, "JSON") {
			w.Errorf("with data that is no JSON: got %v", got)
		}
	})
}

// On a WebSocket one joins, changes and leaves by commands, and leaves by
// leaving.
func TestPresenceOnWebSocket(t *testing.T) {
	twoWays(t, signed{}, func(w *world) {
		s := w.socket("/channels?token=alice", v1)
		s.opened()
		for _, step := range []struct{ send, want string }{
			{`{"id":1,"command":"presence","channel":"chat","data":{"n":1}}`, `alice*1{"n":1}`},
			{`{"id":2,"command":"presence","channel":"chat","data":{"n":2}}`, `alice*1{"n":2}`},
			{`{"id":3,"command":"presence","channel":"chat","leave":true}`, ``},
			{`{"id":4,"command":"presence","channel":"chat"}`, `alice*1`},
		} {
			if m := s.reply(step.send); !m.OK {
				w.Fatalf("%s: got %s", step.send, m.text)
			}
			w.sleep(time.Second)
			if got := w.who(); got != step.want {
				w.Errorf("%s: got %s, want %s", step.send, got, step.want)
			}
		}
		if err := s.Close(); err != nil {
			w.Fatal(err)
		}
		w.sleep(time.Second)
		if got := w.who(); got != "alice*1" {
			w.Errorf("just gone: got %q", got)
		}
		w.sleep(10 * time.Second)
		if got := w.who(); got != "" {
			w.Errorf("gone: got %q", got)
		}
		wrong := w.socket("/channels?token=alice", v1)
		wrong.opened()
		if m := wrong.reply(`{"id":1,"command":"presence","channel":"chat","data":1,"leave":true}`); m.Error == nil || m.Error.Status != 400 {
			w.Errorf("leave and data: got %s", m.text)
		}
		wrong.Close()
	})
}

// socket opens a WebSocket through the world's pipes.
func (w *world) socket(path string, headers ...string) *socket {
	w.Helper()
	conn, err := w.pipes.Dial(w.Context(), "", "")
	if err != nil {
		w.Fatal(err)
	}
	s := handshake(w.T, conn, path, headers...)
	if err := s.SetDeadline(time.Time{}); err != nil {
		w.Fatal(err)
	}
	return s
}

// A call is answered by whatever the asker reads.
func TestCallByAnyTechnique(t *testing.T) {
	ask := `{"id":1,"command":"call","channel":"shop","call":"c1","data":"ab"}`
	want := []string{"thinking", "abab", "c1"}
	for _, via := range []string{"sse", "stream", "multipart", "iframe"} {
		t.Run(via, func(t *testing.T) {
			twoWays(t, nil, func(w *world) {
				body := w.opened("/channels?via=" + via + "&connection=" + conn1)
				for range 2 { // a repeat asks nothing
					if m := w.command("?connection="+conn1, ask); !m.OK {
						w.Fatalf("call: got %s", m.text)
					}
					w.sleep(time.Second)
				}
				got, _ := body.now()
				has(w.T, "answers", got, want...)
				if n := strings.Count(got, "abab"); n != 1 {
					w.Errorf("answered %d times: %q", n, got)
				}
			})
		})
	}
	for _, via := range []string{"poll", "longpoll", "jsonp"} {
		t.Run(via, func(t *testing.T) {
			twoWays(t, nil, func(w *world) {
				if m := w.command("?connection="+conn1, ask); !m.OK {
					w.Fatalf("call: got %s", m.text)
				}
				w.sleep(time.Second)
				has(w.T, "answers", w.get("/channels?via="+via+"&connection="+conn1).body, want...)
			})
		})
	}
	t.Run("websocket", func(t *testing.T) {
		twoWays(t, nil, func(w *world) {
			s := w.socket("/channels", v1)
			s.opened()
			s.send(textFrame, ask)
			var all string
			for !strings.Contains(all, "abab") || !strings.Contains(all, `{"id":1,"ok":true,"channel":"shop"}`) { // in either order
				all += s.hear().text
			}
			has(w.T, "answers", all, want...)
			s.send(textFrame, `{"id":2,"command":"call","channel":"never","call":"c2","data":1,"timeout":3600}`)
			s.send(textFrame, `{"id":3,"command":"cancel","call":"c2"}`)
			all = ""
			for !strings.Contains(all, `"failed"`) || !strings.Contains(all, `{"id":3,"ok":true}`) {
				all += s.hear().text
			}
			has(w.T, "cancelled", all, `"key":"c2"`)
			s.Close()
		})
	})
}

// Who reads $calls answers, on a road of its own; silence is a failure too.
func TestResponder(t *testing.T) {
	twoWays(t, nil, func(w *world) {
		asker := w.socket("/channels", v1)
		asker.opened()
		responder := w.opened("/channels/$calls/desk?via=stream")
		asker.send(textFrame, `{"id":1,"command":"call","channel":"desk","call":"c1","data":{"x":1},"timeout":60}`)
		w.sleep(time.Second)
		got, _ := responder.now()
		_, ref, _ := strings.Cut(got, `"ref":"`)
		ref, _, _ = strings.Cut(ref, `"`)
		for _, c := range []string{
			`{"id":1,"command":"answer","channel":"desk","ref":"REF","type":"part","data":"one"}`,
			`{"id":2,"command":"answer","channel":"desk","ref":"REF","type":"part","data":"two"}`,
			`{"id":3,"command":"answer","channel":"desk","ref":"REF","data":{"y":2}}`,
		} {
			if m := w.command("", strings.ReplaceAll(c, "REF", ref)); !m.OK {
				w.Errorf("%s: got %s", c, m.text)
			}
		}
		for _, c := range []struct{ send, want string }{
			{`{"id":4,"command":"answer","channel":"desk","ref":"REF","data":1}`, "answered"},
			{`{"id":5,"command":"answer","channel":"desk","ref":"nothing","data":1}`, "ref"},
			{`{"id":6,"command":"answer","channel":"desk","ref":"REF","type":"owner","data":1}`, "part"},
		} {
			if m := w.command("", strings.ReplaceAll(c.send, "REF", ref)); m.Error == nil || !strings.Contains(m.Error.Detail, c.want) {
				w.Errorf("%s: got %s, want something about %q", c.send, m.text, c.want)
			}
		}
		var all string
		for !strings.Contains(all, `"y":2`) {
			all += asker.hear().text
		}
		has(w.T, "answers", all, `"one"`, `"two"`, `"type":"part"`, `"type":"answer"`)
		asker.send(textFrame, `{"id":2,"command":"call","channel":"desk","call":"c2","data":1,"timeout":5}`)
		w.sleep(10 * time.Second)
		all = ""
		for !strings.Contains(all, `"failed"`) {
			all += asker.hear().text
		}
		has(w.T, "nobody answered", all, `"key":"c2"`)
		asker.Close()
	})
}
