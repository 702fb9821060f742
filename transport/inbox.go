package transport

import (
	"context"
	"encoding/json"
	"slices"

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
// after until: the channels to read beside those of the URL, and where each
// begins, in the order in which they were subscribed to.
func (h *Handler) orders(ctx context.Context, q *request, until pabal.Position) (channels []pabal.Channel, from []pabal.From, err error) {
	inbox := pabal.Channel(pabal.Inbox + q.grant.Connection)
	s, err := h.Hub.Open(q.grant, nil, pabal.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	if err := s.Subscribe(inbox, pabal.FromAll()); err != nil {
		return nil, nil, err
	}
	take := func(o *order) {
		i := slices.Index(channels, o.Channel)
		switch {
		case o.Command == "subscribe" && i < 0:
			if at, err := pabal.ParsePosition(o.Cursor); err == nil {
				channels, from = append(channels, o.Channel), append(from, pabal.After(at))
			}
		case o.Command == "unsubscribe" && i >= 0:
			channels, from = slices.Delete(channels, i, i+1), slices.Delete(from, i, i+1)
		}
	}
	var b pabal.Batch
	for {
		state := s.Step(&b, batchItems)
		for _, it := range b.Items {
			if it.Entry != nil && it.Entry.Epoch == until.Epoch && it.Entry.Offset > until.Offset {
				return channels, from, nil
			}
			if o, ok := orderOf(it.Entry, inbox); ok {
				take(&o)
			}
		}
		switch state {
		case pabal.Caught, pabal.Done:
			return channels, from, nil
		case pabal.Behind:
			if err := s.CatchUp(ctx); err != nil {
				return nil, nil, err
			}
		}
	}
}

const batchItems = 256

// obeyBefore completes q by what was asked of responses to its connection before
// this one. An inbox that is read from its beginning tells that by itself.
func (h *Handler) obeyBefore(ctx context.Context, q *request) error {
	i := slices.Index(q.channels, pabal.Channel(pabal.Inbox+q.grant.Connection))
	until, resumed := q.from[i].After()
	if !resumed || q.technique.answer {
		return nil
	}
	channels, from, err := h.orders(ctx, q, until)
	if err != nil {
		return err
	}
	for j, ch := range channels {
		if slices.Contains(q.channels, ch) || len(q.channels) >= h.Hub.Limits().ChannelsPerResponse {
			continue
		}
		at := from[j]
		if q.vector != nil {
			if p, ok := q.vector.Of(ch); ok {
				at = pabal.After(p)
			}
		}
		q.channels, q.from = append(q.channels, ch), append(q.from, at)
	}
	return nil
}
