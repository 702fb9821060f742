package main

// A technique is a way to read, as this program asks for it.
type technique struct {
	name   string
	query  string // of the URL
	header string // of the request, beside Host
	kind   kind
}

// kind is how a technique's connection is used.
type kind int

const (
	streamed kind = iota // one response without end, or a WebSocket
	parked               // a request waits at the server until there is something
	polled               // a request is answered at once, and the next comes later
)

const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

var (
	sse          = &technique{name: "sse", query: "via=sse", kind: streamed}
	rawWebSocket = &technique{name: "websocket raw", query: "via=websocket", header: upgrade, kind: streamed}

	pabalWebSocket = &technique{name: "websocket pabal.v1", query: "via=websocket", header: upgrade + "Sec-WebSocket-Protocol: pabal.v1\r\n", kind: streamed}

	techniques = []*technique{
		{name: "poll", query: "via=poll", kind: polled},
		{name: "longpoll", query: "via=longpoll", kind: parked},
		{name: "jsonp", query: "via=jsonp&callback=got&wait=25", kind: parked},
		{name: "stream", query: "via=stream", kind: streamed},
		sse,
		{name: "multipart", query: "via=multipart", kind: streamed},
		{name: "iframe", query: "via=iframe", kind: streamed},
		{name: "page", query: "via=page", kind: streamed},
		rawWebSocket,
		pabalWebSocket,
	}
)

func (t *technique) isWebSocket() bool { return t == rawWebSocket || t == pabalWebSocket }
