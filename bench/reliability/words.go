package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// markdown returns the report as Markdown.
func (r *report) markdown() string {
	var text strings.Builder
	r.run(&text)
	r.glance(&text)
	r.slower(&text)
	for _, f := range faults {
		r.table(&text, f)
	}
	return text.String()
}

// run says what was run, and with what.
func (r *report) run(text *strings.Builder) {
	m, v := r.Machine, r.Versions
	fmt.Fprintf(text, "## What was run\n\nRun until %s: %d cores (%s), %s, Linux %s, %s; the last run took %s, load average before it %s; seed %d. ",
		r.Date.Format(time.DateOnly), m.Cores, m.CPU, m.Platform, m.Kernel, m.Go, r.Took, r.Load, r.Sizes.Seed)
	fmt.Fprintf(text, how, r.Sizes.Readers, channels, rate, messageSize, after)
	for _, l := range []string{
		"Pabal, this version, its logs on disk with `sync` `always`; `--heartbeat=2s`, else with its defaults. The techniques are read straight from the wire by [internal/readers](../internal/readers), " +
			"which asks again 50 to 250 ms after a response ended or broke, up to 1 s if that fails, and takes 5 s without a byte for a break (long polls wait 2 s; polls come 200 ms apart). " +
			"*By EventSource* is [internal/eventsource](../internal/eventsource), which does what browsers do and no more: it waits as long as the server says, has no watchdog, and is refused for good. " +
			"*Go client* is [client](../client), which chooses its technique by itself; *hopping*, it takes another at random every second. *In memory* is `--broker=memory`.",
		fmt.Sprintf("Socket.IO: socket.io %s and socket.io-client %s in Node.js %s, with connection state recovery for 2 minutes; WebSocket, and polling where that fails; "+
			"`pingInterval` 2 s and `pingTimeout` 3 s, so that it notices a silent connection after 5 s, too; `reconnectionDelay` 200 ms to 1 s.", v["socket.io"], v["socket.io-client"], v["node"]),
		fmt.Sprintf("centrifuge: the library under Centrifugo, %s, in a [small server](../bench/peers/centrifuge), memory engine, history of %d messages and an hour, subscriptions with recovery and positioning; "+
			"centrifuge-js %s in Node.js over WebSocket (ws %s), and HTTP streaming where that fails; pings every 3 s, of which one may be 2 s late; reconnects after 200 ms to 1 s.", v["centrifuge"], plenty, v["centrifuge-js"], v["ws"]),
		fmt.Sprintf("Mercure: %s in a [small server](../bench/peers/mercure), Bolt on disk with %d messages, a heartbeat every 2 s, read by the same EventSource, which sends Last-Event-ID. The server says no `retry`, so that is 3 s.", v["mercure"], plenty*channels),
		fmt.Sprintf("Nchan: %s (Debian), two workers, a buffer of %d messages a channel in shared memory, read by the same EventSource (no `retry` either), and by long polls that pass on `ETag` and `Last-Modified` and have the same watchdog and pauses as Pabal's.", v["nchan"], plenty),
	} {
		fmt.Fprintf(text, "- %s\n", l)
	}
}

// how says how all of it was run.
const how = "`make reliability` plays one run for each fault and row: it starts the server, puts a [fault proxy](../internal/proxy) before it and %d readers of %d channels behind that. " +
	"When all are live, one publisher a channel begins to publish numbered messages by HTTP, straight to the server: %d a second together, of %d bytes. " +
	"After 1 s the fault begins; %d s after it has ended publishing ends; and the run ends when every reader has come to the end, or after 10 s more. " +
	"The messages that were acknowledged, what each reader got and what its client told it of a recovery that failed go to one [checker](../bench/reliability/judge.go), the same for all. The figures are in [benchmarks/reliability.json](benchmarks/reliability.json).\n\n"

// cell says in a word or two what went wrong in a run.
func (r *result) cell() string {
	if r == nil {
		return "–"
	}
	if r.Failed != "" {
		return "failed"
	}
	var words []string
	for _, w := range []struct {
		n    int
		what string
	}{
		{r.Silent, "**%d lost**"}, {r.Lost - r.Silent, "%d told"}, {r.Repeated, "**%d twice**"}, {r.Disordered, "**%d disordered**"},
		{r.Strange, "**%d strange**"}, {r.Behind, "**%d stuck**"}, {r.Idle, "%d came late"},
	} {
		if w.n > 0 {
			words = append(words, fmt.Sprintf(w.what, w.n))
		}
	}
	if len(words) == 0 {
		return "0"
	}
	return strings.Join(words, ", ")
}

