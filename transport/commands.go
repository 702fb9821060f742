package transport

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/websocket"
)

// A commander does what one client asks for, whichever way it asks.
type commander struct {
	handler *Handler
	grant   pabal.Grant // its Connection is the client's
	client  *client     // nil: who asks by POST
	via     reading
}

// A reading is what the client reads, which some commands change.
type reading interface {
	subscribe(ctx context.Context, c *commander, cmd *command, ch pabal.Channel) (*reply, error)
	unsubscribe(ctx context.Context, c *commander, cmd *command, ch pabal.Channel) (*reply, error)
	refresh(ctx context.Context, c *commander, g pabal.Grant) error
	present(ctx context.Context, c *commander, cmd *command, ch pabal.Channel) error
	listen(ctx context.Context, c *commander) error // has it read its inbox
}

// do does what cmd asks for.
func (c *commander) do(ctx context.Context, cmd *command) (*reply, error) {
	answer, err := c.doing(ctx, cmd)
	return answer, unknown(&c.grant, err)
}

func (c *commander) doing(ctx context.Context, cmd *command) (*reply, error) {
	switch cmd.Command {
	case "ping":
		return &reply{}, nil
	case "refresh":
		return c.refresh(ctx, cmd)
	case "cancel":
		return c.cancel(ctx, cmd)
	}
	limits := c.handler.Hub.Limits()
	ch, err := limits.CheckChannel(cmd.Channel)
	if err != nil {
		return nil, err
	}
	switch cmd.Command {
	case "subscribe":
		return c.via.subscribe(ctx, c, cmd, ch)
	case "unsubscribe":
		if string(ch) == pabal.Inbox+c.grant.Connection {
			return nil, problem.BadRequest("what comes to a connection's own inbox is not to be left out; open a connection without ?connection= to read without it")
		}
		return c.via.unsubscribe(ctx, c, cmd, ch)
	case "publish":
		return c.publish(ctx, cmd, ch)
	case "presence":
		return c.present(ctx, cmd, ch)
	case "call":
		return c.call(ctx, cmd, ch)
	}
	return c.answer(ctx, cmd, ch)
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
	if errors.Is(err, pabal.ErrMoved) && c.grant.Check(pabal.ToRead, ch) == nil {
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
	if err := c.client.counted(c.handler); err != nil {
		return pabal.Appended{}, err
	}
	m := pabal.Message{Data: ev.Payload, ContentType: "application/octet-stream"}
	if ev.Op == websocket.OpText {
		m.ContentType = ""
	}
	return c.append(ctx, ch, pabal.Publish{Messages: []pabal.Message{m}})
}

// append publishes p, if the client's token has not expired meanwhile, and logs
// it if the server cannot.
func (c *commander) append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	if err := c.valid(); err != nil {
		return pabal.Appended{}, err
	}
	done, err := c.handler.Hub.Publish(ctx, c.grant, ch, p)
	if err != nil && ctx.Err() == nil {
		c.handler.failures.Log(c.handler.Log, err, "channel", ch)
	}
	return done, err
}

// valid reports that the client's token has expired: what it reads ends then
// too, but not at the same instant.
func (c *commander) valid() error {
	if at := c.grant.Expires; !at.IsZero() && !time.Now().Before(at) {
		return problem.Unauthorized("the token has expired; refresh it, or come again with a new one")
	}
	return nil
}

