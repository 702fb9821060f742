// Package predict computes from first principles how many bytes go over the
// wire for each message that a reader gets, and for an idle reader in an hour:
// from the forms that docs/http.md describes, and from how HTTP/1.1, HTTP/2,
// HPACK, WebSocket and TLS 1.3 frame what they carry. Nothing here is measured.
package predict

import (
	"math"
	"time"

	"github.com/pabal/pabal/bench/cost/browser"
)

// A Case is one way to read, and how fast messages come.
type Case struct {
	Technique string        // as Pabal names it; "websocket raw" and "websocket pabal.v1"
	TLS       bool          // version 1.3
	HTTP2     bool          // with TLS
	Streams   int           // readers that share a connection of HTTP/2; 0 or 1: none do
	Every     time.Duration // between two messages; 0: none come
	Request   browser.Request
	Message   Message

	Poll      time.Duration // between two polls
	Wait      time.Duration // of a long poll
	Heartbeat time.Duration // of the server
	Ping      time.Duration // of the server over HTTP/2, where it reads nothing
}

// A Cost is what a message costs one reader, or what time costs it.
type Cost struct {
	Up, Down float64 // bytes
	Requests float64
}

// Total returns the bytes of both directions.
func (c Cost) Total() float64 { return c.Up + c.Down }

// Plus returns the sum.
func (c Cost) Plus(d Cost) Cost { return Cost{c.Up + d.Up, c.Down + d.Down, c.Requests + d.Requests} }

// Times returns n times the cost.
func (c Cost) Times(n float64) Cost { return Cost{c.Up * n, c.Down * n, c.Requests * n} }

// PerMessage returns what each message costs a reader, while they come as
// evenly as c says:
//
//	poll      p answers with max(1, n) messages each, and e empty ones, where n is messages a poll:
//	          p = min(1, 1/n), e = max(0, 1/n − 1)
//	long poll an answer with one message, and ⌊every/wait⌋ empty ones
//	others    the message, and ⌊every/heartbeat⌋ signs of life
//
// and what pings cost beside.
func (c Case) PerMessage() Cost {
	switch c.Technique {
	case "poll":
		perPoll := float64(c.Poll) / float64(c.Every)
		e := max(0, 1/perPoll-1)
		full, empty := c.exchanges(cycle{max(1, perPoll), int(math.Ceil(e))})
		return full.Times(min(1, 1/perPoll)).Plus(empty.Times(e))
	case "longpoll", "jsonp":
		empties := int(c.Every / c.Wait)
		full, empty := c.exchanges(cycle{1, empties})
		return full.Plus(empty.Times(float64(empties)))
	case "websocket raw", "websocket pabal.v1":
		return Cost{Down: c.pushed(c.Message.frame(c.Technique))}.Plus(c.ping().Times(float64(c.Every) / float64(c.Heartbeat)))
	}
	cost := Cost{Down: c.pushed(c.Message.streamed(c.Technique)) + c.pushed(beat(c.Technique))*float64(c.Every/c.Heartbeat)}
	return cost.Plus(c.ping().Times(float64(c.Every) / float64(c.Ping)))
}

// PerHour returns what a reader costs in an hour in which nothing comes.
func (c Case) PerHour() Cost {
	in := func(every time.Duration) float64 { return float64(time.Hour) / float64(every) }
	switch c.Technique {
	case "poll":
		_, empty := c.exchanges(cycle{empties: 1})
		return empty.Times(in(c.Poll))
	case "longpoll", "jsonp":
		_, empty := c.exchanges(cycle{empties: 1})
		return empty.Times(in(c.Wait))
	case "websocket raw", "websocket pabal.v1":
		return c.ping().Times(in(c.Heartbeat))
	}
	return Cost{Down: c.pushed(beat(c.Technique)) * in(c.Heartbeat)}.Plus(c.ping().Times(in(c.Ping)))
}

// Overheads of framing, in bytes.
const (
	record  = 22      // of a record of TLS 1.3 with AES-GCM: 5 before it, 1 for its type, 16 for its tag
	most    = 1 << 14 // in a record, and in a frame of HTTP/2
	h2Frame = 9
)

// pushed returns the bytes of a write of n bytes into what goes on.
func (c Case) pushed(n int) float64 {
	switch {
	case c.Technique == "websocket raw" || c.Technique == "websocket pabal.v1":
		return c.sealed(n)
	case c.HTTP2:
		return c.sealed(framed(n))
	}
	return c.sealed(chunked(n))
}

// sealed returns the bytes of one write of n bytes to the connection.
func (c Case) sealed(n int) float64 {
	if !c.TLS {
		return float64(n)
	}
	return float64(n + pieces(n)*record)
}

// framed returns the bytes of DATA frames that carry n bytes.
func framed(n int) int { return n + pieces(n)*h2Frame }

// pieces returns how many records or frames carry n bytes.
func pieces(n int) int { return max(1, (n+most-1)/most) }

// chunked returns the bytes of a chunk that carries n bytes: before them their
// number in hexadecimal and CRLF, behind them CRLF.
func chunked(n int) int {
	digits := 0
	for rest := n; rest > 0; rest >>= 4 {
		digits++
	}
	return n + digits + 4
}

// ping returns what a sign of life of the connection itself costs: of a
// WebSocket a ping (2 bytes, of pabal.v1 also an empty message) and the masked
// pong (6); of HTTP/2 a PING and its answer, shared by all readers of the
// connection.
func (c Case) ping() Cost {
	switch {
	case c.Technique == "websocket raw":
		return Cost{Down: c.sealed(2), Up: c.sealed(6)}
	case c.Technique == "websocket pabal.v1":
		return Cost{Down: c.sealed(4), Up: c.sealed(6)}
	case c.HTTP2:
		both := c.sealed(h2Frame + 8)
		return Cost{Down: both, Up: both}.Times(1 / float64(max(1, c.Streams)))
	}
	return Cost{}
}
