package main

import (
	"fmt"
	"strings"
	"time"
)

// markdown returns the report as Markdown.
func (r *report) markdown() string {
	var text strings.Builder
	m := r.Machine
	fmt.Fprintf(&text, "Measured until %s: %d cores (%s), %s, Linux %s, %s. The last run took %s, in %d rounds; load average before it: %s. ",
		r.Date.Format(time.DateOnly), m.Cores, m.CPU, m.Platform, m.Kernel, m.Go, r.Took, r.Sizes.Rounds, r.Load)
	fmt.Fprintf(&text, how, payload)
	r.compared(&text)
	r.reached(&text)
	r.losses(&text)
	if len(r.charts()) > 0 {
		text.WriteString("\n### At a glance\n\nPabal is in colour; *limit* is what a program needs that only writes.\n\n")
		for _, c := range chartList(r.Sizes) {
			if _, ok := r.charts()[c.file]; ok {
				fmt.Fprintf(&text, "![%s](benchmarks/%s)\n\n", c.title, c.file)
			}
		}
	}
	for _, w := range workloads(r.Sizes) {
		r.table(&text, w)
	}
	return text.String()
}

// how says how all of it was measured.
const how = "`make bench-peers` builds, starts and stops each server, one at a time, on loopback, and loads it with [bench/load](../bench/load): one epoll loop that reads raw frames, allocates nothing for a message, and is the same for all. " +
	"Server and load share the cores, so rates say little about a machine of its own; ratios within one run say more. CPU is that of all processes of the server, in its code and in the kernel. *Load* is the part of all CPU time that the load generator took, publishing included: what it takes, the server did not get. " +
	"Each figure is the median of the rounds, with the least and the greatest behind it; rounds are interleaved (each thing with each server, then again), and begin with different servers. " +
	"Messages have %d bytes. They are published over kept-alive connections in the way that is usual for the server: by HTTP. At full speed a message is published as soon as the slowest reader is near enough behind, the same number for all, so that no server's queue overflows. " +
	"Every reader counts by number what it gets: a message that Pabal lost, repeated or gave out of order would have failed the run; of others it would stand behind the name. " +
	"The figures of each round are in [benchmarks/peers.json](benchmarks/peers.json).\n"

// compared says what is compared, and how it runs.
func (r *report) compared(text *strings.Builder) {
	v := r.Versions
	pabal := "Pabal, this version, with its defaults (which keep the last 10,000 messages of a channel), but for metrics of the host and the rotation of long streams"
	if len(r.bench.workshop.pumps) > 1 {
		pabal += "; by its loop, which is what it takes by itself here, and, where the table says so, by its goroutine pump"
	}
	lines := []string{
		pabal + ". WebSocket is without subprotocol, as a browser opens it.",
		v["nchan"] + " (Debian): a worker per core, no access log, messages in shared memory.",
		v["centrifuge"] + ", the library under Centrifugo, in a [small server](../bench/peers/centrifuge): memory engine, JSON protocol, history only where it is measured.",
		v["mercure"] + " in a [small server](../bench/peers/mercure): transport in memory; where history is measured, Bolt, which is on disk and, unlike the others, survives a restart.",
		v["gorilla"] + " in a [hub written by hand](../bench/peers/gorilla), as its users do: a queue and two goroutines for each reader. It keeps nothing.",
		v["socketio"] + ", over WebSocket only, one process; where history is measured, with connection state recovery.",
		"*limit*, a [C program](../bench/peers/limit) that writes a ready frame to all readers in turn and does nothing else, with one message a write or eight.",
	}
	text.WriteString("\n### What is compared\n\n")
	for _, l := range lines {
		fmt.Fprintf(text, "- %s\n", l)
	}
	text.WriteString("\nWhat this does not show: a network, with its losses and round trips; TLS; several nodes; more than two cores. " +
		"The others also do things that Pabal does not, and the other way round; only what the tables name is compared.\n")
}
