package main

import "fmt"

// A workload is something that is measured with many rows, and shown in a
// table.
type workload struct {
	key, title, about string
	applies           func(r *row) bool
	columns           []column
}

// A column is one thing that was measured.
type column struct {
	key, head string
	digits    int
	scale     float64 // what one of the units shown is
	better    better
}

// better says which of two values is.
type better int

const (
	neither better = iota
	more
	less
)

var (
	perSecond = column{key: "per_s", head: "deliveries/s", better: more}
	perCPU    = column{key: "cpu_million", head: "CPU s per million", digits: 2, better: less}
	ages      = []column{
		{key: "p50", head: "age p50, ms"}, {key: "p90", head: "p90"}, {key: "p99", head: "p99", better: less}, {key: "p999", head: "p99.9"},
	}
	client  = column{key: "client", head: "load, %"}
	perRead = column{key: "per_read", head: "messages a read", digits: 1}
	idle    = []column{
		{key: "rss", head: "RSS, KiB", digits: 2, scale: 1024, better: less}, {key: "kernel", head: "kernel, KiB", digits: 1, scale: 1024},
		{key: "goroutines", head: "goroutines", digits: 2},
	}
	publishing = []column{
		{key: "per_s", head: "messages/s", better: more}, {key: "cpu_100k", head: "CPU s per 100,000", digits: 2, better: less}, client,
	}
)

// join puts columns in one list.
func join(lists ...[]column) (all []column) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// Which rows a workload is measured with.
func inCrowd(r *row) bool   { return !r.apart }
func notLimit(r *row) bool  { return !r.apart && r.kind != limit }
func oneWrite(r *row) bool  { return !r.apart && r.batch == 0 }
func all(*row) bool         { return true }
func onlyOurs(r *row) bool  { return r.kind == ours && !r.apart && r.way() != "stream" }
func oneEach(r *row) bool   { return r.main }
func withLog(r *row) bool   { return r.main && r.kind != variant && r.key != "gorilla websocket" }
func withBatch(r *row) bool { return r.main && (r.kind == ours || r.key == "centrifuge websocket") }
func mayStall(r *row) bool {
	return onlyOurs(r) || r.key == "nchan websocket" || r.key == "gorilla websocket" || r.key == "centrifuge websocket"
}

// workloads are all that is measured, in the order in which they are shown.
func workloads(s sizes) []*workload {
	many, few := thousands(s.Readers), thousands(s.Few)
	fullSpeed := []column{perSecond, perCPU, perRead, client}
	slowly := join([]column{perCPU}, ages, []column{{key: "behind", head: "behind at the end, s", digits: 1}, perRead, client})
	published := func(requests string, readers int) string {
		return fmt.Sprintf("%d connections publish %s to one channel of which the server keeps the last %s, each after the answer to its last. Readers: %d.",
			posters, requests, thousands(kept), readers)
	}
	return []*workload{
		{key: "full", title: many + " readers of one channel, at full speed", applies: inCrowd, columns: fullSpeed,
			about: fmt.Sprintf("%d connections publish, and stop while the slowest reader is %d messages behind. "+
				"That number bounds what a server can put into one write, if it gathers messages at all; *limit* with 8 a write always puts in eight.", publishers, s.Flight)},
		{key: "full-fewer", title: thousands(s.Fewer) + " readers of one channel, at full speed", applies: all, columns: fullSpeed,
			about: "The same. A poller asks every 250 ms, unless it was told that there is more."},
		{key: "rate-2", title: many + " readers, 2 messages a second", applies: oneWrite, columns: slowly,
			about: "A message's age counts from when it should have been published to when the reader has it."},
		{key: "rate-10", title: many + " readers, 10 messages a second", applies: inCrowd, columns: slowly,
			about: "Where one message a write is more than the machine can do, a server falls behind, or puts more into a write. limit with 8 a write gets eighty messages a second here."},
		{key: "rate-20", title: many + " readers, 20 messages a second", applies: inCrowd, columns: slowly,
			about: "The same with twice as many: more than *limit* can write one by one."},
		{key: "rooms", title: fmt.Sprintf("%s channels of %d readers, at full speed", thousands(s.Rooms), perRoom), applies: oneEachNotLimit, columns: fullSpeed,
			about: fmt.Sprintf("%d connections publish to one channel after the other: a request brings %d deliveries, so that much of it is the cost to publish.", posters, perRoom)},
		{key: "idle", title: "An idle reader", applies: notLimit, columns: idle,
			about: fmt.Sprintf("The slope between %s and %s readers that get nothing: of the server's processes, and of what the kernel keeps in its tables and buffers (half of it, since both ends are here). "+
				"Before it is read, the server gets 3,000 requests for nothing, so that its heap is in use.", few, many)},
		{key: "idle-most", title: "An idle reader, up to " + thousands(s.Most), applies: onlyOurs, columns: idle,
			about: "The same to the limit of 20,000 open files a process."},
		{key: "connect", title: "Connecting", applies: notLimit, about: fmt.Sprintf("%s readers come to the %s that are there, %d at a time, each until messages may come.", thousands(s.Readers-s.Few), few, 128),
			columns: []column{{key: "per_s", head: "connects/s", better: more}, {key: "cpu_ms", head: "CPU ms each", digits: 3, better: less}, client}},
		{key: "publish-1-0", title: "Publishing with history", applies: withLog, columns: publishing, about: published("a message a request", 0)},
		{key: "publish-1-1", title: "Publishing with history, to one reader", applies: withLog, columns: publishing, about: published("a message a request", 1)},
		{key: "publish-100-0", title: "Publishing batches with history", applies: withBatch, columns: publishing, about: published("100 messages a request", 0)},
		{key: "publish-100-1", title: "Publishing batches with history, to one reader", applies: withBatch, columns: publishing, about: published("100 messages a request", 1)},
		{key: "stalled", title: thousands(s.Stalled) + " readers that stop reading", applies: mayStall,
			about: fmt.Sprintf("%s readers get %d messages of %d KiB a second; then %s more come, with segments as of Ethernet, and read nothing. "+
				"What counts is the age at the others. *Grown* is the server's memory, from when a third of the time has passed to the end.", many, stallRate, big>>10, thousands(s.Stalled)),
			columns: []column{
				{key: "p99_without", head: "p99 without, ms"}, {key: "p99", head: "p99 with, ms"}, {key: "ratio", head: "×", digits: 2},
				{key: "rss", head: "RSS, MiB", scale: 1 << 20}, {key: "grown", head: "grown, MiB", scale: 1 << 20, digits: 1}, {key: "buffers", head: "TCP buffers, MiB", scale: 1 << 20},
			}},
	}
}

func oneEachNotLimit(r *row) bool { return oneEach(r) && r.kind != limit }

// thousands writes n with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
