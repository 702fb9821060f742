package problem

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pabal/pabal"
)

// The types that have a name.
const (
	limit       = "/problems/limit"
	closed      = "/problems/closed"
	conflict    = "/problems/conflict"
	partial     = "/problems/partial"
	moved       = "/problems/moved"
	unavailable = "/problems/unavailable"
	storage     = "/problems/storage"
	storageFull = "/problems/storage-full"
)

// nodeWide are the limits that a client cannot help being at: the node is
// full.
var nodeWide = map[string]bool{"sessions": true, "channels": true, "stored-channels": true, "memory-bytes": true, "body-bytes": true, "calls": true}

// From returns what err means to an HTTP client. A [Problem] is itself, an
// error of package pabal has its status, and of any other it is only said that
// the server failed, so that nothing internal leaks. From(nil) is nil.
func From(err error) *Problem {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if wrong, ok := errors.AsType[*pabal.InvalidError](err); ok {
		return BadRequest("%v", wrong)
	}
	if not, ok := errors.AsType[*pabal.ForbiddenError](err); ok {
		return Forbidden("%v", not)
	}
	if over, ok := errors.AsType[*pabal.LimitError](err); ok {
		return fromLimit(over)
	}
	if store, ok := errors.AsType[*pabal.StorageError](err); ok {
		return fromStorage(store)
	}
	if body, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Problem{
			Type: limit, Title: "Over a limit", Status: http.StatusRequestEntityTooLarge, Max: body.Limit,
			Detail: fmt.Sprintf("the body of the request is longer than %d bytes", body.Limit),
		}
	}
	switch {
	case errors.Is(err, pabal.ErrClosed):
		return &Problem{Type: closed, Title: "Closed", Status: http.StatusConflict, Detail: pabal.ErrClosed.Error()}
	case errors.Is(err, pabal.ErrConflict):
		return &Problem{Type: conflict, Title: "Another message under this id", Status: http.StatusConflict, Detail: pabal.ErrConflict.Error()}
	case errors.Is(err, pabal.ErrPartial):
		return &Problem{Type: partial, Title: "A batch known in part", Status: http.StatusConflict, Detail: pabal.ErrPartial.Error()}
	case errors.Is(err, pabal.ErrMoved):
		return Moved("")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable(time.Second, "this took too long, and whether it was done is not known; repeat it with the same id")
	case errors.Is(err, pabal.ErrHubClosed):
		return Unavailable(time.Second, "%v", pabal.ErrHubClosed)
	}
	return &Problem{Status: http.StatusInternalServerError, Detail: "the server failed; its log says why"}
}

// Moved says that a channel's end is not where a condition says, but at
// cursor, if that is known.
func Moved(cursor string) *Problem {
	return &Problem{Type: moved, Title: "The channel has moved on", Status: http.StatusPreconditionFailed, Detail: pabal.ErrMoved.Error(), Cursor: cursor}
}

// fromStorage tells what clients may know; the cause is for the log, where
// [Failures] writes it.
func fromStorage(err *pabal.StorageError) *Problem {
	p := &Problem{Type: storage, Title: "The storage cannot do this now", Status: http.StatusServiceUnavailable, Detail: err.What, RetryAfter: err.Retry}
	if err.Full {
		p.Type, p.Title, p.Status = storageFull, "The storage is full", http.StatusInsufficientStorage
	}
	return p
}

func fromLimit(over *pabal.LimitError) *Problem {
	p := &Problem{
		Type: limit, Title: "Over a limit", Status: http.StatusBadRequest,
		Detail: over.Error(), Limit: over.Limit, Max: int64(over.Max), RetryAfter: over.Retry,
	}
	switch {
	case nodeWide[over.Limit]:
		p.Status = http.StatusServiceUnavailable
	case over.Retry > 0:
		p.Status = http.StatusTooManyRequests
	case over.Limit == "channel-bytes":
	case strings.HasSuffix(over.Limit, "-bytes"), over.Limit == "max-message", over.Limit == "batch-messages":
		p.Status = http.StatusRequestEntityTooLarge
	}
	return p
}
