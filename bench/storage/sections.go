package main

import "fmt"

// A section is one table of what was measured.
type section struct {
	key, title, about, first string
	part                     string // that measures it
	columns                  []column
	rows                     []row
}

// A row is one thing as it was measured in different ways.
type row struct {
	key, name string
	over      string // the row that ratios compare with
}

// A column is one thing that was measured.
type column struct {
	key, head string
	digits    int
	scale     float64 // what one of the units shown is
	ratio     bool    // to another row's, of the same round
	inverse   bool    // of the other row's to this
}

// thousands writes n with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// sections are all that is measured, in the order in which they are shown.
func sections(s sizes) []*section {
	return append(publishSections(), storeSections(s)...)
}

func publishSections() []*section {
	return []*section{
		{key: "synced", part: "synced", title: "Synced publishes, in the process", first: "store",
			about: "Clients are goroutines; each publishes to a channel of its own, or all to one, the next message after the answer to its last, which comes when the message is synced. " +
				"× is Pabal's rate with 256 clients over that of the row, in the same round, with as many channels. CPU is that of the process, clients included. " +
				"JetStream: a server in the process (file store, one replica, `SyncAlways`), one stream, a subject for each client, eight connections in memory, `Publish`. It syncs each message by itself. " +
				"bbolt: `Batch`, which commits when all clients are in it, or after 1 ms (`Update` where there is one client); pages are filled, and the file has no free list. " +
				"SQLite (modernc.org/sqlite, without cgo): WAL, `synchronous=FULL`, a checkpoint every 10,000 pages, one writer that puts up to 256 waiting publishes into one transaction, with a prepared statement. " +
				"Both keep messages by channel and number, as is needed to read a channel from any place: with 256 channels a commit touches 256 places of their trees, and with one, one. " +
				"*A file* is what the disk and a queue allow: the same groups appended to a file, one `fdatasync` each, and nothing found again. " +
				"None of these has Pabal's positions, known IDs, retention or tails. After each run, all that was answered was counted in the store.",
			columns: []column{
				{key: "per_s-1", head: "1 client, messages/s"}, {key: "per_s-16", head: "16 clients"}, {key: "per_s-256", head: "256 clients"},
				{key: "per_s-256", head: "Pabal, ×", digits: 2, ratio: true, inverse: true},
				{key: "p50-256", head: "256: p50, ms", digits: 2}, {key: "p99-256", head: "p99", digits: 2}, {key: "cpu_us-256", head: "CPU µs each", digits: 1},
			},
			rows: []row{
				{"pabal", "Pabal, disk broker", "pabal"}, {"jetstream", "NATS JetStream", "pabal"}, {"bbolt", "bbolt", "pabal"}, {"sqlite", "SQLite", "pabal"},
				{"pabal one", "Pabal, one channel", "pabal one"}, {"bbolt one", "bbolt, one channel", "pabal one"}, {"sqlite one", "SQLite, one channel", "pabal one"},
				{"file", "a file", "pabal"},
			}},
		{key: "http", part: "http", title: "Synced publishes, over HTTP", first: "server",
			about: "The same from [bench/load](../bench/load), over kept-alive connections, a POST for each message. Server and load share the cores. Mercure is the [small server](../bench/peers/mercure) around its hub that is also measured above, with its Bolt transport; it finds messages by their place in one log of all topics. Neither drops anything.",
			columns: []column{
				{key: "per_s-1", head: "1 client, messages/s"}, {key: "per_s-16", head: "16 clients"}, {key: "per_s-256", head: "256 clients"},
				{key: "per_s-256", head: "Pabal, ×", digits: 2, ratio: true, inverse: true}, {key: "cpu_us-256", head: "256: server's CPU µs each", digits: 1},
			},
			rows: []row{{"pabal", "`pabal serve`", "pabal"}, {"mercure", "Mercure, Bolt", "pabal"}}},
		{key: "unsynced", part: "unsynced", title: "Unsynced publishes, in the process", first: "store",
			about: fmt.Sprintf("Pabal with `sync: never`; JetStream without `SyncAlways`, which syncs every two minutes. The first rows as above, with 256 clients. *Pebble alone* is what the disk broker stands on, with a queue: a row a message, in groups, and nothing else; *a file* is the same groups appended. Five times JetStream is more than Pebble alone reaches: that aim is a mark, and not promised. "+
				"JetStream's `PublishAsync` does not wait for the answer to each message: one client with up to %[1]s under way, which was faster than several with fewer. Pabal has no such call, so it gets %[1]s clients.",
				thousands(inFlight)),
			columns: []column{
				{key: "per_s", head: "messages/s"}, {key: "p50", head: "p50, ms", digits: 3}, {key: "p99", head: "p99", digits: 3}, {key: "cpu_us", head: "CPU µs each", digits: 1},
			},
			rows: []row{
				{key: "pabal", name: "Pabal, 256 clients"}, {key: "jetstream", name: "JetStream, 256 clients"},
				{key: "pebble", name: "Pebble alone, 256 clients"}, {key: "file", name: "a file, 256 clients"},
				{key: "pabal many", name: "Pabal, " + thousands(inFlight) + " clients"},
				{key: "jetstream async", name: "JetStream, `PublishAsync`, " + thousands(inFlight) + " under way"},
			}},
	}
}

