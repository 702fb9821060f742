package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// asks is how often the latency is measured.
const asks = 3

// reach asks the server once, to see whether there is one, and how fast. Else
// the report says why not.
func (x *exam) reach(ctx context.Context) (ok bool) {
	client := x.roads.client("")
	began := time.Now()
	a, err := x.ask(ctx, client, x.options.Reach, nil)
	prefers := false
	if err != nil && x.prefersHTTP2(ctx) { // which may be what does not pass
		prefers, client, began = true, x.roads.client("1.1"), time.Now()
		a, err = x.ask(ctx, client, x.options.Reach, nil)
	}
	if err != nil {
		x.report.Problem = x.words(err)
		return false
	}
	x.reached = time.Since(began)
	x.report.Via = a.header.Get("Via")
	if state := a.tls; state != nil {
		x.report.TLS = &TLS{Version: tls.VersionName(state.Version), ALPN: state.NegotiatedProtocol}
		if prefers {
			x.report.TLS.ALPN = "h2"
		}
	}
	if x.report.Problem = notPabal(a); x.report.Problem != "" {
		return false
	}
	x.measure(ctx, client)
	x.roads.rest()
	return true
}

// prefersHTTP2 reports whether TLS says that the server speaks HTTP/2.
func (x *exam) prefersHTTP2(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, x.options.Reach)
	defer cancel()
	req, err := x.request(ctx, http.MethodGet, x.options.URL, nil)
	if err != nil || req.URL.Scheme != "https" {
		return false
	}
	conn, err := (&socketRoad{x.roads}).dial(ctx, req)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().NegotiatedProtocol == "h2"
}

// measure takes the median of a few requests on a connection that is there.
func (x *exam) measure(ctx context.Context, client *http.Client) {
	var took []time.Duration
	for range asks {
		began := time.Now()
		if _, err := x.ask(ctx, client, x.patience(), nil); err == nil {
			took = append(took, time.Since(began))
		}
	}
	x.report.Latency = Millis(cmp.Or(median(took), x.reached))
}

// notPabal says why an answer to a poll is not of a Pabal server that may be
// read, or "".
func notPabal(a *answer) string {
	f := a.failure()
	var said struct{ Cursor string }
	switch {
	case a.status == http.StatusNoContent && a.header.Get("Pabal-Cursor") != "":
		return ""
	case a.status == http.StatusOK && a.media() == "application/json" && json.Unmarshal(a.body, &said) == nil && said.Cursor != "":
		return ""
	case a.status/100 == 3 && a.header.Get("Location") != "":
		return fmt.Sprintf("it says that what is asked for is at %s: give that server's address", a.header.Get("Location"))
	case a.status/100 == 2:
		return fmt.Sprintf("there is a server, but its answer to a poll is not what Pabal says (%d, %s): is this the right address, with the right path?",
			a.status, cmp.Or(a.media(), "no content type"))
	case f.forbids():
		return f.text() + "; without the right to read, no technique can be tried: give a --token, or with --channel a channel that you may read"
	case f.problem:
		return f.text()
	}
	return fmt.Sprintf("there is a server, but %s, and not as Pabal says it: is this the right address, and is Pabal running behind it?", f.text())
}

// target is the address that reads the channel by a technique.
func (x *exam) target(via string, more url.Values) string {
	q := url.Values{"via": {via}, "since": {"now"}, "_": {strconv.FormatUint(x.count.Add(1), 36) + x.nonce}}
	if via == "sse" {
		q.Set("format", "entry")
	}
	for name, values := range more {
		q[name] = values
	}
	if q.Has("cursor") {
		q.Del("since")
	}
	return x.at(q)
}

// at is the address of the channel.
func (x *exam) at(q url.Values) string {
	to := strings.TrimSuffix(x.options.URL, "/") + "/channels/" + string(x.options.Channel)
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to
}

func (x *exam) request(ctx context.Context, method, to string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return nil, err
	}
	for name, values := range x.options.Header {
		req.Header[name] = values
	}
	return req, nil
}

// ask polls, and once more if the connection breaks.
func (x *exam) ask(ctx context.Context, client *http.Client, patience time.Duration, more url.Values) (*answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNoAnswer(patience))
	defer cancel()
	var failed error
	for range 2 {
		req, err := x.request(ctx, http.MethodGet, x.target(poll, more), nil)
		if err != nil {
			return nil, err
		}
		a, err := whole(client, req)
		if err == nil {
			return a, nil
		}
		if failed = err; ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return nil, failed
}

// An answer is one that was read to its end.
type answer struct {
	status int
	header http.Header
	tls    *tls.ConnectionState
	body   []byte
}

func (a *answer) media() string {
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return media
}

// whole sends req and reads the answer to its end.
func whole(client *http.Client, req *http.Request) (*answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, bare(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostBytes))
	if err != nil {
		return nil, err
	}
	return &answer{resp.StatusCode, resp.Header, resp.TLS, body}, nil
}

// mostBytes is how much of an answer is read.
const mostBytes = 8 << 20

func errNoAnswer(in time.Duration) error {
	return fmt.Errorf("no answer came in %v", in.Round(time.Millisecond))
}

// bare returns err without the request's method and address around it.
func bare(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
