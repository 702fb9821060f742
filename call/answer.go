package call

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"unicode/utf8"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// ErrAnswered is about a call that was answered, has failed or was cancelled
// before. Nothing was done.
var ErrAnswered error = &problem.Problem{
	Type: "/problems/answered", Title: "Answered already", Status: http.StatusConflict,
	Detail: "this call was answered, failed or cancelled before; nothing is to be done",
}

// Answer answers the call that is known by ref to who may read $calls/ch. M is
// of type "part", of which others follow, "answer", or "failed": then its data
// is a problem in JSON, or a text that says what is wrong. Of parts with the
// same ID one is kept; the same final answer may be given again. The error is a
// *[pabal.ForbiddenError], a *[pabal.InvalidError], a *[pabal.LimitError],
// [ErrAnswered] or the broker's.
func (s *Service) Answer(ctx context.Context, g pabal.Grant, ch pabal.Channel, ref string, m pabal.Message) error {
	if err := g.Check(pabal.ToRead, pabal.Calls+ch); err != nil {
		return err
	}
	if err := checkRef(ref); err != nil {
		return err
	}
	a, err := s.askOfRef(ctx, ref)
	if err != nil {
		return err
	}
	if a == nil || a.Channel != ch {
		return invalid("no call of channel %q has the ref %q: it is that of an entry of $calls/%s, and known for some minutes", ch, ref, ch)
	}
	if m, err = asLogged(&m); err != nil {
		return err
	}
	return s.answer(ctx, ref, m)
}

// answer appends m, as it is logged, to the log of the call of that ref, once.
func (s *Service) answer(ctx context.Context, ref string, m pabal.Message) error {
	last := m.ID == final
	_, err := s.config.Hub.Publish(ctx, own, logOf(ref), pabal.Publish{Messages: []pabal.Message{m}, Close: last})
	if errors.Is(err, pabal.ErrClosed) || last && errors.Is(err, pabal.ErrConflict) {
		return ErrAnswered
	}
	return err
}

func (s *Service) askOfRef(ctx context.Context, ref string) (*ask, error) {
	if c := s.at(ref); c != nil {
		select {
		case <-c.asked:
			if c.err == nil {
				return c.ask, nil
			}
		default:
		}
	}
	return s.known(ctx, ref)
}

// Cancel ends the call that the holder of g has asked under the name id: it is
// answered as failed, and whoever works on it in Go or behind a hook is told to
// stop. The error is a *[pabal.InvalidError], [ErrAnswered] or the broker's.
func (s *Service) Cancel(ctx context.Context, g pabal.Grant, id string) error {
	ref := refOf(g.Connection, id)
	a, err := s.askOfRef(ctx, ref)
	if err != nil {
		return err
	}
	if a == nil || g.Connection == "" || a.User != g.User {
		return invalid("this connection has no call named %.80q: cancel by the name and on the connection by which it was asked", id)
	}
	if err := s.answer(ctx, ref, failed(cancelled())); err != nil {
		return err
	}
	if s.at(ref) != nil {
		return nil // and there the end is seen
	}
	c := &running{service: s, ref: ref, connection: g.Connection, id: id, ask: a}
	if c.session, err = s.open(nil, ref, pabal.Options{}); err != nil {
		return err
	}
	defer c.session.Close()
	return c.follow(ctx)
}

// final is the ID of the entry that ends a call, of which there is one, whatever
// races.
const final = "final"

// asLogged returns the entry of the log of a call that gives m as its answer.
func asLogged(m *pabal.Message) (pabal.Message, error) {
	out := pabal.Message{Type: m.Type, ContentType: m.ContentType, Data: m.Data}
	switch m.Type {
	case "part":
		if m.ID != "" {
			out.ID = "part/" + m.ID
		}
	case "answer":
		out.ID = final
	case "failed":
		return asFailed(m)
	default:
		return out, invalid("type %.80q: an answer is of type part, of which more follow, answer or failed", m.Type)
	}
	return out, out.Check()
}

// asFailed returns the entry for m, which says that a call has failed.
func asFailed(m *pabal.Message) (pabal.Message, error) {
	if err := m.Check(); err != nil {
		return pabal.Message{}, err
	}
	text := bytes.TrimSpace(m.Data)
	switch {
	case len(text) > 0 && text[0] == '{' && m.JSON():
		return pabal.Message{ID: final, Type: "failed", ContentType: problem.ContentType, Data: m.Data}, nil
	case m.JSON() || !utf8.Valid(text):
		return pabal.Message{}, invalid("what has failed is said by a problem, as in {\"title\":\"Sold out\",\"status\":409}, or in words")
	}
	return failed(&problem.Problem{Title: "Failed", Detail: string(text)}), nil
}

// failed returns the entry that ends a call with p.
func failed(p *problem.Problem) pabal.Message {
	return pabal.Message{ID: final, Type: "failed", ContentType: problem.ContentType, Data: p.Append(nil)}
}

func cancelled() *problem.Problem {
	return &problem.Problem{Type: "/problems/cancelled", Title: "Cancelled", Status: 499, Detail: "the one who asked has cancelled this call"}
}

func timedOut() *problem.Problem {
	return &problem.Problem{Type: "/problems/timeout", Title: "Not answered in time", Status: http.StatusGatewayTimeout, Detail: "nobody has answered this call in time, and whether anything was done is not known"}
}

func lost() *problem.Problem {
	return &problem.Problem{Type: "/problems/lost", Title: "An answer was lost", Status: http.StatusBadGateway, Detail: "a part of the answer is no longer kept, so the rest of it was left out"}
}

func stopped() *problem.Problem {
	return problem.Unavailable(0, "the server stopped while this call was worked on, and whether anything was done is not known")
}
