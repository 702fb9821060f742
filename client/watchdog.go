package client

import (
	"context"
	"errors"
	"io"
	"time"
)

var errSilent = errors.New("the connection has fallen silent")

// A watchdog ends a connection on which no byte came for the time of its
// limit. It belongs to the goroutine that reads.
type watchdog struct {
	limit time.Duration
	timer *time.Timer
}

func newWatchdog(cancel context.CancelCauseFunc) *watchdog {
	return &watchdog{answerTime, time.AfterFunc(answerTime, func() { cancel(errSilent) })}
}

// feed begins the time anew.
func (w *watchdog) feed() { w.timer.Reset(w.limit) }

// stop lets any time go by until the next feed.
func (w *watchdog) stop() { w.timer.Stop() }

// watched is a body whose bytes feed a watchdog.
type watched struct {
	io.ReadCloser
	watch *watchdog
}

func (b watched) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.watch.feed()
	}
	return n, err
}
