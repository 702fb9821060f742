package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// newEnder returns the only publisher of channel, which closes and deletes it
// again and again. What it does not know the outcome of, it does again.
func newEnder(p publisher, channel string) *publisher {
	e := &ender{log: p.ledger.Log(channel), channel: channel}
	p.next = func(ctx context.Context, t *target) error { return e.next(ctx, &p, t) }
	return &p
}

type ender struct {
	log     *ledger.Log
	channel string
	left    int // messages until it closes or deletes
	closed  bool
	undone  func(context.Context, *target) error
}

func (e *ender) next(ctx context.Context, p *publisher, t *target) error {
	if e.undone == nil {
		switch {
		case e.left > 0:
			e.left--
			s, err := p.single(e.channel, "", "", true)
			if err != nil {
				return err
			}
			return p.send(ctx, t, s)
		case e.closed:
			if err := e.refused(ctx, p, t); err != nil {
				return err
			}
			fallthrough
		case p.random.IntN(3) == 0:
			e.undone = e.remove
		default:
			e.undone = e.close
		}
		e.left = p.random.IntN(20)
	}
	if err := e.undone(ctx, t); err != nil {
		return err
	}
	e.undone = nil
	return nil
}

func (e *ender) close(ctx context.Context, t *target) error {
	e.log.Closing()
	_, text, err := t.do(ctx, http.MethodPost, "/channels/"+e.channel+"?close", nil, nil)
	if err != nil {
		return err
	}
	var r receipt
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if !r.Closed {
		return fmt.Errorf("to close was answered with %q", text)
	}
	e.log.Closed()
	e.closed, e.left = true, 0
	return nil
}

func (e *ender) remove(ctx context.Context, t *target) error {
	e.log.Deleting()
	if _, _, err := t.do(ctx, http.MethodDelete, "/channels/"+e.channel, nil, nil); err != nil {
		return err
	}
	e.log.Deleted()
	e.closed = false
	return nil
}

// refused publishes to the closed channel.
func (e *ender) refused(ctx context.Context, p *publisher, t *target) error {
	s, err := p.single(e.channel, "", "", false)
	if err != nil {
		return err
	}
	err = p.send(ctx, t, s)
	var status *readers.StatusError
	if !errors.As(err, &status) {
		if err == nil {
			err = errors.New("the channel is closed, and takes a message")
		}
		return err
	}
	if status.Status != http.StatusConflict {
		return err
	}
	return s.try.Refused()
}
