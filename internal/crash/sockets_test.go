package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coder/websocket"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// A piper publishes by commands of pabal.v1, some at once.
type piper struct {
	*publisher
	channel string
	unsure  []command // sent, not answered; by an earlier life, if they come first
}

type command struct {
	sent map[string]any
	try  *ledger.Publish
}

// newPiper returns a publisher to channel over WebSocket.
func newPiper(p publisher, channel string) *publisher {
	w := &piper{publisher: &p, channel: channel}
	p.next = w.next
	return &p
}

// next publishes until t ends.
func (w *piper) next(ctx context.Context, t *target) error {
	client, base := (&readers.Server{Plain: t.URL()}).Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	conn, err := readers.Dial(ctx, &readers.Target{URL: base, Client: client}, "pabal.v1", nil)
	if err != nil {
		return t.judge(ctx, err)
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		for len(w.unsure) < 8 {
			c, err := w.command()
			if err != nil {
				return err
			}
			w.unsure = append(w.unsure, c)
		}
		n := 1 + w.random.IntN(len(w.unsure))
		if err := w.exchange(ctx, conn, n); err != nil {
			var text *answerError
			if errors.As(err, &text) {
				return err
			}
			return t.judge(ctx, err)
		}
		if !t.pause(ctx, 0) {
			return errBroken
		}
	}
}

func (w *piper) command() (command, error) {
	m, data := w.message("")
	c := command{sent: map[string]any{
		"id": w.count, "command": "publish", "channel": w.channel, "data": string(data), "messageId": m.Token,
	}}
	var err error
	c.try, err = w.ledger.Log(w.channel).Try("", m)
	return c, err
}

// An answerError is about an answer that should have been another.
type answerError struct{ error }

// exchange sends the first n commands, and takes their answers.
func (w *piper) exchange(ctx context.Context, conn *websocket.Conn, n int) error {
	for _, c := range w.unsure[:n] {
		text, err := json.Marshal(c.sent)
		if err != nil {
			return &answerError{err}
		}
		if err := conn.Write(ctx, websocket.MessageText, text); err != nil {
			return err
		}
	}
	for answered := 0; answered < n; {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		var r struct {
			ID        int
			OK        bool
			Notice    string
			Cursor    string
			Duplicate bool
		}
		if len(text) == 0 {
			continue // a sign of life
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return &answerError{err}
		}
		if r.Notice != "" {
			continue
		}
		c := w.unsure[0]
		if !r.OK || r.ID != c.sent["id"] {
			return &answerError{fmt.Errorf("%v was answered with %q", c.sent["id"], text)}
		}
		if err := c.try.Acknowledged(r.Duplicate, r.Cursor); err != nil {
			return &answerError{err}
		}
		w.unsure = w.unsure[1:]
		answered++
	}
	return nil
}

// An echoer publishes by a raw WebSocket, where a message's echo is all that
// says that it is kept.
type echoer struct {
	*publisher
	channel string
	reader  *ledger.Reader
	last    string // token that it has heard
}

// newEchoer returns a publisher to channel by raw WebSocket.
func newEchoer(p publisher, channel string) *publisher {
	e := &echoer{publisher: &p, channel: channel, reader: p.ledger.Log(channel).Reader("echo")}
	p.next = e.next
	return &p
}

// next publishes until t ends.
func (e *echoer) next(ctx context.Context, t *target) error {
	client, base := (&readers.Server{Plain: t.URL()}).Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	at := &readers.Target{URL: base, Client: client, Channels: []string{e.channel}}
	if e.last != "" {
		at.Cursors = []string{e.ledger.Log(e.channel).Cursor(e.last)}
	}
	conn, err := readers.Dial(ctx, at, "", nil)
	if err != nil {
		return t.judge(ctx, err)
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		sent := ""
		for range 1 + e.random.IntN(5) {
			m, data := e.message("")
			if _, err := e.ledger.Log(e.channel).Try("", m); err != nil {
				return err
			}
			if err := conn.Write(ctx, websocket.MessageText, data); err != nil {
				return t.judge(ctx, err)
			}
			sent = m.Token
		}
		for e.last != sent {
			_, data, err := conn.Read(ctx)
			if err != nil {
				return t.judge(ctx, err)
			}
			heard := entryOf("", data)
			if err := e.reader.TookBare(heard.Token, heard.Sum); err != nil {
				return err
			}
			e.last = heard.Token
		}
	}
}
