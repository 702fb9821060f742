package call

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/pabal/pabal"
)

// Call asks m of ch under m.ID, the asker's name for it, to be answered within
// timeout; 0 is the longest there may be, and so is what is longer. A call that
// was asked before is not asked again, but goes on here if no node waits for it.
// After an error nothing was asked, and nothing will come. The error is a
// *[pabal.ForbiddenError], a *[pabal.InvalidError], a *[pabal.LimitError],
// [pabal.ErrConflict], [pabal.ErrHubClosed] or the broker's.
func (s *Service) Call(ctx context.Context, g pabal.Grant, ch pabal.Channel, m pabal.Message, timeout time.Duration) error {
	a, err := s.askOf(&g, ch, &m, timeout)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx) // Close waits for this
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	if err = s.call(ctx, a, &g, &m); err != nil && s.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return stopped()
	}
	return err
}

func (s *Service) call(ctx context.Context, a *ask, g *pabal.Grant, m *pabal.Message) error {
	for {
		c := &running{
			service: s, ref: a.Ref, connection: g.Connection, id: m.ID, ask: a,
			asked: make(chan struct{}), signal: pabal.NewSignal(), window: make(chan struct{}, partsAhead),
		}
		other, err := s.enter(c)
		if err != nil {
			return err
		}
		if other == nil {
			return c.begin(ctx)
		}
		select {
		case <-other.asked:
		case <-ctx.Done():
			return ctx.Err()
		}
		switch {
		case other.err != nil: // so nothing was asked, and it is this one's turn
		case other.ask.same(a):
			return nil
		default:
			return pabal.ErrConflict
		}
	}
}

// askOf returns what the holder of g asks by m.
func (s *Service) askOf(g *pabal.Grant, ch pabal.Channel, m *pabal.Message, timeout time.Duration) (*ask, error) {
	if err := g.Check(pabal.ToCall, ch); err != nil {
		return nil, err
	}
	switch longest := s.longest(ch); {
	case g.Connection == "":
		return nil, invalid("answers come to the inbox of a connection: name yours with ?connection=, and read it")
	case m.ID == "":
		return nil, invalid("a call has no name: give it one of its own, which its answers will carry")
	case len(m.ID) > s.limits.FieldBytes:
		return nil, &pabal.LimitError{Limit: "field-bytes", Max: s.limits.FieldBytes, What: "the name of a call"}
	case m.Type != "" || m.Key != "":
		return nil, invalid("a call has neither type nor key: say it in its data")
	case g.Data != nil && !json.Valid(g.Data):
		return nil, invalid("the token's data of its user is no JSON; get another one")
	case timeout <= 0 || timeout > longest:
		timeout = longest
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	if s.route(ch) == nil {
		if _, err := s.limits.CheckChannel(pabal.Calls + string(ch)); err != nil {
			return nil, err
		}
	}
	return &ask{
		Ref: refOf(g.Connection, m.ID), Channel: ch, User: g.User, UserData: g.Data,
		Message: pabal.Message{ContentType: m.ContentType, Data: m.Data}, Until: time.Now().Add(timeout).Round(0),
	}, nil
}

func (s *Service) longest(ch pabal.Channel) time.Duration {
	if s.config.TimeoutOf != nil {
		if d := s.config.TimeoutOf(ch); d > 0 {
			return d
		}
	}
	return s.config.Timeout
}

// begin writes the ask down and has the call run, unless that is refused or
// fails.
func (c *running) begin(ctx context.Context) (err error) {
	defer func() {
		if c.err = err; err == nil {
			close(c.asked)
			go c.run()
			return
		}
		if c.session != nil {
			c.session.Close()
		}
		c.service.leave(c)
		close(c.asked)
	}()
	s := c.service
	if c.session, err = s.open(c.signal, c.ref, pabal.Options{}); err != nil {
		return err
	}
	done, err := s.config.Hub.Publish(ctx, own, logOf(c.ref), pabal.Publish{Messages: []pabal.Message{c.ask.first()}})
	before := done.Duplicate || errors.Is(err, pabal.ErrConflict) || errors.Is(err, pabal.ErrClosed)
	if err != nil && !before || !before {
		return err
	}
	switch known, err := s.known(ctx, c.ref); {
	case err != nil:
		return err
	case known == nil:
		return invalid("a call of this name was asked before, and its log is gone: give this one a name of its own")
	case !known.same(c.ask):
		return pabal.ErrConflict
	default:
		c.ask = known
		return nil
	}
}
