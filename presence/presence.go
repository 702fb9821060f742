// Package presence says who is in a channel. That is a log of its own,
// "$presence/<channel>": of each key its last entry, without those of type
// "leave", is the set.
//
//	service := presence.New(presence.Config{Hub: hub})
//	defer service.Close(ctx)
//	err := service.Join(ctx, grant, "chat", nil, 0)
//	service.Leave(grant, "chat", false)
//
// # What it promises
//
// Who has joined is in the set from when Join returns until Leave, on
// whatever node; a connection that goes from one node to another does not
// leave the set in between. A leave is appended only on the condition that
// the log has been read up to its end, so it replaces no entry but the one
// that it is about. Where a connection is on two nodes at once, and leaves the
// one that it came to last, the other writes that it is there as soon as it
// reads that.
//
// A node that writes nothing any more leaves no ghosts: it renews an entry of
// its own in "$-/leases", and once that is older than the lease, another node
// writes the leaves of its members. If it was only slow, it writes that they
// are there again. To find the channels, the broker must list them; one that
// does not has such members removed only where another member is.
//
// # What it costs
//
// One goroutine for the clock, one for the lease, one that tidies up, and at
// most sixteen that write; none for a member. What comes to a channel within
// [Config].Coalesce is one publish. A node that is alone reads no log; one that
// is not follows the logs in which it has members, each with a session.
//
// The keys of those that left stay in the log, which keeps a bounded number of
// keys. So a member whose entry is far behind is written once more, as a
// change, before it would be dropped.
package presence

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// A Mode is what is kept of those who are in a channel.
type Mode uint8

// The modes.
const (
	On         Mode = iota // an entry for each connection
	CountsOnly             // how many connections each node has, at most one entry a second
	Off                    // nothing: to join is refused
)

// Config configures a [Service]. A zero field means its default.
type Config struct {
	Hub  *pabal.Hub   // must be given, and stay open until the service is closed
	Log  *slog.Logger // slog.Default
	Node string       // a name for this node, to which each start adds some letters of its own; none

	Lease    time.Duration               // for which a node counts as there after its last renewal; 30 s
	Linger   time.Duration               // for which who has gone without a word may come back; 5 s
	Coalesce time.Duration               // within which what comes to a channel is one publish; 50 ms
	Members  int                         // of one channel; 10,000
	Mode     func(ch pabal.Channel) Mode // nil: On for all
}

func (c Config) withDefaults() Config {
	c.Log = cmp.Or(c.Log, slog.Default())
	c.Lease = cmp.Or(c.Lease, 30*time.Second)
	c.Linger = cmp.Or(c.Linger, 5*time.Second)
	c.Coalesce = cmp.Or(c.Coalesce, 50*time.Millisecond)
	c.Members = cmp.Or(c.Members, defaultMembers)
	if c.Mode == nil {
		c.Mode = func(pabal.Channel) Mode { return On }
	}
	return c
}

const (
	defaultMembers = 10_000
	leaseLog       = pabal.Channel(pabal.Internal + "leases")
)

// Retention returns what a broker must keep of ch, if that is a log of
// presence or of leases; members is [Config].Members.
func Retention(ch pabal.Channel, members int) (keep pabal.Retention, ok bool) {
	members = cmp.Or(members, defaultMembers)
	switch {
	case ch == leaseLog:
		return pabal.Retention{Entries: 1000, Age: time.Hour, Latest: true, Keys: 1000, Namespace: string(leaseLog)}, true
	case strings.HasPrefix(string(ch), pabal.Presence):
		// Who is present was written within the last 2 x members entries. The rest
		// is for what is on its way meanwhile.
		return pabal.Retention{Age: time.Hour, Latest: true, Keys: 3*members + 1000, Namespace: pabal.Presence}, true
	}
	return pabal.Retention{}, false
}

