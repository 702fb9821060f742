package main

import (
	"fmt"
	"math"
	"strings"
)

// A target is a figure that Pabal is to reach.
type target struct {
	what         string
	section, key string
	row, than    string  // than: of a ratio, the row it is to
	scale        float64 // what one of the units shown is
	aim          float64 // NaN: none
	less         bool    // the less the better
	unit         string
}

func targets(s sizes) []target {
	none := math.NaN()
	stored := thousands(s.Channels)
	synced := func(row, than, name string, aim float64) target {
		return target{what: "synced publishes, 256 clients" + name, section: "synced", key: "per_s-256", row: row, than: than, aim: aim, unit: " ×"}
	}
	list := []target{
		synced("pabal", "jetstream", ", beside JetStream", 10), synced("pabal", "bbolt", ", beside bbolt", 1), synced("pabal", "sqlite", ", beside SQLite", 1),
		synced("pabal one", "bbolt one", " of one channel, beside bbolt", 1), synced("pabal one", "sqlite one", " of one channel, beside SQLite", 1),
		synced("pabal", "file", ", beside a file", none),
		{what: "the same over HTTP, beside Mercure with Bolt", section: "http", key: "per_s-256", row: "pabal", than: "mercure", aim: 1, unit: " ×"},
		{what: "unsynced publishes, 256 clients, beside JetStream", section: "unsynced", key: "per_s", row: "pabal", than: "jetstream", aim: 5, unit: " ×"},
		{what: "unsynced publishes, 256 clients: Pebble alone, beside JetStream", section: "unsynced", key: "per_s", row: "pebble", than: "jetstream", aim: none, unit: " ×"},
		{what: "unsynced, " + thousands(inFlight) + " under way, beside JetStream's PublishAsync", section: "unsynced", key: "per_s", row: "pabal many", than: "jetstream async", aim: none, unit: " ×"},
		{what: fmt.Sprintf("%d entries of history, of %s channels: p50", wanted, stored), section: "history", key: "p50", row: "long 1", aim: 1, less: true, unit: " ms"},
	}
	for _, r := range []row{{key: "clean", name: "after a clean stop"}, {key: "killed", name: "after kill -9"}} {
		list = append(list, target{what: "start with " + stored + " channels, " + r.name + ": first read", section: "restart", key: "read", row: r.key, scale: 1000, aim: 2, less: true, unit: " s"})
	}
	for _, r := range []row{{key: "written", name: "all written"}, {key: "started", name: "started"}, {key: "read", name: "each read"}} {
		list = append(list, target{what: stored + " idle channels, " + r.name + ": RSS", section: "memory", key: "rss", row: r.key, scale: 1 << 20, aim: 300, less: true, unit: " MiB"})
	}
	for _, r := range []row{{key: "fewer", name: thousands(s.Fewer)}, {key: "many", name: thousands(s.Readers)}} {
		list = append(list, target{what: "deliveries/s to " + r.name + " readers, beside memory", section: "fanout", key: "per_s-" + r.key, row: "disk", than: "memory", aim: 0.9, unit: " ×"})
	}
	return list
}

// met says whether got reaches the aim.
func (t *target) met(got float64) string {
	switch {
	case math.IsNaN(t.aim):
		return "–"
	case math.IsNaN(got):
		return "not measured"
	case t.less && got <= t.aim, !t.less && got >= t.aim:
		return t.number(t.aim) + ": met"
	}
	return t.number(t.aim) + ": **not met**"
}

func (t *target) number(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	digits := 2
	if v >= 100 {
		digits = 0
	}
	return fmt.Sprintf("%.*f%s", digits, v, t.unit)
}

// reached writes the table of targets.
func (r *report) reached(text *strings.Builder) {
	text.WriteString("\n### To reach\n\nMedians; of ratios, that of the ratios in each round.\n\n| what | measured | aim |\n|---|--:|--:|\n")
	for _, t := range targets(r.Sizes) {
		got := median(r.values(t.section, t.row, t.than, column{key: t.key, scale: t.scale}))
		fmt.Fprintf(text, "| %s | %s | %s |\n", t.what, t.number(got), t.met(got))
	}
}
