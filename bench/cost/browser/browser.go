// Package browser knows what Chromium sends with a request that a page's script
// makes to the page's own server. It is what Chromium 156 on Linux sent, without
// a cookie.
package browser

import "strings"

// A Field is one of a request's header. Its name is as HTTP/1.1 shows it.
type Field struct{ Name, Value string }

// A Request is what a page asks for.
type Request struct {
	Host   string
	Path   string // with the query
	Secure bool   // over TLS
	Bare   bool   // only what has to be there
	Kind   Kind
}

// Kind is what in the page asks.
type Kind int

// The kinds of requests.
const (
	Fetch       Kind = iota // fetch()
	EventSource             // new EventSource()
	Script                  // a script element
	Frame                   // an iframe element
	WebSocket               // new WebSocket()
	WebSocketV1             // the same, with the subprotocol pabal.v1
)

const (
	agent     = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	brands    = `"Not:A-Brand";v="8", "Chromium";v="156"`
	documents = "text/html,application/xhtml+xml,application/xml;q=0.9,image/jxl,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)

// manners are how the kinds differ.
var manners = map[Kind]struct{ accept, mode, dest, priority string }{
	Fetch:       {"*/*", "cors", "empty", "u=1, i"},
	EventSource: {"text/event-stream", "cors", "empty", "u=1, i"},
	Script:      {"*/*", "no-cors", "script", "u=1"},
	Frame:       {documents, "navigate", "iframe", "u=0, i"},
}

// HTTP1 returns r as HTTP/1.1 writes it.
func (r Request) HTTP1() string {
	var text strings.Builder
	text.WriteString("GET " + r.Path + " HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	if r.Kind != WebSocket && r.Kind != WebSocketV1 && !r.Bare {
		text.WriteString("Connection: keep-alive\r\n")
	}
	for _, f := range r.fields() {
		text.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	text.WriteString("\r\n")
	return text.String()
}

// HTTP2 returns the header fields of r over HTTP/2, which is never in the
// clear in a browser.
func (r Request) HTTP2() []Field {
	fields := []Field{{":method", "GET"}, {":authority", r.Host}, {":scheme", "https"}, {":path", r.Path}}
	for _, f := range r.fields() {
		fields = append(fields, Field{strings.ToLower(f.Name), f.Value})
	}
	if !r.Bare {
		fields = append(fields, Field{"priority", manners[r.Kind].priority})
	}
	return fields
}

func (r Request) fields() []Field {
	if r.Kind == WebSocket || r.Kind == WebSocketV1 {
		return r.handshake()
	}
	if r.Bare {
		return nil
	}
	m := manners[r.Kind]
	fields := []Field{{"User-Agent", agent}, {"Accept", m.accept}}
	if r.Secure { // an origin without TLS is told less
		fields = append(fields,
			Field{"sec-ch-ua-platform", `"Linux"`}, Field{"sec-ch-ua", brands}, Field{"sec-ch-ua-mobile", "?0"},
			Field{"Sec-Fetch-Site", "same-origin"}, Field{"Sec-Fetch-Mode", m.mode}, Field{"Sec-Fetch-Dest", m.dest})
	}
	switch r.Kind {
	case EventSource:
		fields = append(fields, Field{"Pragma", "no-cache"}, Field{"Cache-Control", "no-cache"})
	case Frame:
		fields = append(fields, Field{"Upgrade-Insecure-Requests", "1"})
	}
	return append(fields, Field{"Referer", r.origin() + "/"}, Field{"Accept-Encoding", r.codings()}, Field{"Accept-Language", "en-US,en;q=0.9"})
}

// handshake is what asks for a WebSocket (RFC 6455, section 4.1). The key need
// not be random for what is counted here.
func (r Request) handshake() []Field {
	fields := []Field{
		{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="},
	}
	if r.Kind == WebSocketV1 {
		fields = append(fields, Field{"Sec-WebSocket-Protocol", "pabal.v1"})
	}
	if r.Bare {
		return fields
	}
	return append(fields,
		Field{"Pragma", "no-cache"}, Field{"Cache-Control", "no-cache"}, Field{"User-Agent", agent}, Field{"Origin", r.origin()},
		Field{"Accept-Encoding", r.codings()}, Field{"Accept-Language", "en-US,en;q=0.9"},
		Field{"Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"})
}

func (r Request) origin() string {
	if r.Secure {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func (r Request) codings() string {
	if r.Secure {
		return "gzip, deflate, br, zstd"
	}
	return "gzip, deflate"
}
