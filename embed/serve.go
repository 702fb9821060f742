package embed

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/pabal/pabal/transport"
)

// drainTime is how long [Node.Serve] gives readers and requests to end.
const drainTime = 10 * time.Second

// Serve has s, whose handler passes on to n, serve what comes to l, until ctx
// ends. Then it tells readers to leave, waits up to ten seconds for them and
// for the requests that are being answered, and closes n. On Linux it serves
// plain HTTP/1.1 readers without a goroutine each, unless s has a ConnContext of
// its own. The error says what went wrong, not that ctx has ended.
func (n *Node) Serve(ctx context.Context, s *http.Server, l net.Listener) error {
	if s.ConnContext == nil {
		s.ConnContext = transport.ConnContext
		l = transport.NewListener(l)
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		// The listener stays open until readers have left, so that who comes is told to come again later.
		err = n.Drain(ctx)
		err = errors.Join(err, s.Shutdown(ctx))
		if end := <-failed; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
	}
	return errors.Join(err, s.Close(), n.Close())
}
