// Package server is a node of Pabal: the one place that knows all parts. It
// wires them by hand ([New]), listens, guards what comes in, tells how it
// fares, and ends without losing anything ([Server.Run]).
//
// A request passes, in this order:
//
//	address    who asks, behind trusted proxies too
//	guard      is the Host this server's, and may a page of that origin ask
//	rate       does this address ask too often
//	routes     /channels, /commands, /presence, /health, /metrics, or the pages;
//	           in development mode /dev and /trouble too
//
// Who may do what with a channel is asked by package transport and package api
// of package auth, as the configuration has it for the channel's namespace. No
// token is ever logged, whoever logs.
package server
