package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/pabal/pabal/bench/cost/browser"
	"github.com/pabal/pabal/bench/cost/predict"
)

// A protocol is how HTTP gets to the server.
type protocol struct {
	name    string
	tls, h2 bool
	shared  bool // readers share a connection
}

var (
	h1       = protocol{name: "h1"}
	h1TLS    = protocol{name: "h1 + TLS", tls: true}
	h2TLS    = protocol{name: "h2 + TLS", tls: true, h2: true}
	h2Shared = protocol{name: "h2 + TLS, shared", tls: true, h2: true, shared: true}
)

// streamsMost is how many readers share a connection of HTTP/2. The server
// takes 250 streams.
const streamsMost = 50

// What clients and the server of the table keep to. The first two are the
// client's choice, the others the server's defaults.
const (
	tablePoll = time.Second
	tableWait = 20 * time.Second
	heartbeat = 15 * time.Second
	h2Ping    = 30 * time.Second
)

// A way is a technique over a protocol.
type way struct {
	*technique
	protocol
}

func (w way) String() string { return w.name() + ", " + w.protocol.name }

func (w way) name() string { return w.technique.name }

// share is of which techniques it is measured what sharing a connection does.
var share = []string{"poll", "longpoll", "stream", "sse"}

// ways are all, those of a technique one after the other. WebSocket needs
// HTTP/1.1 here.
func ways() (all []way) {
	for _, t := range techniques {
		all = append(all, way{t, h1}, way{t, h1TLS})
		if !t.isWebSocket() {
			all = append(all, way{t, h2TLS})
		}
		if slices.Contains(share, t.name) {
			all = append(all, way{t, h2Shared})
		}
	}
	return all
}

// tableQueries are what a technique asks for where that is not its usual query.
var tableQueries = map[string]string{
	"longpoll": fmt.Sprintf("via=longpoll&wait=%.0f", tableWait.Seconds()),
	"jsonp":    fmt.Sprintf("via=jsonp&callback=got&wait=%.0f", tableWait.Seconds()),
}

// request returns what a page would send to read channel from s, up to where
// the path says from where.
func (w way) request(s *server, channel string, bare bool) browser.Request {
	query := w.query
	if q, ok := tableQueries[w.name()]; ok {
		query = q
	}
	kinds := map[string]browser.Kind{
		"sse": browser.EventSource, "jsonp": browser.Script, "iframe": browser.Frame, "page": browser.Frame,
		rawWebSocket.name: browser.WebSocket, pabalWebSocket.name: browser.WebSocketV1,
	}
	return browser.Request{
		Host: s.host(), Path: "/channels/" + channel + "?" + query + "&", Secure: w.tls, Bare: bare, Kind: kinds[w.name()],
	}
}

// prediction returns the case of w with a message every so often, 0 for none.
// Epoch and offset are of
// the cursor of a message.
func (w way) prediction(r browser.Request, channel, epoch string, offset int, every time.Duration) predict.Case {
	streams := 1
	if w.shared {
		streams = streamsMost
	}
	r.Path += "cursor="
	return predict.Case{
		Technique: w.name(), TLS: w.tls, HTTP2: w.h2, Streams: streams, Every: every, Request: r,
		Message: predict.Message{Channel: channel, Epoch: epoch, Offset: offset, Data: payloadBytes},
		Poll:    tablePoll, Wait: tableWait, Heartbeat: heartbeat, Ping: h2Ping,
	}
}

// lengths divides the numbers from first to last by how many digits they have:
// one of each, and what part of all it stands for.
func lengths(first, last int) map[int]float64 {
	parts := map[int]float64{}
	for low := 1; low <= last; low *= 10 {
		from, to := max(first, low), min(last, 10*low-1)
		if from <= to {
			parts[from] = float64(to-from+1) / float64(last-first+1)
		}
	}
	return parts
}
