package api

import (
	"encoding/json"
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
	if err := h.Hub.Delete(r.Context(), grant(r), ch); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

const (
	listed     = 100  // names on a page, unless asked otherwise
	mostListed = 1000 // at most
)

// A list is a page of the names of channels that hold a log.
type list struct {
	Channels []pabal.Channel `json:"channels"`
	More     bool            `json:"more,omitempty"` // ask again, after the last of these
}

// list lists channels, in byte order: those that begin with ?prefix=, after
// ?after=. Pabal's own are listed if the prefix begins with "$".
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
	names, err := h.Hub.Channels(r.Context(), query.Get("prefix"), pabal.Channel(after), limit+1)
	if errors.Is(err, errors.ErrUnsupported) {
		return &problem.Problem{Status: http.StatusNotImplemented, Detail: err.Error()}
	}
	if err != nil {
		return err
	}
	answer := list{Channels: names[:min(limit, len(names))], More: len(names) > limit}
	if answer.Channels == nil {
		answer.Channels = []pabal.Channel{}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(body, '\n'))
	return nil
}
