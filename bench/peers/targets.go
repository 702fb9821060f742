package main

import (
	"fmt"
	"math"
	"strings"
)

// A target is a figure that Pabal is to reach, and the one it did.
type target struct {
	what     string
	got      float64 // NaN: it was not measured
	must     float64 // NaN: there is none
	aim      float64
	less     bool   // the less the better
	unit     string // "×", " ms"…
	compared string // with what
}

func (t target) met(bound float64) string {
	switch {
	case math.IsNaN(bound):
		return "–"
	case math.IsNaN(t.got):
		return "not measured"
	case t.less && t.got <= bound, !t.less && t.got >= bound:
		return fmt.Sprintf("%s: met", t.number(bound))
	}
	return fmt.Sprintf("%s: **not met**", t.number(bound))
}

func (t target) number(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	digits := 2
	if v >= 100 {
		digits = 0
	}
	return fmt.Sprintf("%.*f", digits, v) + t.unit
}

// worst is the worst of what f finds for websocket and for sse, the two that
// the targets are about.
func (r *report) worst(less bool, f func(row string) float64) float64 {
	a, b := f("pabal websocket"), f("pabal sse")
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.NaN()
	}
	if less {
		return max(a, b)
	}
	return min(a, b)
}

func (r *report) figure(workload, row, key string) float64 {
	if v, ok := r.median(workload, row, key); ok {
		return v
	}
	return math.NaN()
}

// best finds the best figure of the rows that are in.
func (r *report) best(workload, key string, less bool, in func(*row) bool) (float64, string) {
	best, name := math.NaN(), "nobody"
	for _, row := range r.bench.rows {
		v := r.figure(workload, row.key, key)
		if !in(row) || math.IsNaN(v) || r.flaws(workload, row.key) != "" {
			continue
		}
		if math.IsNaN(best) || less && v < best || !less && v > best {
			best, name = v, row.name
		}
	}
	return best, name
}

func isPeer(r *row) bool     { return r.peer() }
func isGoOrNode(r *row) bool { return r.kind == goOrNode }
func isNchan(r *row) bool    { return r.kind == inC }

// against compares the worse of websocket and sse with the best of the rows
// that are in.
func (r *report) against(what, workload, key string, less bool, must, aim float64, in func(*row) bool) target {
	best, name := r.best(workload, key, less, in)
	got := r.worst(less, func(row string) float64 { return r.figure(workload, row, key) / best })
	return target{what: what, got: got, must: must, aim: aim, less: less, unit: " ×", compared: name}
}

// alone compares websocket with the best of the rows that are in.
func (r *report) alone(what, workload, key string, less bool, must, aim float64, in func(*row) bool) target {
	return r.one("pabal websocket", what, workload, key, less, must, aim, in)
}

// one compares one row with the best of the rows that are in.
func (r *report) one(own, what, workload, key string, less bool, must, aim float64, in func(*row) bool) target {
	best, name := r.best(workload, key, less, in)
	return target{what: what, got: r.figure(workload, own, key) / best, must: must, aim: aim, less: less, unit: " ×", compared: name}
}

// isGoOrNodeBy tells the peers in Go and Node that are read in that way.
func isGoOrNodeBy(way string) func(*row) bool {
	return func(r *row) bool { return isGoOrNode(r) && strings.HasSuffix(r.key, " "+way) }
}

