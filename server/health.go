package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
)

// health answers /health: 200 while the server serves, 503 once it drains.
//
// A node whose storage fails goes on to serve what it can read, to readers who
// may find it nowhere else, so that it is 200 and says "degraded". For who
// sends publishers on, /health?publish is 503 then.
type health struct {
	draining atomic.Bool
	storage  func() error // nil: it does not fail
}

func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, retry := http.StatusOK, 5*time.Second
	var body struct {
		Status  string `json:"status"`
		Storage string `json:"storage,omitempty"`
	}
	body.Status = "ok"
	if h.storage != nil {
		if err := h.storage(); err != nil {
			body.Status, body.Storage = "degraded", "the storage failed; the server's log says why"
			if storage, ok := errors.AsType[*pabal.StorageError](err); ok {
				body.Storage, retry = storage.What, max(retry, storage.Retry)
			}
			if r.URL.Query().Has("publish") {
				status = http.StatusServiceUnavailable
			}
		}
	}
	if h.draining.Load() {
		status, body.Status = http.StatusServiceUnavailable, "draining"
	}
	if status != http.StatusOK {
		w.Header().Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // to HEAD, net/http sends no body
}
