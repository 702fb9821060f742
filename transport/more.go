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
	inbox   pabal.Channel  // empty: it is not read
	begun   pabal.Position // where the inbox ended; orders before were dealt with
	session *pabal.Session
	present *attendance
}

// more returns what q's reader has beside s, and has it present.
func (h *Handler) more(ctx context.Context, q *request, s *pabal.Session) (*more, error) {
	if !q.inbox && !q.join && q.grant.Expires.IsZero() {
		return nil, nil
	}
	m := &more{handler: h, session: s, present: newAttendance(), expiry: expiry{at: q.grant.Expires}}
	if q.inbox {
		m.inbox, m.begun = pabal.Channel(pabal.Inbox+q.grant.Connection), q.past.until
	}
	if err := h.attend(ctx, q, m.present); err != nil {
		m.end(h, q.grant)
		return nil, err
	}
	for i := range q.past.joins {
		if o := &q.past.joins[i]; !o.Leave && !q.joins(o.Channel) {
			m.attend(o)
		}
	}
	return m, nil
}

// until returns m with at for its expiry.
func (m *more) until(at time.Time) *more {
	if m == nil {
		m = &more{present: newAttendance()}
	}
	m.renew(at)
	return m
}

// attendance is where the reader is present.
func (m *more) attendance() *attendance {
	if m == nil {
		return newAttendance()
	}
	return m.present
}

// end has the reader absent.
func (m *more) end(h *Handler, g pabal.Grant) {
	if m != nil {
		m.present.end(h, g)
	}
}

// order returns what e asks of the response, if it does and that was not dealt
// with when it began.
func (m *more) order(e *pabal.Entry) (o order, ok bool) {
	if m == nil || m.inbox == "" || e == nil || e.Epoch == m.begun.Epoch && e.Offset <= m.begun.Offset {
		return o, false
	}
	return orderOf(e, m.inbox)
}

// obey does what o asks for; channels are what is read. It returns what is to be
// said if that cannot be done.
func (m *more) obey(o *order, channels *[]pabal.Channel) (refused *pabal.Notice) {
	if err := m.do(o, channels); err != nil {
		m.handler.Log.Debug("what was asked of a response by POST is refused", "command", o.Command, "channel", o.Channel, "error", err)
		at, _ := pabal.ParsePosition(o.Cursor) // without one there is none to tell
		refused = &pabal.Notice{Kind: pabal.NoticeClosed, Channel: o.Channel, Cursor: at, Reason: reasonRefused}
	}
	m.renew(m.session.Grant().Expires)
	return refused
}

func (m *more) do(o *order, channels *[]pabal.Channel) error {
	switch o.Command {
	case "subscribe":
		at, err := pabal.ParsePosition(o.Cursor)
		if err != nil || slices.Contains(*channels, o.Channel) { // it was asked for twice
			return err
		}
		if err := m.session.Subscribe(o.Channel, pabal.After(at)); err != nil {
			return err
		}
		*channels = append(slices.Clone(*channels), o.Channel)
	case "unsubscribe":
		if o.Channel == m.inbox || !m.session.Unsubscribe(o.Channel) {
			return nil
		}
		*channels = slices.DeleteFunc(slices.Clone(*channels), func(ch pabal.Channel) bool { return ch == o.Channel })
		m.attend(&order{Channel: o.Channel, Leave: true})
	case "presence":
		m.attend(o)
	case "refresh":
		g := m.session.Grant()
		fresh, err := m.handler.Access.Restore(o.Claims)
		if err != nil {
			return err
		}
		fresh.Address, fresh.Connection = g.Address, g.Connection
		return m.session.Refresh(fresh)
	}
	return nil
}

// attend has the reader present in a channel, or absent, as soon as what was
// asked before is done.
func (m *more) attend(o *order) {
	h, g := m.handler, m.session.Grant()
	if h.Presence == nil {
		return
	}
	m.present.tell(h, g, o)
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
// It is of the place where s stands, and so to be said after all that it gave.
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
