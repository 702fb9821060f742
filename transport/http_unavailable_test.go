package transport_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coder "github.com/coder/websocket"

	"github.com/pabal/pabal"
)

// fallBehind has the storage fail to be read, and publishes at once, so that
// who rests must read it if it is more than stays in memory.
func fallBehind(w *world, b *breaking, texts ...string) {
	w.Helper()
	b.fail(nil, &pabal.StorageError{What: "this part cannot be read now", Err: errors.New("/secret: checksum")})
	var p pabal.Publish
	for _, text := range texts {
		p.Messages = append(p.Messages, pabal.Message{Data: []byte(text)})
	}
	if _, err := w.hub.Publish(w.Context(), pabal.Grant{}, "chat", p); err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
}

// A reader whose log cannot be read on is told so and sent away, by whichever
// technique; with its last cursor it gets the rest once the log can be read.
func TestStorageBreaksUnderReaders(t *testing.T) {
	for via, want := range map[string]string{
		"sse": "$closed unavailable", "stream": "$closed unavailable", "multipart": "$closed unavailable", "iframe": "$closed unavailable",
		"page": "$closed", "websocket": "", "raw-entry": "", // these say it otherwise
	} {
		t.Run(via, func(t *testing.T) {
			bubble(t, &setup{}, func(w *world) {
				b, log := breakableWith(w.T, w.node, pabal.Limits{WindowEntries: 2})
				target := w.target("chat")
				target.Since = "all"
				target.Query = url.Values{"every": {"10s"}} // it rests while more comes than stays in memory
				at := w.publish("chat", "1")
				f := w.follow(via, target)
				if got := f.now(); !strings.Contains(got, "1") {
					w.Fatalf("before: got %q", got)
				}
				fallBehind(w, b, "2", "3", "4", "5", "6", "7", "8", "9")
				w.sleep(time.Minute)
				ended, err := f.end()
				if got := f.now(); !ended || got != want {
					w.Errorf("it has ended: %v, with %v; it said %q, want %q", ended, err, got, want)
				}
				if code := coder.CloseStatus(err); want == "" && (code != coder.StatusTryAgainLater || !strings.Contains(err.Error(), "unavailable")) {
					w.Errorf("closed with %v, want 1013 and unavailable", err)
				}
				if !strings.Contains(log.String(), "/secret: checksum") {
					w.Errorf("the log lacks the cause: %s", log)
				}
				b.fail(nil, nil)
				again := w.target("chat")
				again.Cursors = at
				if got := w.follow(via, again).now(); !strings.Contains(got, "2,3,4,5,6,7,8,9") || strings.Contains(got, "$reset") {
					w.Errorf("afterwards: got %q, want the rest", got)
				}
			})
		})
	}
}

// A WebSocket that asks for a channel that cannot be read is told so, and may
// ask again.
func TestSubscribingToABrokenStorage(t *testing.T) {
	pumps(t, &setup{}, func(t *testing.T, s *setup) {
		n := newNode(t, s)
		b, _ := breakable(t, n)
		c := connect(t, n.listen(t).Plain+"/channels", v1)
		c.opened()
		b.fail(nil, &pabal.StorageError{What: "this part cannot be read now", Err: errors.New("/secret: checksum")})
		if m := c.reply(`{"id":1,"command":"subscribe","channel":"chat","since":"all"}`); m.OK || !strings.Contains(m.text, `"status":503`) || strings.Contains(m.text, "secret") {
			t.Errorf("got %s, want 503 without the cause", m.text)
		}
		b.fail(nil, nil)
		if m := c.reply(`{"id":2,"command":"subscribe","channel":"chat","since":"all"}`); !m.OK {
			t.Errorf("asked again: got %s", m.text)
		}
	})
}
