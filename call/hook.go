package call

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/wire"
)

// A Hook is where the application answers calls over HTTP. It is asked by a
// POST whose body is what was asked, as it is, with its Content-Type, and with
// these headers:
//
//	Pabal-Channel     the channel that is asked
//	Pabal-Call        names the call; it is never asked twice
//	Pabal-User        who asks, percent-encoded; not there if nobody knows
//	Pabal-User-Data   JSON that the token has of the user, percent-encoded
//	Pabal-Connection  the asker's connection, as presence shows it
//	Pabal-Timestamp   when this was sent, in seconds since 1970
//	Pabal-Signature   v1=…, if there is a secret: see [VerifySignature]
//
// It answers with
//   - 200 and any content: the answer, of that Content-Type;
//   - 204, or nothing: an empty answer;
//   - 200 and application/x-ndjson: each line is a JSON value, the last one the
//     answer and each before it a part, which is passed on once the next line is
//     there;
//   - 4xx or 5xx: the call has failed, with what application/problem+json says
//     (status, title and detail), or else only that it has.
//
// Redirects are not followed. When the call has ended otherwise the request is
// broken off.
type Hook struct {
	URL    string
	Secret []byte // nil: requests are not signed
}

const (
	ndjson       = "application/x-ndjson"
	problemBytes = 64 << 10 // of a problem that a hook answers with
)

// clientOf returns the client that asks hooks: c, or one of its own, but that it
// follows no redirects.
func clientOf(c *http.Client) *http.Client {
	own := http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}}
	if c != nil {
		own = *c
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// post is the [Func] of h. What it says of h is for the log; the asker is told
// nothing that the application did not say.
func (s *Service) post(ctx context.Context, h Hook, r *Request) iter.Seq2[pabal.Message, error] {
	return func(yield func(pabal.Message, error) bool) {
		said := false // all that is to be, or nobody listens any more
		err := s.exchange(ctx, h, r, func(m pabal.Message) bool {
			said = !yield(m, nil) || m.Type != "part"
			return !said
		})
		if err == nil || said {
			return
		}
		p, ok := errors.AsType[*problem.Problem](err)
		if !ok {
			p = badGateway("the application could not answer this call")
			if ctx.Err() == nil {
				s.seldom.log(s.log, slog.LevelWarn, "a hook could not answer a call", "channel", r.Channel, "call", r.Ref, "error", err)
			}
		}
		yield(pabal.Message{}, p)
	}
}

// exchange asks h, and says to yield what it answers, until that returns false.
func (s *Service) exchange(ctx context.Context, h Hook, r *Request, yield func(pabal.Message) bool) error {
	request, err := h.request(ctx, r)
	if err != nil {
		return err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer response.Body.Close()
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode >= 400:
		return failure(response, kind)
	case response.StatusCode >= 300:
		return fmt.Errorf("it answered with a redirect, %d, which is not followed", response.StatusCode)
	case kind == ndjson:
		return s.lines(response.Body, yield)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(s.limits.MessageBytes)+1))
	switch {
	case err != nil:
		return withoutURL(err)
	case len(body) > s.limits.MessageBytes:
		return s.tooMuch()
	}
	m := pabal.Message{Type: "answer", ContentType: response.Header.Get("Content-Type"), Data: body}
	if len(body) == 0 {
		m.ContentType = ""
	}
	yield(m)
	return nil
}

func (s *Service) tooMuch() error {
	return fmt.Errorf("it answered with more than %d bytes (max-message)", s.limits.MessageBytes)
}

// request returns the request by which h is asked.
func (h *Hook) request(ctx context.Context, r *Request) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(r.Message.Data))
	if err != nil {
		return nil, withoutURL(err)
	}
	for _, header := range [][2]string{
		{"Content-Type", contentType(&r.Message)},
		{"User-Agent", "Pabal"},
		{"Pabal-Channel", string(r.Channel)},
		{"Pabal-Call", r.Ref},
		{"Pabal-User", url.PathEscape(r.User)},
		{"Pabal-User-Data", url.PathEscape(string(r.UserData))},
		{"Pabal-Connection", r.Connection},
		{"Pabal-Timestamp", strconv.FormatInt(time.Now().Unix(), 10)},
	} {
		if header[1] != "" {
			request.Header.Set(header[0], header[1])
		}
	}
	if len(h.Secret) > 0 {
		request.Header.Set("Pabal-Signature", signature(h.Secret, request.Header, r.Message.Data))
	}
	return request, nil
}

// contentType returns that of m as it can stand in a header and arrives as it is.
func contentType(m *pabal.Message) string {
	of := strings.TrimSpace(wire.ContentType(m))
	if _, _, err := mime.ParseMediaType(of); err != nil || strings.ContainsFunc(of, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "application/octet-stream"
	}
	return of
}

// withoutURL returns what err says but for the URL, which may hold a secret.
func withoutURL(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		return of.Err
	}
	return err
}

// failure returns what an answer that says that the call has failed says to the
// asker.
func failure(response *http.Response, kind string) error {
	internal := fmt.Errorf("it answered with status %d", response.StatusCode)
	if kind != problem.ContentType {
		if n := response.ContentLength; n >= 0 && n <= problemBytes {
			_, _ = io.Copy(io.Discard, response.Body) // so that the connection can be used again
		}
		return internal
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, problemBytes))
	if err != nil {
		return withoutURL(err)
	}
	var said struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return fmt.Errorf("%w and a problem that cannot be read: %w", internal, err)
	}
	if said.Status < 400 || said.Status > 599 {
		said.Status = response.StatusCode
	}
	return &problem.Problem{Title: said.Title, Status: said.Status, Detail: said.Detail}
}

// lines says to yield each line of body, the last of which is the answer.
func (s *Service) lines(body io.Reader, yield func(pabal.Message) bool) error {
	in := bufio.NewScanner(body)
	in.Buffer(nil, s.limits.MessageBytes+len("\r\n"))
	var held []byte
	message := func(kind string) pabal.Message {
		return pabal.Message{Type: kind, ContentType: "application/json", Data: held}
	}
	for in.Scan() {
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 {
			continue
		}
		if held != nil && !yield(message("part")) {
			return nil
		}
		held = bytes.Clone(line)
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return s.tooMuch()
	case err != nil:
		return withoutURL(err)
	case held == nil:
		yield(pabal.Message{Type: "answer"})
	default:
		yield(message("answer"))
	}
	return nil
}
