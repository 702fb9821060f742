package transport

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pabal/pabal/internal/problem"
)

// checkSite refuses pages of other origins where the browser would let them
// read, and CORS has no say: scripts, frames, images and WebSocket.
func (h *Handler) checkSite(r *http.Request, q *request) error {
	switch q.technique {
	case websocketTechnique:
		if origin := r.Header.Get("Origin"); origin != "" && !sameHost(origin, r.Host) && !h.allows(origin) {
			return problem.Forbidden("the page's origin %.100s may not open a WebSocket here; allow it with --allow-origin", origin)
		}
	case jsonp, iframe, multipart, page:
		if r.Header.Get("Sec-Fetch-Site") == "" && (q.technique == jsonp || q.technique == iframe) {
			return h.checkReferer(r, q)
		}
		site := r.Header.Get("Sec-Fetch-Site")
		readable := q.technique == jsonp // by any page that runs it; frames and images are only shown
		if site != "cross-site" && (site != "same-site" || !readable) || r.Header.Get("Sec-Fetch-Mode") == "cors" {
			return nil // CORS decides, or it is no other origin's page
		}
		if r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
			return nil // a link was followed
		}
		if r.Header.Get("Referer") == "" {
			return foreign(q)
		}
		return h.checkReferer(r, q)
	}
	return nil
}

// checkReferer refuses a page of another origin, as far as the browser says
// which page asks.
func (h *Handler) checkReferer(r *http.Request, q *request) error {
	referer := r.Header.Get("Referer")
	u, err := url.Parse(referer)
	if referer == "" || err == nil && (strings.EqualFold(u.Host, r.Host) || h.allows(u.Scheme+"://"+u.Host)) {
		return nil
	}
	return foreign(q)
}

func foreign(q *request) error {
	return problem.Forbidden("a page of another origin may not read by %s here; allow its origin with --allow-origin, or use sse with CORS", q.technique.name)
}

func (h *Handler) allows(origin string) bool {
	return slices.Contains(h.AllowOrigins, "*") ||
		slices.ContainsFunc(h.AllowOrigins, func(allowed string) bool { return strings.EqualFold(allowed, origin) })
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}
