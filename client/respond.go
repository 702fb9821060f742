package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/wire"
)

// A Request is a call as who answers sees it.
type Request struct {
	Channel  pabal.Channel
	Ref      string          // names the call
	User     string          // who asks; empty: nobody knows
	UserData json.RawMessage // what the asker's token says of it
	Message  pabal.Message   // what is asked: data and content type
	Until    time.Time       // when the call has failed
}

// respondersAtOnce is how many calls one Respond answers at once. More wait.
const respondersAtOnce = 64

// Respond has answer answer what is asked of ch from now on, until ctx ends or
// a failure that trying again cannot mend: its error says which. Answer is
// called for up to 64 calls at once. It yields messages of type "part", each of
// which the asker gets at once, and then one of type "answer", of no type, or
// "failed", which ends the call; without one the answer is empty. An error has the call
// failed: the asker is told what an [*Error], a *[pabal.InvalidError] or a
// *[pabal.ForbiddenError] says, and of any other only that the server failed.
//
// Of several who respond each is asked, and the first answer counts. The
// context of answer ends when the call does, as far as that is known, and with
// ctx; it must return then, and Respond waits for it. Calls that it has not
// answered by then fail when their time is over.
func (c *Client) Respond(ctx context.Context, ch pabal.Channel, answer func(ctx context.Context, r Request) iter.Seq2[pabal.Message, error]) error {
	if err := c.check(ch); err != nil {
		return err
	}
	var work sync.WaitGroup
	defer work.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	room := make(chan struct{}, respondersAtOnce)
	sub := c.Subscribe(Options{Channels: []pabal.Channel{pabal.Calls + ch}})
	for event, err := range sub.Events(ctx) {
		if err != nil {
			return err
		}
		r, ok := requestOf(ch, event.Entry)
		if !ok {
			continue
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		work.Go(func() {
			defer func() { <-room }()
			c.respond(ctx, r, answer)
		})
	}
	return nil
}

// requestOf returns the call that e is; ok is false if it is none, or too late.
func requestOf(ch pabal.Channel, e *pabal.Entry) (r Request, ok bool) {
	if e == nil || e.Type != "call" {
		return r, false
	}
	var body struct {
		Ref         string          `json:"ref"`
		User        string          `json:"user"`
		UserData    json.RawMessage `json:"userData"`
		Until       time.Time       `json:"until"`
		ContentType string          `json:"contentType"`
		Encoding    string          `json:"encoding"`
		Data        json.RawMessage `json:"data"`
	}
	if json.Unmarshal(e.Data, &body) != nil || !body.Until.After(time.Now()) {
		return r, false
	}
	contentType, data, err := wire.ParseData(body.ContentType, body.Encoding, body.Data)
	r = Request{
		Channel: ch, Ref: body.Ref, User: body.User, UserData: body.UserData, Until: body.Until,
		Message: pabal.Message{ContentType: contentType, Data: data},
	}
	return r, err == nil
}

// respond passes on what answer says to r.
func (c *Client) respond(ctx context.Context, r Request, answer func(ctx context.Context, r Request) iter.Seq2[pabal.Message, error]) {
	ctx, stop := context.WithDeadline(ctx, r.Until)
	defer stop()
	for m, err := range answer(ctx, r) {
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.answer(ctx, r, "failed", failure(err))
			return
		case m.Type == "failed":
			c.answer(ctx, r, "failed", m)
			return
		case m.Type != "part":
			c.answer(ctx, r, "answer", m)
			return
		}
		if err := c.part(ctx, r, m); err != nil {
			c.answer(ctx, r, "failed", failure(err))
			return
		}
	}
	c.answer(ctx, r, "answer", pabal.Message{})
}

// answer ends r with m. If it was ended before, that stands.
func (c *Client) answer(ctx context.Context, r Request, kind string, m pabal.Message) {
	send := func(m pabal.Message) error {
		_, err := c.repeat(ctx, func() error {
			return c.command(ctx, &command{Command: "answer", Channel: r.Channel, Ref: r.Ref, Type: kind}, &m)
		})
		return err
	}
	var e *Error
	if err := send(m); errors.As(err, &e) && e.Status != http.StatusConflict && ctx.Err() == nil {
		kind = "failed"
		_ = send(failure(&Error{Status: http.StatusBadGateway, Title: "No answer that can be passed on", Detail: "the answer was refused: " + e.Detail}))
	}
}

var errPartLost = &Error{Status: http.StatusBadGateway, Title: "A part was lost", Detail: "whether a part of the answer was passed on is not known, so the rest of it was left out"}

// part passes on a part of the answer to r. It is not repeated unless it surely
// was not taken: another one could not be told from it.
func (c *Client) part(ctx context.Context, r Request, m pabal.Message) error {
	for failures := 0; ; failures++ {
		err := c.command(ctx, &command{Command: "answer", Channel: r.Channel, Ref: r.Ref, Type: "part"}, &m)
		switch {
		case err == nil || permanent(err):
			return err
		case !unsent(err):
			return errPartLost
		case !c.wait(ctx, err, failures, comeBack(err)):
			return context.Cause(ctx)
		}
	}
}

// failure returns what the asker is told of err.
func failure(err error) pabal.Message {
	p := problem.From(err)
	var e *Error
	if errors.As(err, &e) {
		p = &problem.Problem{Type: e.Type, Title: e.Title, Status: e.Status, Detail: e.Detail, Limit: e.Limit, RetryAfter: e.RetryAfter, Cursor: e.Cursor}
	}
	return pabal.Message{ContentType: problem.ContentType, Data: p.Append(nil)}
}
