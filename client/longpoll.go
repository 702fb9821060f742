package client

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// readLongPoll asks again and again; the server answers when there is
// something, or after 25 s.
func readLongPoll(ctx context.Context, c *connection) error {
	c.watch.limit = 25*time.Second + answerTime
	for {
		next, err := c.ask(ctx)
		if err != nil {
			return err
		}
		if !next.more && !c.rest(ctx, c.options.Every) {
			return context.Cause(ctx)
		}
	}
}

// An asked is what an answer says about the next one.
type asked struct {
	more  bool          // there is more already
	after time.Duration // when the server wants to be asked again; 0 if it did not say
}

// ask gets one answer and takes what is in it.
func (c *connection) ask(ctx context.Context) (next asked, err error) {
	c.watch.feed()
	resp, err := c.client.do(ctx, http.MethodGet, c.url(), nil, nil)
	if err != nil {
		return next, err
	}
	defer resp.Body.Close()
	next.after = retryAfter(resp.Header)
	if resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		c.reached()
		if cursor := resp.Header.Get("Pabal-Cursor"); cursor != "" {
			err = c.places.set("", cursor)
		}
		return next, err
	}
	if err := is(resp, "application/json"); err != nil {
		return next, err
	}
	text, err := io.ReadAll(io.LimitReader(watched{resp.Body, c.watch}, maxFrame))
	c.sized(err == nil)
	if err != nil {
		return next, err
	}
	answer, err := wire.ParseAnswer(text)
	if err != nil {
		return next, garbled("%v", err)
	}
	c.reached()
	next.more = answer.More
	return next, c.answer(answer)
}

// sized asks for less after an answer that broke off, since an answer counts
// only as a whole, and then for more and more again.
func (c *connection) sized(whole bool) {
	const most = 1000 // which is the server's
	if !whole {
		c.limit = max(1, cmp.Or(c.limit, most)/4)
	} else if c.limit *= 2; c.limit >= most {
		c.limit = 0
	}
}

// rest lets d go by. It reports whether it did before ctx ended.
func (c *connection) rest(ctx context.Context, d time.Duration) bool {
	c.watch.stop()
	return d <= 0 || sleep(ctx, d)
}

// due reports whether n has its turn before e: it is about the place where the
// reader stands, or e is the first entry that lies after it.
func (c *connection) due(n *Notice, e *pabal.Entry) bool {
	at, err := c.places.find(n.Channel)
	if err != nil || n.Kind == pabal.NoticeClosed {
		return err != nil // which tell will report
	}
	to, err := pabal.ParsePosition(n.Cursor)
	return err != nil || at.known && n.From == at.at.String() ||
		e.Channel == n.Channel && e.Epoch == to.Epoch && e.Offset > to.Offset
}

// answer takes what is in a. It holds entries and notices apart; each notice
// has its turn before the entries that lie after it.
func (c *connection) answer(a *wire.Answer) error {
	notices := a.Notices
	for _, e := range a.Entries {
		for len(notices) > 0 && c.due(notices[0], e) {
			if err := c.tell(notices[0]); err != nil {
				return err
			}
			notices = notices[1:]
		}
		if err := c.take(e); err != nil {
			return err
		}
	}
	for _, n := range notices {
		if err := c.tell(n); err != nil {
			return err
		}
	}
	if a.Cursor == "" {
		return nil
	}
	return c.places.set("", a.Cursor)
}
