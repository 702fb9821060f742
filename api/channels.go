package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// closedTag ends the entity tag of a closed channel.
const closedTag = ".closed"

// head says where ch ends and how many read it on this node.
func (h *Handler) head(w http.ResponseWriter, r *http.Request, ch pabal.Channel) error {
	if _, err := parameters(r); err != nil {
		return err
	}
	if _, err := h.allowed(r, pabal.ToRead, ch); err != nil {
		return err
	}
	end, closed, err := h.Hub.End(r.Context(), ch)
	if err != nil {
		return err
	}
	tag := end.String()
	if closed {
		tag += closedTag
	}
	w.Header().Set("ETag", `"`+tag+`"`)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pabal-Cursor", end.String())
	w.Header().Set("Pabal-Readers", strconv.Itoa(h.Hub.Readers(ch)))
	w.WriteHeader(http.StatusOK)
	return nil
}

// remove forgets ch's log. It does not matter whether there is one.
func (h *Handler) remove(w http.ResponseWriter, r *http.Request, ch pabal.Channel) error {
	if _, err := parameters(r); err != nil {
		return err
	}
	g, err := h.allowed(r, pabal.ToPublish, ch)
	if err != nil {
		return err
	}
	if err := h.Hub.Delete(r.Context(), g, ch); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

const (
	listed     = 100  // names on a page, unless asked otherwise
	mostListed = 1000 // at most

	mostLooked = 10_000 // names that are looked at for a page, of which few may be the asker's to read
)

// A list is a page of the names of channels that hold a log.
type list struct {
	Channels []pabal.Channel `json:"channels"`
	More     bool            `json:"more,omitempty"` // ask again, after the last of these
}

// list lists channels that the asker may read, in byte order: those that begin
// with ?prefix=, after ?after=. Pabal's own are listed if the prefix begins with
// "$". Where not everybody may everything it takes a token: a name that nobody
// can guess may be meant for few.
func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r, "prefix", "after", "limit")
	if err != nil {
		return err
	}
	limit := listed
	if query.Has("limit") {
		if limit, err = strconv.Atoi(query.Get("limit")); err != nil || limit < 1 || limit > mostListed {
			return problem.BadRequest("?limit=%.40s must be a whole number from 1 to %d", query.Get("limit"), mostListed)
		}
	}
	after := query.Get("after")
	if own := "$\xff"; after < own && !strings.HasPrefix(query.Get("prefix"), "$") {
		after = own // "$" sorts before all that a name may begin with
	}
	g, err := h.grant(r)
	if err != nil {
		return err
	}
	if nobody(&g) {
		return problem.Unauthorized("a list of channels is for who has a token; use one, or read a channel by its name")
	}
	answer := list{Channels: []pabal.Channel{}}
	err = h.listTo(r.Context(), &answer, &g, query.Get("prefix"), pabal.Channel(after), limit)
	if errors.Is(err, errors.ErrUnsupported) {
		return &problem.Problem{Status: http.StatusNotImplemented, Detail: err.Error()}
	}
	if err != nil {
		return err
	}
	return writeJSON(w, answer)
}

// listTo adds to l up to limit names that g may read.
func (h *Handler) listTo(ctx context.Context, l *list, g *pabal.Grant, prefix string, after pabal.Channel, limit int) error {
	for looked := 0; looked < mostLooked; {
		ask := limit + 1
		if looked > 0 {
			ask = mostListed
		}
		names, err := h.Hub.Channels(ctx, prefix, after, ask)
		if err != nil {
			return err
		}
		for _, ch := range names {
			switch {
			case g.Check(pabal.ToRead, ch) != nil:
			case len(l.Channels) == limit:
				l.More = true
				return nil
			default:
				l.Channels = append(l.Channels, ch)
			}
		}
		if len(names) < ask {
			return nil
		}
		looked, after = looked+len(names), names[len(names)-1]
	}
	if l.More = true; len(l.Channels) == 0 {
		return problem.BadRequest("of the next %d names you may read none; ask with a ?prefix= that fewer names have", mostLooked)
	}
	return nil
}
