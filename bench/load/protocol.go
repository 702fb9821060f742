package main

import (
	"bytes"
	"strconv"
	"strings"
)

// A protocol is how readers ask a server for a channel, and what they owe it
// then.
type protocol struct {
	path    string // of the request; %d is the number of the channel
	header  string // of the request, beside Host
	framing func() framing
	hello   string                // sent over a WebSocket when it is open; %d is the number of the channel
	ready   string                // what the server says first, if it says anything
	pong    func(p []byte) string // what a frame is answered with over a WebSocket; "" is nothing
	asks    asks
}

// asks is when a reader asks again.
type asks int

const (
	once   asks = iota
	atOnce      // after each answer
	later       // a while after each answer
)

const (
	upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	events  = "Accept: text/event-stream\r\n"
)

func framed() framing    { return &frames{} }
func answering() framing { return &answers{} }

// streamed is a response without end, whose head says how it is framed.
func streamed() framing { return nil }

// protocols by the name of the server and of the way to read.
var protocols = map[string]protocol{
	"pabal websocket": {path: "/channels/c%d", header: upgrade, framing: framed},
	"pabal sse":       {path: "/channels/c%d?via=sse&since=now", framing: streamed, ready: "$live"},
	"pabal stream":    {path: "/channels/c%d?via=stream&since=now", framing: streamed, ready: "$live"},
	"pabal longpoll":  {path: "/channels/c%d?via=longpoll", framing: answering, asks: atOnce},
	"pabal poll":      {path: "/channels/c%d?via=poll", framing: answering, asks: later},

	"nchan websocket": {path: "/sub/c%d", header: upgrade, framing: framed},
	"nchan sse":       {path: "/sub/c%d", header: events, framing: streamed},

	"centrifuge websocket": {path: "/connection/websocket", header: upgrade, framing: framed, pong: pongCentrifuge,
		hello: `{"id":1,"connect":{"data":{"channel":"c%d"}}}`, ready: `"connect"`},
	"centrifuge sse": {path: "/connection/sse?cf_connect=%7B%22id%22:1,%22connect%22:%7B%22data%22:%7B%22channel%22:%22c%d%22%7D%7D%7D",
		header: events, framing: streamed, ready: `"connect"`},

	"mercure sse":        {path: "/.well-known/mercure?topic=c%d", header: events, framing: streamed},
	"gorilla websocket":  {path: "/read/c%d", header: upgrade, framing: framed},
	"socketio websocket": {path: "/socket.io/?EIO=4&transport=websocket&channel=c%d", header: upgrade, framing: framed, pong: pongEngine, hello: "40", ready: "40{"},
	"limit websocket":    {path: "/read/c%d", header: upgrade, framing: framed},
}

// pongCentrifuge answers the ping, an empty object, that may come in one frame
// with messages, a line each.
func pongCentrifuge(p []byte) string {
	if bytes.HasPrefix(p, []byte("{}")) || bytes.Contains(p, []byte("\n{}")) {
		return "{}"
	}
	return ""
}

// pongEngine answers the ping of Engine.IO.
func pongEngine(p []byte) string {
	if len(p) == 1 && p[0] == '2' {
		return "3"
	}
	return ""
}

// request is what a reader of channel sends first, or, with a cursor, next.
func (p *protocol) request(dst []byte, channel int, cursor []byte) []byte {
	dst = append(dst, "GET "...)
	switch {
	case p.asks == once:
		dst = appendNamed(dst, p.path, channel)
	case len(cursor) > 0:
		dst = appendNamed(dst, p.path, channel)
		dst = append(append(dst, "&cursor="...), cursor...)
	default: // where it ends now
		dst = appendNamed(dst, "/channels/c%d?via=poll&since=now", channel)
	}
	dst = append(dst, " HTTP/1.1\r\nHost: localhost\r\n"...)
	dst = append(dst, p.header...)
	return append(dst, "\r\n"...)
}

// appendFrame appends a frame of a WebSocket's client. (The mask is 0, which
// leaves the payload as it is.)
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	if len(payload) < 126 {
		dst = append(dst, 0x80|byte(len(payload)))
	} else {
		dst = append(dst, 0x80|126, byte(len(payload)>>8), byte(len(payload)))
	}
	return append(append(dst, 0, 0, 0, 0), payload...)
}

// appendNamed appends text, in which %d is the number of the channel.
func appendNamed(dst []byte, text string, channel int) []byte {
	before, after, found := strings.Cut(text, "%d")
	dst = append(dst, before...)
	if found {
		dst = append(strconv.AppendInt(dst, int64(channel), 10), after...)
	}
	return dst
}
