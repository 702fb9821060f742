package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pabal/pabal"
	goclient "github.com/pabal/pabal/client"
	"github.com/pabal/pabal/internal/eventsource"
	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// A goReader reads with the Go client, which is to see to all by itself.
type goReader struct {
	player
	account *readers.Account
	options goclient.Options
}

func (w *whole) newGoReader(p player, via string, latest bool, channels ...string) {
	r := &goReader{player: p, account: w.newAccount(p.name, latest, channels)}
	r.options = goclient.Options{Via: via, Since: "all", Latest: latest}
	for _, ch := range channels {
		r.options.Channels = append(r.options.Channels, pabal.Channel(ch))
	}
	w.readers = append(w.readers, r)
}

func (r *goReader) run(ctx context.Context) error {
	h := r.client()
	defer h.CloseIdleConnections()
	c := &goclient.Client{URL: r.url(), HTTP: h, Retrying: func(err error, wait time.Duration) {
		r.note(r.account.Channels, "waits for %v: %v", wait, err)
	}}
	for ctx.Err() == nil {
		r.note(r.account.Channels, "subscribes by %s at %s, from %v", r.options.Via, c.URL, r.options.Cursors)
		sub := c.Subscribe(r.options)
		for e, err := range sub.Events(ctx) {
			if ctx.Err() != nil {
				return nil
			}
			if err == nil {
				err = r.got(e)
			}
			if err != nil {
				return r.wrong(r.account.Channels, "%w", err)
			}
		}
		r.options.Cursors = sub.Cursors() // its channels are closed; one may be deleted, and begin again
		r.pause(ctx, time.Second, 3*time.Second)
	}
	return nil
}

func (r *goReader) got(e goclient.Event) error {
	it := readers.Item{}
	if e.Entry != nil {
		it.Channel, it.Cursor, it.Data = string(e.Entry.Channel), e.Entry.Position().String(), e.Entry.Data
	} else {
		n := e.Notice
		it = readers.Item{Notice: string(n.Kind), Channel: string(n.Channel), Cursor: n.Cursor, Detail: readers.Detail{
			From: n.From, To: n.To, Reason: string(n.Reason), Count: n.Count, Cursors: n.Cursors,
		}}
		for _, ch := range n.Channels {
			it.Channels = append(it.Channels, string(ch))
		}
	}
	if it.Channel == "" && len(r.account.Channels) == 1 {
		it.Channel = r.account.Channels[0]
	}
	r.gets(r.account.Channels, it)
	return r.whole.take(context.Background(), func() error { return r.account.Take(it) })
}

// A browser reads with an EventSource.
type browser struct {
	player
	account *readers.Account
	latest  bool
}

func (w *whole) newBrowser(p player, latest bool, channels ...string) {
	w.readers = append(w.readers, &browser{player: p, account: w.newAccount(p.name, latest, channels), latest: latest})
}

func (b *browser) run(ctx context.Context) error {
	channels := b.account.Channels
	h := b.client()
	defer h.CloseIdleConnections()
	query := url.Values{"since": {"all"}}
	if b.latest {
		query.Set("only", "latest")
	}
	path := "/channels/" + channels[0]
	if len(channels) > 1 {
		path, query["channel"] = "/channels", channels
	}
	s := eventsource.Source{
		URL: b.url() + path + "?" + query.Encode(), Client: h,
		Opened: func() { b.note(channels, "opens") },
		Failed: func(err error) { b.note(channels, "fails, and will try again: %v", err) },
	}
	for ctx.Err() == nil {
		b.note(channels, "is a new EventSource at %s, from %q", s.URL, s.LastEventID)
		for e, err := range s.Events(ctx) {
			if err == nil {
				s.LastEventID = e.LastEventID
				err = b.got(e)
			}
			if err == nil {
				continue
			}
			var refused *eventsource.Refusal
			if !errors.As(err, &refused) {
				return b.wrong(channels, "%w", err)
			}
			b.note(channels, "%v", err)
			closed := refused.Status == http.StatusNoContent && channels[0] == ends
			proxy := refused.Status == http.StatusBadGateway && b.box != ""
			if !closed && !proxy {
				return b.wrong(channels, "%w", err)
			}
		}
		b.pause(ctx, time.Second, 3*time.Second) // as a page would that looks again
	}
	return nil
}

