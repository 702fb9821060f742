package main

import "fmt"

// A section is one table of what was measured.
type section struct {
	key, title, about, first string
	columns                  []column
	rows                     []row
}

// A row is one thing as it was measured in different ways.
type row struct{ key, name string }

// A column is one thing that was measured.
type column struct {
	key, head string
	digits    int
	over      string // the row that it shows ratios to, of the same round
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
	all := []*section{publishSection(s)}
	for i := range techniques {
		all = append(all, tokenSection(s, i))
	}
	return append(all, joinSection(s))
}

func publishSection(s sizes) *section {
	columns := []column{}
	for _, flight := range flights {
		cpu := fmt.Sprint("cpu_us-", flight)
		columns = append(columns,
			column{key: cpu, head: fmt.Sprintf("%d under way: CPU µs each", flight), digits: 1},
			column{key: cpu, head: "× centrifuge", digits: 2, over: "centrifuge"}, column{key: cpu, head: "× with history", digits: 2, over: "centrifuge history"},
			column{key: fmt.Sprint("per_s-", flight), head: "messages/s"})
	}
	return &section{
		key: "publish", title: "An acknowledged publish", first: "how",
		about: fmt.Sprintf("%d clients, each on a connection of its own and to a channel of its own that nobody else reads, publish messages of %d bytes, each with so many under way: it sends the next for each acknowledgement. CPU is the server's, for each acknowledged message. "+
			"Pabal acknowledges what its broker has kept, with its cursor; centrifuge keeps nothing by itself, and with history as many messages as Pabal does here, %s of a channel. Its acknowledgement says no position. "+
			"With a message ID Pabal remembers it, so that a repeat is kept once; centrifuge's clients have no such thing. A raw WebSocket has no acknowledgement but its echo, which each of its clients waits for: publishing and delivery are in it. "+
			"Pabal's counter of published messages was compared with what was acknowledged.",
			s.Publishers, payload, kept),
		columns: columns,
		rows: []row{
			{"pabal", "Pabal, WebSocket `pabal.v1`"}, {"pabal id", "the same, with a message ID"}, {"raw", "raw WebSocket, with its echo"},
			{"post", "POST /channels"}, {"post commands", "POST /commands"},
			{"disk", "Pabal, WebSocket `pabal.v1`, on disk, synced"}, {"disk id", "the same, with a message ID"},
			{"centrifuge", "centrifuge, WebSocket"}, {"centrifuge history", "centrifuge, WebSocket, with history"},
		},
	}
}

func tokenSection(s sizes, technique int) *section {
	t := techniques[technique]
	columns := []column{}
	for _, pace := range paces {
		key := "cpu_us-" + pace.key
		columns = append(columns, column{key: key, head: pace.name + ": CPU µs a delivery", digits: 2}, column{key: key, head: "×", digits: 3, over: "open"})
	}
	columns = append(columns, column{key: "connect_us", head: "CPU µs a connect", digits: 1}, column{key: "again_us", head: "again, with the same token", digits: 1})
	about := fmt.Sprintf("%s readers of one channel of each of four servers: two without keys, which let anyone on this machine do everything, and two that know a key, whose readers have a token each, of a user of its own. What differs between the first two is chance. "+
		"%s publishes by POST, of one message or of 16, each after all readers had the last: what comes at once is one write to each reader. The servers take turns of a few. "+
		"They connect twice: what was learnt about a token is known the second time.", thousands(s.Readers), thousands(s.Fanouts))
	if technique > 0 {
		about = "The same readers, by " + t.name + "."
	}
	rows := []row{}
	for _, r := range tokenRows {
		rows = append(rows, row{r.key, r.name})
	}
	return &section{key: "tokens " + t.key, title: "Readers with tokens, by " + t.name, first: "readers", about: about, columns: columns, rows: rows}
}

func joinSection(s sizes) *section {
	return &section{
		key: "joins", title: thousands(s.Joins) + " join one channel", first: "what they do",
		about: fmt.Sprintf("%s connections read a channel by server-sent events with `?join`, %s of them opening at any time, and one more reads who comes and goes. Then all of them break off at once, without a word. *Took* is until the last response began, or the last connection was closed; *seen* is until the watcher knew of all. "+
			"Who broke off may come again for %d s (`presence-linger`), which are in it. Publishes are groups of entries with one time. Bytes are those of one watcher, in the JSON form.", thousands(s.Joins), thousands(min(storm, s.Joins)), lingers),
		columns: []column{
			{key: "took", head: "took, s", digits: 2}, {key: "seen", head: "seen, s", digits: 2}, {key: "entries", head: "entries"}, {key: "publishes", head: "publishes"},
			{key: "bytes_each", head: "bytes to a watcher, each"}, {key: "cpu_us", head: "CPU µs each", digits: 1},
		},
		rows: []row{{"open", "open, without `?join`"}, {"join", "join"}, {"leave", "break off"}},
	}
}
