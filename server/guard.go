package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/server/config"
)

// What a page of another origin may send and see, once its origin is allowed.
const (
	corsMethods = "GET, HEAD, POST, DELETE"
	corsHeaders = "Authorization, Cache-Control, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer"
	corsExposed = "ETag, Preference-Applied, Retry-After, Pabal-Cursor, Pabal-Readers"
	corsMaxAge  = "600" // seconds for which a browser need not ask again
)

// A guard keeps pages of other sites from using a server through the browser
// of somebody who can reach it.
type guard struct {
	origins []config.Origin
	cross   *http.CrossOriginProtection
}

func newGuard(origins []config.Origin) (*guard, error) {
	g := &guard{origins: origins, cross: http.NewCrossOriginProtection()}
	for _, o := range origins {
		if o == "*" {
			continue
		}
		if err := g.cross.AddTrustedOrigin(string(o)); err != nil {
			return nil, fmt.Errorf("allow-origin: %w", err)
		}
	}
	return g, nil
}

// handler refuses what a foreign page may not ask, answers preflights, and
// passes the rest to next.
func (g *guard) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := g.checkHost(r); p != nil {
			refuse(w, r, p)
			return
		}
		g.allow(w.Header(), r)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			g.preflight(w)
			return
		}
		if p := g.checkOrigin(r); p != nil {
			refuse(w, r, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// A loopback is a listener that only this machine reaches.
type loopback struct {
	host    string // as it was configured
	address string // as it is
}

type loopbackKey struct{}

// onLoopback marks what comes in by l.
func onLoopback(ctx context.Context, l loopback) context.Context {
	return context.WithValue(ctx, loopbackKey{}, l)
}

// checkHost refuses foreign names on a loopback listener: a site whose name
// was made to resolve to 127.0.0.1 is of one origin with this server, as far
// as a browser knows, and could read everything (DNS rebinding).
func (g *guard) checkHost(r *http.Request) *problem.Problem {
	l, ok := r.Context().Value(loopbackKey{}).(loopback)
	if !ok || r.Host == "" || localHost(r.Host) || g.expects(r.Host) || strings.EqualFold(l.host, hostname(r.Host)) {
		return nil
	}
	return &problem.Problem{Status: http.StatusMisdirectedRequest, Detail: fmt.Sprintf("this server listens for its own machine and does not answer to the name %.100q, "+
		"so that no web site can read it by such a name: ask %s instead, or, if a proxy hands the name on, start with --allow-origin https://%.100s",
		r.Host, l.address, r.Host)}
}

// localHost reports whether host, with a port or without, can only be this
// machine: localhost, a name below it, 127.0.0.0/8 or ::1.
func localHost(host string) bool {
	name := strings.TrimSuffix(strings.ToLower(hostname(host)), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// expects reports whether host is that of an allowed origin.
func (g *guard) expects(host string) bool {
	return slices.ContainsFunc(g.origins, func(o config.Origin) bool {
		u, err := url.Parse(string(o))
		return err == nil && u.Host != "" && strings.EqualFold(u.Hostname(), hostname(host))
	})
}

// checkOrigin refuses to change anything for a page of an origin that is not
// allowed.
func (g *guard) checkOrigin(r *http.Request) *problem.Problem {
	if slices.Contains(g.origins, "*") && !ambient(r.Header) {
		return nil
	}
	if g.cross.Check(r) == nil || tunnels(r) { // a WebSocket is for the transport to refuse, as over HTTP/1.1
		return nil
	}
	origin := r.Header.Get("Origin")
	advice := "allow it with --allow-origin " + origin
	if origin == "" || origin == "null" {
		advice = "send it from a page that has an origin, and allow that with --allow-origin"
	}
	return problem.Forbidden("a page of the origin %.100q may not %s here; %.200s", origin, r.Method, advice)
}

// ambient reports whether header has what a browser adds of its own accord
// for any page that asks. A bearer token is the page's own.
func ambient(header http.Header) bool {
	scheme, _, _ := strings.Cut(header.Get("Authorization"), " ")
	return header.Get("Cookie") != "" || scheme != "" && !strings.EqualFold(scheme, "Bearer")
}

// allow says which pages may read the answer to r. Credentials go only with an
// origin that is named.
func (g *guard) allow(header http.Header, r *http.Request) {
	if len(g.origins) == 0 {
		return
	}
	if slices.Contains(g.origins, "*") {
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Access-Control-Expose-Headers", corsExposed)
		return
	}
	header.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); slices.Contains(g.origins, config.Origin(origin)) {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Allow-Credentials", "true")
		header.Set("Access-Control-Expose-Headers", corsExposed)
	}
}

// preflight answers the question of a browser whether a page may ask. Where
// its origin is not allowed the answer lacks the header that says so.
func (g *guard) preflight(w http.ResponseWriter) {
	header := w.Header()
	if header.Get("Access-Control-Allow-Origin") != "" {
		header.Del("Access-Control-Expose-Headers")
		header.Set("Access-Control-Allow-Methods", corsMethods)
		header.Set("Access-Control-Allow-Headers", corsHeaders)
		header.Set("Access-Control-Max-Age", corsMaxAge)
	}
	w.WriteHeader(http.StatusNoContent)
}
