package doctor

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// MaxConnections is the most that an examination has at once.
const MaxConnections = 12

// roads makes connections to a server.
type roads struct {
	tls  *tls.Config
	free chan struct{} // has room while another connection may be made

	mu   sync.Mutex
	made []*http.Transport
	h2   *http.Transport // which all share, as the tabs of a browser do
	open map[*counted]struct{}
}

func newRoads(config *tls.Config) *roads {
	return &roads{tls: config, free: make(chan struct{}, MaxConnections), open: map[*counted]struct{}{}}
}

// dial connects once there is room.
func (r *roads) dial(ctx context.Context, network, address string) (net.Conn, error) {
	select {
	case r.free <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		<-r.free
		return nil, err
	}
	c := &counted{Conn: conn}
	c.release = sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, c)
		<-r.free
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[c] = struct{}{}
	return c, nil
}

// counted is a connection that makes room for another when it is closed.
type counted struct {
	net.Conn
	release func()
}

// Close implements [net.Conn].
func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// close closes all connections, in use or not.
func (r *roads) close() {
	r.rest()
	r.mu.Lock()
	open := slices.Collect(maps.Keys(r.open))
	r.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

// client returns a client of connections of its own, which speaks one version
// of HTTP, or with "" whichever the server prefers. For "2" they are shared.
func (r *roads) client(version string) *http.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	if version == "2" && r.h2 != nil {
		return clientOf(r.h2)
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: r.dial, TLSClientConfig: r.config(),
		TLSHandshakeTimeout: 20 * time.Second, DisableCompression: true, Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(version != "2")
	t.Protocols.SetHTTP2(version != "1.1")
	if version == "2" {
		r.h2 = t
	}
	r.made = append(r.made, t)
	return clientOf(t)
}

// clientOf follows no redirect: where it leads is another road.
func clientOf(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (r *roads) config() *tls.Config {
	if r.tls == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return r.tls.Clone()
}

// rest closes what is not in use.
func (r *roads) rest() {
	r.mu.Lock()
	made := slices.Clone(r.made)
	r.mu.Unlock()
	for _, t := range made { // which takes the lock again
		t.CloseIdleConnections()
	}
}
