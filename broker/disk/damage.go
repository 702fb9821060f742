package disk

import (
	"errors"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
)

// damaged reports whether err says that rows are damaged or gone, and not that
// they cannot be read just now.
func damaged(err error) bool {
	return err != nil && (pebble.IsCorruptionError(err) || errors.Is(err, errRow) || errors.Is(err, os.ErrNotExist))
}

// brief is an error of the store, which says the same on several lines, on the
// first of them.
type brief struct{ error }

func (e brief) Error() string {
	first, _, _ := strings.Cut(e.error.Error(), "\n")
	return first
}

func (e brief) Unwrap() error { return e.error }

// harm notes that what cannot be read, or a part of it. For want of descriptors
// that is so for a while only.
func (b *Broker) harm(what string, err error) {
	if !scarce(err) {
		b.trouble.damaged.CompareAndSwap(nil, &what)
	}
	b.say("a part of the store cannot be read", "part", what, "error", brief{err}.Error())
}

// say logs what may come again and again, at most once a second.
func (b *Broker) say(text string, args ...any) {
	now := time.Now().UnixNano()
	if said := b.trouble.said.Load(); now-said >= int64(time.Second) && b.trouble.said.CompareAndSwap(said, now) {
		b.config.Log.Error(text, args...)
	}
}

// background is told what Pebble could not do by itself. It will try again.
func (b *Broker) background(err error) {
	b.trouble.compactions.failed()
	b.say("the store works badly, and tries again", "error", brief{err}.Error())
}

// flushed is told whether what is in memory could be written to a table.
func (b *Broker) flushed(err error) {
	if err == nil || errors.Is(err, pebble.ErrClosed) || err.Error() == "pebble: empty table" { // it had nothing to write
		b.trouble.ill.Store(nil)
		return
	}
	b.trouble.ill.Store(&pabal.StorageError{
		What: "the store cannot write just now; nothing was published: try again later",
		Full: full(err), Retry: retryAfter, Err: err,
	})
}

// overstep goes on after damaged rows, which begin after from. The page says
// that they are missing.
func (r *reading) overstep(from pabal.Offset, err error) error {
	r.harmed = true
	to := r.shown.end
	if n := len(r.shown.recent); n > 0 {
		to = r.shown.recent[0].Prev
	}
	s := search{rows: r.rows, channel: r.log.channel}
	if next, found := s.past(from, to); found {
		to = next.prev
	}
	if to <= from {
		return err
	}
	if r.page.Lost == nil {
		r.page.Lost = &pabal.Gap{From: r.position(from), Reason: pabal.Damaged}
	}
	r.page.Lost.To = pabal.Position{} // where the page begins
	if to >= r.shown.end {
		return nil
	}
	return r.forward(to)
}

// past returns the first entry that can be read after from, where one cannot,
// and before to.
func (s *search) past(from, to pabal.Offset) (next mark, found bool) {
	bad := from + 1
	for step := pabal.Offset(1); bad <= to; step *= 2 {
		m, there, err := s.at(bad)
		if err == nil {
			if !there || m.at > to {
				return next, false
			}
			next, found = m, true
			break
		}
		bad += step
	}
	for low, high := from, bad; found && low+1 < high; {
		mid := low + (high-low)/2
		if m, _, err := s.at(mid); err == nil {
			next, high = m, mid
		} else {
			low = mid
		}
	}
	return next, found
}
