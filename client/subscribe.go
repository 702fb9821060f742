package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// Options say what to read, from where and how.
type Options struct {
	Channels []pabal.Channel // at least one; no two alike
	Via      string          // the technique, one of [Techniques]; "auto"

	// Since is where to begin: "all", "now", the last "20", "10m" ago, or a time
	// as in RFC 3339; "now". It does not concern channels that have a cursor.
	Since string
	// Cursors are where to begin: where another subscription stood, or a
	// publish was placed.
	Cursors map[pabal.Channel]string

	Latest bool          // of entries with the same key, read only the last where several are waiting
	Every  time.Duration // take what there is at most this often. Of poll it is the interval; 0: as the server advises
	GiveUp time.Duration // end with [ErrNotReached] and the last failure if the server was not reached once in this time; 0: never

	// Join has this reader present in the channels for as long as it reads, so
	// that others see it: see [Client.Present]. It is one connection with all
	// that this client joins by. It excludes Latest.
	Join bool
	Data json.RawMessage // what others see of it; what the token says

	inbox time.Time // not zero: the channel is that of the client's connection, and without Since it is read from about then on
}

// An Event is one entry or one notice: the other is nil.
type Event struct {
	Entry  *pabal.Entry
	Notice *Notice
}

// AppendJSON appends the JSON form of e's entry or notice to dst: one line,
// without a line feed.
func (e Event) AppendJSON(dst []byte) []byte {
	if e.Notice != nil {
		return wire.AppendNotice(dst, e.Notice)
	}
	return wire.AppendEntry(dst, e.Entry)
}

// A Subscription reads channels and knows how far it has come.
type Subscription struct {
	client  *Client
	options Options
	places  *places
	err     error // what is wrong with the options
}

// Subscribe returns a subscription. It does nothing until its events are
// asked for.
func (c *Client) Subscribe(o Options) *Subscription {
	s := &Subscription{client: c, options: o}
	if s.err = s.check(); s.err == nil {
		s.places, s.err = newPlaces(o.Channels, o.Cursors)
	}
	if s.err == nil && o.Join {
		s.places.beside(pabal.Channel(pabal.Inbox + c.connection()))
	}
	return s
}

func (s *Subscription) check() error {
	if len(s.options.Channels) == 0 {
		return errors.New("subscribe: there is no channel")
	}
	if s.options.Via == "" {
		s.options.Via = "auto"
	}
	if !slices.Contains(Techniques(), s.options.Via) {
		return fmt.Errorf("subscribe: there is no technique %q: use one of %q", s.options.Via, Techniques())
	}
	switch o := &s.options; {
	case o.Data != nil && !o.Join:
		return errors.New("subscribe: Data is shown of who is present: set Join, too")
	case o.Data != nil && !json.Valid(o.Data):
		return errors.New("subscribe: Data must be JSON, such as {\"name\":\"Kim\"}")
	case o.Join && o.Latest:
		return errors.New("subscribe: who is present reads all, in order: leave out Latest, or read by another subscription")
	}
	return s.client.check(s.options.Channels...)
}

// Cursors returns where the subscription stands in each channel: after the
// event it gave last. A channel of which it does not know that yet is left
// out. As Options.Cursors they let another subscription go on from here.
func (s *Subscription) Cursors() map[pabal.Channel]string {
	if s.err != nil {
		return nil
	}
	return s.places.cursors()
}

// Events reads until all channels are closed, which ends it without an error,
// or until it gives an error, which is then the last that it gives: the cause
// of ctx's end, or a failure that trying again cannot mend, such as an
// [*Error] that is not temporary, or a certificate that is not trusted before
// the server was reached once. Asked again, it goes on where it stood.
//
// Entries are given once and in order. Notices of kind $open and $live come
// with each connection that can carry them. A $closed that only ends a
// connection, as when the server stops, is not given: Events goes on.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		err := s.err
		if err == nil {
			r := reader{sub: s, ladder: newLadder(s.options.Via)}
			err = r.run(ctx, func(e Event) bool { return yield(e, nil) })
		}
		if err != nil && !errors.Is(err, errStop) && !errors.Is(err, errDone) {
			yield(Event{}, err)
		}
	}
}

var (
	errStop  = errors.New("the caller wants no more events")
	errDone  = errors.New("all channels are closed")
	errClimb = errors.New("time to try a better technique again")
)

// A reader connects again and again.
type reader struct {
	sub      *Subscription
	ladder   *ladder
	patience *time.Timer // stopped once the server was reached
	reached  bool        // it was, once
	failures int         // in a row, without progress
	limit    int         // see [connection]
}

// run returns why it ends, never nil.
func (r *reader) run(ctx context.Context, yield func(Event) bool) error {
	if len(r.sub.places.named()) == 0 {
		return errDone
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := r.sub.options.GiveUp
	if patience <= 0 {
		patience = math.MaxInt64
	}
	r.patience = time.AfterFunc(patience, func() { cancel(ErrNotReached) })
	defer r.patience.Stop()
	for failure := error(nil); ; {
		c, err := r.connect(ctx, yield)
		if errors.Is(err, errStop) || errors.Is(err, errDone) {
			return err
		}
		if ctx.Err() == nil {
			failure = err
			r.reached = r.reached || c.opened
			if r.ladder.next(c, err) {
				continue
			}
			if permanent(err) || untrusted(err) && !r.reached {
				return err
			}
			if c.taken || c.opened && time.Since(c.began) > 10*time.Second {
				r.failures = 0
			}
			if r.sub.client.wait(ctx, err, r.failures, max(c.retry, comeBack(err))) {
				r.failures++
				continue
			}
		}
		if err := context.Cause(ctx); !errors.Is(err, ErrNotReached) || failure == nil {
			return err
		}
		return fmt.Errorf("%w: %w", ErrNotReached, failure)
	}
}

// connect reads from one connection until it ends, and returns why it ended,
// never nil.
func (r *reader) connect(ctx context.Context, yield func(Event) bool) (*connection, error) {
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if d := r.ladder.stay(); d > 0 {
		climb := time.AfterFunc(d, func() { cancel(errClimb) })
		defer climb.Stop()
	}
	c := &connection{
		client: r.sub.client, options: &r.sub.options, places: r.sub.places, via: r.ladder.technique(), yield: yield,
		began: time.Now(), watch: newWatchdog(cancel), patience: r.patience, limit: r.limit,
	}
	if c.client.Token != nil {
		c.soon = func(n *Notice) { work.Go(func() { c.expiring(ctx, cancel, n) }) }
	}
	defer c.watch.stop()
	defer func() { r.limit = c.limit }()
	err := techniques[c.via](ctx, c)
	switch {
	case errors.Is(err, errStop), errors.Is(err, errDone):
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == nil || errors.Is(err, io.EOF):
		err = errors.New("the connection has ended")
	}
	return c, err
}
