package client

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// A Notice tells a reader something about its place in a channel.
type Notice = wire.Notice

// A technique reads from one connection and passes on what comes, until the
// connection ends or a method of it returns an error, which it returns.
type technique func(ctx context.Context, c *connection) error

var techniques = map[string]technique{
	"websocket": readWebSocket,
	"sse":       readSSE,
	"stream":    readStream,
	"multipart": readMultipart,
	"longpoll":  readLongPoll,
	"poll":      readPoll,
}

// Techniques returns what Options.Via can be. "auto" is websocket, sse or
// longpoll: the first of them that the way to the server allows for. Once in a
// while it tries again whether a better one does by now.
func Techniques() []string {
	return []string{"auto", "websocket", "sse", "stream", "multipart", "longpoll", "poll"}
}

// A connection is one attempt to read by one technique.
type connection struct {
	client  *Client
	options *Options
	places  *places
	via     string
	yield   func(Event) bool
	began   time.Time

	soon  func(n *Notice)                 // is told of $expiring; nil: there is no other token
	renew func(ctx context.Context) error // gives the server another token without ending c; nil: it cannot

	watch    *watchdog
	patience *time.Timer // for the server to be reached at all

	opened bool          // the server answered as it should
	since  time.Time     // it did
	taken  bool          // something new came
	limit  int           // of entries in an answer; 0: the server's
	retry  time.Duration // how long the server wants us to wait for the next attempt
}

// url returns the address that reads on from where the reader stands.
func (c *connection) url() string {
	q := url.Values{"via": {c.via}}
	named := c.places.named()
	path := "/channels"
	if len(named) == 1 {
		path += "/" + string(named[0].channel)
	}
	if len(named) > 1 {
		for _, at := range named {
			q.Add("channel", string(at.channel))
		}
	}
	if c.options.Join || !c.options.inbox.IsZero() {
		q.Set("connection", c.client.connection())
	}
	if c.options.Join {
		q.Set("join", string(c.options.Data))
	}
	if cursor := c.places.cursor(); cursor != "" {
		q.Set("cursor", cursor)
	}
	if slices.ContainsFunc(c.places.open(), func(at place) bool { return !at.known }) {
		q.Set("since", c.options.since())
	}
	if c.options.Latest {
		q.Set("only", "latest")
	}
	if c.options.Every > 0 && c.via != "poll" && c.via != "longpoll" {
		q.Set("every", c.options.Every.String())
	}
	switch c.via {
	case "sse":
		q.Set("format", "entry")
	case "longpoll":
		q.Set("wait", "25")
	}
	if c.limit > 0 && (c.via == "poll" || c.via == "longpoll") {
		q.Set("limit", strconv.Itoa(c.limit))
	}
	return c.client.at(path, q)
}

// since returns where to begin, if there is no cursor.
func (o *Options) since() string {
	if o.Since == "" && !o.inbox.IsZero() {
		return (time.Since(o.inbox) + inboxSlack).String()
	}
	return cmp.Or(o.Since, "now")
}

// stream opens a response that goes on and on. Each byte of it that is read
// feeds the watchdog.
func (c *connection) stream(ctx context.Context) (*http.Response, error) {
	// A coding would hold bytes back until a block of them is full.
	resp, err := c.client.do(ctx, http.MethodGet, c.url(), http.Header{"Accept-Encoding": {"identity"}}, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNoContent {
		_ = resp.Body.Close()
		return nil, errDone
	}
	resp.Body = watched{resp.Body, c.watch}
	return resp, nil
}

// line takes an entry or a notice in its JSON form.
func (c *connection) line(text []byte) error {
	e, n, err := wire.Parse(text)
	switch {
	case err != nil:
		return garbled("%v", err)
	case n != nil:
		return c.tell(n)
	}
	return c.take(e)
}

// take passes e on, unless the caller has had it.
func (c *connection) take(e *pabal.Entry) error {
	at, err := c.places.find(e.Channel)
	if err != nil {
		return err
	}
	e.Channel = at.channel
	if !c.places.take(at, e) || at.beside {
		return nil
	}
	c.taken = true
	return c.give(Event{Entry: e})
}

// tell notes what n says and passes it on, unless it is only about this
// connection's end.
func (c *connection) tell(n *Notice) error {
	switch n.Kind {
	case pabal.NoticeOpen:
		return c.open(n)
	case pabal.NoticeClosed:
		return c.close(n)
	case pabal.NoticeExpiring: // which is of no place
		if c.soon == nil {
			return c.give(Event{Notice: n})
		}
		c.soon(n)
		return nil
	}
	if n.Cursor != "" {
		if err := c.places.set(n.Channel, n.Cursor); err != nil {
			return garbled("%v", err)
		}
	}
	if c.places.isBeside(n.Channel) {
		return nil
	}
	return c.give(Event{Notice: n})
}

func (c *connection) open(n *Notice) error {
	c.reached()
	c.watch.limit = time.Minute
	if n.Heartbeat > 0 {
		c.watch.limit = 2 * min(n.Heartbeat, 24*time.Hour)
	}
	if len(n.Channels) != len(n.Cursors) {
		return garbled("$open with %d channels and %d cursors", len(n.Channels), len(n.Cursors))
	}
	for i, ch := range n.Channels {
		if err := c.places.begin(ch, n.Cursors[i]); err != nil {
			return garbled("%v", err)
		}
	}
	if len(n.Channels) == 0 && n.Cursor != "" {
		if err := c.places.begin(n.Channel, n.Cursor); err != nil {
			return garbled("%v", err)
		}
	}
	return c.give(Event{Notice: c.places.withoutBeside(n)})
}

func (c *connection) close(n *Notice) error {
	if n.Reason != pabal.ClosedByPublisher {
		return nil // the connection is about to end, not the channel
	}
	if n.Cursor != "" {
		if err := c.places.set(n.Channel, n.Cursor); err != nil {
			return garbled("%v", err)
		}
	}
	if !c.places.close(n.Channel) {
		return nil
	}
	if err := c.give(Event{Notice: n}); err != nil {
		return err
	}
	if len(c.places.named()) == 0 {
		return errDone
	}
	return nil
}

// reached notes that the server answered as it should.
func (c *connection) reached() {
	if !c.opened {
		c.opened, c.since = true, time.Now()
	}
	c.patience.Stop()
}

// choked reports whether err is that c fell silent as soon as it had opened:
// something on the way holds back what comes, until it is so much, and let
// through the first of it.
func (c *connection) choked(err error) bool {
	return errors.Is(err, errSilent) && time.Since(c.since) < c.watch.limit*3/2
}

// give hands event to the caller, who may take any time.
func (c *connection) give(event Event) error {
	c.watch.stop()
	defer c.watch.feed()
	if !c.yield(event) {
		return errStop
	}
	return nil
}

// readLine returns the next line of in, without its end. It is valid until
// in is read again. A line that is cut off is an error.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		whole := slices.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			if len(whole) > maxFrame {
				return nil, garbled("a line of more than %d bytes", maxFrame)
			}
			line, err = in.ReadSlice('\n')
			whole = append(whole, line...)
		}
		line = whole
	}
	if err != nil {
		if errors.Is(err, io.EOF) && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}
