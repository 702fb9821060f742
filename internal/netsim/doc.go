// Package netsim is a network in memory, for bubbles of testing/synctest: it
// waits for channels and timers alone, so that in a bubble its delays cost no
// time. Outside a bubble it works too, in real time.
//
//	n := netsim.New(seed)
//	l, err := n.Listen("10.0.0.1:80")
//	phone := n.Host("phone", netsim.Link{Delay: 80 * time.Millisecond, Jitter: 40 * time.Millisecond})
//	client := &http.Client{Transport: &http.Transport{DialContext: phone.DialContext}}
//
// A [Listener] serves an address. A [Host] is who dials; all its connections
// have the conditions of its [Link], and what befalls it befalls them: they
// break in mid-byte, fall silent, wait, or are not taken from. A [Box] stands
// between hosts and a server and does to HTTP/1.1 what proxies do.
//
// Connections behave like those of TCP: what was written arrives in order, or
// not at all; there is room for a bounded number of bytes under way, so that
// who is not read from cannot write; who closes where bytes lie unread resets
// the connection; and one where nothing gets through any more ends some time
// later, as keep-alive has it.
//
// A bubble's clock stands still as long as somebody waits for a mutex. So
// nobody may hold one that others want while it reads or writes here, as
// net/http does for HTTP/2.
//
// All that is random comes from the seed, for each connection by itself: it
// depends on the host's name, how many connections it made before, and the
// bytes that are written, and on nothing that others do.
package netsim
