package crowd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
)

// Most is how many viewers there may be, where the system has files enough.
const Most = 5000

// pace is the time between two connections: 500 a second.
const pace = 2 * time.Millisecond

// A Target is where to read.
type Target struct {
	Address string      // host:port, plain HTTP
	Header  http.Header // sent with each request: who the viewers are
}

// A Crowd is many viewers of one channel. Its methods may be called at any
// time, by anyone.
type Crowd struct {
	channel pabal.Channel
	most    int
	seen    parsed
	counts

	mu      sync.Mutex
	address string
	via     string
	viewers []*viewer
	closed  bool
	running sync.WaitGroup

	turns sync.Mutex
	turn  time.Time // when the next may connect
}

// counts are what all viewers have done.
type counts struct {
	reading, read, lost, repeated atomic.Int64
	lag                           lags

	said    sync.Mutex
	trouble string // why a viewer could not read, last
	at      time.Time
}

// A Status is how a crowd fares.
type Status struct {
	Wanted   int    `json:"wanted"`
	Viewers  int    `json:"viewers"` // that read now
	Most     int    `json:"most"`    // that can be wanted here
	Via      string `json:"via"`
	Read     int64  `json:"read"` // entries, of all that were wanted since there was nobody
	Lost     int64  `json:"lost"`
	Repeated int64  `json:"repeated"`
	Lag      *Lag   `json:"lag"`               // null: none of them read anything of late
	Trouble  string `json:"trouble,omitempty"` // why a viewer could not read, if that was of late; it tries again
}

// New returns a crowd of nobody.
func New(ch pabal.Channel) *Crowd {
	return &Crowd{channel: ch, most: min(Most, files()/2), via: "sse"}
}

// Set has n viewers read by the technique via. Those that are too many leave;
// if the technique or the target is another than before, all do, and others
// come.
func (c *Crowd) Set(to Target, via string, n int) error {
	read := ways[via]
	if read == nil {
		return fmt.Errorf("viewers do not read by %.40q: choose sse, stream, websocket or longpoll", via)
	}
	if n < 0 || n > c.most {
		return fmt.Errorf("%d viewers cannot be had here: 0 to %d can, each of which takes two open files of this process", n, c.most)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("this server is stopping: nobody comes any more")
	}
	if len(c.viewers) == 0 {
		c.read.Store(0)
		c.lost.Store(0)
		c.repeated.Store(0)
	}
	keep := min(n, len(c.viewers))
	if via != c.via || to.Address != c.address {
		keep = 0
	}
	for _, v := range c.viewers[keep:] {
		v.leave()
	}
	c.viewers = slices.Clip(c.viewers[:keep])
	c.via, c.address = via, to.Address
	for range n - keep {
		ctx, cancel := context.WithCancel(context.Background())
		v := &viewer{crowd: c, target: to, read: read, cancel: cancel}
		c.viewers = append(c.viewers, v)
		c.running.Go(func() { v.run(ctx) })
	}
	return nil
}

// Status returns how c fares.
func (c *Crowd) Status() Status {
	c.mu.Lock()
	s := Status{Wanted: len(c.viewers), Via: c.via, Most: c.most}
	c.mu.Unlock()
	s.Viewers = int(c.reading.Load())
	s.Read, s.Lost, s.Repeated = c.read.Load(), c.lost.Load(), c.repeated.Load()
	s.Lag = c.lag.over(time.Now())
	s.Trouble = c.lately(time.Now())
	return s
}

// Clear has all leave.
func (c *Crowd) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
}

func (c *Crowd) clear() {
	for _, v := range c.viewers {
		v.leave()
	}
	c.viewers = nil
}

// Close has all leave, and returns when they have.
func (c *Crowd) Close() {
	c.mu.Lock()
	c.closed = true
	c.clear()
	c.mu.Unlock()
	c.running.Wait()
}

// await waits for the turn of one viewer to connect. It reports false if ctx
// ends before.
func (c *Crowd) await(ctx context.Context) bool {
	c.turns.Lock()
	now := time.Now()
	if c.turn.Before(now) {
		c.turn = now
	}
	wait := c.turn.Sub(now)
	c.turn = c.turn.Add(pace)
	c.turns.Unlock()
	return rest(ctx, wait)
}

// rest waits. It reports false if ctx ends before.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// recent is for how long a trouble is told.
const recent = 10 * time.Second

func (c *counts) say(err error) {
	c.said.Lock()
	defer c.said.Unlock()
	c.trouble, c.at = err.Error(), time.Now()
}

func (c *counts) lately(now time.Time) string {
	c.said.Lock()
	defer c.said.Unlock()
	if now.Sub(c.at) > recent {
		return ""
	}
	return c.trouble
}
