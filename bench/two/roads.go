package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// A road is a way to publish.
type road struct {
	row    string
	server string // the row of the server
	path   string // that a WebSocket is opened at; %d is the number of the publisher; "": none is, commands are posted
	header string // of the handshake, or of each POST with %d for the length of its body
	hello  string // what a WebSocket has to say first, and get an answer to

	// command appends message n of a publisher, as its road has it.
	command func(dst []byte, publisher, n int) []byte

	// acknowledged returns how many messages text from the server acknowledges.
	acknowledged func(text []byte) (int, error)
}

const v1 = "Sec-WebSocket-Protocol: pabal.v1\r\n"

// roads are all that is measured, in the order in which they are shown.
var roads = []*road{
	{row: "pabal", server: "memory", path: "/channels", header: v1, command: command(false), acknowledged: acknowledgedBy(`"ok":true`)},
	{row: "pabal id", server: "memory", path: "/channels", header: v1, command: command(true), acknowledged: acknowledgedBy(`"ok":true`)},
	{row: "raw", server: "memory", path: "/channels/raw-%d", command: bare, acknowledged: once},
	{row: "disk", server: "disk", path: "/channels", header: v1, command: command(false), acknowledged: acknowledgedBy(`"ok":true`)},
	{row: "disk id", server: "disk", path: "/channels", header: v1, command: command(true), acknowledged: acknowledgedBy(`"ok":true`)},
	{row: "post", server: "memory", header: "POST /channels/c%d HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n", command: bare, acknowledged: once},
	{row: "post commands", server: "memory", header: "POST /commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n",
		command: command(false), acknowledged: acknowledgedBy(`"ok":true`)},
	{row: "centrifuge", server: "centrifuge", path: "/connection/websocket", hello: `{"id":1,"connect":{}}`, command: centrifuge, acknowledged: acknowledgedBy(`"publish":{`)},
	{row: "centrifuge history", server: "centrifuge history", path: "/connection/websocket", hello: `{"id":1,"connect":{}}`, command: centrifuge, acknowledged: acknowledgedBy(`"publish":{`)},
}

// payload is the bytes of a message.
const payload = 128

// bare is the message itself.
func bare(dst []byte, publisher, n int) []byte {
	begin := len(dst)
	dst = append(strconv.AppendInt(append(dst, "publisher "...), int64(publisher), 10), ", message "...)
	dst = append(strconv.AppendInt(dst, int64(n), 10), ": "...)
	for len(dst)-begin < payload {
		dst = append(dst, "pabal of old korea "[(len(dst)-begin)%19])
	}
	return dst
}

// command is a publish of pabal.v1.
func command(id bool) func(dst []byte, publisher, n int) []byte {
	return func(dst []byte, publisher, n int) []byte {
		dst = strconv.AppendInt(append(dst, `{"id":`...), int64(n), 10)
		dst = strconv.AppendInt(append(dst, `,"command":"publish","channel":"c`...), int64(publisher), 10)
		if id {
			dst = strconv.AppendInt(append(dst, `","messageId":"publisher-`...), int64(publisher), 10)
			dst = strconv.AppendInt(append(dst, '-'), int64(n), 10)
		}
		return append(bare(append(dst, `","data":"`...), publisher, n), `"}`...)
	}
}

// centrifuge is a publish of its JSON protocol.
func centrifuge(dst []byte, publisher, n int) []byte {
	dst = strconv.AppendInt(append(dst, `{"id":`...), int64(n)+2, 10)
	dst = strconv.AppendInt(append(dst, `,"publish":{"channel":"c`...), int64(publisher), 10)
	return append(bare(append(dst, `","data":"`...), publisher, n), `"}}`...)
}

// acknowledgedBy counts what in a text says so.
func acknowledgedBy(sign string) func([]byte) (int, error) {
	return func(text []byte) (int, error) {
		if bytes.Contains(text, []byte(`"error"`)) {
			return 0, fmt.Errorf("%w: %.300s", errTurnedAway, text)
		}
		return bytes.Count(text, []byte(sign)), nil
	}
}

func once([]byte) (int, error) { return 1, nil }
