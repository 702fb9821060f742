package trouble

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/pabal/pabal/internal/problem"
)

// bodyTimeout is how long a client may take to send faults.
const bodyTimeout = 10 * time.Second

// errStopped is what is answered once the node stops.
var errStopped = problem.Unavailable(5*time.Second, "this server stops; come back when it has started again")

// A Handler answers what is below /trouble/. It is to be stopped and closed.
type Handler struct {
	target func() string // where the node listens
	log    *slog.Logger

	failures problem.Failures

	mu      sync.Mutex
	proxies map[string]*entry
	tunnels map[*tunnel]struct{}
	stopped bool

	stop    chan struct{} // closed when stopped
	sweep   sync.Once
	running sync.WaitGroup
}

// New returns a handler of proxies that pass connections on to target: the
// node's own address, host:port, where it serves plain HTTP/1.1.
func New(target func() string, log *slog.Logger) *Handler {
	return &Handler{target: target, log: log, proxies: map[string]*entry{}, tunnels: map[*tunnel]struct{}{}, stop: make(chan struct{})}
}

const prefix = "/trouble/"

// Owns reports whether path is for a [Handler].
func Owns(path string) bool { return strings.HasPrefix(path+"/", prefix) }

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.serve(w, r); err != nil {
		h.failures.Log(h.log, err, "path", r.URL.Path)
		problem.Write(w, problem.From(err))
	}
}

// serve answers r, unless it returns an error.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	bound(w, r)
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), prefix)
	id, rest, below := strings.Cut(path, "/")
	if !ok || !validID.MatchString(id) {
		return problem.NotFound("a proxy is at /trouble/ and its name, 1 to 64 of letters, digits, - and _")
	}
	if r.TLS != nil {
		return &problem.Problem{Status: http.StatusNotImplemented, Detail: "trouble is made of plain HTTP, as what is encrypted can be neither buffered nor stripped; start the server without tls-cert"}
	}
	if action, after, _ := strings.Cut(rest, "/"); action == "via" {
		return h.via(w, r, id, "/"+after)
	}
	switch {
	case below && rest == "cut":
		return h.cut(w, r, id)
	case below:
		return problem.NotFound("a proxy has /cut and /via/…, and nothing else")
	}
	return h.manage(w, r, id)
}

// manage makes, changes, shows or ends the proxy id.
func (h *Handler) manage(w http.ResponseWriter, r *http.Request, id string) error {
	var e *entry
	var err error
	switch r.Method {
	case http.MethodPut:
		var f faults
		if f, err = readFaults(http.MaxBytesReader(w, r.Body, mostFaults)); err == nil {
			e, err = h.set(id, f)
		}
	case http.MethodGet, http.MethodHead:
		e, err = h.use(id)
	case http.MethodDelete:
		if err = h.end(id); err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
		return err
	default:
		return notBy(w, "GET, HEAD, PUT, DELETE")
	}
	if err != nil {
		return err
	}
	return h.answer(w, id, e)
}

// bound keeps a body that does not come from holding anything, unless r passes
// through, where the node bounds it.
func bound(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	// An error means that the connection cannot be bound in time, and so is not one from outside.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	if r.ProtoMajor == 1 && r.Method != http.MethodPut {
		w.Header().Set("Connection", "close") // or net/http would read the body first
	}
}

// cut resets the connections of the proxy id.
func (h *Handler) cut(w http.ResponseWriter, r *http.Request, id string) error {
	if r.Method != http.MethodPost {
		return notBy(w, "POST")
	}
	e, err := h.use(id)
	if err != nil {
		return err
	}
	e.proxy.CutAll()
	return h.answer(w, id, e)
}

// answer says what the proxy id does, and what it has seen.
func (h *Handler) answer(w http.ResponseWriter, id string, e *entry) error {
	h.mu.Lock()
	f := e.faults
	h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(struct { // whoever left needs no answer
		ID     string `json:"id"`
		Faults faults `json:"faults"`
		Stats  stats  `json:"stats"`
	}{id, f, statsOf(e.proxy.Stats())})
	return nil
}

func notBy(w http.ResponseWriter, allow string) error {
	w.Header().Set("Allow", allow)
	return &problem.Problem{Status: http.StatusMethodNotAllowed, Detail: "this is asked with " + allow}
}

// Stop lets nothing more begin.
func (h *Handler) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		h.stopped = true
		close(h.stop)
	}
}

// Close ends h. What passes through it has until ctx is over to end by itself;
// the rest is reset. When it returns, nothing of h runs any more.
func (h *Handler) Close(ctx context.Context) {
	h.Stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.running.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		for _, t := range h.open() {
			t.reset()
		}
		<-ended
	}
	h.mu.Lock()
	left := h.proxies
	h.proxies = map[string]*entry{}
	h.mu.Unlock()
	for _, e := range left {
		_ = e.proxy.Close() // nobody listens there any more
	}
}

// open returns what passes through at this moment.
func (h *Handler) open() (all []*tunnel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for t := range h.tunnels {
		all = append(all, t)
	}
	return all
}
