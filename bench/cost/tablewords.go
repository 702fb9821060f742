package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// tableHow says how the table was measured.
var tableHow = fmt.Sprintf("Each figure is of a server of its own: the real binary with its defaults (memory broker), with `--tls-cert` where there is TLS, on loopback. "+
	"%d readers follow one channel, into which one message of %d bytes of text comes at a time, evenly; each reader sends what Chromium sends, without a cookie. "+
	"*h1* is HTTP/1.1 in the clear, where a browser sends less (no `Sec-` fields, unless the host is localhost); TLS is version 1.3. Over *h1* and *h2 + TLS* each reader has a connection of its own, as different users have; "+
	"*shared* is what one page could do: %d readers on one connection of HTTP/2, of which the server takes 250 streams. WebSocket is over HTTP/1.1, since the server has it there only. "+
	"*Bytes* are all that TCP carries in both directions, with TLS records, frames and headers, without TCP/IP itself (some 40 to 60 more a packet), and without the opening of what goes on. "+
	"They are counted in a window in the middle of a steady flow, over all readers. *Age* is from when a message was to be published until it was read, at the median and at the 99th per cent. "+
	"*CPU* is that of the server's process per delivered message, publishing in it, by the scheduler's clock; a lone request costs far more than one among many, since a process that sleeps has to be woken. "+
	"Polls come every %s, whatever was in the last; long polls and jsonp wait up to %s (25 s is a long poll's default; with %[5]s a minute has a whole number of them). "+
	"At the two lowest rates, and idle, all ways are measured side by side, at 10 a second those of a technique, at 50 each by itself. "+
	"Any message lost, repeated or out of order would have failed the run. "+
	"All figures are in [benchmarks/cost-table.json](benchmarks/cost-table.json).\n\n"+
	"![Bytes a message by rate, over HTTP/1.1](benchmarks/cost-h1.svg)\n\n![Bytes a message by rate, over HTTP/2 with TLS](benchmarks/cost-h2.svg)\n",
	viewersOf, payloadBytes, streamsMost, seconds(tablePoll), seconds(tableWait))

// formulas says how the prediction is made. The code is in predict.
var formulas = fmt.Sprintf(`
### What it should be

*Predicted* is computed, not measured (bench/cost/predict), with r messages a second, polls every T = %v, waits of W = %v, and signs of life every H = %v:

- **poll**: with n = r·T messages a poll, min(1, 1/n) requests that are answered with max(1, n) messages, and max(0, 1/n − 1) that are answered 204
- **longpoll, jsonp**: one request answered with one message, and ⌊1/(r·W)⌋ empty ones
- **stream, sse, multipart, iframe, page**: one write of the message in its form, and ⌊1/(r·H)⌋ signs of life
- **websocket**: one frame (2 bytes before up to 125 of payload, else 4), and 1/(r·H) pings (2 bytes, with pabal.v1 4) with their masked pongs (6)
- **an idle hour**: 3600/T, 3600/W or 3600/H of the empty ones

A request or an answer over h1 is its text; a write into a response that goes on is a chunk, with its length in hexadecimal and 4 bytes around it. TLS 1.3 with AES-GCM adds 22 bytes to each record (5 before it, 1 for its type, 16 for its tag), and each write is a record up to 16 KiB. Over h2 a request is a HEADERS frame, an answer HEADERS and DATA, a write a DATA frame, each with 9 bytes before it and in a record of its own; headers take what HPACK leaves of them once its tables of 4 KiB are full, in the mean of 200 exchanges, where a browser never puts paths into them (before they are full, as in a quiet minute here, it is up to 3 %% off); and where a server reads nothing for %v it sends a PING, which is answered, 17 bytes each. *Shared*, frames that are written at the same time may share a record, so there the prediction is an upper bound; and a cursor that the answer to one reader put into the tables costs the next one a byte.
`, seconds(tablePoll), seconds(tableWait), seconds(heartbeat), seconds(h2Ping))

