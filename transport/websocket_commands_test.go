package transport_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/pabal/pabal"
)

const v1 = "Sec-WebSocket-Protocol: pabal.v1"

// open says first where it begins.
func (s *socket) opened() said {
	s.Helper()
	m := s.hear()
	if m.Notice != "$open" {
		s.Fatalf("got %s, want $open", m.text)
	}
	return m
}

func TestCommands(t *testing.T) { pumps(t, &setup{}, commands) }

func commands(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	s := connect(t, server.Plain+"/channels", v1)
	s.opened()
	if m := s.reply(`{"id":1,"command":"ping"}`); m.text != `{"id":1,"ok":true}` {
		t.Errorf("ping: got %s", m.text)
	}
	first := s.reply(`{"id":"a","command":"publish","channel":"chat","data":"one"}`)
	if want := fmt.Sprintf(`{"id":"a","ok":true,"channel":"chat","cursor":"%s","duplicate":false}`, first.Cursor); first.text != want {
		t.Errorf("publish: got %s, want %s", first.text, want)
	}
	m := s.reply(`{"id":2,"command":"subscribe","channel":"chat","since":"all"}`)
	start := m.Cursor
	if want := fmt.Sprintf(`{"id":2,"ok":true,"channel":"chat","cursor":"%s"}`, start); m.text != want {
		t.Errorf("subscribe: got %s, want %s", m.text, want)
	}
	if m := s.hear(); m.Data != "one" || m.Cursor != first.Cursor || m.Channel != "chat" {
		t.Errorf("after the reply: got %s", m.text)
	}
	if m := s.hear(); m.Notice != "$live" || m.Cursor != first.Cursor {
		t.Errorf("then: got %s", m.text)
	}
	s.send(textFrame, `{"command":"publish","channel":"chat","data":{"n":2},"type":"t","key":"k","messageId":"m"}`)
	var entry, reply said
	for entry.Channel == "" || !reply.OK {
		if m := s.hear(); m.OK {
			reply = m
		} else {
			entry = m
		}
	}
	if reply.ID != nil || reply.Cursor != entry.Cursor || !strings.Contains(entry.text, `"type":"t","id":"m","key":"k","data":{"n":2}`) {
		t.Errorf("its own entry: got %s and %s", reply.text, entry.text)
	}
	again := s.reply(`{"id":3,"command":"publish","channel":"chat","data":{"n":2},"type":"t","key":"k","messageId":"m"}`)
	if again.Duplicate == nil || !*again.Duplicate || again.Cursor != reply.Cursor {
		t.Errorf("a repeat: got %s, want the cursor %s", again.text, reply.Cursor)
	}
	if m := s.reply(`{"id":4,"command":"unsubscribe","channel":"chat"}`); m.text != `{"id":4,"ok":true,"channel":"chat"}` {
		t.Errorf("unsubscribe: got %s", m.text)
	}
	s.reply(`{"command":"publish","channel":"chat","data":"/w==","encoding":"base64","contentType":"image/png"}`)
	m = s.reply(`{"id":5,"command":"subscribe","channel":"chat","cursor":"` + again.Cursor + `"}`)
	if m.Cursor != again.Cursor {
		t.Errorf("subscribed at a cursor: got %s", m.text)
	}
	if m := s.hear(); !strings.Contains(m.text, `"contentType":"image/png","encoding":"base64","data":"/w=="`) {
		t.Errorf("unsubscribed, nothing comes; then: got %s", m.text)
	}
	s.write(appendFrame(nil, closeFrame, closing(1000, "")))
	s.wantClose(1000, "")
}

// Each wrong command is answered with a problem, and nothing else happens.
func TestCommandErrors(t *testing.T) {
	limits := pabal.Limits{MessageBytes: 1000, ChannelsPerResponse: 2, ChannelBytes: 40}
	pumps(t, &setup{limits: limits}, commandErrors)
}