// A Service keeps who is present by way of this node. It may be used by any
// number of goroutines.
//
// Each room is worked on by at most one goroutine at a time, which alone reads
// and writes its log. The lock is held for no I/O.
type Service struct {
	config Config
	hub    *pabal.Hub
	node   string // of this start
	born   time.Time
	ctx    context.Context // ends when the service does
	cancel context.CancelFunc
	work   sync.WaitGroup
	rang   chan struct{} // an alarm was set that is before all others
	renew  chan struct{} // the lease must be renewed now
	untidy chan struct{} // somebody's lease has run out
	ends   chan ending   // the lease must be ended

	mu sync.Mutex
	state
}

// state is guarded by the service's mu.
type state struct {
	rooms   map[pabal.Channel]*room
	alarms  alarms
	ready   []*room // to be worked on
	workers int
	lease   lease
	batches uint64              // how many there were, to give each an ID
	failing map[string]struct{} // what was tried last without success
	stopped bool                // nothing more is begun
	emptied chan struct{}       // not nil: the service is being closed; closed when no room is left
}

// own is by what a service reads and writes.
var own = pabal.Grant{Own: true}

// New returns a service in which nobody is yet. It must be closed.
func New(c Config) *Service {
	c = c.withDefaults()
	s := &Service{
		config: c, hub: c.Hub, born: time.Now(), node: incarnation(c.Node),
		rang: make(chan struct{}, 1), renew: make(chan struct{}, 1), untidy: make(chan struct{}, 1), ends: make(chan ending),
	}
	s.rooms, s.failing = map[pabal.Channel]*room{}, map[string]struct{}{}
	s.lease.peers = map[string]*peer{}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.work.Go(s.runClock)
	s.work.Go(s.runLease)
	s.work.Go(s.runTidy)
	return s
}

// incarnation returns a name for one start of node.
func incarnation(node string) string {
	node = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(node, ""))
	start := strconv.FormatUint(rand.Uint64(), 36)
	if node == "" {
		return start
	}
	return strings.ToValidUTF8(node[:min(len(node), 64)], "") + "." + start
}

// now is a clock that only goes forward, and is never 0.
func (s *Service) now() int64 { return 1 + int64(time.Since(s.born)) }

// Node returns what the service's entries name as their node.
func (s *Service) Node() string { return s.node }

// Close writes that all members of this node have left, and ends the service.
// If ctx ends before, the rest is written by another node once the lease has
// run out, and the error says so.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.emptied == nil {
		s.emptied = make(chan struct{})
		for _, r := range s.rooms {
			s.clear(r)
		}
		s.checkEmpty()
	}
	emptied := s.emptied
	s.mu.Unlock()
	var err error
	select {
	case <-emptied:
		err = s.endLease(ctx)
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-s.ctx.Done(): // closed before
	}
	s.stop()
	if err != nil {
		return fmt.Errorf("presence: not all leaves were written, another node will once the lease has run out: %w", err)
	}
	return nil
}

// stop ends what runs, and lets go of the logs.
func (s *Service) stop() {
	s.cancel()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rooms {
		if r.session != nil {
			r.session.Close()
		}
	}
}

// checkEmpty tells Close when there is nothing left to do.
func (s *Service) checkEmpty() {
	if s.emptied == nil || len(s.rooms) > 0 {
		return
	}
	select {
	case <-s.emptied:
	default:
		close(s.emptied)
	}
}

// failed logs that what failed, unless that is known or so much fails that it
// is one cause.
func (s *Service) failed(what string, err error) {
	s.mu.Lock()
	_, known := s.failing[what]
	if s.failing[what] = struct{}{}; len(s.failing) > fewFailures {
		known = true
	}
	s.mu.Unlock()
	if !known && s.ctx.Err() == nil {
		s.config.Log.Error("presence: what follows failed, and is tried again", "what", what, "error", err)
	}
}

const fewFailures = 8

// worked logs that nothing fails any more.
func (s *Service) worked(what string) {
	s.mu.Lock()
	_, known := s.failing[what]
	delete(s.failing, what)
	last := known && len(s.failing) == 0
	s.mu.Unlock()
	if last {
		s.config.Log.Info("presence: all works again")
	}
}