func storeSections(s sizes) []*section {
	stored := thousands(s.Channels)
	return []*section{
		{key: "history", part: "million", title: "Reading history, with " + stored + " channels", first: "read",
			about: fmt.Sprintf("Over HTTP, with a kept-alive connection: `?via=poll&since=%d` of random channels, timed at the client. Of the %s channels %s have %d entries; the others have %d, and some a few more. "+
				"The store's own cache has its default size, far below the store's; the system's holds the rest, but for the last row, of which each channel is read first after the system forgot the files.",
				wanted, stored, thousands(s.Deep), long, few),
			columns: []column{{key: "p50", head: "p50, ms", digits: 2}, {key: "p99", head: "p99", digits: 2}, {key: "per_s", head: "reads/s"}},
			rows: []row{
				{key: "long 1", name: fmt.Sprint(wanted, " entries, 1 client")}, {key: "long 16", name: fmt.Sprint(wanted, " entries, 16 clients")},
				{key: "short 1", name: "all entries of any channel, 1 client"}, {key: "long cold", name: fmt.Sprint(wanted, " entries, 1 client, files not in memory")},
			}},
		{key: "restart", part: "million", title: "Starting, with " + stored + " channels", first: "the process before",
			about: fmt.Sprintf("From the start of the process to the first answer of `/health`, and to the first answer with entries of a random channel. The process before published %s messages to random channels, synced, and was ended then. "+
				"In the last row the system first forgot what it held of the store's files.", thousands(s.Touched)),
			columns: []column{{key: "health", head: "healthy, ms"}, {key: "read", head: "first read, ms"}},
			rows:    []row{{key: "clean", name: "stopped (SIGTERM)"}, {key: "killed", name: "killed (SIGKILL)"}, {key: "killed cold", name: "killed, files not in memory"}}},
		{key: "memory", part: "million", title: "Memory, with " + stored + " idle channels", first: "what the process did",
			about: fmt.Sprintf("Of the server's process, with its defaults, once it has collected garbage twice and been left alone for %g s; *at once* is before that. The store is filled once a run, by %d connections, a POST for the entries of each channel, with `sync: never`.",
				s.Tidy, fillers),
			columns: []column{
				{key: "rss", head: "RSS, MiB", scale: 1 << 20}, {key: "rss_first", head: "at once, MiB", scale: 1 << 20}, {key: "heap", head: "Go heap in use, MiB", scale: 1 << 20},
				{key: "filled_per_s", head: "channels filled/s"},
			},
			rows: []row{{key: "written", name: "wrote all of them"}, {key: "started", name: "started"}, {key: "read", name: "read each of them once"}}},
		{key: "fanout", part: "fanout", title: "Many readers, by what keeps the channel", first: "broker",
			about: fmt.Sprintf("Readers of one channel by WebSocket, through the loop, at full speed, from bench/load: %d connections publish, and stop while the slowest reader is %d messages behind. × is to memory, in the same round. One write brings to a reader what was gathered meanwhile: what the disk broker commits together also comes together.", publishers, flight),
			columns: []column{
				{key: "per_s-fewer", head: thousands(s.Fewer) + " readers: deliveries/s"}, {key: "per_s-fewer", head: "×", digits: 2, ratio: true}, {key: "cpu_million-fewer", head: "CPU s per million", digits: 2}, {key: "per_read-fewer", head: "messages a read", digits: 1},
				{key: "per_s-many", head: thousands(s.Readers) + " readers: deliveries/s"}, {key: "per_s-many", head: "×", digits: 2, ratio: true}, {key: "cpu_million-many", head: "CPU s per million", digits: 2}, {key: "per_read-many", head: "messages a read", digits: 1},
			},
			rows: []row{{"memory", "memory", "memory"}, {"disk", "disk, sync always", "memory"}, {"disk never", "disk, sync never", "memory"}}},
	}
}
