package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/websocket"
)

func fuzzHandler(f *testing.F) *Handler {
	broker := memory.New(memory.Config{})
	hub := pabal.NewHub(broker, pabal.Limits{})
	f.Cleanup(func() {
		hub.Close()
		if err := broker.Close(); err != nil {
			f.Error(err)
		}
	})
	for _, text := range []string{"1", "2", "3"} {
		if _, err := hub.Publish(f.Context(), pabal.Grant{}, "chat", pabal.Publish{Messages: []pabal.Message{{Data: []byte(text)}}}); err != nil {
			f.Fatal(err)
		}
	}
	return &Handler{Hub: hub, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), LongPollMax: time.Nanosecond}
}

// Whatever is asked for is understood whole, or refused with a reason that is
// the client's to mend.
func FuzzRequest(f *testing.F) {
	h := fuzzHandler(f)
	f.Add("/channels/chat", "", "", "", "")
	f.Add("/channels/chat", "via=sse&cursor=a-1&only=latest&every=5s&pad=9", "text/event-stream", "a-2", "wait=3")
	f.Add("/channels", "channel=a&channel=b/c&cursor=~AAAA&since=5m&limit=7", "multipart/mixed", "", "")
	f.Add("/channels/$host/cpu", "via=jsonp&callback=a.b&wait=0&_=1", "", "", `respond-async, wait="7"`)
	f.Add("/channels/chat", "via=poll&before=a-2&limit=1&only=latest", "", "", "")
	f.Add("/channels", "channel=a&channel=a&cursor=a-1&cursor=a-2&format=entry", "", "", "")
	f.Add("/channels/chat", "via=longpoll&since=2006-01-02T15:04:05Z&format=entry", "*/*", "~", "wait")
	f.Fuzz(func(t *testing.T, path, query, accept, lastEventID, prefer string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: path, RawQuery: query}
		r.Header.Set("Accept", accept)
		r.Header.Set("Last-Event-ID", lastEventID)
		r.Header.Set("Prefer", prefer)
		h.init()
		q, err := h.parse(r)
		if q == nil || q.technique == nil {
			t.Fatal("a request without a technique")
		}
		if err != nil {
			if p := problem.From(err); p.Status < 400 || p.Status >= 500 || p.Detail == "" {
				t.Fatalf("refused with %+v", p)
			}
			return
		}
		checkRequest(t, q)
		if !q.technique.answer {
			return
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 200, 204, 304, 400:
		default:
			t.Fatalf("answered with %d: %s", w.Code, w.Body)
		}
		if w.Code == 200 && w.Header().Get("Pabal-Cursor") == "" {
			t.Fatalf("no cursor in %v", w.Header())
		}
	})
}

func checkRequest(t *testing.T, q *request) {
	t.Helper()
	if len(q.channels) != len(q.from) || len(q.channels) == 0 && q.technique != websocketTechnique {
		t.Fatalf("%d channels, %d beginnings", len(q.channels), len(q.from))
	}
	for _, ch := range q.channels {
		if _, err := pabal.ParseChannel(string(ch)); err != nil {
			t.Fatal(err)
		}
	}
	if q.limit < 1 || q.limit > maxEntries || q.pad < 0 || q.pad > maxPad || q.wait < 0 || q.wait > time.Nanosecond {
		t.Fatalf("limit %d, pad %d, wait %v", q.limit, q.pad, q.wait)
	}
	if q.callback != "" && checkCallback(q.callback) != nil || q.technique == jsonp && q.callback == "" {
		t.Fatalf("callback %q", q.callback)
	}
}

// Each command gets one reply, with its ID if it has a proper one.
func FuzzCommand(f *testing.F) {
	h := fuzzHandler(f)
	h.init()
	for _, text := range []string{
		`{"id":1,"command":"subscribe","channel":"chat","since":"all"}`, `{"id":"x","command":"unsubscribe","channel":"chat"}`,
		`{"command":"publish","channel":"a","data":{"n":1},"type":"t","key":"k","messageId":"m"}`, `{"command":"ping"}`,
		`{"command":"publish","channel":"a","data":"/w==","encoding":"base64","contentType":"image/png"}`, `{"command":"publish","channel":"a","ifMatch":"1-1"}`, `[]`, `{"id":{}}`, `{} {}`,
		`{"id":4,"command":"presence","channel":"chat","data":{"n":1}}`, `{"id":5,"command":"call","channel":"shop","call":"c","data":1,"timeout":5}`,
		`{"id":6,"command":"cancel","call":"c"}`, `{"id":7,"command":"answer","channel":"shop","ref":"r","data":1}`, `{"id":8,"command":"refresh","token":"t"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := h.Hub.Open(pabal.Grant{}, pabal.NewSignal(), pabal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		reading := &wsReading{session: s}
		var said []byte
		c := commander{handler: h, client: h.newClient(pabal.Grant{}, &attendance{}), via: &wsVia{func(ctx context.Context, f func(context.Context, *wsReading) []byte) error {
			said = f(ctx, reading)
			return nil
		}}}
		reply, err := c.command(t.Context(), websocket.Event{Op: websocket.OpText, Payload: text})
		if err != nil || (said == nil) == (reply == nil) {
			t.Fatalf("replies %q and %q, %v: want one", said, reply, err)
		}
		checkReply(t, text, append(said, reply...))
	})
}

func checkReply(t *testing.T, text, frame []byte) {
	t.Helper()
	i := bytes.IndexByte(frame, '{')
	if i < 0 {
		t.Fatalf("no reply to %q", text)
	}
	var got struct {
		ID    json.RawMessage
		OK    bool
		Error *struct {
			Status int
			Detail string
		}
	}
	if err := json.Unmarshal(frame[i:], &got); err != nil {
		t.Fatalf("the reply %q: %v", frame[i:], err)
	}
	if got.OK == (got.Error != nil) || got.Error != nil && (got.Error.Status < 400 || got.Error.Status >= 500 || got.Error.Detail == "") {
		t.Fatalf("the reply to %q: %q", text, frame[i:])
	}
	var asked struct {
		ID json.RawMessage `json:"id"`
	}
	if got.OK && json.Unmarshal(text, &asked) == nil && !bytes.Equal(asked.ID, got.ID) && !strings.EqualFold(string(asked.ID), "null") {
		t.Fatalf("the reply to %q has the id %q", text, got.ID)
	}
}
