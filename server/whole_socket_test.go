package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/coder/websocket"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/netsim"
	"github.com/pabal/pabal/internal/readers"
)

// A piper publishes by commands of pabal.v1, some at once. What was not
// answered it sends again, under the same IDs.
type piper struct {
	*wholePublisher
	unsure []command // sent, not answered; on an earlier connection, if they come first
}

type command struct {
	sent map[string]any
	try  *ledger.Publish
}

func (w *whole) newPiper(p player, channel string) {
	pipe := &piper{wholePublisher: w.newPublisher(p, 0, channel)}
	pipe.next, pipe.unfinished = pipe.connect, func() bool { return len(pipe.unsure) > 0 }
}

// connect publishes until the connection breaks, or ctx ends and all is known.
func (p *piper) connect(ctx context.Context) error {
	life := p.whole.now()
	limit, cancel := context.WithTimeout(life, 40*time.Second)
	defer cancel()
	conn, err := readers.Dial(limit, &readers.Target{URL: p.url(), Client: p.http}, "pabal.v1", nil)
	if err != nil {
		return p.unsureOf(limit, err)
	}
	defer func() { _ = conn.CloseNow() }()
	for ctx.Err() == nil || len(p.unsure) > 0 {
		for ctx.Err() == nil && len(p.unsure) < 6 {
			c, err := p.command()
			if err != nil {
				return err
			}
			p.unsure = append(p.unsure, c)
		}
		if err := p.exchange(life, limit, conn, 1+p.random.IntN(len(p.unsure))); err != nil {
			return p.unsureOf(limit, err)
		}
		p.pause(limit, 0, 5*time.Second)
	}
	return nil
}

// unsureOf returns errUnsure for what passes.
func (p *piper) unsureOf(limit context.Context, err error) error {
	if limit.Err() != nil || p.passing(err) {
		p.note(p.channels, "loses the connection: %v", err)
		return errUnsure
	}
	return err
}

func (p *piper) command() (command, error) {
	m, data := p.message(p.token())
	c := command{sent: map[string]any{
		"id": p.count, "command": "publish", "channel": p.channels[0], "data": string(data), "messageId": m.Token,
	}}
	var err error
	c.try, err = p.whole.ledger.Log(p.channels[0]).Try("", m)
	return c, err
}

// exchange sends the first n commands, and takes their answers.
func (p *piper) exchange(life, ctx context.Context, conn *websocket.Conn, n int) error {
	for _, c := range p.unsure[:n] {
		text, err := json.Marshal(c.sent)
		if err != nil {
			return err
		}
		p.note(p.channels, "publishes %v to %s", c.sent["messageId"], p.channels[0])
		if err := conn.Write(ctx, websocket.MessageText, text); err != nil {
			return err
		}
	}
	var again []command // the store did not know, or refused
	for answered := 0; answered < n; {
		_, text, err := conn.Read(ctx)
		if err != nil {
			p.unsure = append(again, p.unsure...)
			return err
		}
		var r struct {
			ID        int
			OK        bool
			Notice    string
			Cursor    string
			Duplicate bool
			Error     readers.Problem
		}
		if len(text) == 0 {
			continue // a sign of life
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		if r.Notice != "" {
			continue
		}
		c := p.unsure[0]
		p.note(p.channels, "is answered %s", text)
		switch {
		case r.ID != c.sent["id"]:
			return fmt.Errorf("%v was answered with %q", c.sent["id"], text)
		case r.OK:
			err = p.whole.take(life, func() error { return c.try.Acknowledged(r.Duplicate, r.Cursor) })
		case r.Error.Status == 503:
			again = append(again, c)
		default:
			err = fmt.Errorf("%v was answered with %q", c.sent["id"], text)
		}
		if err != nil {
			return err
		}
		p.unsure = p.unsure[1:]
		answered++
	}
	p.unsure = append(again, p.unsure...)
	return nil
}

// A stuck reader asks for a stream and takes nothing of it: it is to be cut
// off, once what lies on its way is more than there is room for.
type stuck struct {
	player
	path string
}

const stuckRoom = 2000

func (w *whole) newStuck(p player, by *readers.Technique, channel string) {
	p.host.Relink(netsim.Link{Room: stuckRoom})
	w.readers = append(w.readers, &stuck{p, (&readers.Target{Channels: []string{channel}}).Address(by.Name, nil)})
}

func (s *stuck) run(ctx context.Context) error {
	address := s.url()[len("http://"):]
	conn, err := s.dial(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	defer conn.Close()
	s.note(nil, "asks for %s, and takes nothing", s.path)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", s.path, address); err != nil {
		return nil
	}
	for !s.whole.calm.Load() {
		if !pause(ctx, time.Second) {
			return nil
		}
	}
	pause(ctx, wholeSettles+5*time.Second) // since when nothing was published
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	got, err := io.Copy(io.Discard, conn)
	s.note(nil, "takes %d bytes, and then: %v", got, err)
	const beats = 300 // bytes of signs of life since then
	if got > stuckRoom+beats && errors.Is(err, os.ErrDeadlineExceeded) {
		return s.wrong(nil, "it took nothing for %v, though there was room for %d bytes alone, and is served still: then it got %d bytes", wholeActs+wholeSettles, stuckRoom, got)
	}
	return nil
}
