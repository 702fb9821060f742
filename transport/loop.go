package transport

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/epoll"
)

// A loop serves any number of connections from one goroutine, none of which
// has one of its own. All that it holds belongs to that goroutine, but for its
// inbox. It never waits but in its poller: what may block is done by workers,
// which come back through the inbox.
type loop struct {
	handler *Handler
	number  int // among the loops of the handler
	poller  poller
	workers
	inbox

	began  time.Time
	now    time.Duration // since began, as of this turn
	seats  seats
	crowds map[pabal.Channel]*crowd
	mixed  *crowd // of connections that read no channel, or several
	queue  []*crowd
	wheel  wheel
	lent   int // sessions that workers have
	loopScratch
}

// workers run what may block.
type workers struct {
	blocked  func(func()) // reads of the broker
	commands func(func()) // what clients ask for, which may take longer
}

// loopScratch is memory that is used again each turn.
type loopScratch struct {
	events []epoll.Event
	in     []byte // what was read
	out    burst  // what a connection by itself is given
	spare  []*burst
}

// A poller waits for sockets, as [epoll.Poller] does.
type poller interface {
	Add(s socket, token uint64) error
	Wait(events []epoll.Event, timeout time.Duration) ([]epoll.Event, error)
	Wake()
	Close()
}

// A socket never blocks: see [epoll.Socket].
type socket interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	CloseWrite()
	Close()
}

// newLoop returns a loop that nobody runs as yet.
func newLoop(h *Handler, p poller, blocked func(func())) *loop {
	l := &loop{handler: h, poller: p, workers: workers{blocked, blocked}, began: time.Now(), crowds: map[pabal.Channel]*crowd{}}
	l.mixed = &crowd{}
	l.in = make([]byte, readBytes)
	return l
}

// readBytes is the size of one read.
const readBytes = 16 << 10

// An inbox is what others want of a loop.
type inbox struct {
	mu       sync.Mutex
	calls    []func()
	woken    []*pabal.Tail
	sleeping bool // the loop waits, or is about to: it must be woken
	ended    bool // it takes no more
}

// Wake implements [pabal.Waker], once for all sessions of the loop.
func (l *loop) Wake(t *pabal.Tail) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.woken = append(l.woken, t)
		l.rouse()
	}
}

// post has f called by the loop, if it has not ended.
func (l *loop) post(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.calls = append(l.calls, f)
		l.rouse()
	}
}

// rouse wakes the loop if it sleeps. To do so under the lock keeps the poller
// from being closed meanwhile, and takes a microsecond once a sleep.
func (l *loop) rouse() {
	if l.sleeping {
		l.sleeping = false
		l.poller.Wake()
	}
}

// turn waits until there is something to do, and does it, each channel in its
// turn for a bounded slice.
func (l *loop) turn() {
	l.poll()
	l.mu.Lock()
	calls, woken := l.calls, l.woken
	l.calls, l.woken = nil, nil
	l.mu.Unlock()
	l.now = time.Since(l.began)
	for _, f := range calls {
		l.guardAll(nil, f)
	}
	for _, t := range woken {
		if c := l.crowds[t.Channel()]; c != nil {
			l.stir(c)
		}
	}
	for left := sliceWrites; left > 0 && len(l.queue) > 0; {
		c := l.queue[0]
		l.queue = l.queue[1:]
		c.queued = false
		l.guardAll(c, func() { left -= max(1, l.slice(c, left)) })
		if c.busy() {
			l.enqueue(c)
		}
	}
	l.wheel.turn(l.now, l.look)
}

// sliceWrites is how many writes are made, to one channel's readers or to
// several's, before others have their turn.
const sliceWrites = 256

// enqueue has c given a slice.
func (l *loop) enqueue(c *crowd) {
	if !c.queued {
		c.queued = true
		l.queue = append(l.queue, c)
	}
}

// poll waits until something is to be done, and takes what sockets have become
// ready for.
func (l *loop) poll() {
	timeout := l.wheel.next(l.now)
	l.mu.Lock()
	if len(l.queue) > 0 || len(l.calls) > 0 || len(l.woken) > 0 {
		timeout = 0
	}
	l.sleeping = timeout != 0
	l.mu.Unlock()
	events, err := l.poller.Wait(l.events[:0], timeout)
	l.mu.Lock()
	l.sleeping = false
	l.mu.Unlock()
	if err != nil {
		panic(fmt.Errorf("waiting for sockets: %w", err)) // a descriptor of ours is not what it was
	}
	l.events = events
	l.now = time.Since(l.began)
	for _, ev := range events {
		if c := l.seats.of(ev.Token); c != nil {
			l.guard(c, func() { l.event(c, ev) })
		}
	}
}

func (l *loop) event(c *loopConn, ev epoll.Event) {
	if ev.Readable {
		c.readable = true
	}
	if ev.Gone {
		c.gone = true
	}
	if ev.Writable && c.stuck && !l.flush(c) {
		return
	}
	l.read(c)
}

// guard runs f for c. If it panics, c is closed, and c alone.
func (l *loop) guard(c *loopConn, f func()) {
	defer func() {
		if r := recover(); r != nil {
			l.handler.Log.Error("a connection panicked", "client", c.client, "panic", r, "stack", string(debug.Stack()))
			l.drop(c)
		}
	}()
	f()
}

// guardAll runs f for all of a crowd. If it panics, they are closed, and no
// others.
func (l *loop) guardAll(of *crowd, f func()) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		l.handler.Log.Error("a loop panicked", "panic", r, "stack", string(debug.Stack()))
		for _, s := range slices.Clone(l.seats.taken) {
			if s.conn != nil && s.conn.home == of {
				l.drop(s.conn)
			}
		}
	}()
	f()
}

// seats are the connections of a loop, each known to the poller by its number
// and by how often that was given: an event of a connection that is gone
// reaches none that came after.
type seats struct {
	taken []seat
	free  []uint32
	count int
}

type seat struct {
	conn *loopConn
	turn uint32
}

func (s *seats) take(c *loopConn) {
	var i uint32
	if n := len(s.free); n > 0 {
		i, s.free = s.free[n-1], s.free[:n-1]
	} else {
		i = uint32(len(s.taken))
		s.taken = append(s.taken, seat{})
	}
	s.taken[i].conn = c
	c.token = uint64(s.taken[i].turn)<<32 | uint64(i)
	s.count++
}

func (s *seats) leave(c *loopConn) {
	i := uint32(c.token)
	s.taken[i] = seat{turn: s.taken[i].turn + 1}
	s.free = append(s.free, i)
	s.count--
}

func (s *seats) of(token uint64) *loopConn {
	if i := uint32(token); int(i) < len(s.taken) && s.taken[i].turn == uint32(token>>32) {
		return s.taken[i].conn
	}
	return nil
}
