package transport

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// A connection's id has between 22 characters, which can hold 128 random bits,
// and 64.
const (
	leastID = 22
	mostID  = 64
)

// mostPresent is how many bytes of JSON presence shows of one connection.
const mostPresent = 4 << 10

// checkConnection reports whether id can name a connection.
func checkConnection(id string) error {
	if len(id) < leastID || len(id) > mostID {
		return problem.BadRequest("connection: an id has %d to %d characters; make one of at least 128 random bits, such as 32 hexadecimal digits", leastID, mostID)
	}
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return problem.BadRequest("connection: %q is not allowed in an id; it is made of letters, digits, - and _", c)
		}
	}
	return nil
}

// parseAsker reads what r says of who asks: ?connection=, with which it also
// reads its inbox, and ?join, with which it is present.
func (q *request) parseAsker(query url.Values) error {
	q.given = len(q.channels)
	if query.Has("connection") {
		id := query.Get("connection")
		if err := checkConnection(id); err != nil {
			return err
		}
		q.inbox, q.grant.Connection = true, id
		if ch := pabal.Channel(pabal.Inbox + id); !slices.Contains(q.channels, ch) {
			q.channels = append(q.channels, ch)
		}
	}
	if q.join = query.Has("join"); !q.join {
		return nil
	}
	if data := query.Get("join"); data != "" {
		q.present = []byte(data)
		return checkPresent(q.present)
	}
	return nil
}

func checkPresent(data []byte) error {
	if len(data) > mostPresent {
		return &pabal.LimitError{Limit: "presence-data-bytes", Max: mostPresent, What: "the data of who is present"}
	}
	if !json.Valid(data) {
		return problem.BadRequest("what is shown of who is present must be JSON, such as {\"name\":\"Kim\"}")
	}
	return nil
}

// identify finds out who sent r, and that its connection is that user's.
func (h *Handler) identify(r *http.Request, q *request) error {
	if q.parked != nil { // it was found out when it came; since then its token may have expired, and it is answered all the same
		q.grant = q.parked.grant
		return nil
	}
	connection := q.grant.Connection
	g, err := h.Access.Grant(r)
	if err != nil {
		return err
	}
	g.Address, g.Connection = address(r), connection
	q.grant = g
	if q.join && connection == "" {
		if q.technique.answer {
			return problem.BadRequest("?join= of who polls needs ?connection=, by which its next poll is known to be its")
		}
		q.grant.Connection = rand.Text()
	}
	if !q.inbox {
		return nil
	}
	if q.given == 0 && g.Claims == nil && g.Rules != nil {
		return problem.Unauthorized("to read an inbox alone needs a token, or a channel that anybody may read beside it")
	}
	if q.options.Latest || q.before != nil {
		return problem.BadRequest("?connection= reads all that comes to an inbox, in order; leave out ?only= and ?before=")
	}
	return h.openInbox(r.Context(), q)
}

// openInbox makes sure that the inbox that q reads is for who asks, and has a
// response that goes on begin with what it asks for.
func (h *Handler) openInbox(ctx context.Context, q *request) error {
	for _, ch := range q.channels[:q.given] {
		if err := q.grant.Check(pabal.ToRead, ch); err != nil {
			return err
		}
	}
	if q.technique.answer {
		return h.owned(ctx, &q.grant, nil)
	}
	l, err := h.look(ctx, q.grant.Connection)
	if err != nil {
		return err
	}
	if err := h.owned(ctx, &q.grant, l); err != nil {
		return err
	}
	return h.remember(ctx, q, l)
}

// unknown returns err, or, where a grant that no token was given for does not
// allow something, that a token is needed.
func unknown(g *pabal.Grant, err error) error {
	not, ok := errors.AsType[*pabal.ForbiddenError](err)
	if !ok || g.Claims != nil || g.Rules == nil {
		return err
	}
	return problem.Unauthorized("%v", not)
}

// attend has who asks present in the channels that the URL of q names: by a, or,
// without one, for some time after this poll.
func (h *Handler) attend(ctx context.Context, q *request, a *attendance) error {
	if !q.join {
		return nil
	}
	if h.Presence == nil {
		return problem.BadRequest("presence is off on this server; leave out ?join")
	}
	for _, ch := range q.channels[:q.given] {
		if !q.joins(ch) {
			continue
		}
		var err error
		if a != nil {
			err = a.join(ctx, h, q.grant, ch, q.present)
		} else {
			err = h.Presence.Join(ctx, q.grant, ch, q.present, q.wait+pollStay)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// joins reports whether the URL of q is to say whether, and with what data, who
// asks is present in ch. One that a browser asks again by itself is older than
// what was said by POST since, as its cursor is.
func (q *request) joins(ch pabal.Channel) bool {
	if !q.join || !slices.Contains(q.channels[:q.given], ch) {
		return false
	}
	return !q.byHeader || !slices.ContainsFunc(q.past.joins, func(o order) bool { return o.Channel == ch })
}

// pollStay is how long who polls is present after a poll.
const pollStay = time.Minute
