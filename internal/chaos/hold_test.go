package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
)

// direct is a client straight to the server of l.
func (w *world) direct(l *life) (*http.Client, string) {
	s := &readers.Server{Plain: l.URL(), TLS: l.URL(), Roots: w.roots}
	if l.tls {
		return s.Client(readers.H1S, nil)
	}
	return s.Client(readers.H1, nil)
}

// hold holds what the logs are against the ledger.
func (c *crew) hold(ctx context.Context, l *life, whole bool) error {
	client, base := c.world.direct(l)
	defer client.CloseIdleConnections()
	for ch, rules := range c.rules {
		log := c.ledger.Log(ch)
		from := ""
		if !whole && rules == (ledger.Rules{}) {
			from = log.End()
		}
		entries, err := read(ctx, client, base, ch, from)
		if err != nil {
			return fmt.Errorf("life %d: %w", l.number, err)
		}
		if c.putOff && rules.Keep > 0 && len(entries) > rules.Keep {
			c.world.story.tell("%s keeps %d entries, as it could not look what to drop: it is judged later", ch, len(entries))
			continue
		}
		if err := log.Hold(from, entries, false); err != nil {
			return err
		}
		if err := log.Judge(); err != nil {
			return err
		}
		if whole {
			c.sizes[ch] = len(entries)
		}
	}
	return nil
}

// settle publishes to channels that keep only so much until they do. When rows
// could not be read, for want of descriptors, retention is put off for ten
// seconds.
func (c *crew) settle(ctx context.Context, l *life) error {
	client, base := c.world.direct(l)
	defer client.CloseIdleConnections()
	begun := time.Now()
	for ch, rules := range c.rules {
		for rules.Keep > 0 {
			entries, err := read(ctx, client, base, ch, "")
			if err != nil {
				return err
			}
			if len(entries) <= rules.Keep {
				break
			}
			if time.Since(begun) > 15*time.Second {
				return fmt.Errorf("%s keeps %d entries, 15 s after the last fault", ch, len(entries))
			}
			if err := c.marker.mark(ctx, l, ch); err != nil {
				return err
			}
			pause(ctx, 100*time.Millisecond)
		}
	}
	c.putOff = false
	return nil
}

// calm waits, after the last fault, until all readers have all there is and get
// what comes: within most. It returns how long that took. Connections that are
// there may be in trouble still, for as long as the conductor lets them live.
func (c *crew) calm(ctx context.Context, l *life, most time.Duration) (time.Duration, error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, most, errLate)
	defer cancel()
	for _, p := range c.publishers {
		if err := p.finish(ctx, l); err != nil {
			return 0, fmt.Errorf("publisher %s, with all faults over: %w", p.name, err)
		}
	}
	if err := c.marker.mark(ctx, l, c.marker.channels...); err != nil {
		return 0, fmt.Errorf("with all faults over: %w", err)
	}
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		behind := c.behind()
		if len(behind) == 0 {
			return time.Since(begun), nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), errLate) {
				return 0, context.Cause(ctx)
			}
			return 0, &behindError{most, behind}
		}
	}
}

var errLate = errors.New("late")

// A behindError says that readers have not got all there is, in time. What
// happened to them can be told only once they have ended.
type behindError struct {
	most    time.Duration
	missing []missing
}

// missing is what a reader has not got.
type missing struct {
	reader  *follower
	last    string
	channel string
}

func (e *behindError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%v after the last fault %d readers are behind", e.most, len(e.missing))
	for _, m := range e.missing[:min(len(e.missing), 5)] {
		fmt.Fprintf(&text, "\n\n%s of %v, by %s, has not got %s of %s. What happened to it last:\n%s",
			m.reader.name, m.reader.place.Channels, m.reader.route.name, m.last, m.channel, &m.reader.trail)
	}
	return text.String()
}

// behind is what readers have not got yet.
func (c *crew) behind() (all []missing) {
	for _, f := range c.followers {
		for ch, r := range f.logs {
			if last, behind := r.Behind(); behind {
				all = append(all, missing{f, last, ch})
			}
		}
	}
	return all
}
