// Package server is a node of Pabal: the one place that knows all parts. It
// wires them by hand ([New]), listens, guards what comes in, tells how it
// fares, and ends without losing anything ([Server.Run]).
//
// A request passes, in this order:
//
//	address    who asks, behind trusted proxies too
//	guard      is the Host this server's, and may a page of that origin ask
//	rate       does this address ask too often
//	routes     /channels, /health, /metrics, or the pages
package server
