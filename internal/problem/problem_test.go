package problem_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

func TestFrom(t *testing.T) {
	over := func(name string, retry time.Duration) error {
		return fmt.Errorf("publish: %w", &pabal.LimitError{Limit: name, Max: 3, What: "four", Retry: retry})
	}
	for _, c := range []struct {
		err    error
		status int
		kind   string
	}{
		{over("max-message", 0), 413, "/problems/limit"},
		{over("batch-bytes", 0), 413, "/problems/limit"},
		{over("batch-messages", 0), 413, "/problems/limit"},
		{over("field-bytes", 0), 413, "/problems/limit"},
		{over("channel-bytes", 0), 400, "/problems/limit"},
		{over("channels-per-response", 0), 400, "/problems/limit"},
		{over("sessions-per-address", time.Second), 429, "/problems/limit"},
		{over("rate", time.Second), 429, "/problems/limit"},
		{over("sessions", time.Second), 503, "/problems/limit"},
		{over("channels", time.Second), 503, "/problems/limit"},
		{&http.MaxBytesError{Limit: 7}, 413, "/problems/limit"},
		{fmt.Errorf("x: %w", pabal.ErrClosed), 409, "/problems/closed"},
		{pabal.ErrConflict, 409, "/problems/conflict"},
		{pabal.ErrPartial, 409, "/problems/partial"},
		{pabal.ErrMoved, 412, "/problems/moved"},
		{problem.Moved("1-1"), 412, "/problems/moved"},
		{fmt.Errorf("x: %w", &pabal.StorageError{What: "w", Full: true}), 507, "/problems/storage-full"},
		{&pabal.StorageError{What: "w", Err: context.Canceled}, 503, "/problems/storage"},
		{context.DeadlineExceeded, 503, "/problems/unavailable"},
		{pabal.ErrHubClosed, 503, "/problems/unavailable"},
		{fmt.Errorf("x: %w", &pabal.InvalidError{}), 400, ""},
		{context.Canceled, 503, "/problems/unavailable"},
		{fmt.Errorf("x: %w", problem.NotFound("no %s", "x")), 404, ""},
		{problem.BadRequest("x"), 400, ""},
		{problem.Unauthorized("x"), 401, ""},
		{problem.Forbidden("x"), 403, ""},
		{errors.New("open /secret/path"), 500, ""},
	} {
		p := problem.From(c.err)
		if p.Status != c.status || p.Type != c.kind {
			t.Errorf("%v: got %d %q, want %d %q", c.err, p.Status, p.Type, c.status, c.kind)
		}
		if p.Status == 500 && p.Error() != "the server failed; its log says why" {
			t.Errorf("an internal error leaks: %q", p.Error())
		}
	}
	if p := problem.From(nil); p != nil {
		t.Errorf("of no error: got %v", p)
	}
}

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		p          *problem.Problem
		body       string
		retryAfter string
	}{
		{&problem.Problem{}, `{"type":"about:blank","title":"Internal Server Error","status":500}`, ""},
		{problem.BadRequest("channel %q", "</script>"),
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"channel \"\u003c/script\u003e\""}`, ""},
		{problem.From(&pabal.LimitError{Limit: "sessions", Max: 2, What: "one more reader", Retry: 1100 * time.Millisecond}),
			`{"type":"/problems/limit","title":"Over a limit","status":503,"detail":"one more reader: the limit sessions is 2; ` +
				`come back in 1.1s","limit":"sessions","max":2,"retryAfter":2}`, "2"},
		{problem.Unavailable(0, "come %s", "later"), `{"type":"/problems/unavailable","title":"Not available now","status":503,` +
			`"detail":"come later","retryAfter":1}`, "1"},
		{problem.From(&pabal.StorageError{What: "no room: delete something", Full: true, Err: errors.New("/secret")}),
			`{"type":"/problems/storage-full","title":"The storage is full","status":507,"detail":"no room: delete something"}`, ""},
		{problem.From(&pabal.StorageError{What: "not now", Retry: time.Minute}), `{"type":"/problems/storage","title":"The storage cannot do this now",` +
			`"status":503,"detail":"not now","retryAfter":60}`, "60"},
	} {
		w := httptest.NewRecorder()
		problem.Write(w, c.p)
		if got, want := w.Body.String(), c.body+"\n"; got != want {
			t.Errorf("got  %swant %s", got, want)
		}
		h := w.Result().Header
		if h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" || h.Get("Retry-After") != c.retryAfter {
			t.Errorf("headers of %s: %v", c.body, h)
		}
		if text, err := json.Marshal(c.p); err != nil || string(text) != c.body {
			t.Errorf("json.Marshal: got %s, %v", text, err)
		}
	}
	w := httptest.NewRecorder()
	problem.Write(w, problem.Moved("1-7"))
	if w.Code != 412 || w.Header().Get("Pabal-Cursor") != "1-7" || !strings.Contains(w.Body.String(), `,"cursor":"1-7"}`) {
		t.Errorf("moved: got %d %v %s", w.Code, w.Header(), w.Body)
	}
	if got := (&problem.Problem{Status: 404}).Error(); got != "Not Found" {
		t.Errorf("error of a problem without detail: got %q", got)
	}
}
