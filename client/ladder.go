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
	proven   bool      // the rung has worked: what comes now may be the server's, which is starting anew behind a proxy
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
	if errors.Is(err, errRenew) {
		return true
	}
	if errors.Is(err, errClimb) || l.at > 0 && !time.Now().Before(l.until) {
		l.at, l.failures, l.proven = 0, 0, false
		return errors.Is(err, errClimb)
	}
	works := c.opened && !c.choked(err)
	if works {
		l.failures, l.proven = 0, true
	}
	if works || l.at == len(l.rungs)-1 {
		return false
	}
	blamed, surely := blame(err)
	if !blamed {
		return false
	}
	l.failures++
	if !surely && l.failures < l.patience() {
		return false
	}
	l.until = time.Now().Add(min(time.Hour, 5*time.Minute<<min(l.falls, 8)))
	l.at, l.failures, l.proven, l.falls = l.at+1, 0, false, l.falls+1
	return true
}

// patience is how many failures in a row, none of which is surely the
// technique's, it takes to leave a rung.
func (l *ladder) patience() int {
	switch {
	case l.proven:
		return 4
	case l.falls == 0:
		return 2
	}
	return 1
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
	var token tokenError
	if errors.As(err, &op) && op.Op == "dial" || errors.As(err, &token) || untrusted(err) {
		return false, false
	}
	return true, errors.Is(err, errGarbled)
}
