package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pabal/pabal/internal/problem"
)

// checkCookie refuses a cookie that a page of another site may have had sent: a
// browser adds it to whatever any page asks for.
func (a *Authenticator) checkCookie(r *http.Request) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch {
	case changes(r):
		if site == "same-origin" || site == "none" || site == "" && sameHost(origin, r.Host) {
			return nil
		}
		return problem.Forbidden("a cookie alone does not count for %s or a WebSocket unless a page of this origin sends it: send the token in Authorization, as a subprotocol %s… or as ?token=", r.Method, protocolPrefix)
	case embeds(r) && site != "same-origin":
		return problem.Forbidden("a cookie alone does not count for jsonp, iframe and multipart unless a page of this origin asks (Sec-Fetch-Site): send the token as ?token=")
	case site == "" || site == "same-origin" || site == "none" || origin != "*" && slices.Contains(a.cfg.AllowOrigins, origin):
		return nil
	}
	return problem.Forbidden("a cookie alone does not count for a page of another site, %.100q: send the token in Authorization or as ?token=, or have the server allow the origin", origin)
}

// changes reports whether r asks for more than to be told something.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions ||
		r.Header.Get("Upgrade") != "" || r.Header.Get("Sec-Websocket-Key") != ""
}

// embeds reports whether r asks for what a page of another site can look into
// by embedding it.
func embeds(r *http.Request) bool {
	if strings.Contains(r.Header.Get("Accept"), "multipart/") {
		return true
	}
	return slices.ContainsFunc(r.URL.Query()["via"], func(via string) bool {
		return via == "jsonp" || via == "iframe" || via == "multipart"
	})
}

// sameHost reports whether origin is that of host.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
