package proxy

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A link is one connection, with both its sides.
type link struct {
	proxy  *Proxy
	faults Faults
	number uint64
	target string
	random *rand.Rand
	silent bool // its cut will be

	ctx    context.Context // ends when nothing may pass any more
	cancel context.CancelFunc
	over   chan struct{} // closed when it was reset
	doomed atomic.Bool   // to be cut within what passes next
	opaque atomic.Bool   // from here on it is not HTTP/1.1

	mu    sync.Mutex     // before that of the proxy
	ends  []*net.TCPConn // the client, then the server
	state state
}

type state int

const (
	passing state = iota
	hushed        // by a silent cut
	ended
)

func newLink(p *Proxy, client *net.TCPConn, f Faults, target string, number uint64) *link {
	l := &link{proxy: p, faults: f, number: number, target: target, random: p.random(number, 0), over: make(chan struct{})}
	l.silent = l.random.Float64() < f.HalfOpen
	l.ends = []*net.TCPConn{client}
	l.ctx, l.cancel = context.WithCancel(p.ctx)
	return l
}

// run passes bytes until both sides have ended, or the link was cut.
func (l *link) run() {
	defer l.proxy.forget(l)
	defer l.cancel()
	if !l.dial() {
		l.reset(false)
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var both sync.WaitGroup
		up, down := newPumps(l)
		both.Go(up.run)
		both.Go(down.run)
		both.Wait()
	}()
	l.attend(done)
	<-done
	l.rest()
	l.close()
}

// dial connects to the target.
func (l *link) dial() bool {
	conn, err := (&net.Dialer{}).DialContext(l.ctx, "tcp", l.target)
	if err != nil {
		return false
	}
	server := conn.(*net.TCPConn)
	if l.faults.Bandwidth > 0 {
		size := max(l.faults.Bandwidth/8, 4096)
		_ = server.SetReadBuffer(size) // what the kernel makes of these is good enough
		_ = l.ends[0].SetWriteBuffer(size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != passing {
		reset(server)
		return false
	}
	l.ends = append(l.ends, server)
	return true
}

// attend cuts l when it is time. It returns when all has passed, or nothing
// will pass any more.
func (l *link) attend(done <-chan struct{}) {
	var life, most <-chan time.Time
	if l.faults.Life > 0 {
		timer := time.NewTimer(time.Duration(l.random.ExpFloat64() * float64(l.faults.Life)))
		defer timer.Stop()
		life = timer.C
	}
	if l.faults.MaxLife > 0 {
		timer := time.NewTimer(l.faults.MaxLife)
		defer timer.Stop()
		most = timer.C
	}
	for {
		select {
		case <-life:
			if l.random.IntN(2) == 0 || l.doomed.Load() {
				l.cut()
				return
			}
			l.doomed.Store(true)
			timer := time.NewTimer(min(l.faults.Life, time.Second))
			defer timer.Stop()
			life = timer.C
		case <-most:
			l.cut()
			return
		case <-done:
			return
		case <-l.ctx.Done():
			return
		}
	}
}

// rest leaves l half open for its time, if it fell silent.
func (l *link) rest() {
	l.mu.Lock()
	silent := l.state == hushed
	l.mu.Unlock()
	if !silent {
		return
	}
	d := l.faults.HalfOpenFor
	if d <= 0 {
		d = 60 * time.Second
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		l.reset(false)
	case <-l.over:
	}
}

// cut ends l by its fault.
func (l *link) cut() {
	if !l.silent {
		l.reset(true)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != passing {
		return
	}
	l.state = hushed
	l.cancel()
	l.proxy.counts(true)
	for _, conn := range l.ends { // who reads or writes is to stop
		_ = conn.SetDeadline(time.Unix(1, 0))
	}
}

// reset resets both sides.
func (l *link) reset(byFault bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == ended {
		return
	}
	l.state = ended
	l.cancel()
	close(l.over)
	if byFault {
		l.proxy.counts(false)
	}
	for _, conn := range l.ends {
		reset(conn)
	}
}

// close closes both sides, all having passed.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == ended {
		return
	}
	l.state = ended
	for _, conn := range l.ends {
		_ = conn.Close() // nobody is left to tell
	}
}
