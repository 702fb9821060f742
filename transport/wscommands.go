package transport

import (
	"context"
	"errors"
	"slices"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/websocket"
)

// wsReading is what a WebSocket reads.
type wsReading struct {
	session  *pabal.Session
	channels []pabal.Channel // in the session's order
}

// A wsVia does what commands on a WebSocket ask of its session: in has f run
// where that belongs, and what f returns written before anything that is read
// after.
type wsVia struct {
	in func(ctx context.Context, f func(context.Context, *wsReading) []byte) error
}

// command does what one message of the client asks for, and returns the frame
// of the reply, or nothing if that was said already, where it belongs. The
// error is in's.
func (c *commander) command(ctx context.Context, ev websocket.Event) ([]byte, error) {
	var cmd command
	err := problemOf(ev)
	if err == nil {
		err = parseCommand(ev.Payload, &cmd)
	}
	if err == nil {
		err = c.client.counted(c.handler)
	}
	if err != nil {
		return frameOf(replyTo(&cmd, nil, err)), nil
	}
	answer, err := c.do(ctx, &cmd)
	if !errors.Is(err, errNeedsSession) {
		return frameOf(replyTo(&cmd, answer, err)), nil
	}
	return nil, c.via.(*wsVia).in(ctx, func(ctx context.Context, r *wsReading) []byte {
		there := *c
		there.via = r
		answer, err := there.do(ctx, &cmd)
		c.grant = there.grant
		return frameOf(replyTo(&cmd, answer, err))
	})
}

func problemOf(ev websocket.Event) error {
	if ev.Op != websocket.OpText {
		return problem.BadRequest("a command is a text message with one JSON object")
	}
	return nil
}

func frameOf(text []byte) []byte { return websocket.Message(websocket.OpText, text, false) }

// subscribe adds ch to what the WebSocket reads, and says where it begins.
func (r *wsReading) subscribe(ctx context.Context, _ *commander, cmd *command, ch pabal.Channel) (*reply, error) {
	from, err := cmd.from()
	if err == nil && cmd.Read != "" {
		err = problem.BadRequest("read is of who polls; a WebSocket is told its channels here")
	}
	if err != nil {
		return nil, err
	}
	at, err := r.add(ctx, ch, from)
	return &reply{Channel: cmd.Channel, Cursor: at.String()}, err
}

func (r *wsReading) add(ctx context.Context, ch pabal.Channel, from pabal.From) (at pabal.Position, err error) {
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

func (r *wsReading) unsubscribe(_ context.Context, c *commander, cmd *command, ch pabal.Channel) (*reply, error) {
	if !r.session.Unsubscribe(ch) {
		return nil, problem.BadRequest("channel %q is not subscribed to", ch)
	}
	r.channels = slices.DeleteFunc(r.channels, func(c pabal.Channel) bool { return c == ch })
	if c.handler.Presence != nil {
		c.client.tell(c.handler, c.grant, &order{Channel: ch, Leave: true})
	}
	return &reply{Channel: cmd.Channel}, nil
}

func (r *wsReading) refresh(_ context.Context, _ *commander, g pabal.Grant) error {
	return r.session.Refresh(g)
}

// listen has the WebSocket read its inbox, from its beginning.
func (r *wsReading) listen(ctx context.Context, c *commander) error {
	ch := pabal.Channel(pabal.Inbox + c.grant.Connection)
	if slices.Contains(r.channels, ch) {
		c.client.listens = true
		return nil
	}
	if err := c.handler.own(ctx, &c.grant); err != nil {
		return err
	}
	g := r.session.Grant()
	g.Connection = c.grant.Connection
	if err := r.session.Refresh(g); err != nil {
		return err
	}
	_, err := r.add(ctx, ch, pabal.FromAll())
	c.client.listens = err == nil
	return err
}

func (r *wsReading) present(ctx context.Context, c *commander, cmd *command, ch pabal.Channel) error {
	return presentWS(ctx, c, cmd, ch)
}

func presentWS(ctx context.Context, c *commander, cmd *command, ch pabal.Channel) error {
	return c.client.ask(ctx, c.handler, c.grant, &order{Channel: ch, Data: cmd.Data, Leave: cmd.Leave})
}

// What a WebSocket asks without its session.
func (*wsVia) subscribe(context.Context, *commander, *command, pabal.Channel) (*reply, error) {
	return nil, errNeedsSession
}

func (*wsVia) unsubscribe(context.Context, *commander, *command, pabal.Channel) (*reply, error) {
	return nil, errNeedsSession
}
func (*wsVia) refresh(context.Context, *commander, pabal.Grant) error { return errNeedsSession }
func (*wsVia) listen(_ context.Context, c *commander) error {
	if c.client.listens {
		return nil
	}
	return errNeedsSession
}

func (*wsVia) present(ctx context.Context, c *commander, cmd *command, ch pabal.Channel) error {
	return presentWS(ctx, c, cmd, ch)
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
