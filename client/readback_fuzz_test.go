package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/wire"
	"github.com/pabal/pabal/transport"
)

// localHub is a server without a network: its hub, and a client of it.
func localHub(f *testing.F) (*pabal.Hub, *Client) {
	broker := memory.New(memory.Config{})
	hub := pabal.NewHub(broker, pabal.Limits{})
	f.Cleanup(func() {
		hub.Close()
		if err := broker.Close(); err != nil {
			f.Error(err)
		}
	})
	server := &transport.Handler{Hub: hub, Log: slog.New(slog.DiscardHandler)}
	answer := roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		r.RequestURI = r.URL.RequestURI()
		server.ServeHTTP(w, r)
		return w.Result(), nil
	})
	return hub, &Client{HTTP: &http.Client{Transport: answer}}
}

// Whatever may be published is the same to a client by every technique, as far
// as that can say it: a content type that is implied is left out.
func FuzzReadBack(f *testing.F) {
	hub, c := localHub(f)
	f.Add("", "", "", "", []byte("hello"))
	f.Add("goal", "7%", "lg doosan/é", "text/html", []byte("<b>1</b>:0"))
	f.Add("t", "i", "k", "application/json", []byte("{ \"n\": [1, 2.50],\n \"s\": \"</script>\" }"))
	f.Add("", "", "", "application/ld+json; x=1", []byte(`"s"`))
	f.Add("", "", "", "image/png", []byte("\x89PNG\r\n\x1a\n\x00\xff"))
	f.Add("", "", "", "", []byte("one\ntwo\r\nthree\rfour\n\n  five\u2028\n"))
	f.Add("", "", "", "text/plain; charset=utf-8", []byte("implied"))
	f.Add("", "", "", "파발", []byte("--b"))
	f.Add("", "", "", "json ", []byte("\"s\""))
	f.Add("", "", "", " ", []byte("x"))
	f.Add("", "", "", entryType, []byte(`{"channel":"chat","cursor":"z-1","data":"not mine"}`))
	f.Add("", "", "", entryType, []byte("7"))
	f.Add("", "", "", "", []byte("\xff\xfe"))
	f.Add("", "", "", "", []byte(""))
	n := 0
	f.Fuzz(func(t *testing.T, kind, id, key, contentType string, data []byte) {
		m := pabal.Message{Type: kind, ID: id, Key: key, ContentType: contentType, Data: data}
		n++
		ch := pabal.Channel(fmt.Sprint("chat/", n)) // since an ID is known for a while, of what is deleted too
		_, err := hub.Publish(t.Context(), pabal.Grant{}, ch, pabal.Publish{Messages: []pabal.Message{m}, Close: true})
		if err != nil {
			return // refused, as other tests have it
		}
		defer func() {
			if err := hub.Delete(context.WithoutCancel(t.Context()), pabal.Grant{}, ch); err != nil {
				t.Error(err)
			}
		}()
		for _, via := range []string{"sse", "stream", "multipart", "poll", "longpoll"} {
			var got []*pabal.Entry
			for e, err := range c.Subscribe(Options{Channels: []pabal.Channel{ch}, Via: via, Since: "all"}).Events(t.Context()) {
				if err != nil {
					t.Fatalf("%s: %v", via, err)
				}
				if e.Entry != nil {
					got = append(got, e.Entry)
				}
			}
			if len(got) != 1 {
				t.Fatalf("%s: %d entries, want 1", via, len(got))
			}
			if !means(&got[0].Message, &m) {
				t.Errorf("%s: got %+v, want %+v", via, got[0].Message, m)
			}
		}
	})
}

// means reports whether got is m as a response can say it.
func means(got, m *pabal.Message) bool {
	if got.Type != m.Type || got.ID != m.ID || got.Key != m.Key || wire.ContentType(got) != wire.ContentType(m) {
		return false
	}
	return bytes.Equal(got.Data, m.Data) || m.JSON() && bytes.Equal(wire.AppendMessage(nil, got), wire.AppendMessage(nil, m))
}

// What a client publishes is what its message is, however it is sent: alone in
// a body, or on a line.
func FuzzPublished(f *testing.F) {
	f.Add("", "", "", "", []byte("hello"))
	f.Add("t", "i?&=", "k/é", "application/json", []byte(`{"a": 1}`))
	f.Add("", "", "", "application/x-ndjson", []byte("{}\n{}"))
	f.Add("", "", "", "application/x-www-form-urlencoded", []byte("a=b"))
	f.Add("", "", "", "", []byte(""))
	f.Fuzz(func(t *testing.T, kind, id, key, contentType string, data []byte) {
		m := pabal.Message{Type: kind, ID: id, Key: key, ContentType: contentType, Data: data}
		if m.Check() != nil {
			return
		}
		var asked *http.Request
		var body []byte
		c := &Client{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (resp *http.Response, err error) {
			asked = r
			body, err = io.ReadAll(r.Body)
			return &http.Response{StatusCode: http.StatusBadRequest, Body: http.NoBody, Header: http.Header{}}, err
		})}}
		if _, err := c.Publish(t.Context(), "chat", m); !errors.As(err, new(*Error)) {
			t.Fatalf("got %v, want the refusal", err)
		}
		query := asked.URL.Query()
		got := pabal.Message{Type: query.Get("type"), ID: query.Get("id"), Key: query.Get("key"), ContentType: asked.Header.Get("Content-Type"), Data: body}
		if asked.Header.Get("Content-Type") == "application/x-ndjson" {
			batch, err := wire.ParseMessages(body, 2)
			if err != nil || len(batch) != 1 {
				t.Fatalf("%q: got %d messages, %v", body, len(batch), err)
			}
			got = batch[0]
		}
		if !means(&got, &m) {
			t.Errorf("sent %+v, want %+v", got, m)
		}
		if named := asked.Header.Get("Idempotency-Key") != ""; named == (m.ID != "") {
			t.Errorf("the request has a name: %v; its message: %q", named, m.ID)
		}
	})
}
