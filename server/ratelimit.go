package server

import (
	"container/list"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// mostAddresses is of how many client addresses a node counts the requests.
const mostAddresses = 1 << 16

// refill is after how long without requests an address may send the whole
// burst again, so that nothing changes if it is forgotten.
const refill = 2 * time.Second

// A rateLimit lets each client address ask perSecond times a second, and twice
// that at once. Requests from the same machine are not counted, nor any if
// perSecond is 0. Of an IPv6 client the first 64 bits count, since the rest is
// at its choice.
type rateLimit struct {
	perSecond int
	most      int // addresses to count; 0: mostAddresses

	mu     sync.Mutex
	byAddr map[netip.Prefix]*list.Element
	recent list.List // of *counted, the most recent first
}

// counted is a client address and what it may still ask.
type counted struct {
	addr    netip.Prefix
	limiter *rate.Limiter
	last    time.Time
}

// handler refuses what is too much with 429 and passes the rest to next.
func (l *rateLimit) handler(next http.Handler) http.Handler {
	if l.perSecond == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := l.check(r.RemoteAddr, time.Now()); p != nil {
			refuse(w, r, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (l *rateLimit) check(remote string, now time.Time) *problem.Problem {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil || peer.Addr().Unmap().IsLoopback() {
		return nil
	}
	limiter := l.limiter(clientKey(peer.Addr()), now)
	if limiter == nil {
		return l.refusal(refill, "too many clients ask at once: this server counts the requests of %d addresses; come back in 2 seconds", l.cap())
	}
	if !limiter.AllowN(now, 1) {
		return l.refusal(time.Second, "your address sent more than %d requests a second, the limit request-rate; come back in a second, "+
			"publish several messages as one batch, or read by a technique that keeps its connection", l.perSecond)
	}
	return nil
}

func (l *rateLimit) refusal(retry time.Duration, format string, args ...any) *problem.Problem {
	p := problem.From(&pabal.LimitError{Limit: "request-rate", Max: l.perSecond, Retry: retry})
	p.Detail = fmt.Sprintf(format, args...)
	return p
}

// limiter returns the limiter of addr, or nil if there is no room for one more
// and nobody was idle for long enough to be forgotten.
func (l *rateLimit) limiter(addr netip.Prefix, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byAddr[addr]; ok {
		l.recent.MoveToFront(e)
		c := e.Value.(*counted)
		c.last = now
		return c.limiter
	}
	if len(l.byAddr) >= l.cap() {
		oldest := l.recent.Back()
		c := oldest.Value.(*counted)
		if now.Sub(c.last) < refill {
			return nil
		}
		delete(l.byAddr, c.addr)
		l.recent.Remove(oldest)
	}
	if l.byAddr == nil {
		l.byAddr = make(map[netip.Prefix]*list.Element)
	}
	c := &counted{addr: addr, limiter: rate.NewLimiter(rate.Limit(l.perSecond), 2*l.perSecond), last: now}
	l.byAddr[addr] = l.recent.PushFront(c)
	return c.limiter
}

func (l *rateLimit) cap() int {
	if l.most == 0 {
		return mostAddresses
	}
	return l.most
}

// clientKey returns what is counted as one client.
func clientKey(ip netip.Addr) netip.Prefix {
	ip = plainAddress(ip)
	if ip.Is4() {
		return netip.PrefixFrom(ip, 32)
	}
	return netip.PrefixFrom(ip, 64).Masked()
}
