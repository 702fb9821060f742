package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pabal/pabal"
)

// A Client knows a server. Its zero value is a client of a server on this
// machine. Its fields must not change once it is in use.
type Client struct {
	URL    string       // of the server; http://127.0.0.1:8080
	HTTP   *http.Client // [http.DefaultClient]. A Timeout also ends each response that streams, which is then resumed
	Header http.Header  // sent with each request; nothing

	// Token, if set, says by what the server knows the client: it is asked for
	// each connection and each request, and again when the server does not take
	// what it returned, or says that it expires soon. So it may keep a token for
	// as long as that is good. "" is none. It has 10 s, and must return when its
	// context ends. What fails in it is tried again, as a connection is. The
	// user must stay the same: another one needs a Client of its own.
	Token func(ctx context.Context) (string, error)

	// MaxWait is the most that an attempt waits for its turn after earlier ones
	// failed, unless the server asks for more; 30 s. Each wait is random, up to
	// a bound that doubles from 250 ms.
	MaxWait time.Duration

	// Retrying, if set, is called before each wait with the failure that is the
	// reason for it. It must not block.
	Retrying func(err error, wait time.Duration)

	identity identity
	inbox    inbox
}

const (
	// answerTime is how long an answer may take to begin.
	answerTime = 15 * time.Second
	// maxFrame is the most bytes that one entry or answer may have on the wire.
	maxFrame = 64 << 20
)

// errGarbled is the root of failures that mean: this is not the answer of a
// Pabal server, or not all of it.
var errGarbled = errors.New("the answer is not what a Pabal server sends")

func garbled(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errGarbled, fmt.Sprintf(format, args...))
}

func (c *Client) http() *http.Client { return cmp.Or(c.HTTP, http.DefaultClient) }

// at returns the address of a path below the server's URL.
func (c *Client) at(path string, query url.Values) string {
	to := strings.TrimSuffix(cmp.Or(c.URL, "http://127.0.0.1:8080"), "/") + path
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	return to
}

// check reports what no attempt can mend.
func (c *Client) check(channels ...pabal.Channel) error {
	u, err := url.Parse(c.at("", nil))
	if err != nil {
		return fmt.Errorf("the server's address: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return fmt.Errorf("the server's address %q must read like https://example.com", c.URL)
	}
	for _, ch := range channels {
		if _, err := pabal.ParseChannel(string(ch)); err != nil {
			return err
		}
	}
	return nil
}

// do sends one request, and another one if that was not allowed by its token.
// The answer is one of success, or the error says why not.
func (c *Client) do(ctx context.Context, method, to string, header http.Header, body []byte) (resp *http.Response, err error) {
	err = c.authorized(ctx, func(with http.Header) error {
		for name, values := range header {
			with[http.CanonicalHeaderKey(name)] = values
		}
		resp, err = c.once(ctx, method, to, with, body) //nolint:bodyclose // the caller of do closes it
		return err
	})
	return resp, err
}

// once sends one request.
func (c *Client) once(ctx context.Context, method, to string, header http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := c.http().Do(req)
	if err != nil {
		return nil, bareError(err)
	}
	if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusNotModified {
		return resp, nil
	}
	defer drain(resp.Body)
	return nil, newError(resp)
}

// bareError returns err without the request's method and address around it.
func bareError(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// drain closes body so that its connection can serve again, unless too much
// of it is left.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}

// is reports whether resp has the media type wanted; the error says what it has.
func is(resp *http.Response, wanted string) error {
	got := resp.Header.Get("Content-Type")
	if media, _, _ := mime.ParseMediaType(got); media != wanted {
		return garbled("%s instead of %s", cmp.Or(got, "no content type"), wanted)
	}
	return nil
}

// repeat does once until its outcome is known or ctx ends: then the error has
// ctx's cause, and known says that nothing was done.
func (c *Client) repeat(ctx context.Context, once func() error) (known bool, err error) {
	known = true
	for failures := 0; ; failures++ {
		err := once()
		if err == nil || permanent(err) || untrusted(err) {
			return true, err
		}
		known = known && unsent(err)
		if c.wait(ctx, err, failures, comeBack(err)) {
			continue
		}
		if end := context.Cause(ctx); !errors.Is(err, end) {
			err = fmt.Errorf("%w: %w", end, err)
		}
		return known, err
	}
}

// unknown returns err, with [ErrOutcomeUnknown] unless it is known that nothing
// was done.
func unknown(known bool, err error) error {
	if err == nil || known {
		return err
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// wait tells what has failed and waits for the next attempt: at least floor,
// and a random time so that a crowd does not come back at once. It reports
// whether ctx allows for the attempt.
func (c *Client) wait(ctx context.Context, err error, failures int, floor time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	most := min(cmp.Or(c.MaxWait, 30*time.Second), 250*time.Millisecond<<min(failures, 16))
	wait := floor + rand.N(most) + 1
	if c.Retrying != nil {
		c.Retrying(err, wait)
	}
	return sleep(ctx, wait)
}

// sleep reports whether d went by before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
