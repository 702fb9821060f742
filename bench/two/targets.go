package main

import (
	"fmt"
	"math"
	"strings"
)

// A target is a figure that Pabal is to reach.
type target struct {
	what         string
	section, row string
	column       column
	aim          float64 // the most; NaN: none
	unit         string
}

func targets(s sizes) []target {
	none := math.NaN()
	var list []target
	for _, flight := range flights {
		key := fmt.Sprint("cpu_us-", flight)
		what := fmt.Sprintf("CPU of an acknowledged publish, %d under way, ", flight)
		list = append(list,
			target{what + "beside centrifuge", "publish", "pabal", column{key: key, over: "centrifuge"}, 1.5, " ×"},
			target{what + "beside centrifuge with history", "publish", "pabal", column{key: key, over: "centrifuge history"}, 1.5, " ×"},
			target{what + "with a message ID, beside centrifuge with history", "publish", "pabal id", column{key: key, over: "centrifuge history"}, none, " ×"})
	}
	for _, technique := range techniques {
		for _, row := range tokenRows[1:] {
			for _, pace := range paces {
				aim := 1.05
				if row.key == "control" {
					aim = none
				}
				what := fmt.Sprintf("CPU of a delivery by %s, %s: %s", technique.name, pace.name, row.name)
				list = append(list, target{what, "tokens " + technique.key, row.key, column{key: "cpu_us-" + pace.key, over: "open"}, aim, " ×"})
			}
		}
	}
	many := thousands(s.Joins)
	return append(list,
		target{many + " join: all are seen after", "joins", "join", column{key: "seen"}, 10, " s"},
		target{many + " join: entries for each", "joins", "join", column{key: "entries_each"}, 1, ""},
		target{many + " join: publishes", "joins", "join", column{key: "publishes"}, 200, ""},
		target{many + " break off: that is seen after", "joins", "leave", column{key: "seen"}, lingers + 5, " s"},
		target{many + " break off: publishes", "joins", "leave", column{key: "publishes"}, 200, ""})
}

// met says whether got reaches the aim.
func (t *target) met(got float64) string {
	switch {
	case math.IsNaN(t.aim):
		return "–"
	case math.IsNaN(got):
		return "not measured"
	case got <= t.aim:
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
	text.WriteString("\n### To reach\n\nMedians; of ratios, that of the ratios in each round. Deliveries are beside those to readers without a token.\n\n| what | measured | at most |\n|---|--:|--:|\n")
	for _, t := range targets(r.Sizes) {
		got := median(r.values(t.section, t.row, t.column))
		fmt.Fprintf(text, "| %s | %s | %s |\n", t.what, t.number(got), t.met(got))
	}
}
