package call

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// append appends m to ch. What may succeed later is tried again until ctx ends,
// and logged.
func (s *Service) append(ctx context.Context, ch pabal.Channel, m pabal.Message, last bool) error {
	for failures := 0; ; failures++ {
		_, err := s.config.Hub.Publish(ctx, own, ch, pabal.Publish{Messages: []pabal.Message{m}, Close: last})
		if err == nil || refused(err) {
			return err
		}
		if ctx.Err() == nil {
			s.seldom.log(s.log, slog.LevelError, "an entry of a call could not be written; it is tried again", "channel", ch, "error", err)
		}
		if !pause(ctx, failures) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// sizes are the limits that a message is over however often it is sent.
var sizes = map[string]bool{"max-message": true, "field-bytes": true, "batch-bytes": true}

// refused reports whether err is a decision, which no repeat will change.
func refused(err error) bool {
	if over, ok := errors.AsType[*pabal.LimitError](err); ok {
		return sizes[over.Limit]
	}
	if _, ok := errors.AsType[*pabal.InvalidError](err); ok {
		return true
	}
	return errors.Is(err, pabal.ErrClosed) || errors.Is(err, pabal.ErrConflict)
}

// pause waits before another attempt. It reports false once ctx has ended.
func pause(ctx context.Context, failures int) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(min(50*time.Millisecond<<min(failures, 10), 2*time.Second)):
		return true
	}
}

// known returns what the call of that ref asks; nil if nobody knows it.
func (s *Service) known(ctx context.Context, ref string) (*ask, error) {
	session, err := s.open(nil, ref, pabal.Options{Limit: 1})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	var b pabal.Batch
	for {
		state := session.Step(&b, 16)
		for _, item := range b.Items {
			if e := item.Entry; e != nil && e.Type != "ask" {
				return nil, nil // it is no longer kept
			} else if e != nil {
				return parseAsk(&e.Message)
			}
		}
		switch state {
		case pabal.Behind:
			if err := session.CatchUp(ctx); err != nil {
				return nil, err
			}
		case pabal.Done:
			return nil, nil
		}
	}
}

// open opens a session on the log of the call of that ref, from its beginning on.
func (s *Service) open(w pabal.Waker, ref string, o pabal.Options) (*pabal.Session, error) {
	session, err := s.config.Hub.Open(own, w, o)
	if err != nil {
		return nil, err
	}
	if err := session.Subscribe(logOf(ref), pabal.FromAll()); err != nil {
		session.Close()
		return nil, err
	}
	return session, nil
}

// seldom logs one thing a second, since what fails does so for all calls at
// once. Its zero value is ready.
type seldom struct {
	mu   sync.Mutex
	next time.Time
	left int
}

func (f *seldom) log(log *slog.Logger, level slog.Level, what string, about ...any) {
	f.mu.Lock()
	now := time.Now()
	due, left := !now.Before(f.next), f.left
	if due {
		f.next, f.left = now.Add(time.Second), 0
	} else {
		f.left++
	}
	f.mu.Unlock()
	if due {
		log.Log(context.Background(), level, what, append(about, "notLogged", left)...)
	}
}