func rateSection(p phase) *section {
	rate := fmt.Sprintf("%g messages a second", p.perSecond())
	switch p.perSecond() {
	case 1:
		rate = "One message a second"
	case 0.1:
		rate = "One message in 10 seconds"
	}
	return &section{
		title: rate, first: "technique, protocol",
		about: fmt.Sprintf("Per delivered message, over %s.", seconds(p.window)),
		columns: []column{
			{key: "bytes", head: "bytes"},
			{key: "down", head: "down"},
			{key: "up", head: "up"},
			{key: "predicted", head: "predicted"},
			{key: "of_predicted", head: "÷ predicted", digits: 3},
			{key: "requests", head: "requests", digits: 2},
			{key: "age50_ms", head: "age p50, ms", digits: 1},
			{key: "age99_ms", head: "p99, ms", digits: 1},
			{key: "cpu_us", head: "CPU µs"},
		},
	}
}

func idleSection(s sizes) *section {
	return &section{
		title: "Nothing comes", first: "technique, protocol",
		about: fmt.Sprintf("Per reader, counted over %v, in which there are whole numbers of signs of life, polls and pings, and scaled to an hour. "+
			"A client that asks as rarely as the server advises (`Retry-After: 5` after an empty answer) polls a fifth of that. "+
			"*RSS* is the slope of the server's memory between %d and %s such readers, after two garbage collections; the kernel's memory is not in it.", seconds(quiet.window), s.Few, thousands(s.Many)),
		columns: []column{
			{key: "bytes", head: "KiB an hour", digits: 1, scale: 1024},
			{key: "predicted", head: "predicted", digits: 1, scale: 1024},
			{key: "of_predicted", head: "÷ predicted", digits: 3},
			{key: "requests", head: "requests an hour"},
			{key: "cpu_us", head: "CPU ms an hour", scale: 1000},
			{key: "rss", head: "RSS, KiB", digits: 1, scale: 1024},
		},
	}
}

// famous compares polling with WebSocket by what was measured: the answer to
// "871 bytes against 2". It is empty where that was not measured.
func (r *tableReport) famous() string {
	poll, long := techniques[0], techniques[1]
	socket, sealed := way{rawWebSocket, h1}, way{rawWebSocket, h1TLS}
	var lines strings.Builder
	var rates, over1, over2 []string
	for _, p := range r.phases {
		cells := []string{fmt.Sprintf("%g/s", p.perSecond())}
		for _, c := range []struct{ of, to way }{
			{way{poll, h1}, socket}, {way{long, h1}, socket}, {way{sse, h1}, socket},
			{way{poll, h2TLS}, sealed}, {way{long, h2TLS}, sealed}, {way{sse, h2TLS}, sealed},
		} {
			a, b := r.bytes(p, c.of), r.bytes(p, c.to)
			if a == 0 || b == 0 {
				return ""
			}
			cells = append(cells, fmt.Sprintf("%.1f : 1", a/b))
		}
		rates, over1, over2 = append(rates, fmt.Sprintf("%g", p.perSecond())), append(over1, cells[1]), append(over2, cells[4])
		fmt.Fprintf(&lines, "| %s |\n", strings.Join(cells, " | "))
	}
	empty1, empty2 := r.bytes(quiet, way{poll, h1}), r.bytes(quiet, way{poll, h2TLS})
	if empty1 == 0 || empty2 == 0 {
		return ""
	}
	return fmt.Sprintf("The much-quoted figure, 871 bytes of headers for a poll against 2 for a WebSocket frame, or 435 : 1, counts what is around a message and leaves the message out. "+
		"All bytes counted, with a message of %d bytes and a poll every %s, **the ratio of polling to a raw WebSocket is %s over HTTP/1.1, and %s over HTTP/2 (the WebSocket with TLS), at %s messages a second**. "+
		"An empty poll takes %.0f bytes over HTTP/1.1, and %.0f over HTTP/2 with TLS. So the ratio is one of how rare messages are, at the price of how old they become: a poll is up to %s late. "+
		"A long poll is as prompt as a WebSocket, and costs the same at each rate. Bytes per delivered message, in proportion to a raw WebSocket (in the columns of h2, one with TLS):\n\n"+
		"| rate | poll, h1 | longpoll, h1 | sse, h1 | poll, h2 | longpoll, h2 | sse, h2 |\n|---|--:|--:|--:|--:|--:|--:|\n%s",
		payloadBytes, seconds(tablePoll), listed(over1), listed(over2), listed(rates),
		empty1*tablePoll.Hours(), empty2*tablePoll.Hours(), seconds(tablePoll), lines.String())
}

// listed joins words as a sentence does.
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// seconds writes d with its unit.
func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

// sortedMedian sorts values and returns their median.
func sortedMedian(values []float64) float64 {
	slices.Sort(values)
	return median(values)
}
