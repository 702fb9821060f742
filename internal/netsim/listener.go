package netsim

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// backlog is how many connections wait to be accepted.
const backlog = 128

// A Listener accepts the connections to one address.
type Listener struct {
	network *Network
	address netip.AddrPort

	mu      sync.Mutex
	waiting []*connection
	live    map[*connection]bool
	closed  bool
	news    chan struct{}
}

// Listen listens on address, an IP address and a port that nobody listens on.
func (n *Network) Listen(address string) (*Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(at), Err: syscall.EADDRINUSE}
	}
	l := &Listener{network: n, address: at, live: map[*connection]bool{}, news: make(chan struct{}, 1)}
	n.listeners[address] = l
	return l, nil
}

// take has c wait to be accepted. It reports false if there is no room.
func (l *Listener) take(c *connection) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.waiting) == backlog {
		return false
	}
	l.waiting = append(l.waiting, c)
	l.live[c] = true
	c.forget(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.live, c)
	})
	l.tell()
	return true
}

func (l *Listener) tell() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		if l.closed {
			l.tell() // whoever else is here
			l.mu.Unlock()
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
		}
		if len(l.waiting) > 0 {
			c := l.waiting[0]
			if l.waiting = l.waiting[1:]; len(l.waiting) > 0 {
				l.tell()
			}
			l.mu.Unlock()
			return &Conn{connection: c, in: c.there, out: c.back}, nil
		}
		l.mu.Unlock()
		<-l.news
	}
}

// Close implements [net.Listener]. Connections that were not accepted are
// reset.
func (l *Listener) Close() error {
	l.network.mu.Lock()
	delete(l.network.listeners, l.address.String())
	l.network.mu.Unlock()
	l.mu.Lock()
	waiting := l.waiting
	l.waiting, l.closed = nil, true
	l.tell()
	l.mu.Unlock()
	for _, c := range waiting {
		c.cut()
	}
	return nil
}

// Kill closes l and resets all its connections, as the end of a process does:
// of what is under way on each, a part arrives that ends at any byte.
func (l *Listener) Kill() {
	_ = l.Close() // never fails
	l.mu.Lock()
	live := make([]*connection, 0, len(l.live))
	for c := range l.live {
		live = append(live, c)
	}
	l.mu.Unlock()
	for _, c := range live {
		c.cut()
	}
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.address) }
