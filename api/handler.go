// Package api is what backends call: publish, close, delete, and look at
// channels and who is in them, over HTTP. Reading is package transport's.
package api

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// A Handler answers POST, HEAD and DELETE on /channels/{name}, GET on /channels,
// the list, and GET on /presence/{name}. It must not be changed once it serves.
type Handler struct {
	Hub       *pabal.Hub
	Access    Authenticator // says who asks; nil: everybody may do everything
	Presence  Viewer        // says who is in a channel; nil: it is not known
	Log       *slog.Logger  // nil: slog.Default()
	BodyBytes int64         // of all bodies that are being read at once; 256 MiB

	bodies   atomic.Int64
	failures problem.Failures
}

// methods are those of a channel, reading included.
const methods = "GET, HEAD, POST, DELETE, OPTIONS"

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		h.failures.Log(cmp.Or(h.Log, slog.Default()), err, "method", r.Method, "path", r.URL.Path)
		problem.Write(w, problem.From(err))
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	if name, ok := strings.CutPrefix(r.URL.Path, "/presence/"); ok {
		return h.presence(w, r, name)
	}
	if r.URL.Path == "/channels" {
		if !reads(r) {
			w.Header().Set("Allow", "GET, HEAD")
			return &problem.Problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " needs a channel: /channels/{name}"}
		}
		return h.list(w, r)
	}
	limits := h.Hub.Limits()
	ch, err := limits.CheckChannel(strings.TrimPrefix(r.URL.Path, "/channels/"))
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodPost:
		return h.publish(w, r, ch)
	case http.MethodHead:
		return h.head(w, r, ch)
	case http.MethodDelete:
		return h.remove(w, r, ch)
	case http.MethodOptions:
		w.Header().Set("Allow", methods)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Allow", methods)
	return &problem.Problem{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not known here; publish with POST, read with GET"}
}

// parameters returns those of r's query, each given once. It is an error if
// there are others than known, and the token, which is for [Authenticator].
func parameters(r *http.Request, known ...string) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem.BadRequest("the query cannot be read: %v", err)
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, problem.BadRequest("?%.40s= is given %d times; give it once", name, len(values))
		}
		if name != "token" && !slices.Contains(known, name) {
			advice := "it has none"
			if len(known) > 0 {
				advice = "these are: " + strings.Join(known, ", ")
			}
			return nil, problem.BadRequest("?%.40s= is not a parameter of %s here; %s", name, r.Method, advice)
		}
	}
	return query, nil
}
