package transport

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// An owner is the data of the entry of an inbox that says whose it is. The last
// one counts. It is written by whoever uses the inbox first, and again while it
// is used, since an inbox keeps entries for a day.
type owner struct {
	User string `json:"user"`
}

const ownerType = "owner"

var errNotOwned = problem.Forbidden("this connection id is of another user; make one of your own, of at least 128 random bits")

// own makes sure that the inbox of g's connection is of g's user: of whoever
// used it first.
func (h *Handler) own(ctx context.Context, g *pabal.Grant) error { return h.ownBy(ctx, g, nil) }

// ownBy is own, where the inbox was looked at already.
func (h *Handler) ownBy(ctx context.Context, g *pabal.Grant, l *look) error {
	if h.owners.know(g.Connection, g.User) {
		return nil
	}
	for ; ; l = nil {
		var err error
		if l == nil {
			l, err = h.look(ctx, g.Connection)
		}
		switch {
		case err != nil:
			return err
		case l.owner != nil && l.owner.User != g.User:
			return errNotOwned
		case l.owner != nil && time.Since(l.since) < orderAge:
			h.owners.add(g.Connection, g.User)
			return nil
		}
		data, err := json.Marshal(owner{g.User})
		if err != nil {
			return err
		}
		m := pabal.Message{Type: ownerType, ContentType: "application/json", Data: data}
		err = h.toInbox(ctx, g.Connection, pabal.Publish{Messages: []pabal.Message{m}, If: &l.end})
		if !errors.Is(err, pabal.ErrMoved) { // or somebody was faster
			return err
		}
	}
}

func (h *Handler) toInbox(ctx context.Context, connection string, p pabal.Publish) error {
	_, err := h.Hub.Publish(ctx, pabal.Grant{Own: true}, pabal.Channel(pabal.Inbox+connection), p)
	return err
}

// owned reports why g may not read the inbox of its connection, which l says of
// itself what it does, or nil. Who has no name leaves no mark on it by reading,
// or anybody could fill the store.
func (h *Handler) owned(ctx context.Context, g *pabal.Grant, l *look) (err error) {
	if g.User != "" {
		return h.ownBy(ctx, g, l)
	}
	if h.owners.know(g.Connection, "") {
		return nil
	}
	if l == nil {
		if l, err = h.look(ctx, g.Connection); err != nil {
			return err
		}
	}
	if l.owner == nil {
		return nil
	}
	if l.owner.User != "" {
		return errNotOwned
	}
	h.owners.add(g.Connection, "")
	return nil
}

// owners remembers, for an hour at most, whose some inboxes are.
type owners struct {
	mu    sync.Mutex
	known map[string]known
}

type known struct {
	user  string
	until time.Time
}

// mostOwners is how many are remembered.
const mostOwners = 10_000

func (o *owners) know(connection, user string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	k, ok := o.known[connection]
	return ok && k.user == user && time.Now().Before(k.until)
}

func (o *owners) add(connection, user string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= mostOwners {
		o.known = map[string]known{}
	}
	o.known[connection] = known{user, time.Now().Add(time.Hour)}
}

// A look is what an inbox says of its past.
type look struct {
	owner *owner // nil: nobody has used it
	since time.Time
	end   pabal.Position
	last  map[pabal.Channel]*given // what was asked last of each channel
	order []pabal.Channel          // in the order in which they were first asked of
}

// A given is an order, and where it stands.
type given struct {
	order
	left pabal.Position // where it was unsubscribed from before; zero: it was not
	time time.Time
	join *order // what was said of presence in the channel last
}

// look reads the inbox of a connection from its beginning.
func (h *Handler) look(ctx context.Context, connection string) (*look, error) {
	inbox := pabal.Channel(pabal.Inbox + connection)
	s, err := h.Hub.Open(pabal.Grant{Own: true}, nil, pabal.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Subscribe(inbox, pabal.FromAll()); err != nil {
		return nil, err
	}
	l := &look{last: map[pabal.Channel]*given{}}
	var b pabal.Batch
	for {
		state := s.Step(&b, batchItems)
		for _, it := range b.Items {
			if it.Entry != nil {
				l.take(it.Entry, inbox)
			}
		}
		switch state {
		case pabal.Caught, pabal.Done:
			l.end = s.Position(0)
			return l, nil
		case pabal.Behind:
			if err := s.CatchUp(ctx); err != nil {
				return nil, err
			}
		}
	}
}

const batchItems = 256

func (l *look) take(e *pabal.Entry, inbox pabal.Channel) {
	if e.Type == ownerType {
		var o owner
		if json.Unmarshal(e.Data, &o) == nil {
			l.owner, l.since = &o, e.Time
		}
		return
	}
	o, ok := orderOf(e, inbox)
	if !ok || o.Channel == "" {
		return
	}
	g := l.last[o.Channel]
	if g == nil {
		g = &given{}
		l.last[o.Channel] = g
		l.order = append(l.order, o.Channel)
	}
	if o.Command == "presence" {
		g.join = &o
		return
	}
	if g.time = e.Time; g.Command == "subscribe" && o.Command == "subscribe" {
		return // it was, and where it began counts
	}
	if g.order = o; o.Command == "unsubscribe" {
		g.left, g.join = e.Position(), &order{Channel: o.Channel, Leave: true}
	}
}
