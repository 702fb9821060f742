package main

import "fmt"

// how says how all of it was measured.
const how = "`make bench` builds the real binary and runs it with its defaults (memory broker, no TLS, HTTP/1.1) on loopback, without the host's metrics. " +
	"Server and client share the cores, so rates say little about a machine of its own: read the CPU, which is that of the server's process, in its code and in the kernel. " +
	"Each figure is the median of the rounds, with the least and the greatest behind it; × is the ratio within one round. " +
	"Rounds are interleaved, and begin with different techniques. Messages have 128 bytes of text. " +
	"*Client* is the part of the CPU that the measuring program took: what it takes, the server did not get. " +
	"What was published was counted by every reader, by number: all of it came, once, in order. " +
	"The figures of each round are in [benchmarks/cost.json](benchmarks/cost.json).\n"

func sections(s sizes) (publish, deliver, each, idle *section) {
	client := column{key: "client_share", head: "client, %"}
	publish = &section{
		title: "Publishing", first: "how, to one channel", base: manners[0].name + ", 0 readers",
		about: fmt.Sprintf("%d connections send requests, each after the answer to its last; one WebSocket sends without waiting, and also hears all that it publishes. "+
			"The reader is of sse, and the time ends when it has all. It may fall %s messages behind, then the publishers wait for it.", posters, thousands(aheadMost)),
		columns: []column{
			{key: "per_s", head: "messages/s"},
			{key: "cpu_s", head: "CPU s per 100,000", digits: 2},
			{key: "cpu_s", head: "×", digits: 2, ratio: true},
			client,
		},
	}
	deliveries := []column{
		{key: "cpu_us", head: "CPU µs", digits: 2},
		{key: "cpu_us", head: "× sse", digits: 2, ratio: true},
		{key: "bytes_down", head: "bytes down"},
		{key: "bytes_up", head: "bytes up", digits: 1},
		{key: "requests", head: "requests", digits: 3},
		{key: "per_read", head: "messages a read", digits: 1},
		{key: "per_s", head: "deliveries/s"},
		client,
	}
	deliver = &section{
		title: "A delivery, at full speed", first: "technique", base: sse.name, columns: deliveries,
		about: fmt.Sprintf("%d readers of one channel; %s messages, POSTed one after the other, each after the answer to the last. All figures are per delivery, and publishing is in them. "+
			"What gathers while a reader waits for its turn comes in one write or answer: *messages a read* says how many one read of the client found.", s.Readers, thousands(fullSpeed.messages)),
	}
	each = &section{
		title: "A delivery, one at a time", first: "technique", base: sse.name, columns: deliveries,
		about: fmt.Sprintf("The same with %d messages, one every %d ms: most often a stream writes each by itself, and a long poll asks again after each. "+
			"Pollers ask every %d ms. Bytes are those of HTTP or WebSocket, without TCP/IP, and without the opening of streams; a browser sends 400 to 1,000 more in each request.", oneByOne.messages, oneByOne.every.Milliseconds(), pollEvery.Milliseconds()),
	}
	idle = &section{
		title: "An idle connection", first: "technique", base: sse.name,
		about: fmt.Sprintf("The slope between %d and %s readers of one channel without a message, in a process of its own each time, after two garbage collections; "+
			"RSS therefore holds the room that Go leaves to garbage (GOGC=100), heap and stacks are what is in use. Long polls and jsonp come 200 at a time, and have waited for more than the second after which a loop keeps them (park-after); a poll is an idle keep-alive connection. "+
			"What the kernel keeps for a socket is not in it.", s.Few, thousands(s.Many)),
		columns: []column{
			{key: "rss", head: "RSS, KiB", digits: 1, scale: 1024},
			{key: "rss", head: "× sse", digits: 2, ratio: true},
			{key: "heap", head: "heap, KiB", digits: 1, scale: 1024},
			{key: "stack", head: "stacks, KiB", digits: 1, scale: 1024},
			{key: "goroutines", head: "goroutines", digits: 2},
		},
	}
	return publish, deliver, each, idle
}

// thousands writes n with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
