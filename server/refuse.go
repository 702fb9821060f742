package server

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/pabal/pabal/internal/problem"
)

// refuse answers r with p. A native EventSource gives up for good on any
// status but 200, so it is told to come back where that helps.
func refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	if p.RetryAfter > 0 && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = fmt.Fprintf(w, "retry: %d\n\n", (p.RetryAfter + rand.N(p.RetryAfter)).Milliseconds())
		return
	}
	problem.Write(w, p)
}
