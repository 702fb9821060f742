package transport_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
)

// breaking is a broker whose storage fails once it is told to.
type breaking struct {
	pabal.Broker
	mu            sync.Mutex
	append_, read error
}

func (b *breaking) fail(appending, reading error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.append_, b.read = appending, reading
}

func (b *breaking) errs() (appending, reading error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.append_, b.read
}

func (b *breaking) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	if err, _ := b.errs(); err != nil {
		return pabal.Appended{}, err
	}
	return b.Broker.Append(ctx, ch, p)
}

func (b *breaking) Read(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
	if _, err := b.errs(); err != nil {
		return pabal.Page{}, err
	}
	return b.Broker.Read(ctx, ch, q)
}

// logged is a log that a test looks into.
type logged struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// breakable has n, which does not serve yet, stand on a broker that can fail.
func breakable(t *testing.T, n *node) (*breaking, *logged) {
	return breakableWith(t, n, pabal.Limits{})
}

func breakableWith(t *testing.T, n *node, limits pabal.Limits) (*breaking, *logged) {
	b := &breaking{Broker: n.broker}
	n.hub.Close()
	n.hub = pabal.NewHub(b, limits)
	t.Cleanup(n.hub.Close)
	log := &logged{}
	n.reads.Hub, n.reads.Log = n.hub, slog.New(slog.NewTextHandler(log, nil))
	n.api = &api.Handler{Hub: n.hub, Log: n.reads.Log}
	return b, log
}

// A storage that cannot be read is for readers what may be tried again, each in
// the form that its technique can say it in.
func TestReadingFromABrokenStorage(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		b, log := breakable(w.T, w.node)
		b.fail(nil, &pabal.StorageError{What: "this part cannot be read now", Retry: 7 * time.Second, Err: errors.New("/secret: checksum")})
		for _, via := range []string{"poll", "longpoll", "stream", "multipart", "page", "poll&before=1-1"} {
			resp := w.get("/channels/chat?via=" + via)
			if p := w.problem(resp, 503); p.Type != "/problems/storage" || p.Detail != "this part cannot be read now" || resp.header.Get("Retry-After") != "7" {
				w.Errorf("%s: got %v", via, resp)
			}
		}
		if p := w.called(w.get("/channels/chat?via=jsonp"), "/**/pabal(", ");\n"); p.Status != 503 {
			w.Errorf("jsonp: got %+v", p)
		}
		w.retries(w.get("/channels/chat?via=sse"))
		if !strings.Contains(log.String(), "/secret: checksum") {
			w.Errorf("the log lacks the cause: %s", log)
		}
	})
}

// Who publishes over a WebSocket is told as who posts.
func TestPublishingToABrokenStorage(t *testing.T) {
	pumps(t, &setup{}, func(t *testing.T, s *setup) {
		n := newNode(t, s)
		b, log := breakable(t, n)
		server := n.listen(t)
		commands := connect(t, server.Plain+"/channels/chat", v1)
		commands.opened()
		raw := connect(t, server.Plain+"/channels/chat")
		b.fail(&pabal.StorageError{What: "nothing was published: make room", Full: true, Err: errors.New("/secret: no space")}, nil)
		m := commands.reply(`{"id":1,"command":"publish","channel":"chat","data":"x"}`)
		if !strings.Contains(m.text, `"type":"/problems/storage-full"`) || !strings.Contains(m.text, `"status":507`) || strings.Contains(m.text, "secret") {
			t.Errorf("got %s", m.text)
		}
		raw.send(textFrame, "x")
		raw.wantClose(1013, "nothing was published: make room")
		if !strings.Contains(log.String(), "/secret: no space") {
			t.Errorf("the log lacks the cause: %s", log)
		}
	})
}

// Two that publish by commands agree on an order too.
func TestConditionalCommands(t *testing.T) {
	pumps(t, &setup{}, func(t *testing.T, s *setup) {
		c := connect(t, newNode(t, s).listen(t).Plain+"/channels", v1)
		c.opened()
		publish := func(text, at string) said {
			return c.reply(fmt.Sprintf(`{"command":"publish","channel":"chat","data":%q,"ifMatch":%q}`, text, at))
		}
		first := c.reply(`{"command":"publish","channel":"chat","data":"1"}`)
		second := publish("2", first.Cursor)
		if !second.OK {
			t.Fatalf("at the end: got %s", second.text)
		}
		if m := publish("3", first.Cursor); !strings.Contains(m.text, `"status":412`) || !strings.Contains(m.text, `"cursor":"`+second.Cursor+`"`) {
			t.Errorf("where the end was: got %s, want 412 and %s", m.text, second.Cursor)
		}
		for _, wrong := range []string{"", "*", `"` + second.Cursor + `"`} {
			if m := publish("3", wrong); !strings.Contains(m.text, `"status":400`) || !strings.Contains(m.text, "ifMatch: ") {
				t.Errorf("ifMatch %q: got %s", wrong, m.text)
			}
		}
		if m := publish("3", second.Cursor); !m.OK {
			t.Errorf("at the end again: got %s", m.text)
		}
	})
}
