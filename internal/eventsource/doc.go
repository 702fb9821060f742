// Package eventsource is an EventSource as section 9.2 of the HTML standard
// writes it, for tests that hold a server against what browsers do. It knows
// nothing of Pabal.
//
// In one thing it follows browsers and the web platform tests, not the
// letter: the buffer of the last event ID does not begin empty with each
// response, but with the last event ID. By the letter, the first event without
// an ID would make a reconnected source forget where it stood.
//
// What Go's HTTP client does as a browser would is left to it: redirects,
// compression, HTTP/2. There is no CORS.
package eventsource
