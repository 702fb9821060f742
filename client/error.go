package client

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal"
)

// Why something ended that could not be done in time.
var (
	// ErrNotReached ends a subscription that gives up ([Options]).
	ErrNotReached = errors.New("the server was not reached in time")
	// ErrOutcomeUnknown is said where a request may have been done or not.
	ErrOutcomeUnknown = errors.New("the outcome is unknown")
)

// An Error is the server's refusal, as its answer of type
// application/problem+json says it, or why a call has failed.
type Error struct {
	Status     int           `json:"status"` // the HTTP status
	Type       string        `json:"type"`   // a URI that names the kind of problem
	Title      string        `json:"title"`
	Detail     string        `json:"detail"` // what is wrong and what to do
	Limit      string        `json:"limit"`  // the limit that refused, by the name it has in the server's configuration
	Cursor     string        `json:"cursor"` // of [pabal.ErrMoved]: where the channel ends instead; empty if the server did not say
	RetryAfter time.Duration `json:"-"`      // when to come back; 0 if the server did not say

	call    bool // of a call: what its responder says, who may have given no status
	foreign bool // not from a Pabal server, but from what stands before it
}

func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	if e.call && e.Status == 0 {
		return "the call has failed: " + text
	}
	return fmt.Sprintf("the server says %d: %s", e.Status, text)
}

// Temporary reports whether the same request may succeed later.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// Is reports whether e says what target, an error of package pabal, says:
// [pabal.ErrClosed], [pabal.ErrConflict], [pabal.ErrPartial] or
// [pabal.ErrMoved].
func (e *Error) Is(target error) bool {
	switch path.Base(e.Type) {
	case "closed":
		return target == pabal.ErrClosed
	case "conflict":
		return target == pabal.ErrConflict
	case "partial":
		return target == pabal.ErrPartial
	case "moved":
		return target == pabal.ErrMoved
	}
	return false
}

// newError makes an error of an answer that is not a success.
func newError(resp *http.Response) *Error {
	e := &Error{foreign: true}
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media == "application/problem+json" {
		err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(e)
		e.foreign = err != nil
	}
	if resp.Request != nil && strings.HasSuffix(resp.Request.URL.Path, "/commands") {
		if reply := replyError(resp); reply != nil {
			e = reply
		}
	}
	e.Status = resp.StatusCode
	if e.Title == "" {
		e.Title = http.StatusText(e.Status)
	}
	e.RetryAfter = retryAfter(resp.Header)
	return e
}

// replyError returns the error of the reply to a command, if resp is one.
func replyError(resp *http.Response) *Error {
	var reply struct{ Error *Error }
	if is(resp, "application/json") != nil || json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&reply) != nil ||
		reply.Error == nil || reply.Error.Status != resp.StatusCode {
		return nil
	}
	return reply.Error
}

func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// permanent reports whether err is an answer that trying again does not change.
func permanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && !e.Temporary() || errors.Is(err, errNoToken)
}

// untrusted reports whether err means that the server's certificate is not
// trusted.
func untrusted(err error) bool {
	var e *tls.CertificateVerificationError
	return errors.As(err, &e)
}

// comeBack returns when the server asks to come back, if err says so.
func comeBack(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
