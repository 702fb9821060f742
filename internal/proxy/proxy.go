package proxy

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Faults are what a [Proxy] does to a connection. The zero value is a proxy
// that only passes bytes on. A cut is a reset (RST) of both sides, unless
// HalfOpen makes it silent.
type Faults struct {
	// Delay and Jitter are for what passes, in each direction: a piece that
	// comes goes on after Delay and a part of Jitter, and never before the
	// piece that came before it.
	Delay, Jitter time.Duration
	// Life is the mean of an exponential distribution: how long a connection
	// lives until it is cut. Half of these cuts come at that moment; the others
	// within what next passes towards the client, of which only a part gets
	// through, or after one second more (or Life, if that is less).
	Life time.Duration
	// MaxLife is the age at which every connection is cut.
	MaxLife time.Duration
	// CutBytes is the mean of an exponential distribution: after how many bytes
	// towards the client a connection is cut. Just so many are passed on; the
	// reset may overtake the last of them.
	CutBytes int
	// HalfOpen is the chance, from 0 to 1, that a cut is silent: nothing passes
	// any more and nothing that arrives is taken, but both ends stay open for
	// HalfOpenFor (60 s if it is 0). Then they are reset.
	HalfOpen    float64
	HalfOpenFor time.Duration
	// Bandwidth is how many bytes a second pass towards the client, for each
	// connection. What the proxy itself holds is kept small, so that the server
	// feels it.
	Bandwidth int
	// Buffer makes the proxy buffer as reverse proxies do: of an HTTP/1.1
	// response nothing gets through until so many bytes are together, head
	// included, or the response ends; then all that is held passes at once, and
	// the next bytes are held anew. A response ends as its Content-Length, its
	// chunks, its status (1xx, 204, 304), the request's method (HEAD) or the
	// end of the connection say. If a response ends and the next begins in one
	// piece, both pass. What follows a 101 passes unheld, and so does all of a
	// connection that is not HTTP/1.1 (TLS, HTTP/2).
	Buffer int
	// StripUpgrade removes Upgrade, "upgrade" in Connection, and Sec-WebSocket-*
	// from HTTP/1.1 requests, as a proxy does that does not know WebSocket.
	StripUpgrade bool
	// Refuse resets new connections as soon as they are accepted.
	Refuse bool
}

// Stats are what a [Proxy] has seen since it listens.
type Stats struct {
	Connections   int   // accepted, those refused included
	Open          int   // at present, silent ones included
	Cuts          int   // connections reset by a fault, or by [Proxy.CutAll]
	HalfOpen      int   // cuts that were silent; not in Cuts
	BytesIn       int64 // passed on towards the server
	BytesOut      int64 // passed on towards clients
	PeakPerSecond int   // the most connections accepted within any one second
}

// A Proxy passes TCP connections on to a target.
type Proxy struct {
	listener *net.TCPListener
	seed     uint64
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	in, out  atomic.Int64

	mu     sync.Mutex
	faults Faults
	target string
	links  map[*link]struct{}
	recent []time.Time // when connections came in the last second
	stats  Stats       // without Open and bytes
}

// Listen returns a proxy on a free port of 127.0.0.1 that passes connections on
// to target, a host:port. All its chance comes from seed.
func Listen(target string, seed uint64) (*Proxy, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, seed: seed, target: target, links: map[*link]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where p listens, as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set sets the faults of connections that come from now on.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// Target sets where connections go that come from now on.
func (p *Proxy) Target(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = address
}

// CutAll resets all connections, silent ones included.
func (p *Proxy) CutAll() {
	for _, l := range p.all() {
		l.reset(true)
	}
}

// Stats returns what p has seen.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Open, s.BytesIn, s.BytesOut = len(p.links), p.in.Load(), p.out.Load()
	return s
}

// Close stops listening, resets all connections, and waits until nothing of p
// runs any more.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.listener.Close()
	for _, l := range p.all() {
		l.reset(false)
	}
	p.running.Wait()
	return err
}

func (p *Proxy) all() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*link, 0, len(p.links))
	for l := range p.links {
		all = append(all, l)
	}
	return all
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.AcceptTCP()
		switch {
		case p.ctx.Err() != nil:
			if err == nil {
				reset(conn)
			}
			return
		case err != nil: // descriptors may be short
			wait(p.ctx, 10*time.Millisecond)
			continue
		}
		if l := p.admit(conn); l == nil {
			reset(conn)
		} else {
			p.running.Go(l.run)
		}
	}
}

// admit counts conn. It returns nil if conn is refused.
func (p *Proxy) admit(conn *net.TCPConn) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	number := uint64(p.stats.Connections)
	p.stats.Connections++
	now := time.Now()
	for len(p.recent) > 0 && now.Sub(p.recent[0]) >= time.Second {
		p.recent = p.recent[1:]
	}
	p.recent = append(p.recent, now)
	p.stats.PeakPerSecond = max(p.stats.PeakPerSecond, len(p.recent))
	if p.faults.Refuse || p.ctx.Err() != nil {
		return nil
	}
	l := newLink(p, conn, p.faults, p.target, number)
	p.links[l] = struct{}{}
	return l
}

func (p *Proxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) counts(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if silent {
		p.stats.HalfOpen++
	} else {
		p.stats.Cuts++
	}
}

// random returns the chance of one part of a connection.
func (p *Proxy) random(number, part uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.seed, number<<2|part))
}

// reset ends conn with an RST.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // it may have ended
	_ = conn.Close()
}

// wait waits for d. It reports false if ctx ended before.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
