package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// ServeCommands answers POST /commands: the upstream half of every technique
// that has none of its own. The body is one command (application/json), or
// several, one a line (application/x-ndjson), which are done and answered in
// order. Of a single command the status is that of its error.
func (h *Handler) ServeCommands(w http.ResponseWriter, r *http.Request) {
	h.init()
	if err := h.commands(w, r); err != nil {
		h.failures.Log(h.Log, err, "method", r.Method, "path", r.URL.Path)
		problem.Write(w, problem.From(err))
	}
}

func (h *Handler) commands(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return &problem.Problem{Status: http.StatusMethodNotAllowed, Detail: "commands are sent with POST"}
	}
	c, err := h.commanderOf(r)
	if err != nil {
		return err
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	several := media == "application/x-ndjson"
	if !several && media != "application/json" {
		return &problem.Problem{Status: http.StatusUnsupportedMediaType, Detail: "send one command as application/json, or one a line as application/x-ndjson"}
	}
	limits := h.Hub.Limits()
	most := 2*limits.MessageBytes + commandBytes
	if several {
		most = max(most, 2*limits.BatchBytes)
	}
	body, give, err := h.body(w, r, most)
	if err != nil {
		return err
	}
	defer give()
	if !utf8.Valid(body) { // json would put something else in the place of what is not
		return problem.BadRequest("commands are UTF-8; other bytes go into data as base64")
	}
	if !several {
		var cmd command
		answer, err := c.one(r.Context(), body, &cmd)
		h.writeReplies(w, "application/json", problem.From(err), replyTo(&cmd, answer, err))
		return nil
	}
	lines := bytes.Split(bytes.TrimRight(body, "\r\n"), []byte("\n"))
	if len(lines) > limits.BatchMessages {
		return &pabal.LimitError{Limit: "batch-messages", Max: limits.BatchMessages, What: fmt.Sprintf("%d commands at once", len(lines))}
	}
	replies := make([][]byte, len(lines))
	for i, line := range lines {
		var cmd command
		answer, err := c.one(r.Context(), line, &cmd)
		replies[i] = replyTo(&cmd, answer, err)
	}
	h.writeReplies(w, "application/x-ndjson", nil, replies...)
	return nil
}

func (c *commander) one(ctx context.Context, text []byte, cmd *command) (*reply, error) {
	if err := parseCommand(text, cmd); err != nil {
		return nil, err
	}
	return c.do(ctx, cmd)
}

// commanderOf returns who does what r asks for.
func (h *Handler) commanderOf(r *http.Request) (*commander, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem.BadRequest("the query cannot be read: %v", err)
	}
	for name, values := range query {
		if name != "connection" && name != "token" || len(values) > 1 {
			return nil, problem.BadRequest("?%.40s= is not a parameter of commands, or is given twice; these are: connection, token", name)
		}
	}
	g, err := h.Access.Grant(r)
	if err != nil {
		return nil, err
	}
	g.Address = address(r)
	if query.Has("connection") {
		g.Connection = query.Get("connection")
		if err := checkConnection(g.Connection); err != nil {
			return nil, err
		}
	}
	return &commander{handler: h, grant: g, via: &post{}}, nil
}

// body reads r's body, of at most most bytes. Room is taken as they come, since
// a head may claim any number. Give gives it back.
func (h *Handler) body(w http.ResponseWriter, r *http.Request, most int) (body []byte, give func(), err error) {
	held := 0
	give = func() { h.bodies.give(int64(held)) }
	in := http.MaxBytesReader(w, r.Body, int64(most))
	for err == nil {
		if len(body) == cap(body) {
			n := max(bytes.MinRead, min(cap(body), most+1-cap(body)))
			if !h.bodies.take(int64(n), h.BodyBytes) {
				give()
				return nil, nil, &pabal.LimitError{Limit: "body-bytes", Max: int(h.BodyBytes), What: "one more body to read", Retry: time.Second}
			}
			held += n
			body = append(make([]byte, 0, held), body...)
		}
		var n int
		n, err = in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
	}
	if errors.Is(err, io.EOF) {
		return body, give, nil
	}
	give()
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, nil, &pabal.LimitError{Limit: "max-message", Max: h.Hub.Limits().MessageBytes, What: "the body"}
	}
	return nil, nil, problem.BadRequest("the body broke off: nothing was done")
}

func (h *Handler) writeReplies(w http.ResponseWriter, contentType string, p *problem.Problem, replies ...[]byte) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", contentType)
	if p != nil {
		p.SetHeader(header)
		w.WriteHeader(max(p.Status, 400))
	}
	for _, text := range replies {
		_, _ = w.Write(append(text, '\n')) // who left learns the outcome by asking again
	}
}

// A post is what the client reads whose commands come by POST: a response that
// goes on, which its inbox reaches, or the next one that it polls for.
type post struct{}

