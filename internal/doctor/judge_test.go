package doctor

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/internal/h2connect"
)

// seen returns the row of what was seen of sse in an hour, as changed.
func seen(t *testing.T, change func(r *reader, began time.Time)) Row {
	t.Helper()
	x, err := newExam(Options{URL: "http://a.test"})
	if err != nil {
		t.Fatal(err)
	}
	r := x.newReader(sse, "1.1")
	began := time.Now().Add(-time.Hour)
	r.moments = moments{began: began, first: began, opened: began.Add(time.Millisecond), last: began.Add(30 * time.Second)}
	r.heartbeat = 15 * time.Second
	r.arrived[0], r.delivered = began, []time.Duration{time.Millisecond}
	change(r, began)
	return x.judge(r)
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		what, result, detail string
		change               func(r *reader, began time.Time)
	}{
		{"all is well", Passes, "", func(*reader, time.Time) {}},
		{"no entry", Passes, "with an entry it was not tried", func(r *reader, _ time.Time) { r.entries = entries{} }},
		{"no sign of life", Passes, "nothing came for 40s, where a sign of life is due every 15s", func(r *reader, _ time.Time) { r.silence = 40 * time.Second }},
		{"a rotation", Passes, "in good order after 1m0s", func(r *reader, began time.Time) { r.err, r.ended = errEnded, began.Add(time.Minute) }},
		{"ended at once", Cut, "cut 2s after it began", func(r *reader, began time.Time) { r.err, r.ended = errEnded, began.Add(2*time.Second) }},
		{"broken off", Cut, "cut 31s after it began, and 1s after something came", func(r *reader, began time.Time) { r.err, r.ended = io.ErrUnexpectedEOF, began.Add(31*time.Second) }},
		{"closed", Passes, "", func(r *reader, began time.Time) { r.closed, r.ended = true, began.Add(time.Second) }},
		{"mute", Cut, "it fell silent within 45s", func(r *reader, began time.Time) { r.mute = began.Add(50 * time.Second) }},
		{"late entries", Buffered, "until about 5 KiB are together", func(r *reader, _ time.Time) { r.late, r.held = 1, 5<<10 }},
		{"late open", Buffered, "it opened only after 5s", func(r *reader, began time.Time) { r.tardy, r.opened = true, began.Add(5*time.Second) }},
		{"open at the end", Buffered, "until the response has ended", func(r *reader, _ time.Time) { r.tardy, r.released = true, true }},
		{"nothing", Silent, "nothing came", func(r *reader, _ time.Time) { r.tardy, r.opened = true, time.Time{} }},
		{"an error", Failed, "no road", func(r *reader, _ time.Time) { r.failure = &failure{err: errors.New("no road")} }},
		{"no offer", Absent, "does not offer it", func(r *reader, _ time.Time) { r.failure = &failure{err: h2connect.ErrNotOffered} }},
	} {
		if row := seen(t, c.change); row.Result != c.result || !strings.Contains(row.Detail, c.detail) || c.detail == "" && row.Detail != "" {
			t.Errorf("%s: got %s, %q, want %s, %q", c.what, row.Result, row.Detail, c.result, c.detail)
		}
	}
}

// Where streams are cut now and then they are still of more use than polling,
// and of less than what is not cut.
func TestDecide(t *testing.T) {
	cut := func(technique string) Row {
		return Row{Technique: technique, HTTP: "1.1", Result: Cut, Cut: Millis(30 * time.Second), Delivered: 6}
	}
	passes := func(technique string) Row {
		return Row{Technique: technique, HTTP: "1.1", Result: Passes, Delivered: 6}
	}
	r := &Report{Beat: Millis(time.Minute), Rows: []Row{cut(websocket), cut(sse), passes(longpoll), passes(poll), passes(post)}}
	r.decide()
	want(t, r, Degraded, "longpoll websocket sse poll", map[string]string{websocket: Cut, sse: Cut},
		"websocket and sse after 30s", "Nothing is lost by that", "a heartbeat of the server below 30s keeps connections")
	r.Beat = Millis(15 * time.Second)
	if r.decide(); strings.Contains(r.Advice, "heartbeat") {
		t.Errorf("got %q, though the heartbeat is shorter than what is cut", r.Advice)
	}

	// What counts is the version of HTTP that a browser would use.
	r = &Report{Rows: []Row{{Technique: sse, HTTP: "1.1", Result: Buffered}, {Technique: sse, HTTP: "2", Result: Passes},
		passes(websocket), {Technique: websocket, HTTP: "2", Result: Absent}}}
	r.decide()
	want(t, r, Degraded, "websocket sse", map[string]string{"sse/1.1": Buffered, "websocket/2": Absent})

	silent := passes(sse)
	silent.Silence = Millis(40 * time.Second)
	r = &Report{Beat: Millis(15 * time.Second), Rows: []Row{silent}}
	r.decide()
	want(t, r, Passes, "sse", nil, "Signs of life are missing: by sse nothing came for 40s")

	r = &Report{Server: "http://a.test", Rows: []Row{{Technique: sse, HTTP: "1.1", Result: Failed, Detail: "no road"}}}
	r.decide()
	want(t, r, Nothing, "", map[string]string{sse: Failed}, "Nothing passes between here and http://a.test", "sse over HTTP/1.1: no road.")
}
