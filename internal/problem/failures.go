package problem

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// Failures logs what failed and is not the client's fault. Its zero value is
// ready, and any number of goroutines may use it.
type Failures struct {
	mu   sync.Mutex
	next time.Time // before which no failure of the storage is logged
	left int       // how many were not, since the last that was
}

// Log logs err, with about as in [slog.Logger.Error], if the server failed. That
// it does not know what a client asks for, 501, is no failure. A storage that
// fails does so for everybody at once, and a full disk may hold the log too, so
// of its failures one a second is logged.
func (f *Failures) Log(log *slog.Logger, err error, about ...any) {
	if _, ok := errors.AsType[*pabal.StorageError](err); ok {
		if left, ok := f.due(time.Now()); ok {
			log.Error("the storage failed", append(slices.Clone(about), "error", err, "notLogged", left)...)
		}
		return
	}
	if p := From(err); p.Status >= 500 && p.Status != http.StatusServiceUnavailable && p.Status != http.StatusNotImplemented {
		log.Error("request failed", append(slices.Clone(about), "error", err)...)
	}
}

func (f *Failures) due(now time.Time) (left int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Before(f.next) {
		f.left++
		return 0, false
	}
	left, f.left, f.next = f.left, 0, now.Add(time.Second)
	return left, true
}
