// Package h2connect opens one stream through the extended CONNECT of HTTP/2 (RFC
// 8441), as a browser does for a WebSocket. It shares no code with net/http,
// whose client cannot do this, so that a server can be held against it.
//
//	s, err := h2connect.Open(conn, h2connect.Request{Authority: "localhost:8080", Path: "/channels/chat",
//		Header: []string{"Sec-WebSocket-Version: 13"}})
//
// A [Stream] is then read and written like a connection. It has a connection
// of HTTP/2 to itself. Of what the server answers only the status is read, and
// the body of a refusal.
//
// # Concurrency
//
// One goroutine may read a Stream while another writes it; all else may be
// called from anywhere. A goroutine of its own reads the connection until
// [Stream.Close] has returned.
package h2connect
