// Package embed puts Pabal into a Go program that has an HTTP server of its
// own: pages, sessions and all.
//
//	node := embed.New(embed.Config{})
//	defer node.Close()
//	mux := http.NewServeMux()
//	mux.Handle("/", node) // it answers below /channels, /commands and /presence; all else is 404
//	mux.HandleFunc("GET /{$}", page)
//	_, err := node.Publish(ctx, "scores", pabal.Message{Data: []byte("2:1")})
//
// The [Node] is what a server of the command pabal serves, but for its
// configuration file, its metrics, its console and its store on disk. It
// brings none of those with it.
//
// # What is the caller's
//
//   - The names by which the server may be asked. One that listens on loopback
//     should refuse a foreign Host header, or a web site can have its name
//     resolve to 127.0.0.1, and is of the same origin then.
//   - The headers by which pages of other origins may read answers (CORS).
//   - The limits of [net/http.Server]. ReadHeaderTimeout and IdleTimeout should
//     be set; WriteTimeout should not, since responses go on and on: the node
//     itself bounds each write.
//   - Who asks: see [Config].Access.
//
// A [net/http.ServeMux] redirects names of channels that have an empty segment
// before the node can refuse them.
//
// # Its end
//
// [Node.Serve] serves until a context ends, and then stops in good order. Who
// serves otherwise stops in this order: [Node.Drain] tells who reads, Shutdown
// of the HTTP server waits for the rest, [Node.Close] ends what is left.
//
// # Concurrency
//
// A Node may be used by any number of goroutines.
package embed
