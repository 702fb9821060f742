package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
)

// What cannot be published is refused before anything is sent.
func TestPublishRefusesItself(t *testing.T) {
	sent := false
	c := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent = true }), nil)
	_, nothing := c.Publish(t.Context(), "chat")
	_, nothingIf := c.PublishIf(t.Context(), "chat", "z-1")
	_, cursor := c.PublishIf(t.Context(), "chat", "?", pabal.Message{})
	_, name := c.Publish(t.Context(), "a b", pabal.Message{})
	for what, err := range map[string]error{"no message": nothing, "no message, with a condition": nothingIf, "no cursor": cursor, "no channel": name} {
		if err == nil {
			t.Errorf("%s: want an error", what)
		}
	}
	if sent {
		t.Error("something was sent")
	}
}

// A server that answers with what Pabal does not send is not taken for one,
// whatever is asked of it, and the error says what came.
func TestForeignAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<h1>It works!</h1>"))
		}), nil)
		for _, via := range []string{"sse", "stream", "multipart", "longpoll", "poll", "websocket"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			var last error
			for e, err := range c.Subscribe(client.Options{Channels: []pabal.Channel{"chat"}, Via: via, GiveUp: 10 * time.Second}).Events(ctx) {
				if err == nil {
					t.Errorf("%s: got the event %+v", via, e)
				}
				last = err
			}
			cancel()
			if !errors.Is(last, client.ErrNotReached) {
				t.Errorf("%s: got %v, want that it gave up", via, last)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if page, err := c.Read(ctx, "chat", client.Range{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("read: got %+v, %v", page, err)
		}
		if _, err := c.Publish(ctx, "chat", pabal.Message{Data: []byte("x")}); !errors.Is(err, client.ErrOutcomeUnknown) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("publish: got %v", err)
		}
	})
}
