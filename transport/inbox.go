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

	given time.Time
}

// give appends o to the inbox of c's client.
func (c *commander) give(ctx context.Context, o *order) error {
	data, err := json.Marshal(o)
	if err != nil {
		return problem.BadRequest("%v", err)
	}
	m := pabal.Message{Type: commandType, ContentType: "application/json", Data: data}
	_, err = c.handler.Hub.Publish(ctx, pabal.Grant{Own: true}, pabal.Channel(pabal.Inbox+c.grant.Connection), pabal.Publish{Messages: []pabal.Message{m}})
	return err
}

// orderOf returns what e asks of the response of connection, if it does.
func orderOf(e *pabal.Entry, inbox pabal.Channel) (o order, ok bool) {
	if e == nil || e.Type != commandType || e.Channel != inbox || inbox == "" {
		return o, false
	}
	err := json.Unmarshal(e.Data, &o)
	return o, err == nil
}

// orders returns what the inbox of q's connection asks of a response that begins
// after until: the channels to read beside those of the URL, in the order in
// which they were subscribed to.
func (h *Handler) orders(ctx context.Context, q *request, until pabal.Position) (subscribed []order, err error) {
	inbox := pabal.Channel(pabal.Inbox + q.grant.Connection)
	s, err := h.Hub.Open(pabal.Grant{Own: true}, nil, pabal.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Subscribe(inbox, pabal.FromAll()); err != nil {
		return nil, err
	}
	var b pabal.Batch
	for {
		state := s.Step(&b, batchItems)
		for _, it := range b.Items {
			if it.Entry != nil && it.Entry.Epoch == until.Epoch && it.Entry.Offset > until.Offset {
				return subscribed, nil
			}
			o, ok := orderOf(it.Entry, inbox)
			if !ok || o.Command != "subscribe" && o.Command != "unsubscribe" {
				continue
			}
			i := slices.IndexFunc(subscribed, func(other order) bool { return other.Channel == o.Channel })
			switch {
			case o.Command == "unsubscribe" && i >= 0:
				subscribed = slices.Delete(subscribed, i, i+1)
			case o.Command == "subscribe" && i >= 0: // it was given again
				subscribed[i].given = it.Entry.Time
			case o.Command == "subscribe":
				o.given = it.Entry.Time
				subscribed = append(subscribed, o)
			}
		}
		switch state {
		case pabal.Caught, pabal.Done:
			return subscribed, nil
		case pabal.Behind:
			if err := s.CatchUp(ctx); err != nil {
				return nil, err
			}
		}
	}
}

const batchItems = 256

// orderAge is after how long an order is given once more when a response comes
// again, so that the inbox, which keeps entries for a day, does not forget it.
const orderAge = 6 * time.Hour

// obeyBefore completes q by what was asked of responses to its connection before
// this one. An inbox that is read from its beginning tells that by itself.
func (h *Handler) obeyBefore(ctx context.Context, q *request) error {
	i := slices.Index(q.channels, pabal.Channel(pabal.Inbox+q.grant.Connection))
	until, resumed := q.from[i].After()
	if !resumed || q.technique.answer {
		return nil
	}
	subscribed, err := h.orders(ctx, q, until)
	if err != nil {
		return err
	}
	for _, o := range subscribed {
		at, err := pabal.ParsePosition(o.Cursor)
		if err != nil || slices.Contains(q.channels, o.Channel) || len(q.channels) >= h.Hub.Limits().ChannelsPerResponse {
			continue
		}
		if q.vector != nil {
			if p, ok := q.vector.Of(o.Channel); ok {
				at = p
			}
		}
		if time.Since(o.given) > orderAge {
			c := commander{handler: h, grant: q.grant}
			if err := c.give(ctx, &order{Command: o.Command, Channel: o.Channel, Cursor: at.String()}); err != nil {
				return err
			}
		}
		q.channels, q.from = append(q.channels, o.Channel), append(q.from, pabal.After(at))
	}
	q.forgot = q.vector != nil && q.vector.Len() > q.known()
	return nil
}

// known returns how many of q's channels its vector has.
func (q *request) known() (n int) {
	for _, ch := range q.channels {
		if _, ok := q.vector.Of(ch); ok {
			n++
		}
	}
	return n
}

// forgotten says that a channel was subscribed to which nothing is known of any
// more, not even its name.
var forgotten = &pabal.Notice{Kind: pabal.NoticeClosed, Reason: reasonForgotten}
