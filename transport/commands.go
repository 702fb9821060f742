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
	IfMatch     *string         `json:"ifMatch"` // publish only if the channel ends at this cursor
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

// A commander does what the client of one WebSocket asks for.
type commander struct {
	handler *Handler
	grant   pabal.Grant

	// reading has f run where what the WebSocket reads belongs, and what f
	// returns written before anything that is read after.
	reading func(ctx context.Context, f func(context.Context, *wsReading) []byte) error
}

// wsReading is what a WebSocket reads.
type wsReading struct {
	session  *pabal.Session
	channels []pabal.Channel // in the session's order
}

// command does what one message of the client asks for. It returns the reply,
// or nothing if that was said already, where it belongs. The error is
// reading's.
func (c *commander) command(ctx context.Context, ev websocket.Event) ([]byte, error) {
	var cmd command
	err := parseCommand(ev, &cmd)
	if err == nil {
		switch cmd.Command {
		case "ping":
			return replyTo(&cmd, &reply{}, nil), nil
		case "subscribe", "unsubscribe", "publish":
		default:
			err = problem.BadRequest("command %.40q is not known; these are: subscribe, unsubscribe, publish, ping", cmd.Command)
		}
	}
	var ch pabal.Channel
	if err == nil {
		limits := c.handler.Hub.Limits()
		ch, err = limits.CheckChannel(cmd.Channel)
	}
	switch {
	case err != nil:
		return replyTo(&cmd, nil, err), nil
	case cmd.Command == "publish":
		answer, err := c.publish(ctx, &cmd, ch)
		return replyTo(&cmd, answer, err), nil
	}
	return nil, c.reading(ctx, func(ctx context.Context, r *wsReading) []byte {
		answer := &reply{Channel: cmd.Channel}
		if cmd.Command == "unsubscribe" {
			return replyTo(&cmd, answer, r.unsubscribe(ch))
		}
		at, err := r.subscribe(ctx, &cmd, ch)
		answer.Cursor = at.String()
		return replyTo(&cmd, answer, err)
	})
}

// replyTo returns the frame of the reply to cmd: answer, or what went wrong.
func replyTo(cmd *command, answer *reply, err error) []byte {
	if err != nil {
		answer = &reply{Error: problem.From(err)}
	}
	answer.ID, answer.OK = cmd.ID, err == nil
	return replyFrame(answer)
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

func (c *commander) publish(ctx context.Context, cmd *command, ch pabal.Channel) (*reply, error) {
	m, err := cmd.message()
	if err != nil {
		return nil, err
	}
	p := pabal.Publish{Messages: []pabal.Message{m}}
	if cmd.IfMatch != nil {
		at, err := pabal.ParsePosition(*cmd.IfMatch)
		if err != nil {
			return nil, problem.BadRequest("ifMatch: %v", err)
		}
		p.If = &at
	}
	done, err := c.append(ctx, ch, p)
	if errors.Is(err, pabal.ErrMoved) {
		if end, _, endErr := c.handler.Hub.End(ctx, ch); endErr == nil {
			err = problem.Moved(end.String())
		}
	}
	if err != nil {
		return nil, err
	}
	answer := &reply{Channel: cmd.Channel, Cursor: done.End.String(), Duplicate: &done.Duplicate}
	if done.Duplicate {
		answer.Cursor = done.Positions[0].String()
	}
	return answer, nil
}

// publishRaw appends what a raw WebSocket was sent to its channel.
func (c *commander) publishRaw(ctx context.Context, ch pabal.Channel, ev websocket.Event) (pabal.Appended, error) {
	m := pabal.Message{Data: ev.Payload, ContentType: "application/octet-stream"}
	if ev.Op == websocket.OpText {
		m.ContentType = ""
	}
	return c.append(ctx, ch, pabal.Publish{Messages: []pabal.Message{m}})
}

// append publishes p, and logs it if the server cannot.
func (c *commander) append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	done, err := c.handler.Hub.Publish(ctx, c.grant, ch, p)
	if err != nil && ctx.Err() == nil {
		c.handler.failures.Log(c.handler.Log, err, "channel", ch)
	}
	return done, err
}

// refused says why a raw client's message was not taken. The one before was at
// last.
func refused(err error, last pabal.Position) wsEnd {
	p := problem.From(err)
	end := wsEnd{code: 1008, reason: p.Detail, last: last}
	switch {
	case p.Status == 413:
		end.code = 1009
	case p.Status == 429 || p.Status == 503 || p.Status == 507:
		end.code = 1013
	case p.Status >= 500:
		end.code, end.reason = 1011, "the message was not taken"
	}
	return end
}

// subscribe adds ch to what the WebSocket reads, and returns where it begins.
func (r *wsReading) subscribe(ctx context.Context, cmd *command, ch pabal.Channel) (at pabal.Position, err error) {
	from := pabal.FromNow()
	switch {
	case cmd.Cursor != "" && cmd.Since != "":
		return at, problem.BadRequest("give cursor or since, not both")
	case cmd.Cursor != "":
		if at, err = pabal.ParsePosition(cmd.Cursor); err != nil {
			return at, problem.BadRequest("%v", err)
		}
		from = pabal.After(at)
	case cmd.Since != "":
		if from, err = ParseSince(cmd.Since); err != nil {
			return at, err
		}
	}
	if err := r.session.Subscribe(ch, from); err != nil {
		return at, err
	}
	if err := r.session.CatchUp(ctx); err != nil {
		r.session.Unsubscribe(ch)
		return at, err
	}
	r.channels = append(r.channels, ch)
	return r.session.Position(len(r.channels) - 1), nil
}

func (r *wsReading) unsubscribe(ch pabal.Channel) error {
	if !r.session.Unsubscribe(ch) {
		return problem.BadRequest("channel %q is not subscribed to", ch)
	}
	r.channels = slices.DeleteFunc(r.channels, func(c pabal.Channel) bool { return c == ch })
	return nil
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
