package transport

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/vector"
)

// parseBefore reads ?before=, with which an answer holds what lies before a
// position of one channel.
func (q *request) parseBefore(r *http.Request, query url.Values) error {
	if !query.Has("before") {
		return nil
	}
	cursor := query.Get("before")
	if q.technique == longpoll && !q.named && !query.Has("wait") {
		q.technique = poll // Prefer: wait is a wish, and there is nothing to wait for
	}
	switch {
	case query.Has("wait"):
		return problem.BadRequest("?before= reads what is there already; leave out ?wait=")
	case q.technique != poll && q.technique != jsonp:
		return problem.BadRequest("?before= is for poll and jsonp; to follow the channel too, ask %s in a request of its own", q.technique.name)
	case query.Has("cursor") || query.Has("since") || r.Header.Get("Last-Event-ID") != "":
		return problem.BadRequest("?before= says where reading ends; leave out ?cursor=, ?since= and Last-Event-ID, which say where it begins")
	case len(q.channels) != 1:
		return problem.BadRequest("?before= is for one channel; ask for each of the %d in a request of its own", len(q.channels))
	case vector.Is(cursor):
		return problem.BadRequest("?before= takes a cursor of the one channel; this one is of several")
	}
	p, err := pabal.ParsePosition(cursor)
	if err != nil {
		return problem.BadRequest("?before=: %v", err)
	}
	q.before = &p
	return nil
}

// answerBefore answers a request for the newest entries that lie before a
// position, in the order of the log. The error is of a request to which
// nothing was written.
//
// The answer is the part of the log from its before up to its cursor: what is
// older is before the one, what is newer after the other. A position that the
// log does not have is told of, as to a reader who stands there.
func (h *Handler) answerBefore(w http.ResponseWriter, r *http.Request, q *request) error {
	at := *q.before
	a := &answer{places: []pabal.Position{at}}
	if err := h.gatherBefore(r, q, a); err != nil {
		return err
	}
	if n := len(a.entries); n == 0 || a.entries[n-1].Position() != at {
		reset, err := h.resetAt(r, q, at)
		if err != nil {
			return err
		}
		if reset != nil {
			a.notices = append(a.notices, reset)
			a.places[0] = reset.To
		}
	}
	a.cursor = a.places[0].String()
	a.before = a.cursor
	if len(a.entries) > 0 {
		a.before = startOf(a.entries[0]).String()
	}
	h.writeAnswer(w, r, q, a, a.before)
	return nil
}

// startOf is the position just before e.
func startOf(e *pabal.Entry) pabal.Position {
	return pabal.Position{Epoch: e.Epoch, Offset: e.Prev}
}

// gatherBefore fills a, from page to page, with what lies before q's position.
func (h *Handler) gatherBefore(r *http.Request, q *request, a *answer) error {
	at, room := *q.before, h.Hub.Limits().BatchBytes
	for {
		page, err := h.pageBefore(r, q, at, q.limit-len(a.entries))
		if err != nil {
			return err
		}
		for _, e := range page.entries {
			room -= e.Size()
		}
		if room < 0 && len(a.entries) > 0 {
			a.more = true
			return nil
		}
		a.entries = append(page.entries, a.entries...)
		a.notices = append(page.notices, a.notices...)
		a.more = page.more
		if !a.more || len(a.entries) >= q.limit {
			return nil
		}
		at = startOf(a.entries[0])
	}
}

// pageBefore reads at most limit entries before at: more says that there are
// older ones. A session that ends at a position in the past has no place after
// it, so what it says of the log's end is left out.
func (h *Handler) pageBefore(r *http.Request, q *request, at pabal.Position, limit int) (*answer, error) {
	s, err := h.readFrom(r, q, pabal.Before(at), pabal.Options{Latest: q.options.Latest, Limit: limit})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	page := &answer{}
	var b pabal.Batch
	for {
		state := s.Step(&b, limit)
		for _, item := range b.Items {
			switch {
			case item.Entry != nil:
				page.entries = append(page.entries, item.Entry)
			case item.Notice.Kind == pabal.NoticeSkipped:
				page.notices = append(page.notices, item.Notice)
			}
		}
		if state != pabal.More {
			page.more = state == pabal.Behind && len(page.entries) > 0
			return page, nil
		}
	}
}

// resetAt returns what a reader at the position at is told if the history
// broke there, and nil if it did not.
func (h *Handler) resetAt(r *http.Request, q *request, at pabal.Position) (*pabal.Notice, error) {
	s, err := h.readFrom(r, q, pabal.After(at), pabal.Options{Limit: 1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var b pabal.Batch
	s.Step(&b, 1)
	i := slices.IndexFunc(b.Items, func(it pabal.Item) bool { return it.Notice != nil && it.Notice.Kind == pabal.NoticeReset })
	if i < 0 {
		return nil, nil
	}
	reset := *b.Items[i].Notice
	if reset.Reason == pabal.Unknown { // a reader from there begins anew; read backwards, that is at the end
		if reset.To, _, err = h.Hub.End(r.Context(), q.channels[0]); err != nil {
			return nil, err
		}
		reset.Cursor = reset.To
	}
	return &reset, nil
}

// readFrom opens a session that reads q's channels from from.
func (h *Handler) readFrom(r *http.Request, q *request, from pabal.From, o pabal.Options) (*pabal.Session, error) {
	part := *q
	part.from, part.options = []pabal.From{from}, o
	return h.openSession(r.Context(), &part, nil)
}
