package call

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// Config is what a [Service] needs to know. A zero field means its default.
type Config struct {
	Hub *pabal.Hub   // must be given, and be closed after the service
	Log *slog.Logger // slog.Default()

	Timeout   time.Duration                         // the longest that a call may take, and what it takes if it does not say; 10 s
	TimeoutOf func(pabal.Channel) time.Duration     // the same for calls of one channel; nil or 0: Timeout
	Handler   Handler                               // answers in this process; nil: none
	Hook      func(pabal.Channel) (h Hook, ok bool) // says where calls of a channel are answered; nil: nowhere
	HTTP      *http.Client                          // by which hooks are asked, without following redirects; nil: one of its own

	InFlight      int // calls that this node waits for at once; 10,000
	PerConnection int // of them, of one connection; 16
}

// Retention is what is to be kept of the logs of calls, whose names begin with
// [Logs]: for as long as an ID is known by default, and more parts than of any
// other channel, since the ask is the first entry.
var Retention = pabal.Retention{Age: 10 * time.Minute, Entries: 100_000, Namespace: Logs}

// Logs is how the names of the channels begin that hold the logs of calls.
const Logs = pabal.Internal + "call/"

// A Service has calls answered. See the package's documentation for what it
// promises.
type Service struct {
	config Config
	limits pabal.Limits
	http   *http.Client
	log    *slog.Logger
	seldom seldom

	ctx   context.Context // ends with the service
	close context.CancelFunc
	work  sync.WaitGroup

	mu            sync.Mutex
	running       map[string]*running // by ref
	perConnection map[string]int      // of them
}

// own is by which Pabal itself reads and writes. It has a user, as a session
// only keeps a grant that says something of its holder.
var own = pabal.Grant{Own: true, User: "pabal"}

// New returns a service. It must be closed.
func New(c Config) *Service {
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.InFlight = cmp.Or(c.InFlight, 10_000)
	c.PerConnection = cmp.Or(c.PerConnection, 16)
	s := &Service{config: c, limits: c.Hub.Limits(), log: cmp.Or(c.Log, slog.Default()), running: map[string]*running{}, perConnection: map[string]int{}}
	s.http = clientOf(c.HTTP)
	s.ctx, s.close = context.WithCancel(context.Background())
	return s
}

// Close stops waiting for calls. Those that a handler or a hook of this node was
// to answer are failed; the others go on once they are asked again on another
// node. It returns when all handlers have, so they must return when their
// context ends.
func (s *Service) Close() {
	s.mu.Lock()
	s.close()
	s.mu.Unlock()
	s.work.Wait()
	if s.config.HTTP == nil {
		s.http.CloseIdleConnections()
	}
}

// InFlight returns how many calls this node waits for now.
func (s *Service) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running)
}

// enter makes c the one by which its call is waited for on this node, or
// returns the one that is that already.
func (s *Service) enter(c *running) (other *running, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch other = s.running[c.ref]; {
	case other != nil:
		return other, nil
	case s.ctx.Err() != nil:
		return nil, pabal.ErrHubClosed
	case len(s.running) >= s.config.InFlight:
		return nil, &pabal.LimitError{Limit: "calls", Max: s.config.InFlight, What: "one more call that is waited for", Retry: time.Second}
	case s.perConnection[c.connection] >= s.config.PerConnection:
		return nil, &pabal.LimitError{Limit: "calls-per-connection", Max: s.config.PerConnection, What: "one more call of this connection", Retry: time.Second}
	}
	s.running[c.ref] = c
	s.perConnection[c.connection]++
	s.work.Add(1)
	return nil, nil
}

func (s *Service) leave(c *running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, c.ref)
	if s.perConnection[c.connection]--; s.perConnection[c.connection] == 0 {
		delete(s.perConnection, c.connection)
	}
	s.work.Done()
}

// at returns the call of that ref, if this node waits for it.
func (s *Service) at(ref string) *running {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[ref]
}
