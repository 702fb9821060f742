package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/server/config"
)

// sayAccess says in one line who may do what.
func sayAccess(log *slog.Logger, cfg *config.Config) {
	if cfg.Access.Open {
		if others := slices.IndexFunc(cfg.Serving.Listen, func(a string) bool { return !config.Loopback(a) }); others >= 0 {
			log.Warn("anyone who reaches this node may do everything", "listen", cfg.Serving.Listen[others])
			return
		}
		log.Info("whoever is on this machine may do everything")
		return
	}
	log.Info("who may do what", "withToken", saysTokens(&cfg.Tokens), "withoutToken", saysAnonymous(cfg))
}

// saysTokens says by what tokens are checked.
func saysTokens(t *config.Tokens) string {
	if !t.Given() {
		return "as without: there are no keys"
	}
	var by []string
	for n, what := range map[string]int{"secret": len(t.SecretFile), "key": len(t.Key), "file of keys": len(t.KeyFile)} {
		if what > 0 {
			by = append(by, fmt.Sprintf("%d × %s", what, n))
		}
	}
	slices.Sort(by)
	if t.JWKSURL != "" {
		by = append(by, "the keys at "+string(t.JWKSURL))
	}
	return "what the token says, checked by " + strings.Join(by, ", ")
}

// saysAnonymous says what may be done without a token, and where.
func saysAnonymous(cfg *config.Config) string {
	says := func(p *config.Policy) string {
		if len(p.Anonymous) == 0 {
			return "none"
		}
		return strings.Join(p.Anonymous, ", ")
	}
	text := says(&cfg.Policy)
	for i := range cfg.Namespaces {
		n := &cfg.Namespaces[i]
		text += fmt.Sprintf("; in %s: %s", n.Name, says(&n.Policy))
	}
	return text
}

// metricsGuard keeps metrics, which tell an attacker what hurts, to this
// machine and the addresses that are configured. What a proxy sends on is not
// from this machine, even if the proxy is on it.
func metricsGuard(from []config.Prefix, next http.Handler) http.Handler {
	allowed := addresses{trusted: from}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		at := plainAddress(peer.Addr())
		if err == nil && (allowed.trusts(at) || at.IsLoopback() && !forwarded(r.Header)) {
			next.ServeHTTP(w, r)
			return
		}
		problem.Write(w, problem.Forbidden("metrics are read from the server's own machine; for other addresses start it with --metrics-from, as in 10.0.0.0/8"))
	})
}

// forwarded reports whether a proxy has said that it sends this on.
func forwarded(header http.Header) bool {
	return header.Get("Forwarded") != "" || header.Get("X-Forwarded-For") != "" || header.Get("Via") != ""
}