func commandErrors(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	s := connect(t, server.Plain+"/channels/first", v1)
	s.opened()
	for _, ok := range []string{
		`{"command":"subscribe","channel":"chat"}`, `{"command":"publish","channel":"chat","messageId":"m","data":"1"}`,
	} {
		if m := s.reply(ok); !m.OK {
			t.Fatalf("%s: got %s", ok, m.text)
		}
	}
	for _, c := range []struct {
		command string
		status  int
		says    string
	}{
		{`x`, 400, "one JSON object"},
		{``, 400, "one JSON object"},
		{`[]`, 400, "one JSON object"},
		{`"ping"`, 400, "one JSON object"},
		{`{"command":"ping"`, 400, "one JSON object"},
		{`{"command":"ping"}{"command":"ping"}`, 400, "one command"},
		{`{"command":"ping","chanel":"x"}`, 400, "chanel"},
		{`{}`, 400, "not known"},
		{`{"command":"PING"}`, 400, "not known"},
		{`{"command":"unheard"}`, 400, "not known"},
		{`{"command":"subscribe"}`, 400, "no name"},
		{`{"command":"subscribe","channel":"a//b"}`, 400, "empty"},
		{`{"command":"subscribe","channel":"` + strings.Repeat("a", 41) + `"}`, 400, "channel-bytes"},
		{`{"command":"subscribe","channel":"chat"}`, 400, "already"},
		{`{"command":"subscribe","channel":"third"}`, 400, "channels-per-response"},
		{`{"command":"subscribe","channel":"x","cursor":"y"}`, 400, "unchanged"},
		{`{"command":"subscribe","channel":"x","since":"y"}`, 400, "is none of"},
		{`{"command":"subscribe","channel":"x","since":"all","cursor":"a-1"}`, 400, "not both"},
		{`{"command":"unsubscribe","channel":"x"}`, 400, "not subscribed"},
		{`{"command":"publish","channel":"$host/x","data":"1"}`, 403, "Pabal's own"},
		{`{"command":"publish","channel":"chat","data":"2","messageId":"m"}`, 409, "id"},
		{`{"command":"publish","channel":"chat","data":"` + strings.Repeat("x", 1001) + `"}`, 413, "max-message"},
		{`{"command":"publish","channel":"chat","data":1,"contentType":"text/plain"}`, 400, "string"},
		{`{"command":"publish","channel":"chat","data":"!","encoding":"base64"}`, 400, "base64"},
		{`{"command":"publish","channel":"chat","data":"x","encoding":"gzip"}`, 400, "base64"},
		{`{"command":"publish","channel":"chat","data":"\ud800"}`, 400, "half"},
		{`{"command":"publish","channel":"chat","data":"x","type":"$open"}`, 400, "begin with $"},
		{`{"id":{},"command":"ping"}`, 400, "id must be"},
		{`{"id":[1],"command":"ping"}`, 400, "id must be"},
		{`{"id":true,"command":"ping"}`, 400, "id must be"},
		{`{"id":"` + strings.Repeat("x", 200) + `","command":"ping"}`, 400, "id must be"},
	} {
		m := s.reply(c.command)
		if m.Error == nil || m.Error.Status != c.status || !strings.Contains(m.Error.Detail, c.says) || m.OK {
			t.Errorf("%s: got %s, want %d and something about %q", c.command, m.text, c.status, c.says)
		}
	}
	s.send(binaryFrame, `{"command":"ping"}`)
	for {
		if m := s.hear(); m.Error != nil {
			if m.Error.Status != 400 || !strings.Contains(m.Error.Detail, "text message") {
				t.Errorf("a binary command: got %s", m.text)
			}
			break
		}
	}
	if m := s.reply(`{"id":9,"command":"nonsense"}`); m.ID != 9.0 {
		t.Errorf("an error without its id: got %s", m.text)
	}
	// A message that is as long as it may be goes through in whatever form.
	bytes := base64.StdEncoding.EncodeToString(make([]byte, 1000))
	if m := s.reply(`{"command":"publish","channel":"other","encoding":"base64","data":"` + bytes + `"}`); !m.OK {
		t.Errorf("the longest message: got %s", m.text)
	}
	s.send(textFrame, strings.Repeat(" ", 10_000))
	s.wantClose(1009, "bytes")
}

// Commands are served also while a long log is being read.
func TestCommandsDuringBacklog(t *testing.T) { pumps(t, &setup{}, commandsDuringBacklog) }

func commandsDuringBacklog(t *testing.T, by *setup) {
	n := newNode(t, by)
	server := n.listen(t)
	var batch pabal.Publish
	for i := range 1000 {
		batch.Messages = append(batch.Messages, pabal.Message{Data: fmt.Append(nil, i, strings.Repeat("x", 900))})
	}
	for range 5 {
		if _, err := n.hub.Publish(t.Context(), pabal.Grant{}, "long", batch); err != nil {
			t.Fatal(err)
		}
	}
	s := connect(t, server.Plain+"/channels/long?since=all", v1)
	s.send(textFrame, `{"id":1,"command":"unsubscribe","channel":"long"}`)
	s.send(textFrame, `{"id":2,"command":"subscribe","channel":"other"}`)
	s.send(pingFrame, "still there")
	entries, replies := 0, 0
	for replies < 2 {
		m, err := s.next()
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.Contains(string(m.payload), `"ok":true`):
			replies++
		case strings.Contains(string(m.payload), `"channel":"long","cursor"`):
			entries++
		}
	}
	if entries == 5000 {
		t.Errorf("unsubscribed only after all %d entries", entries)
	}
}

// A WebSocket over several channels says where it begins in each.
func TestWebSocketOfSeveralChannels(t *testing.T) { pumps(t, &setup{}, webSocketOfSeveralChannels) }

func webSocketOfSeveralChannels(t *testing.T, by *setup) {
	server := newNode(t, by).listen(t)
	s := connect(t, server.Plain+"/channels?channel=a&channel=b", v1)
	open := s.opened()
	if !strings.Contains(open.text, `"channels":["a","b"],"cursors":["`) {
		t.Errorf("got %s", open.text)
	}
	for _, ch := range []string{"a", "b"} {
		if m := s.hear(); m.Notice != "$live" {
			t.Errorf("%s: got %s", ch, m.text)
		}
	}
	s.reply(`{"command":"unsubscribe","channel":"a"}`)
	s.reply(`{"command":"publish","channel":"a","data":"1"}`)
	s.send(textFrame, `{"command":"publish","channel":"b","data":"2"}`)
	for {
		m := s.hear()
		if m.OK {
			continue
		}
		if m.Channel != "b" || m.Data != "2" {
			t.Errorf("got %s, want only what was published to b", m.text)
		}
		return
	}
}
