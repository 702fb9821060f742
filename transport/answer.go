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
	"github.com/pabal/pabal/vector"
)

// An answer is what a poll of any kind gets.
type answer struct {
	entries []*pabal.Entry
	notices []*pabal.Notice
	more    bool
	places  []pabal.Position // where the reader stands, in each channel
	cursor  string           // the same as text
	before  string           // the cursor before which older entries lie; of one channel, unless the client knows it
}

// answer answers a poll, a long poll or a JSONP request. The error is of a
// request to which nothing was written.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, q *request) error {
	if q.before != nil {
		return h.answerBefore(w, r, q)
	}
	var waker pabal.Waker
	signal := pabal.NewSignal()
	if q.wait > 0 {
		waker = signal
	}
	s, err := h.openSession(r.Context(), q, waker)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := h.attend(r.Context(), q, nil); err != nil {
		return err
	}
	start := make([]pabal.Position, len(q.channels))
	for i := range start {
		start[i] = s.Position(i)
	}
	until := time.Now().Add(q.wait)
	if q.parked != nil {
		until = q.parked.until
	}
	if at := q.grant.Expires; !at.IsZero() && at.Before(until) { // it is answered then, and the next is refused
		until = at
	}
	ctx, cancel := context.WithDeadline(r.Context(), until)
	defer cancel()
	defer context.AfterFunc(h.draining, cancel)()
	most := room{q.limit, h.Hub.Limits().BatchBytes}
	var park <-chan time.Time
	if time.Until(until) > h.ParkAfter && h.parkable(w, r) {
		park = time.After(h.ParkAfter)
	}
	a, err := gather(ctx, r.Context(), s, signal, start, most, park)
	if errors.Is(err, errPark) {
		if h.park(w, r, q, s, until) {
			return nil
		}
		a, err = gather(ctx, r.Context(), s, signal, start, most, nil)
	}
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
	if len(q.channels) == 1 && q.cursor == "" {
		a.before = from
	}
	h.writeAnswer(w, r, q, a, from)
	return nil
}

// gather takes what s has to give. With nothing to give, it waits until ctx
// ends, or with errPark until park says so; reading itself ends with request.
func gather(ctx, request context.Context, s *pabal.Session, signal pabal.Signal, start []pabal.Position, most room, park <-chan time.Time) (*answer, error) {
	a := &answer{places: append([]pabal.Position(nil), start...)}
	var b pabal.Batch
	bytes := 0
	for {
		state := s.Step(&b, most.entries-len(a.entries))
		for _, item := range b.Items {
			if item.Entry != nil {
				if bytes += item.Entry.Size(); bytes > most.bytes && len(a.entries) > 0 {
					a.more = true
					return a, nil
				}
			}
			a.take(item)
		}
		if state == pabal.Behind {
			if err := s.CatchUp(request); err != nil {
				return nil, err
			}
			continue
		}
		if state == pabal.More {
			if len(a.entries) < most.entries {
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
		case <-park:
			return nil, errPark
		case <-ctx.Done():
			if err := request.Err(); err != nil {
				return nil, err
			}
		}
	}
}

// errPark says that a long poll has waited for some time.
var errPark = errors.New("nothing has come")

// room bounds one answer.
type room struct{ entries, bytes int }

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
		state := s.Step(&b, 1)
		for _, item := range b.Items {
			if item.Notice == nil || item.Notice.Kind != pabal.NoticeLive {
				return true
			}
		}
		switch state {
		case pabal.Caught, pabal.Done:
			return false
		case pabal.Behind:
			if s.CatchUp(ctx) != nil {
				return true
			}
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
	v, err := vector.New(channels)
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
	if q.technique == poll && q.before == nil && !a.more && !a.closed() {
		header.Set("Retry-After", map[bool]string{true: "5", false: "1"}[empty])
	}
	unchanged := headerHas(r.Header, "If-None-Match", tag) || headerHas(r.Header, "If-None-Match", "W/"+tag)
	if len(a.notices) == 0 && q.technique != jsonp {
		switch {
		case unchanged:
			w.WriteHeader(http.StatusNotModified)
			return
		case empty && q.stays(a.places):
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
	if err := writePieces(w, rc.SetWriteDeadline, h.WriteTimeout, body); err != nil {
		h.Log.Debug("answer not taken", "path", r.URL.Path, "error", err)
	}
}

// stays reports whether places are the very positions that q asks to read after.
func (q *request) stays(places []pabal.Position) bool {
	for i, from := range q.from {
		if at, ok := from.After(); !ok || at != places[i] {
			return false
		}
	}
	return true
}

// negotiated is what the choice of a technique that is not named depends on.
const negotiated = "Accept, Prefer"

// entityTag names what a says: the range, the filter and the form. When
// nothing is new it is the cursor alone.
func entityTag(q *request, a *answer, from string) string {
	if a.cursor == from && len(a.notices) == 0 {
		return `"` + a.cursor + `"`
	}
	tag := `"` + from + "." + a.cursor
	switch {
	case q.options.Latest && q.before != nil: // what later entries replace goes, also from between the two
		tag += ".latest" + strconv.Itoa(len(a.entries))
	case q.options.Latest:
		tag += ".latest"
	}
	if q.before != nil {
		tag += ".before"
	}
	if q.technique == jsonp {
		tag += ".jsonp"
	}
	if a.more {
		tag += ".more"
	}
	for _, n := range a.notices {
		tag += "." + strings.TrimPrefix(string(n.Kind), "$")
	}
	return tag + `"`
}

// cacheControl says who may keep a: what follows a cursor is the same for
// ever, as far as it goes. So is what lies before one, but that retention
// takes it away from its old end: a page that has others before it is kept for
// as long as any that is full, while the oldest page is what retention takes
// next, and is asked for anew.
func cacheControl(r *http.Request, q *request, a *answer) string {
	switch {
	case q.grant.Claims != nil || q.inbox || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "":
		return "private, no-store"
	case len(a.entries) == 0 || len(a.notices) > 0 || q.cursor == "" && q.before == nil || q.byHeader || !q.named || q.options.Latest:
		return "no-store"
	case a.more:
		return "public, max-age=3600"
	}
	return "public, max-age=5"
}