func (c *commander) present(ctx context.Context, cmd *command, ch pabal.Channel) (*reply, error) {
	if c.handler.Presence == nil {
		return nil, problem.BadRequest("presence is off on this server")
	}
	if cmd.Leave && cmd.Data != nil {
		return nil, problem.BadRequest("give leave or data, not both")
	}
	if cmd.Data != nil {
		if err := checkPresent(cmd.Data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(c.valid(), c.grant.Check(pabal.ToRead, ch)); err != nil {
		return nil, err
	}
	return &reply{Channel: cmd.Channel}, c.via.present(ctx, c, cmd, ch)
}

func (c *commander) call(ctx context.Context, cmd *command, ch pabal.Channel) (*reply, error) {
	if err := c.asks(cmd.Call); err != nil {
		return nil, err
	}
	m, err := cmd.message()
	if err != nil {
		return nil, err
	}
	if m.ID = cmd.Call; m.ID == "" {
		return nil, problem.BadRequest("call: give what you ask a name of its own, which its answers will carry")
	}
	if err := c.grant.Check(pabal.ToCall, ch); err != nil {
		return nil, err
	}
	if err := c.via.listen(ctx, c); err != nil {
		return nil, err
	}
	return &reply{Channel: cmd.Channel}, c.handler.Calls.Call(ctx, c.grant, ch, m, cmd.timeout())
}

func (c *commander) cancel(ctx context.Context, cmd *command) (*reply, error) {
	if err := c.asks(cmd.Call); err != nil {
		return nil, err
	}
	if err := c.via.listen(ctx, c); err != nil {
		return nil, err
	}
	return &reply{}, c.handler.Calls.Cancel(ctx, c.grant, cmd.Call)
}

// asks reports why the client cannot ask, or answer, anything.
func (c *commander) asks(id string) error {
	switch {
	case c.handler.Calls == nil:
		return problem.BadRequest("calls are off on this server")
	case c.grant.Connection == "":
		return problem.BadRequest("answers come to the inbox of a connection; name yours with ?connection=, and read it")
	case len(id) > c.handler.Hub.Limits().FieldBytes:
		return &pabal.LimitError{Limit: "field-bytes", Max: c.handler.Hub.Limits().FieldBytes, What: "the name of a call"}
	}
	return c.valid()
}

func (c *commander) answer(ctx context.Context, cmd *command, ch pabal.Channel) (*reply, error) {
	if c.handler.Calls == nil {
		return nil, problem.BadRequest("calls are off on this server")
	}
	m, err := cmd.message()
	if err != nil {
		return nil, err
	}
	switch m.Type {
	case "":
		m.Type = "answer"
	case "part", "answer", "failed":
	default:
		return nil, problem.BadRequest("type %.40q: an answer is of type part, of which more follow, answer or failed", m.Type)
	}
	if err := c.valid(); err != nil {
		return nil, err
	}
	return &reply{Channel: cmd.Channel}, c.handler.Calls.Answer(ctx, c.grant, ch, cmd.Ref, m)
}

func (c *commander) refresh(ctx context.Context, cmd *command) (*reply, error) {
	if cmd.Token == "" {
		return nil, problem.BadRequest("token: give the new one")
	}
	g, err := c.renew(ctx, cmd.Token)
	if err != nil {
		return nil, err
	}
	g.Address, g.Connection = c.grant.Address, c.grant.Connection
	if err := c.via.refresh(ctx, c, g); err != nil {
		return nil, err
	}
	c.grant = g
	answer := &reply{}
	if !g.Expires.IsZero() {
		answer.Expires = &g.Expires
	}
	return answer, nil
}

// renew asks for what token allows, which may take its time, once.
func (c *commander) renew(ctx context.Context, token string) (g pabal.Grant, err error) {
	if c.client != nil && c.client.token == token {
		g, c.client.token, c.client.renewed = c.client.renewed, "", pabal.Grant{}
		return g, nil
	}
	g, err = c.handler.Access.Renew(ctx, token)
	if err == nil && c.client != nil {
		c.client.token, c.client.renewed = token, g
	}
	return g, err
}

// A client is what is known of who sends commands on a WebSocket.
type client struct {
	*attendance
	rate    *rate.Limiter // nil: its commands are not counted
	listens bool          // it reads its inbox
	token   string        // that it gave last,
	renewed pabal.Grant   // and what that allows
}

// newClient returns a client that is present where a says.
func (h *Handler) newClient(g pabal.Grant, a *attendance) *client {
	c := &client{attendance: a}
	if g.Address != "" {
		c.rate = rate.NewLimiter(rate.Limit(h.CommandRate), 2*h.CommandRate)
	}
	return c
}

// counted reports that a client sends more commands than it may.
func (c *client) counted(h *Handler) error {
	if c.rate == nil || c.rate.Allow() {
		return nil
	}
	return &pabal.LimitError{Limit: "command-rate", Max: h.CommandRate, What: "one more command this second", Retry: time.Second}
}
