// Package epoll is sockets that never block, and one place to wait for all of
// them, as Linux has it (epoll(7)). Reading and writing are bare system calls
// that Go's scheduler does not hear of: they take some microseconds and never
// wait. On other systems [New] says that it is not supported.
//
// # Concurrency
//
// A [Poller] and the sockets that were added to it belong to one goroutine.
// Only [Poller.Wake] may be called by others, until Close.
package epoll

import "errors"

// ErrAgain says that a socket would have to wait: its poller tells when it
// need not any more.
var ErrAgain = errors.New("the socket is not ready")

// An Event says what a socket has become ready for, since it was last told.
type Event struct {
	Token    uint64 // that the socket was added with
	Readable bool   // there is something to read, or an end
	Writable bool   // there is room to write, or nobody to take it
	Gone     bool   // the peer will send no more, or the connection is broken
}
