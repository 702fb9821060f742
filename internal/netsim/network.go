package netsim

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A Network connects hosts with listeners.
type Network struct {
	seed uint64

	mu        sync.Mutex
	listeners map[string]*Listener
	hosts     int
}

// New returns a network on which nobody listens.
func New(seed uint64) *Network {
	return &Network{seed: seed, listeners: map[string]*Listener{}}
}

// A Link is what the connections of a host are like, both ways. Its zero value
// is a perfect one.
type Link struct {
	Delay  time.Duration // until a byte arrives
	Jitter time.Duration // at most so much more, at random; bytes stay in order
	Rate   int           // bytes a second; 0: without limit
	Room   int           // bytes under way, each way; 16 KiB
	Dead   time.Duration // after which a connection where nothing gets through ends; 1 min
	Broken bool          // a read may take less than what is there, as packets make it
}

func (l Link) room() int {
	if l.Room == 0 {
		return 16 << 10
	}
	return l.Room
}

func (l Link) dead() time.Duration {
	if l.Dead == 0 {
		return time.Minute
	}
	return l.Dead
}

// A Host makes connections.
type Host struct {
	network *Network
	name    string
	address netip.Addr

	mu     sync.Mutex
	link   Link
	dials  uint64
	away   time.Time // until then nothing gets through
	paused time.Time // until then it takes nothing
	conns  map[*connection]bool
}

// Host returns a new host, with an address of its own.
func (n *Network) Host(name string, l Link) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts++
	return &Host{
		network: n, name: name, link: l, conns: map[*connection]bool{},
		address: netip.AddrFrom4([4]byte{192, 168, byte(n.hosts >> 8), byte(n.hosts)}),
	}
}

// Name returns its name.
func (h *Host) Name() string { return h.name }

// random returns the source of what befalls the next connection.
func (h *Host) random() *rand.Rand {
	h.dials++
	name := fnv.New64a()
	_, _ = name.Write([]byte(h.name)) // never fails
	return rand.New(rand.NewPCG(h.network.seed+h.dials, name.Sum64()))
}

// DialContext connects to address, as [net.Dialer] does. It takes as long as
// two ways.
func (h *Host) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, dialError(nil, err)
	}
	h.mu.Lock()
	c := newConnection(h.link, h.random())
	c.from = net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.address, uint16(10_000+h.dials)))
	c.to = net.TCPAddrFromAddrPort(to)
	trip := max(0, time.Until(h.away)) + c.there.arrives() + c.back.arrives()
	c.back.pause(h.paused)
	h.mu.Unlock()
	if err := wait(ctx, trip); err != nil {
		return nil, dialError(c.to, err)
	}
	h.network.mu.Lock()
	l := h.network.listeners[address]
	h.network.mu.Unlock()
	if l == nil || !l.take(c) {
		return nil, dialError(c.to, syscall.ECONNREFUSED)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns[c] = true
	c.forget(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.conns, c)
	})
	return &Conn{connection: c, in: c.back, out: c.there}, nil
}

func dialError(to net.Addr, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = syscall.ETIMEDOUT
	}
	return &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: err}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// each does f to each connection of h.
func (h *Host) each(f func(*connection)) (n int) {
	h.mu.Lock()
	conns := make([]*connection, 0, len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	h.mu.Unlock()
	for _, c := range conns {
		f(c)
	}
	return len(conns)
}

// Cut resets all connections that h has. Of what is under way on each, a part
// arrives that ends at any byte. It returns how many they were.
func (h *Host) Cut() int { return h.each((*connection).cut) }

// Forget has all connections that h has fall silent for ever, both ways, as
// when a box on the way forgets them: neither side is told, until it is
// [Link.Dead]. It returns how many they were.
func (h *Host) Forget() int {
	return h.each(func(c *connection) { c.silence(never) })
}

// Away has nothing get through to h or from it for d, then all. Who dials
// meanwhile waits.
func (h *Host) Away(d time.Duration) {
	h.mu.Lock()
	until := time.Now().Add(d)
	h.away = until
	h.mu.Unlock()
	h.each(func(c *connection) { c.silence(until) })
}

// Pause has h take nothing from its connections for d: what comes fills them,
// until who writes has to wait.
func (h *Host) Pause(d time.Duration) {
	h.mu.Lock()
	until := time.Now().Add(d)
	h.paused = until
	h.mu.Unlock()
	h.each(func(c *connection) { c.back.pause(until) })
}

// Relink has connections that are made from now on be like l.
func (h *Host) Relink(l Link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.link = l
}

// Conns returns how many connections h has that neither side has closed.
func (h *Host) Conns() int { return h.each(func(*connection) {}) }
