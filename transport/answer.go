package transport

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// An answer is what a poll of any kind gets.
type answer struct {
	entries []*pabal.Entry
	notices []*pabal.Notice
	more    bool
	places  []pabal.Position // where the reader stands, in each channel
	cursor  string           // the same as text
}

// answer answers a poll, a long poll or a JSONP request. The error is of a
// request to which nothing was written.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, q *request) error {
	var waker pabal.Waker
	signal := pabal.NewSignal()
	if q.wait > 0 {
		waker = signal
	}
	s, err := h.openSession(r.Context(), r, q, waker)
	if err != nil {
		return err
	}
	defer s.Close()
	start := make([]pabal.Position, len(q.channels))
	for i := range start {
		start[i] = s.Position(i)
	}
	ctx, cancel := context.WithTimeout(r.Context(), q.wait)
	defer cancel()
	defer context.AfterFunc(h.draining, cancel)()
	a, err := gather(ctx, r.Context(), s, signal, start, room{q.limit, h.Hub.Limits().BatchBytes})
	if err != nil {
		return err
	}
	if a.cursor, err = cursorOf(q.channels, a.places); err != nil {
		return err
	}
	from, err := cursorOf(q.channels, start)
	if err != nil {
		return err
	}
	h.writeAnswer(w, r, q, a, from)
	return nil
}

// gather takes what s has to give. With nothing to give, it waits until ctx
// ends; reading itself ends with request.
func gather(ctx, request context.Context, s *pabal.Session, signal pabal.Signal, start []pabal.Position, most room) (*answer, error) {
	a := &answer{places: append([]pabal.Position(nil), start...)}
	var b pabal.Batch
	bytes := 0
	for {
		state := s.Step(&b, most.items-len(a.entries)-len(a.notices))
		for _, item := range b.Items {
			a.take(item)
			if item.Entry != nil {
				bytes += item.Entry.Size()
			}
		}
		if state == pabal.Behind {
			if err := s.CatchUp(request); err != nil {
				return nil, err
			}
			continue
		}
		if state == pabal.More {
			if len(a.entries)+len(a.notices) < most.items && bytes < most.bytes {
				continue
			}
			a.more = moreThan(request, s)
			return a, nil
		}
		for i := range a.places {
			a.places[i] = s.Position(i)
		}
		moved := !equal(a.places, start)
		if state == pabal.Done || len(a.entries)+len(a.notices) > 0 || moved || ctx.Err() != nil {
			return a, nil
		}
		select {
		case <-signal:
		case <-ctx.Done():
			if err := request.Err(); err != nil {
				return nil, err
			}
		}
	}
}

// room bounds one answer.
type room struct{ items, bytes int }

// take adds item to a. A poll that has nothing new says so by being empty, so
// $live has no place in it.
func (a *answer) take(item pabal.Item) {
	switch {
	case item.Entry != nil:
		a.entries = append(a.entries, item.Entry)
		a.places[item.Place] = item.Entry.Position()
	case item.Notice.Kind != pabal.NoticeLive:
		a.notices = append(a.notices, item.Notice)
		a.places[item.Place] = item.Notice.Cursor
	}
}

// moreThan reports whether s has more to give than it has given.
func moreThan(ctx context.Context, s *pabal.Session) bool {
	var b pabal.Batch
	for {
		switch state := s.Step(&b, 1); {
		case len(b.Items) > 0:
			n := b.Items[0].Notice
			return n == nil || n.Kind != pabal.NoticeLive
		case state != pabal.Behind:
			return false
		}
		if s.CatchUp(ctx) != nil {
			return true
		}
	}
}

// closed reports whether nothing will follow a.
func (a *answer) closed() bool {
	closed := 0
	for _, n := range a.notices {
		if n.Kind == pabal.NoticeClosed {
			closed++
		}
	}
	return closed == len(a.places)
}

func equal(a, b []pabal.Position) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func cursorOf(channels []pabal.Channel, places []pabal.Position) (string, error) {
	if len(channels) == 1 {
		return places[0].String(), nil
	}
	v, err := pabal.NewVector(channels)
	if err != nil {
		return "", problem.BadRequest("%v", err)
	}
	for i, p := range places {
		v.Set(i, p)
	}
	return v.String(), nil
}

// writeAnswer writes a, which begins at from.
func (h *Handler) writeAnswer(w http.ResponseWriter, r *http.Request, q *request, a *answer, from string) {
	header := w.Header()
	header.Set("Pabal-Cursor", a.cursor)
	if q.preferred {
		header.Set("Preference-Applied", "wait="+strconv.Itoa(int(q.wait/time.Second)))
	}
	if !q.named {
		header.Add("Vary", "Accept, Prefer")
	}
	empty := len(a.entries)+len(a.notices) == 0
	tag := entityTag(q, a, from)
	header.Set("ETag", tag)
	header.Set("Cache-Control", cacheControl(r, q, a))
	if q.technique == poll && !a.more && !a.closed() {
		header.Set("Retry-After", map[bool]string{true: "5", false: "1"}[empty])
	}
	unchanged := headerHas(r.Header, "If-None-Match", tag) || headerHas(r.Header, "If-None-Match", "W/"+tag)
	if len(a.notices) == 0 && q.technique != jsonp && q.cursor != "" {
		switch {
		case unchanged:
			w.WriteHeader(http.StatusNotModified)
			return
		case empty && a.cursor == from:
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	body := appendAnswer(nil, a)
	if q.technique == jsonp {
		header.Set("Content-Type", "application/javascript; charset=utf-8")
		body = appendJSONP(nil, q.callback, body)
	} else {
		header.Set("Content-Type", "application/json")
	}
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(h.WriteTimeout + time.Duration(len(body)/(64<<10))*time.Second))
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
	if _, err := w.Write(body); err != nil && !errors.Is(err, context.Canceled) {
		h.Log.Debug("answer not taken", "path", r.URL.Path, "error", err)
	}
}

// entityTag names what a says: the range, the filter and the form. When
// nothing is new it is the cursor alone.
func entityTag(q *request, a *answer, from string) string {
	if a.cursor == from && len(a.notices) == 0 {
		return `"` + a.cursor + `"`
	}
	tag := `"` + from + "." + a.cursor
	if q.options.Latest {
		tag += ".latest"
	}
	if q.technique == jsonp {
		tag += ".jsonp"
	}
	for _, n := range a.notices {
		tag += "." + strings.TrimPrefix(string(n.Kind), "$")
	}
	return tag + `"`
}

// cacheControl says who may keep a: what follows a cursor is the same for
// ever, as far as it goes.
func cacheControl(r *http.Request, q *request, a *answer) string {
	switch {
	case r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "":
		return "private, no-store"
	case len(a.entries) == 0 || len(a.notices) > 0 || q.cursor == "" || q.byHeader || !q.named || q.options.Latest:
		return "no-store"
	case a.more:
		return "public, max-age=3600"
	}
	return "public, max-age=5"
}
