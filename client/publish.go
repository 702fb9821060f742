package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// A Receipt says where the messages of a publish are.
type Receipt struct {
	Cursor    string   `json:"cursor"`    // of the last message: the very bytes that readers see on its entry
	Cursors   []string `json:"cursors"`   // of each message, if there were several
	Duplicate bool     `json:"duplicate"` // they had been there before
}

// Publish appends messages to channel, all of them or none. When it returns
// without an error, they are kept, and each reader gets each of them once.
//
// While the outcome is unknown, or the server asks to come back, Publish
// repeats the request, until ctx ends. Repeats are recognised by the messages'
// IDs, or by an ID of the request if some message has none, so that nothing is
// published twice. A refusal is an [*Error], and nothing was published, as if
// the server's certificate is not trusted. At ctx's end the error is its cause,
// and [ErrOutcomeUnknown] unless nothing was published.
func (c *Client) Publish(ctx context.Context, channel pabal.Channel, messages ...pabal.Message) (Receipt, error) {
	if len(messages) == 0 {
		return Receipt{}, errors.New("publish: there is no message")
	}
	return c.post(ctx, channel, url.Values{}, http.Header{}, messages)
}

// PublishIf is Publish, if channel ends at cursor; else nothing is published,
// and the [*Error] is [pabal.ErrMoved] and has the cursor of the end. So of
// several who publish after the same entry one succeeds, and the others can
// read what it has published, and try again from there.
func (c *Client) PublishIf(ctx context.Context, channel pabal.Channel, cursor string, messages ...pabal.Message) (Receipt, error) {
	if len(messages) == 0 {
		return Receipt{}, errors.New("publish: there is no message")
	}
	if _, err := pabal.ParsePosition(cursor); err != nil {
		return Receipt{}, fmt.Errorf("publish: %w", err)
	}
	return c.post(ctx, channel, url.Values{}, http.Header{"If-Match": {`"` + cursor + `"`}}, messages)
}

// CloseChannel closes channel after messages, if there are any: nothing can be
// published to it from then on, and its readers come to an end. Outcomes are
// as with [Client.Publish].
func (c *Client) CloseChannel(ctx context.Context, channel pabal.Channel, messages ...pabal.Message) (Receipt, error) {
	return c.post(ctx, channel, url.Values{"close": {""}}, http.Header{}, messages)
}

// DeleteChannel makes the server forget channel's log. A channel that is not
// there is no error.
func (c *Client) DeleteChannel(ctx context.Context, channel pabal.Channel) error {
	_, err := c.send(ctx, http.MethodDelete, channel, nil, nil, nil)
	return err
}

func (c *Client) post(ctx context.Context, channel pabal.Channel, query url.Values, header http.Header, messages []pabal.Message) (Receipt, error) {
	for i := range messages {
		if messages[i].ID == "" {
			header.Set("Idempotency-Key", rand.Text())
		}
	}
	if len(messages) == 0 {
		return c.send(ctx, http.MethodPost, channel, query, header, nil)
	}
	if m := messages[0]; len(messages) == 1 && bare(&m) {
		for name, value := range map[string]string{"id": m.ID, "type": m.Type, "key": m.Key} {
			if value != "" {
				query.Set(name, value)
			}
		}
		if m.ContentType != "" {
			header.Set("Content-Type", m.ContentType)
		}
		return c.send(ctx, http.MethodPost, channel, query, header, m.Data)
	}
	var body []byte
	for i := range messages {
		body = append(wire.AppendMessage(body, &messages[i]), '\n')
	}
	header.Set("Content-Type", "application/x-ndjson")
	return c.send(ctx, http.MethodPost, channel, query, header, body)
}

// bare reports whether a request's body can be m's data alone. Bodies of some
// types, and none at all, mean something else to the server than themselves.
func bare(m *pabal.Message) bool {
	media, _, _ := mime.ParseMediaType(m.ContentType)
	return len(m.Data) > 0 && media != "application/x-ndjson" && media != "application/x-www-form-urlencoded"
}

// send repeats a request until its outcome is known or ctx ends.
func (c *Client) send(ctx context.Context, method string, channel pabal.Channel, query url.Values, header http.Header, body []byte) (Receipt, error) {
	if err := c.check(channel); err != nil {
		return Receipt{}, err
	}
	to := c.at("/channels/"+string(channel), query)
	var r Receipt
	known, err := c.repeat(ctx, func() (err error) {
		r, err = c.attempt(ctx, method, to, header, body)
		return err
	})
	if err != nil {
		return Receipt{}, unknown(known, err)
	}
	return r, nil
}

// unsent reports whether err means that the server did not do what was asked.
func unsent(err error) bool {
	var e *Error
	var un unsentError
	var token tokenError
	return errors.As(err, &e) && e.Status == http.StatusTooManyRequests || errors.As(err, &un) || errors.As(err, &token)
}

// An unsentError is the failure of a request for which there was no connection.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

// tells reports whether c's transport is one that tells when it has a
// connection.
func (c *Client) tells() bool {
	transport := c.http().Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	_, ok := transport.(*http.Transport)
	return ok
}

// attempt publishes, or does what else changes a channel.
func (c *Client) attempt(ctx context.Context, method, to string, header http.Header, body []byte) (r Receipt, err error) {
	answer, err := c.act(ctx, method, to, header, body)
	if err != nil || method == http.MethodDelete {
		return r, err
	}
	if err := json.Unmarshal(answer, &r); err != nil || r.Cursor == "" {
		return r, garbled("a publish was answered with %.80q", answer)
	}
	return r, nil
}

// act sends a request that does something, and returns the answer's body.
func (c *Client) act(ctx context.Context, method, to string, header http.Header, body []byte) ([]byte, error) {
	// A request may take its time to go up, at 100 KB a second or more.
	ctx, cancel := context.WithTimeout(ctx, 2*answerTime+time.Duration(len(body)/100)*time.Millisecond)
	defer cancel()
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	resp, err := c.do(ctx, method, to, header, body)
	// That a connection could not be made says nothing of one before, on which net/http has tried by itself.
	var op *net.OpError
	if dialled := errors.As(err, &op) && op.Op == "dial"; err != nil && !connected.Load() && (dialled || c.tells()) {
		err = unsentError{err}
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, maxFrame))
}