// targets are what Pabal is to reach.
func (r *report) targets() []target {
	none := math.NaN()
	named := func(key string) func(*row) bool { return func(r *row) bool { return r.key == key } }
	many := thousands(r.Sizes.Readers)
	worst := func(what, workload, key string, scale, must, aim float64, unit string) target {
		got := r.worst(true, func(row string) float64 { return r.figure(workload, row, key) / scale })
		return target{what: what, got: got, must: must, aim: aim, less: true, unit: unit, compared: "–"}
	}
	return []target{
		r.against(many+" readers at full speed: deliveries/s", "full", "per_s", false, 4, 6, isPeer),
		r.against(many+" readers at full speed: deliveries/s", "full", "per_s", false, 0.55, 0.8, named("limit-8")),
		r.against(thousands(r.Sizes.Fewer)+" readers at full speed: deliveries/s", "full-fewer", "per_s", false, 1.2, 2, isPeer),
		r.against(many+" readers at full speed: CPU per million", "full", "cpu_million", true, 1/4., 1/6., isPeer),
		r.against(many+" readers, 2 messages/s: CPU per million", "rate-2", "cpu_million", true, 1.1, 0.9, named("limit")),
		r.against(many+" readers, 2 messages/s: p99 age", "rate-2", "p99", true, 1.1, 0.9, named("limit")),
		worst(many+" readers, 10 messages/s: p99 age", "rate-10", "p99", 1, 1000, 500, " ms"),
		worst(many+" readers, 10 messages/s: behind at the end", "rate-10", "behind", 1, 1, 0.5, " s"),
		worst(many+" readers, 20 messages/s: p99 age", "rate-20", "p99", 1, 1000, 500, " ms"),
		worst(many+" readers, 20 messages/s: behind at the end", "rate-20", "behind", 1, 1, 0.5, " s"),
		worst("idle reader: RSS", "idle", "rss", 1024, 2, 1, " KiB"),
		worst("idle reader: goroutines", "idle", "goroutines", 1, 0.01, none, ""),
		r.alone(thousands(r.Sizes.Rooms)+" channels: deliveries/s", "rooms", "per_s", false, 1, 2, isPeer),
		r.alone(thousands(r.Sizes.Rooms)+" channels: CPU per million", "rooms", "cpu_million", true, 1, 0.5, isPeer),
		r.alone("publish with history, one a request: messages/s", "publish-1-0", "per_s", false, 1, none, isGoOrNode),
		r.alone("publish with history, one a request: messages/s", "publish-1-0", "per_s", false, 0.6, 1, isNchan),
		r.alone("publish with history, batches: messages/s", "publish-100-0", "per_s", false, 1, none, isPeer),
		r.one("pabal websocket", "connects/s, websocket", "connect", "per_s", false, 1, none, isGoOrNodeBy("websocket")),
		r.one("pabal sse", "connects/s, SSE", "connect", "per_s", false, 1, none, isGoOrNodeBy("sse")),
		r.against("CPU per connect", "connect", "cpu_ms", true, none, 1, isNchan),
		worst(thousands(r.Sizes.Stalled)+" stalled readers: p99 of the others", "stalled", "ratio", 1, 1.2, 1, " ×"),
		worst(thousands(r.Sizes.Stalled)+" stalled readers: memory grown", "stalled", "grown", 1<<20, 2, none, " MiB"),
	}
}

// reached writes the table of targets.
func (r *report) reached(text *strings.Builder) {
	text.WriteString("\n### To reach\n\nRatios of medians. Of websocket and SSE the worse counts; by itself, websocket.\n\n" +
		"| what | measured | compared with | must | aim |\n|---|--:|---|--:|--:|\n")
	for _, t := range r.targets() {
		compared := t.compared
		if math.IsNaN(t.got) {
			compared = "–"
		}
		fmt.Fprintf(text, "| %s | %s | %s | %s | %s |\n", t.what, t.number(t.got), compared, t.met(t.must), t.met(t.aim))
	}
}

// losses says where another server is ahead of every Pabal.
func (r *report) losses(text *strings.Builder) {
	var lines []string
	for _, w := range workloads(r.Sizes) {
		for _, c := range w.columns {
			if c.better == neither {
				continue
			}
			peer, name := r.best(w.key, c.key, c.better == less, isPeer)
			own, row := r.best(w.key, c.key, c.better == less, func(row *row) bool { return row.kind == ours || row.kind == variant })
			if c.better == less && own > peer || c.better == more && own < peer {
				factor := own / peer
				lines = append(lines, fmt.Sprintf("- %s: %s of %s is %.2f × that of %s.\n", w.title, c.head, row, factor, name))
			}
		}
	}
	text.WriteString("\n### Where Pabal loses\n\n")
	if len(lines) == 0 {
		text.WriteString("In none of the tables below is another server ahead of the best way to read from Pabal.\n")
		return
	}
	text.WriteString("Another server is ahead of the best way to read from Pabal in:\n\n" + strings.Join(lines, ""))
}