// An event's data, in the JSON form.
type eventForm struct {
	Notice  string `json:"notice"`
	Channel string `json:"channel"`
	Cursor  string `json:"cursor"`
	Data    string `json:"data"`
	readers.Detail
}

func (b *browser) got(e eventsource.Event) error {
	it := readers.Item{Channel: b.account.Channels[0], Cursor: e.LastEventID, Data: []byte(e.Data)}
	if several := len(b.account.Channels) > 1; several || strings.HasPrefix(e.Type, "$") {
		var f eventForm
		if err := json.Unmarshal([]byte(e.Data), &f); err != nil {
			return fmt.Errorf("%+v: %w", e, err)
		}
		it = readers.Item{Notice: f.Notice, Channel: f.Channel, Cursor: f.Cursor, Data: []byte(f.Data), Detail: f.Detail}
		if several {
			it.Vector = e.LastEventID
		} else {
			it.Channel = b.account.Channels[0]
		}
	}
	b.gets(b.account.Channels, it)
	return b.whole.take(context.Background(), func() error { return b.account.Take(it) })
}

// A goPublisher publishes with the Go client, which repeats what it is unsure
// of, and says what it does not know.
type goPublisher struct {
	player
	channels []string
	count    int
}

func (w *whole) newGoPublisher(p player, channels ...string) {
	w.publishers = append(w.publishers, &goPublisher{player: p, channels: channels})
}

func (p *goPublisher) run(ctx context.Context) error {
	h := p.client()
	defer h.CloseIdleConnections()
	c := &goclient.Client{URL: p.url(), HTTP: h}
	for p.pause(ctx, 50*time.Millisecond, 4*time.Second) {
		ch := p.channels[p.random.IntN(len(p.channels))]
		p.count++
		data := fmt.Appendf(nil, "%s.%d %s", p.name, p.count, strings.Repeat("y", p.random.IntN(300)))
		m := ledger.Message{Token: entryOf("", data).Token, Sum: entryOf("", data).Sum}
		try, err := p.whole.ledger.Log(ch).Try("", m)
		if err != nil {
			return err
		}
		if err := p.publish(ctx, c, ch, pabal.Message{ContentType: "text/plain", Data: data}, try); err != nil {
			return p.wrong([]string{ch}, "%w", err)
		}
	}
	return nil
}

// publish has the client try for a while, and tells the ledger what it says.
func (p *goPublisher) publish(ctx context.Context, c *goclient.Client, ch string, m pabal.Message, try *ledger.Publish) error {
	life := p.whole.now()
	token := entryOf("", m.Data).Token
	p.note([]string{ch}, "publishes %s to %s", token, ch)
	trying, cancel := context.WithTimeout(ctx, time.Duration(1+p.random.IntN(40))*time.Second)
	defer cancel()
	got, err := c.Publish(trying, pabal.Channel(ch), m)
	err = p.whole.take(life, func() error {
		switch {
		case err == nil:
			p.note([]string{ch}, "is told that %s is at %s (duplicate: %v)", token, got.Cursor, got.Duplicate)
			return try.Acknowledged(got.Duplicate, got.Cursor)
		case errors.Is(err, goclient.ErrOutcomeUnknown):
			p.note([]string{ch}, "does not know what became of %s: %v", token, err)
			return nil
		case trying.Err() != nil:
			p.note([]string{ch}, "knows that %s was not published: %v", token, err)
			return try.Refused()
		}
		return err
	})
	if errors.Is(err, errOver) {
		return nil // of what was answered before the crash nothing is said after it
	}
	return err
}
