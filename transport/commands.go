package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/websocket"
	"github.com/pabal/pabal/internal/wire"
)

// A command is what a client of the subprotocol pabal.v1 asks for.
type command struct {
	ID      json.RawMessage `json:"id"`      // any number or string; the reply repeats it
	Command string          `json:"command"` // subscribe, unsubscribe, publish or ping
	Channel string          `json:"channel"`

	Cursor string `json:"cursor"` // subscribe: where to begin,
	Since  string `json:"since"`  // or as ?since=; now

	Type        string          `json:"type"` // publish, as in an entry
	Key         string          `json:"key"`
	MessageID   string          `json:"messageId"`
	ContentType string          `json:"contentType"`
	Encoding    string          `json:"encoding"`
	Data        json.RawMessage `json:"data"`
}

// A reply answers a command. It has ok or error.
type reply struct {
	ID        json.RawMessage  `json:"id,omitempty"`
	OK        bool             `json:"ok,omitempty"`
	Error     *problem.Problem `json:"error,omitempty"`
	Channel   string           `json:"channel,omitempty"`
	Cursor    string           `json:"cursor,omitempty"`
	Duplicate *bool            `json:"duplicate,omitempty"`
}

// command does what one message of the client asks for, and replies.
func (r *wsReader) command(ctx context.Context, ev websocket.Event) {
	var cmd command
	err := parseCommand(ev, &cmd)
	answer := &reply{}
	if err == nil {
		err = r.do(ctx, &cmd, answer)
	}
	answer.ID = cmd.ID
	if err != nil {
		*answer = reply{ID: cmd.ID, Error: problem.From(err)}
	} else if answer.OK {
		return // said already, where it belongs
	}
	answer.OK = err == nil
	r.send(ctx, replyFrame(answer))
}

func replyFrame(a *reply) []byte {
	text, err := json.Marshal(a)
	if err != nil { // only an ID that is no JSON could do that, and it was parsed as such
		text = []byte(`{"error":{"title":"Internal Server Error","status":500}}`)
	}
	return websocket.Message(websocket.OpText, text, false)
}

func parseCommand(ev websocket.Event, cmd *command) error {
	if ev.Op != websocket.OpText {
		return problem.BadRequest("a command is a text message with one JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(ev.Payload))
	d.DisallowUnknownFields()
	if err := d.Decode(cmd); err != nil {
		return problem.BadRequest("a command is one JSON object, such as {\"id\":1,\"command\":\"subscribe\",\"channel\":\"chat\"}: %v", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return problem.BadRequest("a message holds one command; send the next in a message of its own")
	}
	if id := cmd.ID; len(id) > 128 || len(id) > 0 && id[0] != '"' && id[0] != '-' && (id[0] < '0' || id[0] > '9') {
		cmd.ID = nil
		return problem.BadRequest("id must be a number or a string of at most 128 bytes")
	}
	return nil
}

func (r *wsReader) do(ctx context.Context, cmd *command, answer *reply) error {
	if cmd.Command == "ping" {
		return nil
	}
	if !slices.Contains([]string{"subscribe", "unsubscribe", "publish"}, cmd.Command) {
		return problem.BadRequest("command %.40q is not known; these are: subscribe, unsubscribe, publish, ping", cmd.Command)
	}
	limits := r.c.handler.Hub.Limits()
	ch, err := limits.CheckChannel(cmd.Channel)
	if err != nil {
		return err
	}
	answer.Channel = cmd.Channel
	switch cmd.Command {
	case "subscribe":
		return r.subscribe(ctx, cmd, ch, answer)
	case "unsubscribe":
		return r.withSession(ctx, func(context.Context) error {
			if !r.c.session.Unsubscribe(ch) {
				return problem.BadRequest("channel %q is not subscribed to", ch)
			}
			r.c.q.channels = slices.DeleteFunc(r.c.q.channels, func(c pabal.Channel) bool { return c == ch })
			return nil
		})
	}
	m, err := cmd.message()
	if err != nil {
		return err
	}
	done, err := r.c.handler.Hub.Publish(ctx, r.c.grant, ch, pabal.Publish{Messages: []pabal.Message{m}})
	if err != nil {
		return err
	}
	answer.Cursor, answer.Duplicate = done.End.String(), &done.Duplicate
	if done.Duplicate {
		answer.Cursor = done.Positions[0].String()
	}
	return nil
}

// subscribe adds ch to what the WebSocket reads. The reply says where it
// begins, and comes before any of its entries.
func (r *wsReader) subscribe(ctx context.Context, cmd *command, ch pabal.Channel, answer *reply) error {
	from := pabal.FromNow()
	var err error
	switch {
	case cmd.Cursor != "" && cmd.Since != "":
		return problem.BadRequest("give cursor or since, not both")
	case cmd.Cursor != "":
		var at pabal.Position
		if at, err = pabal.ParsePosition(cmd.Cursor); err != nil {
			return problem.BadRequest("%v", err)
		}
		from = pabal.After(at)
	case cmd.Since != "":
		if from, err = ParseSince(cmd.Since); err != nil {
			return err
		}
	}
	return r.withSession(ctx, func(ctx context.Context) error {
		s := r.c.session
		if err := s.Subscribe(ch, from); err != nil {
			return err
		}
		if err := s.CatchUp(ctx); err != nil {
			s.Unsubscribe(ch)
			return err
		}
		r.c.q.channels = append(r.c.q.channels, ch)
		answer.ID, answer.Cursor, answer.OK = cmd.ID, s.Position(len(r.c.q.channels)-1).String(), true
		r.c.buf = append(r.c.buf, replyFrame(answer)...)
		return nil
	})
}

// withSession runs f where the session belongs.
func (r *wsReader) withSession(ctx context.Context, f func(context.Context) error) error {
	done := make(chan error, 1)
	select {
	case r.c.tasks <- func(ctx context.Context) { done <- f(ctx) }:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// message is what a publish command publishes: data is a JSON string for text,
// any JSON for JSON, and base64 where encoding says so.
func (cmd *command) message() (pabal.Message, error) {
	contentType, data, err := wire.ParseData(cmd.ContentType, cmd.Encoding, cmd.Data)
	if err != nil {
		return pabal.Message{}, problem.BadRequest("%v", err)
	}
	return pabal.Message{ID: cmd.MessageID, Type: cmd.Type, Key: cmd.Key, ContentType: contentType, Data: data}, nil
}
