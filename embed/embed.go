package embed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/presence"
	"github.com/pabal/pabal/transport"
)

// Config is what a [Node] is made of. A zero field means its default.
type Config struct {
	Broker pabal.Broker // keeps the logs, and is closed by the caller, after the node; nil: memory, as [Retention] says
	Limits pabal.Limits // of the engine
	Log    *slog.Logger // slog.Default()

	// Access says who sends a request and what that allows: [auth.New] makes one
	// for tokens, [AccessFunc] is one for sessions of the caller's. nil: everybody
	// may do everything.
	Access transport.Authenticator

	// Calls answers what clients ask; nil: that is left to who reads $calls/….
	Calls       call.Handler
	CallTimeout time.Duration // the longest that a call may take; 10 s, and 5 min at most

	// CrossOrigin decides from which other origins pages may change something;
	// nil: from none.
	CrossOrigin *http.CrossOriginProtection
	// AllowOrigins are other sites whose pages may read by WebSocket, JSONP and
	// iframe: "https://example.com", or "*"; none.
	AllowOrigins []string
}

// A Node is a node of Pabal in a program: an [http.Handler] of /channels,
// /commands and /presence. [New] makes one.
type Node struct {
	hub      *pabal.Hub
	reads    *transport.Handler
	api      *api.Handler
	presence *presence.Service
	calls    *call.Service
	cross    *http.CrossOriginProtection
	own      io.Closer // the broker, if it is not the caller's
}

// New returns a node. It must be closed.
func New(c Config) *Node {
	log := cmp.Or(c.Log, slog.Default())
	n := &Node{cross: cmp.Or(c.CrossOrigin, http.NewCrossOriginProtection())}
	broker := c.Broker
	if broker == nil {
		b := memory.New(memory.Config{Retention: Retention})
		broker, n.own = b, b
	}
	n.hub = pabal.NewHub(broker, c.Limits)
	n.presence = presence.New(presence.Config{Hub: n.hub, Log: log})
	n.calls = call.New(call.Config{Hub: n.hub, Log: log, Handler: c.Calls, Timeout: min(c.CallTimeout, maxCall)})
	n.reads = &transport.Handler{
		Hub: n.hub, Log: log, AllowOrigins: c.AllowOrigins,
		Services: transport.Services{Access: c.Access, Presence: n.presence, Calls: n.calls},
	}
	n.api = &api.Handler{Hub: n.hub, Access: c.Access, Presence: viewer{n.presence}, Log: log}
	return n
}

// Hub returns the engine, on which channels are read and published to without
// HTTP.
func (n *Node) Hub() *pabal.Hub { return n.hub }

// Publish appends messages to ch, all of them or none, as [pabal.Hub.Publish]
// does. The caller may publish to every channel but Pabal's own, and to what
// [pabal.InboxOf] returns.
func (n *Node) Publish(ctx context.Context, ch pabal.Channel, messages ...pabal.Message) (pabal.Appended, error) {
	return n.hub.Publish(ctx, pabal.Grant{}, ch, pabal.Publish{Messages: messages})
}

// ServeHTTP implements [http.Handler].
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A WebSocket by extended CONNECT is the transport's to refuse, as one by GET.
	if !tunnels(r) {
		if err := n.cross.Check(r); err != nil {
			problem.Write(w, problem.Forbidden("a page of the origin %.100q may not %s here: %v", r.Header.Get("Origin"), r.Method, err))
			return
		}
	}
	switch path := r.URL.Path; {
	case path == "/commands":
		n.reads.ServeCommands(w, r)
	case strings.HasPrefix(path, "/presence/"):
		n.api.ServeHTTP(w, r)
	case path != "/channels" && !strings.HasPrefix(path, "/channels/"):
		problem.Write(w, problem.NotFound("there is nothing at %.100q; channels are at /channels/{name}", path))
	case tunnels(r) || r.Method == http.MethodGet && (path != "/channels" || readsSeveral(r)):
		n.reads.ServeHTTP(w, r)
	default:
		n.api.ServeHTTP(w, r)
	}
}

// tunnels reports whether r is an extended CONNECT, by which HTTP/2 opens a
// WebSocket (RFC 8441).
func tunnels(r *http.Request) bool {
	return r.Method == http.MethodConnect && r.Header.Get(":protocol") != ""
}

// readsSeveral reports whether GET /channels is to read channels, not to list
// them.
func readsSeveral(r *http.Request) bool {
	query := r.URL.Query()
	return query.Has("channel") || query.Has("connection") || query.Has("via") || r.Header.Get("Upgrade") != ""
}

// Drain tells every reader that the program stops, ends its response and
// refuses new ones. It returns when all have ended, or with ctx's error.
func (n *Node) Drain(ctx context.Context) error { return n.reads.Drain(ctx) }

// maxCall is the longest that a call may take: its log is kept for twice as long.
const maxCall = 5 * time.Minute

// endTimeout is how long may take what is written at the end.
const endTimeout = 5 * time.Second

// Close ends the node: calls are answered or failed, who is present here
// leaves, readers are cut off. The HTTP server should have been shut down
// before. The error says what could not be done.
func (n *Node) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	n.calls.Close()
	err := n.presence.Close(ctx)
	n.hub.Close()
	if n.own != nil {
		err = errors.Join(err, n.own.Close())
	}
	if err != nil {
		return fmt.Errorf("the node was closed, but not all as it should be: %w", err)
	}
	return nil
}

// A viewer says who is in a channel, for api.
type viewer struct{ *presence.Service }

func (v viewer) View(ctx context.Context, ch pabal.Channel) (api.Present, error) {
	seen, err := v.Service.View(ctx, ch)
	p := api.Present{Anonymous: seen.Anonymous, Connections: seen.Connections, At: seen.Position}
	for _, u := range seen.Users {
		p.Users = append(p.Users, api.User{Name: u.User, Data: u.Data, Connections: u.Connections})
	}
	return p, err
}