// glance writes the table of all runs.
func (r *report) glance(text *strings.Builder) {
	text.WriteString("\n## At a glance\n\n0: nothing was lost, repeated or out of order. *Lost*: never delivered, and the reader was told nothing; *told*: never delivered, but the reader was told that something is missing; " +
		"*twice*: delivered again; *stuck*: readers that had not caught up when the run ended; *came late*: readers that were not live when publishing began, and so expected less.\n\n|  |")
	for _, f := range faults {
		fmt.Fprintf(text, " %s |", f.title)
	}
	fmt.Fprintf(text, "\n|---|%s\n", strings.Repeat("---|", len(faults)))
	for _, row := range rows {
		fmt.Fprintf(text, "| %s |", row.name)
		for _, f := range faults {
			fmt.Fprintf(text, " %s |", r.Found[f.key][row.key].cell())
		}
		text.WriteByte('\n')
	}
}

// table writes a fault's table.
func (r *report) table(text *strings.Builder, f *fault) {
	fmt.Fprintf(text, "\n## %s\n\n%s\n\n| readers | delivered | lost, told | lost, untold | not yet | repeated | out of order | gaps announced | all caught up after | peak reconnects/s | age p50 | p99 |\n|---|%s\n",
		f.title, f.about, strings.Repeat("--:|", 11))
	for _, row := range rows {
		if row.only != nil && !slices.Contains(row.only, f.key) {
			continue
		}
		got := r.Found[f.key][row.key]
		switch {
		case got == nil:
			fmt.Fprintf(text, "| %s | was not run |%s\n", row.name, strings.Repeat(" – |", 10))
			continue
		case got.Failed != "":
			fmt.Fprintf(text, "| %s | **could not be run**: %s |%s\n", row.name, strings.NewReplacer("|", "/", "\n", " ").Replace(got.Failed), strings.Repeat(" – |", 10))
			continue
		}
		caughtUp := seconds(got.CaughtUp)
		if got.Behind > 0 {
			caughtUp = fmt.Sprintf("**%d of %d not** within the run", got.Behind, r.Sizes.Readers)
		}
		fmt.Fprintf(text, "| %s%s | %s of %s | %s | %s | %s | %s | %s | %s | %s | %d | %s | %s |\n", row.name, got.remarks(r.Sizes.Readers),
			thousands(got.Delivered), thousands(got.Expected), thousands(got.Lost-got.Silent), bold(got.Silent), bold(got.Late), bold(got.Repeated), bold(got.Disordered), thousands(got.Gaps),
			caughtUp, got.Peak, seconds(got.P50), seconds(got.P99))
	}
}

// remarks says what else there is to say of a run.
func (r *result) remarks(readers int) string {
	var words []string
	if r.Idle > 0 {
		words = append(words, fmt.Sprintf("%d of %d were not live when publishing began", r.Idle, readers))
	}
	if r.Unknown > 0 {
		words = append(words, fmt.Sprintf("unknown outcome of publishes: %d", r.Unknown))
	}
	if r.Strange > 0 {
		words = append(words, fmt.Sprintf("**strange**: %s", r.Stories[len(r.Stories)-1]))
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.NewReplacer("|", "/", "\n", " ").Replace(strings.Join(words, "; ")) + ")"
}

// slower says where readers of Pabal take longer than the quickest of the
// others that lost nothing.
func (r *report) slower(text *strings.Builder) {
	text.WriteString("\n## Where Pabal is slower\n\nOf the others, only runs count in which nothing was lost, repeated or out of order (where something must be lost: nothing without a word); differences under 0.1 s do not.\n\n")
	for _, f := range faults {
		best, name := 0.0, ""
		for _, row := range rows {
			if got := r.Found[f.key][row.key]; !row.ours() && got.ran() && got.sound() && got.Idle == 0 && (got.Lost == 0 || f.history > 0) && (name == "" || got.CaughtUp < best) {
				best, name = got.CaughtUp, row.name
			}
		}
		var behind []string
		for _, row := range rows {
			got := r.Found[f.key][row.key]
			switch {
			case name == "" || !row.ours() || !got.ran():
			case got.Behind > 0:
				behind = append(behind, fmt.Sprintf("%s (%d of %d not within the run)", row.name, got.Behind, r.Sizes.Readers))
			case got.CaughtUp > best+0.1:
				behind = append(behind, fmt.Sprintf("%s (%s)", row.name, seconds(got.CaughtUp)))
			}
		}
		if len(behind) > 0 {
			fmt.Fprintf(text, "- %s: %s had all caught up after %s; slower were %s.\n", f.title, name, seconds(best), strings.Join(behind, "; "))
		}
	}
}

func (r *result) ran() bool { return r != nil && r.Failed == "" }

func seconds(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.0f ms", 1000*s)
	}
	return fmt.Sprintf("%.1f s", s)
}

// bold shows a number that should be 0.
func bold(n int) string {
	if n == 0 {
		return "0"
	}
	return "**" + thousands(n) + "**"
}

// thousands shows a number with commas.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
