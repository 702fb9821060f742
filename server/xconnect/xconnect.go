// Package xconnect has net/http serve the extended CONNECT of HTTP/2 (RFC 8441),
// by which browsers open a WebSocket on a connection that they have already. It
// is for the package main of a program, which imports it for this alone:
//
//	import _ "github.com/pabal/pabal/server/xconnect"
//
// From then on every [http.Server] of the program says of itself that it takes
// an extended CONNECT. A browser that has a connection of HTTP/2 then sends each
// wss: of that host over it, so a program whose other servers take WebSockets by
// HTTP/1.1 alone must not import it. Pabal's own server does not say so where
// its setting websocket-h2 is off.
//
// Who starts the program with GODEBUG=http2xconnect=0 has none of this.
//
// [http.Server]: https://pkg.go.dev/net/http#Server
package xconnect

import (
	"os"
	"strings"
)

const setting = "http2xconnect="

// net/http reads GODEBUG from the environment once, when it is initialised; the
// setting is not among those that //go:debug knows. Of the packages that could
// be next, the one whose path sorts first is initialised. This one needs only
// what net/http needs too, and "github.com/…" sorts before "net/http".
func init() {
	value := os.Getenv("GODEBUG")
	switch {
	case strings.Contains(value, setting):
	case value == "":
		_ = os.Setenv("GODEBUG", setting+"1") // that it failed, the server's self-test tells
	default:
		_ = os.Setenv("GODEBUG", value+","+setting+"1")
	}
}
