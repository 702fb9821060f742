package trouble

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/pabal/pabal/internal/problem"
)

// dialTimeout is how long a proxy, which is of this process, may take to accept
// a connection.
const dialTimeout = 10 * time.Second

// mostTunnels is how many requests may pass through all proxies at once.
const mostTunnels = 200

// via passes r through the proxy id, as a request for the path rest, which is
// escaped.
func (h *Handler) via(w http.ResponseWriter, r *http.Request, id, rest string) error {
	_, inner, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, prefix), "/via")
	switch {
	case r.ProtoMajor != 1:
		return &problem.Problem{Status: http.StatusNotImplemented, Detail: "trouble is made of connections, and takes them from HTTP/1.1 only; ask without HTTP/2"}
	case Owns(inner):
		return &problem.Problem{Status: http.StatusLoopDetected, Detail: "a request through trouble may not lead through trouble again"}
	}
	t, err := h.admit(id)
	if err != nil {
		return err
	}
	defer h.over(t)
	server, err := t.dial(r.Context(), id)
	if err != nil {
		return err
	}
	head := headOf(r, rest)
	client, early, err := http.NewResponseController(w).Hijack()
	if err != nil || server == nil {
		resetAll(client, server)
		return err
	}
	t.run(client, server, append(head, held(early.Reader)...))
	return nil
}

// dial connects to t's proxy, of that name. It returns nil if that refused: who
// is refused has a connection, and then a reset.
func (t *tunnel) dial(ctx context.Context, id string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", t.entry.proxy.Addr())
	if err == nil || errors.Is(err, syscall.ECONNRESET) { // as it is if the reset comes that fast
		return conn, nil
	}
	return nil, problem.Unavailable(time.Second, "the proxy %s ended at this moment; make it anew with PUT", id)
}

// admit admits a request through the proxy id. What it returns is for over.
func (h *Handler) admit(id string) (*tunnel, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.proxies[id]
	switch {
	case h.stopped:
		return nil, errStopped
	case !ok:
		return nil, noProxy(id)
	case len(h.tunnels) >= mostTunnels:
		return nil, problem.Unavailable(time.Second, "%d requests pass through trouble, which is the most at once; let some end", mostTunnels)
	}
	e.open++
	t := &tunnel{entry: e}
	h.tunnels[t] = struct{}{}
	h.running.Add(1)
	return t, nil
}

func (h *Handler) over(t *tunnel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tunnels, t)
	t.entry.open--
	t.entry.used = time.Now()
	h.running.Done()
}

// headOf returns the head of r as it came, but for the path, which becomes
// path. The connection is for this request alone: the next one may be for
// another proxy, or none.
func headOf(r *http.Request, path string) []byte {
	var head bytes.Buffer
	target := path
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		target += "?" + r.URL.RawQuery
	}
	fmt.Fprintf(&head, "%s %s %s\r\nHost: %s\r\n", r.Method, target, r.Proto, r.Host)
	header := r.Header.Clone()
	options := []string{"close"}
	if header.Get("Upgrade") != "" {
		options = append(header.Values("Connection"), options...)
	}
	header.Set("Connection", strings.Join(options, ", "))
	for _, coding := range r.TransferEncoding { // net/http takes these two out
		header.Add("Transfer-Encoding", coding)
	}
	for name := range r.Trailer {
		header.Add("Trailer", name)
	}
	_ = header.Write(&head) // into memory
	head.WriteString("\r\n")
	return head.Bytes()
}

// held returns what r has read and not given yet.
func held(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered()) // so much is there
	return b
}
