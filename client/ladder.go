package client

import (
	"errors"
	"net"
	"net/http"
	"time"
)

// A ladder chooses the technique: the best that works, from the top down. A
// rung that fails for the technique's sake is left for the next, and the top
// tried again after a while.
type ladder struct {
	rungs    []string
	at       int
	failures int       // in a row that speak against the rung
	falls    int       // how often a rung was left
	until    time.Time // when to try the top again
}

func newLadder(via string) *ladder {
	if via == "auto" {
		return &ladder{rungs: []string{"websocket", "sse", "longpoll"}}
	}
	return &ladder{rungs: []string{via}}
}

func (l *ladder) technique() string { return l.rungs[l.at] }

// stay returns how long a connection may last before the top is tried again;
// 0 is for ever.
func (l *ladder) stay() time.Duration {
	if l.at == 0 {
		return 0
	}
	return max(1, time.Until(l.until))
}

// next notes how a connection ended. It reports whether there is another
// technique to try at once.
func (l *ladder) next(c *connection, err error) bool {
	if errors.Is(err, errClimb) || l.at > 0 && !time.Now().Before(l.until) {
		l.at, l.failures = 0, 0
		return errors.Is(err, errClimb)
	}
	works := c.opened && !c.choked(err)
	if works {
		l.failures = 0
	}
	if works || l.at == len(l.rungs)-1 {
		return false
	}
	blamed, surely := blame(err)
	if !blamed {
		return false
	}
	l.failures++
	if !surely && l.failures < 2 && l.falls == 0 {
		return false
	}
	l.until = time.Now().Add(min(time.Hour, 5*time.Minute<<min(l.falls, 8)))
	l.at, l.failures, l.falls = l.at+1, 0, l.falls+1
	return true
}

// blame tells whether err, with which a connection failed before it opened, or
// choked, may be the technique's, and whether it surely is: something on the way does
// not let it through.
func blame(err error) (blamed, surely bool) {
	var e *Error
	if errors.As(err, &e) {
		switch e.Status {
		case http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUpgradeRequired, http.StatusNotImplemented:
			return true, true
		case http.StatusTooManyRequests: // so an intermediary that keeps no response open may say it
			return e.foreign, e.foreign
		}
		blamed = e.foreign && !e.Temporary()
		return blamed, blamed
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || untrusted(err) {
		return false, false
	}
	return true, errors.Is(err, errGarbled)
}
