package transport

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/pabal/pabal"
)

// A more is what some readers have beside a place to read at: an inbox, a token
// that expires, or a presence. Most have none, and nil stands for that.
type more struct {
	expiry
	handler *Handler
	inbox   pabal.Channel // empty: it is not read
	session *pabal.Session
	present *attendance
}

// more returns what q's reader has beside s, and has it present.
func (h *Handler) more(ctx context.Context, q *request, s *pabal.Session) (*more, error) {
	if !q.inbox && !q.join && q.grant.Expires.IsZero() {
		return nil, nil
	}
	m := &more{handler: h, session: s, present: &attendance{}, expiry: expiry{at: q.grant.Expires}}
	if q.inbox {
		m.inbox = pabal.Channel(pabal.Inbox + q.grant.Connection)
	}
	if err := h.attend(ctx, q, m.present); err != nil {
		m.end(h, q.grant)
		return nil, err
	}
	return m, nil
}

// until returns m with at for its expiry.
func (m *more) until(at time.Time) *more {
	if m == nil {
		m = &more{present: &attendance{}}
	}
	m.renew(at)
	return m
}

// attendance is where the reader is present.
func (m *more) attendance() *attendance {
	if m == nil {
		return &attendance{}
	}
	return m.present
}

// end has the reader absent.
func (m *more) end(h *Handler, g pabal.Grant) {
	if m != nil {
		m.present.end(h, g)
	}
}

// obey does what the entries among items ask for, and returns what is to be said
// of what could not be done. Changed says that the response reads other
// channels now, or by another token.
func (m *more) obey(ctx context.Context, items []pabal.Item, channels *[]pabal.Channel) (refused []*pabal.Notice, changed bool) {
	if m.inbox == "" {
		return nil, false
	}
	for i := range items {
		o, ok := orderOf(items[i].Entry, m.inbox)
		if !ok {
			continue
		}
		changed = true
		if err := m.do(ctx, &o, channels); err != nil {
			m.handler.failures.Log(m.handler.Log, err, "channel", o.Channel)
			at, _ := pabal.ParsePosition(o.Cursor) // it was checked; without one there is none
			refused = append(refused, &pabal.Notice{Kind: pabal.NoticeClosed, Channel: o.Channel, Cursor: at, Reason: reasonRefused})
		}
	}
	m.renew(m.session.Grant().Expires)
	return refused, changed
}

func (m *more) do(ctx context.Context, o *order, channels *[]pabal.Channel) error {
	g := m.session.Grant()
	switch o.Command {
	case "subscribe":
		at, err := pabal.ParsePosition(o.Cursor)
		if err != nil || slices.Contains(*channels, o.Channel) { // it was asked for twice
			return err
		}
		if err := m.session.Subscribe(o.Channel, pabal.After(at)); err != nil {
			return err
		}
		*channels = append(*channels, o.Channel)
	case "unsubscribe":
		if o.Channel == m.inbox || !m.session.Unsubscribe(o.Channel) {
			return nil
		}
		*channels = slices.DeleteFunc(slices.Clone(*channels), func(ch pabal.Channel) bool { return ch == o.Channel })
		m.present.leave(m.handler, g, o.Channel)
	case "presence":
		if o.Leave {
			m.present.leave(m.handler, g, o.Channel)
			return nil
		}
		go func() { // it may take its time, and nobody waits for it
			if err := m.present.join(context.WithoutCancel(ctx), m.handler, g, o.Channel, o.Data); err != nil {
				m.handler.failures.Log(m.handler.Log, err, "channel", o.Channel)
			}
		}()
	case "refresh":
		fresh, err := m.handler.Access.Restore(o.Claims)
		if err != nil {
			return err
		}
		fresh.Address, fresh.Connection = g.Address, g.Connection
		return m.session.Refresh(fresh)
	}
	return nil
}

// An expiry is when a token ends by which somebody reads.
type expiry struct {
	at   time.Time // zero: never
	told bool      // that it is soon
}

// warning is how long before its token expires a reader is told.
const warning = time.Minute

// next returns when there is something to say; zero is never.
func (x *expiry) next() time.Time {
	if x.at.IsZero() || x.told {
		return x.at
	}
	return x.at.Add(-warning)
}

// renew makes x that of another token.
func (x *expiry) renew(at time.Time) {
	if !x.at.Equal(at) {
		*x = expiry{at: at}
	}
}

// left returns how long there is until x.
func (x *expiry) left() time.Duration {
	if x.at.IsZero() {
		return math.MaxInt64
	}
	return time.Until(x.at)
}

// soon returns, once, the notice that the token of s expires soon, if it does.
func (m *more) soon(s *pabal.Session, channels []pabal.Channel) *pabal.Notice {
	if m == nil {
		return nil
	}
	x := &m.expiry
	if x.at.IsZero() || x.told || time.Now().Before(x.next()) {
		return nil
	}
	x.told = true
	n := &pabal.Notice{Kind: pabal.NoticeExpiring, Expires: x.at}
	if len(channels) > 0 {
		n.Channel, n.Cursor = channels[0], s.Position(0)
	}
	return n
}
