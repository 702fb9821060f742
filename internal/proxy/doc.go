// Package proxy is a TCP proxy on loopback that makes trouble: it delays, cuts,
// falls silent, is narrow, buffers, strips and refuses, as networks and proxies
// do. What it does to which connection follows from its seed and the order in
// which connections come; when it happens follows from the clock.
//
//	p, err := proxy.Listen("127.0.0.1:8080", 7)
//	p.Set(proxy.Faults{Delay: 20 * time.Millisecond, Life: 2 * time.Second})
//	… dial p.Addr() …
//
// A [Proxy] is safe for concurrent use. Unless a fault says otherwise, bytes
// pass unchanged and in order, one end's FIN becomes a FIN at the other, and
// one end's reset a reset.
package proxy
