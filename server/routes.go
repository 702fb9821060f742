package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/pabal/pabal/internal/problem"
)

// bodyTimeout is how long a client may take to send a body.
const bodyTimeout = time.Minute

// routes returns the handler of all URLs. It is not an http.ServeMux, since
// that would clean a channel's name before it can be refused.
func (s *Server) routes() http.Handler {
	health := readOnly(s.health)
	metrics := metricsGuard(s.cfg.Access.MetricsFrom, newMetrics(s.parts.hub.Stats, s.parts.health, s.log))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if dev, ok := s.dev.of(r.URL.Path); ok {
			dev.ServeHTTP(w, r)
			return
		}
		switch path := r.URL.Path; {
		case path == "/channels" || strings.HasPrefix(path, "/channels/"):
			s.channels(w, r)
		case path == "/commands":
			s.parts.commands.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/presence/"):
			s.parts.api.ServeHTTP(w, r)
		case path == "/health":
			health.ServeHTTP(w, r)
		case path == "/metrics":
			metrics.ServeHTTP(w, r)
		default:
			s.parts.pages.ServeHTTP(w, r)
		}
	})
}

// readOnly refuses all methods but GET and HEAD.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			problem.Write(w, &problem.Problem{Status: http.StatusMethodNotAllowed, Detail: r.URL.Path + " is read with GET or HEAD"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bodies keeps requests whose body does not come from holding anything: it has
// bodyTimeout to arrive, and who sends one where none belongs is not waited for.
func bodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 || tunnels(r) {
			next.ServeHTTP(w, r)
			return
		}
		// An error means that the connection cannot be bound in time, and so is not one from outside.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 { // if there was a Content-Length too, net/http has removed it (RFC 9112, section 6.3)
			w.Header().Set("Connection", "close")
		}
		if r.Method != http.MethodPost {
			if r.ProtoMajor == 1 {
				w.Header().Set("Connection", "close") // or net/http would read the body first
			}
			problem.Write(w, problem.BadRequest("%s has no body here; publish with POST", r.Method))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) channels(w http.ResponseWriter, r *http.Request) {
	if tunnels(r) || r.Method == http.MethodGet && (r.URL.Path != "/channels" || readsSeveral(r)) {
		s.parts.read.ServeHTTP(w, r)
		return
	}
	s.parts.api.ServeHTTP(w, r)
}

// tunnels reports whether r is an extended CONNECT, by which HTTP/2 opens a
// WebSocket (RFC 8441). Its body is what the client sends from then on.
func tunnels(r *http.Request) bool {
	return r.Method == http.MethodConnect && r.Header.Get(":protocol") != ""
}

// readsSeveral reports whether GET /channels is to read channels, not to list
// them.
func readsSeveral(r *http.Request) bool {
	query := r.URL.Query()
	return query.Has("channel") || query.Has("via") || query.Has("connection") || r.Header.Get("Upgrade") != ""
}