func (p *post) subscribe(ctx context.Context, c *commander, cmd *command, ch pabal.Channel) (*reply, error) {
	from, err := cmd.from()
	if err != nil {
		return nil, err
	}
	if cmd.Read != "" {
		return p.next(ctx, c, cmd, func(q *request) error {
			if slices.Contains(q.channels, ch) {
				return problem.BadRequest("channel %q is subscribed to already", ch)
			}
			q.channels, q.from = slices.Insert(q.channels, q.given, ch), slices.Insert(q.from, q.given, from)
			q.given++
			return nil
		})
	}
	at, err := c.place(ctx, ch, from)
	if err != nil {
		return nil, err
	}
	if err := p.addressed(ctx, c, &c.grant); err != nil {
		return nil, err
	}
	return &reply{Channel: cmd.Channel, Cursor: at.String()}, c.handler.give(ctx, &c.grant, &order{Command: cmd.Command, Channel: ch, Cursor: at.String()})
}

func (p *post) unsubscribe(ctx context.Context, c *commander, cmd *command, ch pabal.Channel) (*reply, error) {
	if cmd.Read != "" {
		return p.next(ctx, c, cmd, func(q *request) error {
			i := slices.Index(q.channels[:q.given], ch)
			if i < 0 {
				return problem.BadRequest("channel %q is not subscribed to", ch)
			}
			q.channels, q.from = slices.Delete(q.channels, i, i+1), slices.Delete(q.from, i, i+1)
			q.given--
			return nil
		})
	}
	if c.grant.Claims == nil { // who has no name can only leave what it could have come to
		if err := c.grant.Check(pabal.ToRead, ch); err != nil {
			return nil, err
		}
	}
	if err := p.addressed(ctx, c, &c.grant); err != nil {
		return nil, err
	}
	return &reply{Channel: cmd.Channel}, c.handler.give(ctx, &c.grant, &order{Command: cmd.Command, Channel: ch})
}

func (p *post) refresh(ctx context.Context, c *commander, g pabal.Grant) error {
	if err := p.addressed(ctx, c, &g); err != nil {
		return err
	}
	return c.handler.give(ctx, &g, &order{Command: "refresh", Claims: g.Claims})
}

// present has the client present for a while, and asks the response that it
// reads to see to it from then on.
func (p *post) present(ctx context.Context, c *commander, cmd *command, ch pabal.Channel) error {
	if err := p.addressed(ctx, c, &c.grant); err != nil {
		return err
	}
	if cmd.Leave {
		c.handler.Presence.EndStay(c.grant, ch)
	} else if err := c.handler.Presence.Join(ctx, c.grant, ch, cmd.Data, pollStay); err != nil {
		return err
	}
	return c.handler.give(ctx, &c.grant, &order{Command: cmd.Command, Channel: ch, Data: cmd.Data, Leave: cmd.Leave})
}

func (p *post) listen(ctx context.Context, c *commander) error { return p.addressed(ctx, c, &c.grant) }

// addressed makes sure that the inbox to which something goes is that of g's
// user.
func (p *post) addressed(ctx context.Context, c *commander, g *pabal.Grant) error {
	if g.Connection == "" {
		return problem.BadRequest("whom is this for? Name the response that it is to reach by ?connection=, as it was opened; or, polling, give the URL of the last read as read")
	}
	return c.handler.own(ctx, g)
}

// place returns the position at which who begins to read ch at from begins.
func (c *commander) place(ctx context.Context, ch pabal.Channel, from pabal.From) (pabal.Position, error) {
	q := &request{technique: poll, channels: []pabal.Channel{ch}, from: []pabal.From{from}, asker: asker{grant: c.grant}}
	s, err := c.handler.openSession(ctx, q, nil)
	if err != nil {
		return pabal.Position{}, err
	}
	defer s.Close()
	return s.Position(0), nil
}

// next answers with the URL of the next read of who polls: that of the last, with
// what change does to its channels, from where each goes on.
func (p *post) next(ctx context.Context, c *commander, cmd *command, change func(*request) error) (*reply, error) {
	u, err := url.Parse(cmd.Read)
	if err != nil || u.IsAbs() || u.Host != "" || u.Path != "/channels" && !strings.HasPrefix(u.Path, "/channels/") {
		return nil, problem.BadRequest("read: %.80q is not the URL of a read; give its path and query, as in /channels/chat?via=poll&cursor=…", cmd.Read)
	}
	r := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}
	q, err := c.handler.parse(r)
	if err == nil {
		err = change(q)
	}
	if err != nil {
		return nil, err
	}
	if len(q.channels) > c.handler.Hub.Limits().ChannelsPerResponse {
		return nil, &pabal.LimitError{Limit: "channels-per-response", Max: c.handler.Hub.Limits().ChannelsPerResponse, What: "one more channel"}
	}
	connection := q.grant.Connection
	if q.grant = c.grant; q.inbox {
		q.grant.Connection = connection
		if err := c.handler.own(ctx, &q.grant); err != nil {
			return nil, err
		}
	}
	answer := &reply{Channel: cmd.Channel}
	if len(q.channels) == 0 {
		return answer, nil
	}
	s, err := c.handler.openSession(ctx, q, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	query := u.Query()
	for _, name := range []string{"channel", "cursor", "since"} {
		query.Del(name)
	}
	for i, ch := range q.channels {
		if i < q.given {
			query.Add("channel", string(ch))
		}
		query.Add("cursor", s.Position(i).String())
		if string(ch) == cmd.Channel {
			answer.Cursor = s.Position(i).String()
		}
	}
	answer.URL = "/channels?" + query.Encode()
	return answer, nil
}
