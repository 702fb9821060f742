package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	headTimeout  = 10 * time.Second // to send a request's head
	idleTimeout  = 2 * time.Minute  // of a connection between requests
	maxHeadBytes = 64 << 10         // of a request: a URL with 100 channels and their cursor fits
)

// listen opens each of addresses. It opens all of them or none.
func listen(ctx context.Context, addresses []string) (listeners []net.Listener, err error) {
	lc := keepAlive(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3})
	for _, address := range addresses {
		l, err := lc.Listen(ctx, network(address), address)
		if err != nil {
			closeAll(listeners)
			return nil, explainListen(address, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// network returns that of address alone if its host is a literal address: on
// 0.0.0.0 Go would listen on all of IPv6 too.
func network(address string) string {
	host, _, _ := net.SplitHostPort(address) // without one, listening fails and says why
	switch ip, err := netip.ParseAddr(host); {
	case err != nil || ip.Is4In6():
		return "tcp"
	case ip.Is4():
		return "tcp4"
	}
	return "tcp6"
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// explainListen says what to do about err.
func explainListen(address string, err error) error {
	host, port, splitErr := net.SplitHostPort(address)
	switch {
	case splitErr != nil:
		return err
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: something listens there already; stop it, or let the system choose a free port with --listen %s",
			address, net.JoinHostPort(host, "0"))
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s: this user may not use port %s; choose one above 1023, as in --listen %s",
			address, port, net.JoinHostPort(host, "8080"))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("cannot listen on %s: this machine does not have that address; listen on one that it has, as in --listen 127.0.0.1:%s", address, port)
	}
	return fmt.Errorf("cannot listen on %s: %w", address, err)
}

// newHTTPServer returns a server of HTTP/1.1 and HTTP/2: over TLS as the
// client prefers, in the clear HTTP/2 by prior knowledge only. An answer may
// take as long as answer; the techniques whose response goes on bound each
// write themselves.
func newHTTPServer(handler http.Handler, answer time.Duration) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 250, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		ReadHeaderTimeout: headTimeout,
		IdleTimeout:       idleTimeout,
		WriteTimeout:      answer,
		MaxHeaderBytes:    maxHeadBytes,
	}
}
