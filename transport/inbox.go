package transport

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// What is asked of a response that goes on comes by POST, to any node, and
// reaches whoever writes the response as an entry of the connection's inbox, of
// the type "command". A response that comes after it, to the same connection,
// begins with what was asked of the one before: the inbox is a log.

// commandType is that of an entry which asks something of the response that
// reads it. Only Pabal writes to inboxes.
const commandType = "command"

// An order is the data of such an entry.
type order struct {
	Command string          `json:"command"` // subscribe, unsubscribe, presence or refresh
	Channel pabal.Channel   `json:"channel,omitempty"`
	Cursor  string          `json:"cursor,omitempty"` // subscribe: where to begin
	Data    json.RawMessage `json:"data,omitempty"`   // presence
	Leave   bool            `json:"leave,omitempty"`
	Claims  json.RawMessage `json:"claims,omitempty"` // refresh: of the new token
}

// give appends o to the inbox of g's connection.
func (h *Handler) give(ctx context.Context, g *pabal.Grant, o *order) error {
	data, err := json.Marshal(o)
	if err != nil {
		return problem.BadRequest("%v", err)
	}
	m := pabal.Message{Type: commandType, ContentType: "application/json", Data: data}
	return h.toInbox(ctx, g.Connection, pabal.Publish{Messages: []pabal.Message{m}})
}

// orderOf returns what e asks of the response of connection, if it does.
func orderOf(e *pabal.Entry, inbox pabal.Channel) (o order, ok bool) {
	if e == nil || e.Type != commandType || e.Channel != inbox || inbox == "" {
		return o, false
	}
	err := json.Unmarshal(e.Data, &o)
	return o, err == nil
}

// orderAge is after how long an order is given once more when a response comes
// again, so that the inbox, which keeps entries for a day, does not forget it.
const orderAge = 6 * time.Hour

// A past is what was asked of responses to a connection before this one.
type past struct {
	until   pabal.Position // where the inbox ended; what comes later is for this response
	joins   []order        // presence
	notices []*pabal.Notice
}

// remember completes q by what was asked of responses to its connection before
// this one: what the inbox had when this one began is not obeyed as it is read,
// but known from the start.
func (h *Handler) remember(ctx context.Context, q *request, l *look) (err error) {
	q.past.until = l.end
	for _, ch := range l.order {
		g := l.last[ch]
		if g.join != nil {
			q.past.joins = append(q.past.joins, *g.join)
		}
		switch g.Command {
		case "subscribe":
			err = h.restore(ctx, q, g)
		case "unsubscribe":
			q.drop(ch)
		}
		if err != nil {
			return err
		}
	}
	if q.vector != nil && q.vector.Len() > q.known() {
		q.past.notices = append(q.past.notices, forgotten)
	}
	return nil
}

// restore has q read what g asked for, from where the response before had come
// to, or from where g says.
func (h *Handler) restore(ctx context.Context, q *request, g *given) error {
	at, err := pabal.ParsePosition(g.Cursor)
	if err != nil || slices.Contains(q.channels, g.Channel) {
		return nil //nolint:nilerr // only Pabal writes orders
	}
	if q.vector != nil {
		p, ok := q.vector.Of(g.Channel)
		read, heard := q.vector.Of(pabal.Channel(pabal.Inbox + q.grant.Connection))
		if anew := heard && read.Epoch == g.left.Epoch && read.Offset < g.left.Offset; ok && !anew { // else it had left since
			at = p
		}
	}
	if q.grant.Check(pabal.ToRead, g.Channel) != nil || len(q.channels) >= h.Hub.Limits().ChannelsPerResponse {
		q.past.notices = append(q.past.notices, &pabal.Notice{Kind: pabal.NoticeClosed, Channel: g.Channel, Cursor: at, Reason: reasonRefused})
		return nil
	}
	if time.Since(g.time) > orderAge {
		if err := h.give(ctx, &q.grant, &order{Command: g.Command, Channel: g.Channel, Cursor: at.String()}); err != nil {
			return err
		}
	}
	q.channels, q.from = append(q.channels, g.Channel), append(q.from, pabal.After(at))
	return nil
}

// drop has q not read ch, which the response before it was told not to: its
// vector, which lacks it, says that there was one.
func (q *request) drop(ch pabal.Channel) {
	i := slices.Index(q.channels[:q.given], ch)
	if i < 0 || q.vector == nil {
		return
	}
	if _, ok := q.vector.Of(ch); ok {
		return
	}
	q.channels, q.from = slices.Delete(slices.Clone(q.channels), i, i+1), slices.Delete(slices.Clone(q.from), i, i+1)
	q.given--
}

// known returns how many of q's channels its vector has.
func (q *request) known() (n int) {
	for _, ch := range q.channels {
		if _, ok := q.vector.Of(ch); ok {
			n++
		}
	}
	for _, n2 := range q.past.notices { // of these it is said
		if _, ok := q.vector.Of(n2.Channel); ok {
			n++
		}
	}
	return n
}

// forgotten says that a channel was subscribed to of which nothing is known any
// more, not even its name.
var forgotten = &pabal.Notice{Kind: pabal.NoticeClosed, Reason: reasonForgotten}
