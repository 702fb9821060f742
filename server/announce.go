package server

import (
	"fmt"
	"io"
	"net"
	"strings"
)

// announce prints where to find the server, and what to try: with a token,
// unless it is open.
func announce(out io.Writer, listeners []net.Listener, tls, open bool) error {
	var text strings.Builder
	for _, l := range listeners {
		fmt.Fprintf(&text, "pabal: listening on %s\n", origin(l, tls))
	}
	here, with := reachable(listeners[0], tls), ""
	if !open {
		with = `-H "Authorization: Bearer $TOKEN" `
	}
	fmt.Fprintf(&text, "  read     curl -N %s'%s/channels/chat?via=sse&since=all'\n", with, here)
	fmt.Fprintf(&text, "  publish  curl -d hello %s%s/channels/chat\n", with, here)
	fmt.Fprintf(&text, "  look     %s/\n", here)
	_, err := io.WriteString(out, text.String())
	return err
}

// origin returns the URL of what l listens on.
func origin(l net.Listener, tls bool) string {
	if tls {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// reachable returns a URL that works on this machine, also if l listens on all
// addresses.
func reachable(l net.Listener, tls bool) string {
	url := origin(l, tls)
	if addr, ok := l.Addr().(*net.TCPAddr); ok && addr.IP.IsUnspecified() {
		return strings.Replace(url, addr.String(), fmt.Sprintf("localhost:%d", addr.Port), 1)
	}
	return url
}
