package pabal

import (
	"context"
	"iter"
	"time"
)

// Batches yields what s reads, batch by batch, until every channel is closed,
// ctx ends or reading fails; the last two are yielded as an error. When
// nothing came for beat, the batch is empty. The session's waker must be a
// [Signal].
func (s *Session) Batches(ctx context.Context, beat time.Duration) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		var b Batch
		timer := time.NewTimer(beat)
		defer timer.Stop()
		for {
			idle, err := false, ctx.Err()
			switch state := s.Step(&b, batchItems); {
			case err != nil || len(b.Items) > 0:
			case state == Done:
				return
			case state == Behind:
				err = s.CatchUp(ctx)
			case state == Caught:
				idle, err = s.wait(ctx, timer)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if idle || len(b.Items) > 0 {
				if !yield(&b, nil) {
					return
				}
				timer.Reset(beat)
			}
		}
	}
}

// batchItems bounds a batch of Batches.
const batchItems = 256

// wait waits until s has something to do. It reports whether the timer ran
// out instead.
func (s *Session) wait(ctx context.Context, timer *time.Timer) (idle bool, err error) {
	var due <-chan time.Time
	var signal <-chan struct{} = s.waker.(Signal)
	if rest := time.Until(s.due); s.options.Every > 0 && rest > 0 {
		due, signal = time.After(rest), nil
	}
	select {
	case <-signal:
	case <-due:
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return false, nil
}
