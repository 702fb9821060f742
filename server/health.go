package server

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
)

// health answers /health: 200 while the server serves, 503 once it drains.
type health struct{ draining atomic.Bool }

func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	status, word := http.StatusOK, "ok"
	if h.draining.Load() {
		status, word = http.StatusServiceUnavailable, "draining"
		w.Header().Set("Retry-After", "5")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": word}) // to HEAD, net/http sends no body
}
