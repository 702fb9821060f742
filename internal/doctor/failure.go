package doctor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A failure is why something was not had: an answer that is an error, or none.
type failure struct {
	status      int
	problem     bool   // it is a problem, as Pabal says it
	detail      string // of the problem
	proxyStatus string
	retryAfter  time.Duration
	err         error  // instead of an answer
	said        string // in words, where that is all
}

// failure returns what a says.
func (a *answer) failure() *failure {
	f := &failure{status: a.status, proxyStatus: a.header.Get("Proxy-Status")}
	after := a.header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(after, 10, 31); err == nil {
		f.retryAfter = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		f.retryAfter = max(0, time.Until(at))
	}
	var said struct{ Title, Detail string }
	media := a.media()
	if media == "application/problem+json" || media == "" && bytes.HasPrefix(a.body, []byte(`{"type":`)) {
		f.problem = json.Unmarshal(a.body, &said) == nil
		f.detail = cmp.Or(said.Detail, said.Title)
	}
	return f
}

// forbids reports whether the server says that this may not be done, rather
// than something that stands before it.
func (f *failure) forbids() bool {
	return f != nil && f.problem && (f.status == http.StatusUnauthorized || f.status == http.StatusForbidden)
}

// text says in words what f is.
func (f *failure) text() string {
	text := f.said
	switch {
	case text != "":
	case f.err != nil:
		return f.err.Error()
	case strings.Contains(f.proxyStatus, "incremental_refused"):
		text = fmt.Sprintf("something on the way says %d: it does not carry responses that go on (incremental_refused)", f.status)
	case strings.Contains(f.proxyStatus, "connection_limit_reached"):
		text = fmt.Sprintf("something on the way says %d: it carries no more responses that go on (connection_limit_reached)", f.status)
	case f.problem:
		text = fmt.Sprintf("the server says %d: %s", f.status, f.detail)
	default:
		text = strings.TrimSpace(fmt.Sprintf("the answer is %d %s", f.status, http.StatusText(f.status)))
	}
	if f.retryAfter > 0 {
		text += fmt.Sprintf("; to be tried again in %v", f.retryAfter.Round(time.Second))
	}
	return text
}
