package eventsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"
)

// A Source is where events come from, and how it goes on when a response ends.
type Source struct {
	URL         string
	Client      *http.Client  // nil is [http.DefaultClient]
	Header      http.Header   // of each request, besides what a source sends
	Retry       time.Duration // the reconnection time until the server says one; 3 s
	LastEventID string        // as known from before

	// Opened is told each time a response is accepted: the event "open". It may be nil.
	Opened func()
	// Failed is told each time the connection is lost, or could not be made, and will be tried again: the
	// event "error". At the end of a response err is [ErrEnded]. It may be nil.
	Failed func(err error)
}

// ErrEnded says that a response has ended as it should.
var ErrEnded = errors.New("the response has ended")

// A Refusal is an answer that ends a source for good.
type Refusal struct {
	Status      int
	ContentType string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the event source was refused for good: status %d, content type %q", r.Status, r.ContentType)
}

// Events yields the events until ctx ends, the caller stops, or the source
// fails for good. Only then an error comes, last: a [*Refusal], or what is
// wrong with the request. The end of ctx is no error.
//
// When a response ends or breaks off, the source waits for the reconnection
// time and asks again, with the last event ID. Each call begins anew, at
// s.LastEventID.
func (s *Source) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		now := &connection{source: s, yield: yield, last: s.LastEventID, retry: s.Retry}
		if now.retry == 0 {
			now.retry = 3 * time.Second
		}
		for ctx.Err() == nil {
			lost, err := now.run(ctx)
			switch {
			case ctx.Err() != nil || now.left:
				return
			case err != nil:
				yield(Event{}, err)
				return
			}
			if s.Failed != nil {
				s.Failed(lost)
			}
			wait(ctx, now.retry)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// A connection is a source from one response to the next.
type connection struct {
	source *Source
	yield  func(Event, error) bool
	left   bool // the caller has stopped
	last   string
	retry  time.Duration
}

// run asks once and reads the response to its end: lost says why it ended, err
// why there is no other.
func (c *connection) run(ctx context.Context) (lost, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := c.request(ctx)
	if err != nil {
		return nil, err
	}
	client := c.source.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, lost := client.Do(r)
	if lost != nil {
		return lost, nil
	}
	defer resp.Body.Close()
	media := resp.Header.Get("Content-Type")
	essence, _, _ := strings.Cut(media, ";")
	if resp.StatusCode != http.StatusOK || !strings.EqualFold(strings.TrimSpace(essence), "text/event-stream") {
		return nil, &Refusal{Status: resp.StatusCode, ContentType: media}
	}
	if c.source.Opened != nil {
		c.source.Opened()
	}
	return c.read(resp.Body), nil
}

// read yields the events of one response, and returns why it ended.
func (c *connection) read(body io.Reader) (lost error) {
	events := newStream(body, c.last, c.retry)
	for {
		e, err := events.next()
		c.last, c.retry = events.last, events.retry
		if errors.Is(err, io.EOF) {
			return ErrEnded
		}
		if err != nil {
			return err
		}
		if c.left = !c.yield(e, nil); c.left {
			return nil
		}
	}
}

func (c *connection) request(ctx context.Context) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.source.URL, nil)
	if err != nil {
		return nil, err
	}
	if r.URL.Host == "" || r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return nil, fmt.Errorf("the event source %q is not an absolute URL of http or https", c.source.URL)
	}
	for name, values := range c.source.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Cache-Control", "no-cache")
	r.Header.Set("Pragma", "no-cache")
	if c.last == "" {
		return r, nil
	}
	for _, b := range []byte(c.last) {
		if b < ' ' && b != '\t' || b == 0x7f {
			return nil, fmt.Errorf("the last event ID %q has a control character, which Go's client does not send", c.last)
		}
	}
	r.Header.Set("Last-Event-ID", c.last)
	return r, nil
}
