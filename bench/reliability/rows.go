package main

import "context"

// A row is a server and a way to read from it.
type row struct {
	key, name string
	kind      *kind
	read      func(context.Context, *audience) error
	only      []string // keys of the faults it is for; nil: all
	blind     bool     // it has no watchdog, so that it does not notice a silent connection
}

// ours reports whether a row is Pabal's.
func (r *row) ours() bool { return r.kind == pabalDisk || r.kind == pabalMemory }

// rows are all of them, in the order of the tables.
var rows = []*row{
	{key: "pabal-poll", name: "Pabal, poll", kind: pabalDisk, read: byTechnique("poll")},
	{key: "pabal-longpoll", name: "Pabal, long poll", kind: pabalDisk, read: byTechnique("longpoll")},
	{key: "pabal-stream", name: "Pabal, stream", kind: pabalDisk, read: byTechnique("stream")},
	{key: "pabal-sse", name: "Pabal, SSE", kind: pabalDisk, read: byTechnique("sse")},
	{key: "pabal-eventsource", name: "Pabal, SSE by EventSource", kind: pabalDisk, read: byEventSource(pabalEvents), blind: true},
	{key: "pabal-multipart", name: "Pabal, multipart", kind: pabalDisk, read: byTechnique("multipart")},
	{key: "pabal-iframe", name: "Pabal, iframe", kind: pabalDisk, read: byTechnique("iframe")},
	{key: "pabal-jsonp", name: "Pabal, JSONP", kind: pabalDisk, read: byTechnique("jsonp")},
	{key: "pabal-websocket", name: "Pabal, WebSocket", kind: pabalDisk, read: byTechnique("websocket")},
	{key: "pabal-client", name: "Pabal, Go client", kind: pabalDisk, read: byClient},
	{key: "pabal-hopping", name: "Pabal, Go client, hopping", kind: pabalDisk, read: byHopping},
	{key: "pabal-memory", name: "Pabal in memory, Go client", kind: pabalMemory, read: byClient, only: []string{"kill", "restart"}},
	{key: "socketio", name: "Socket.IO", kind: socketIO, read: byNode("socketio.js")},
	{key: "centrifuge", name: "centrifuge", kind: centrifuge, read: byNode("centrifuge.js")},
	{key: "mercure", name: "Mercure, SSE by EventSource", kind: mercure, read: byEventSource("/.well-known/mercure?topic="), blind: true},
	{key: "nchan-eventsource", name: "Nchan, SSE by EventSource", kind: nchan, read: byEventSource("/sub/"), blind: true},
	{key: "nchan-longpoll", name: "Nchan, long poll", kind: nchan, read: byNchanPolls},
}
