// Package problem is how Pabal says over HTTP that something went wrong: RFC
// 9457, application/problem+json.
//
//	{"type":"/problems/limit","title":"Over a limit","status":413,"detail":"…","limit":"max-message","max":1048576}
package problem

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of a problem in JSON.
const ContentType = "application/problem+json"

// A Problem says what went wrong and what to do. It is an error.
type Problem struct {
	Type       string        // "/problems/" and a name that stays; empty means "about:blank", all is in Status
	Title      string        // the type in words; empty means the status in words
	Status     int           // of HTTP; 0 means 500
	Detail     string        // what is wrong with what, and what to do
	Limit      string        // the name of the limit gone over
	Max        int64         // what that limit is
	RetryAfter time.Duration // when to come back; 0 if that does not help
	Cursor     string        // where the channel ends, for whoever thought otherwise
}

// Error returns the detail, or the title if there is none.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.title()
}

func (p *Problem) status() int {
	if p.Status == 0 {
		return http.StatusInternalServerError
	}
	return p.Status
}

func (p *Problem) title() string {
	if p.Title != "" {
		return p.Title
	}
	return http.StatusText(p.status())
}

// retryAfter returns RetryAfter in whole seconds, rounded up; 0 means never.
func (p *Problem) retryAfter() int64 {
	if p.RetryAfter <= 0 {
		return 0
	}
	return int64((p.RetryAfter + time.Second - 1) / time.Second)
}

// Append appends p as JSON. It is safe inside a script: <, > and & are
// escaped.
func (p *Problem) Append(dst []byte) []byte {
	o := struct {
		Type       string `json:"type"`
		Title      string `json:"title"`
		Status     int    `json:"status"`
		Detail     string `json:"detail,omitempty"`
		Limit      string `json:"limit,omitempty"`
		Max        int64  `json:"max,omitempty"`
		RetryAfter int64  `json:"retryAfter,omitempty"` // seconds, for who cannot read headers
		Cursor     string `json:"cursor,omitempty"`
	}{p.Type, p.title(), p.status(), p.Detail, p.Limit, p.Max, p.retryAfter(), p.Cursor}
	if o.Type == "" {
		o.Type = "about:blank"
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings and numbers
	}
	return append(dst, text...)
}

// MarshalJSON returns p as JSON.
func (p *Problem) MarshalJSON() ([]byte, error) { return p.Append(nil), nil }

// Write answers with p. The body that a HEAD request must not have is left to
// net/http, which drops it.
func Write(w http.ResponseWriter, p *Problem) {
	body := append(p.Append(nil), '\n')
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	p.SetHeader(h)
	w.WriteHeader(p.status())
	_, _ = w.Write(body) // whoever left needs no answer
}

// SetHeader sets in h what an answer says of p beside its body.
func (p *Problem) SetHeader(h http.Header) {
	if s := p.retryAfter(); s > 0 {
		h.Set("Retry-After", strconv.FormatInt(s, 10))
	}
	if p.Cursor != "" {
		h.Set("Pabal-Cursor", p.Cursor)
	}
	if p.status() == http.StatusUnauthorized { // RFC 6750, section 3
		challenge := "Bearer"
		if p.Type != "" { // there was a token, and it is not good
			challenge = `Bearer error="invalid_token"`
		}
		h.Set("WWW-Authenticate", challenge)
	}
}

// BadRequest says that the request is wrong in a way that only the client can
// mend.
func BadRequest(format string, args ...any) *Problem {
	return &Problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
}

// Unauthorized says that the request needs a token, or a better one.
func Unauthorized(format string, args ...any) *Problem {
	return &Problem{Status: http.StatusUnauthorized, Detail: fmt.Sprintf(format, args...)}
}

// Forbidden says that the request is understood, and refused to this client.
func Forbidden(format string, args ...any) *Problem {
	return &Problem{Status: http.StatusForbidden, Detail: fmt.Sprintf(format, args...)}
}

// NotFound says that there is nothing at the URL.
func NotFound(format string, args ...any) *Problem {
	return &Problem{Status: http.StatusNotFound, Detail: fmt.Sprintf(format, args...)}
}

// Unavailable says that the same request may succeed after retry.
func Unavailable(retry time.Duration, format string, args ...any) *Problem {
	return &Problem{
		Type: unavailable, Title: "Not available now", Status: http.StatusServiceUnavailable,
		Detail: fmt.Sprintf(format, args...), RetryAfter: max(retry, time.Second),
	}
}
