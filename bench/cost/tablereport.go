package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A tableReport is what techniques cost, by protocol and by rate.
type tableReport struct {
	setting
	Rounds int                 `json:"rounds"`
	Phases map[string]*section `json:"phases"` // by the names of phases
	phases []phase
}

func newTableReport(b *bench, rounds int) *tableReport {
	r := &tableReport{setting: newSetting(), Rounds: rounds, Phases: map[string]*section{}, phases: b.rates}
	for _, p := range b.rates {
		r.Phases[p.name] = rateSection(p)
	}
	r.Phases[quiet.name] = idleSection(b.sizes)
	return r
}

func (r *tableReport) add(p phase, w way, round int, got sample) {
	r.Phases[p.name].add(w.String(), round, got)
}

// addMemory adds what w takes of memory to what it costs while idle.
func (r *tableReport) addMemory(w way, round int, got sample) {
	idle := r.Phases[quiet.name]
	if samples := idle.Rounds[w.String()]; round < len(samples) {
		samples[round]["rss"] = got["rss"]
		return
	}
	idle.add(w.String(), round, got)
}

// bytes returns the median of the bytes that the rounds found, 0 if they did
// not.
func (r *tableReport) bytes(p phase, w way) float64 {
	values := r.Phases[p.name].values(w.String(), column{key: "bytes"})
	if len(values) == 0 {
		return 0
	}
	return sortedMedian(values)
}

// write writes the report as Markdown.
func (r *tableReport) write(w io.Writer) error {
	var text strings.Builder
	text.WriteString(r.words(r.Rounds) + tableHow)
	if famous := r.famous(); famous != "" {
		text.WriteString("\n### Polling against WebSocket\n\n" + famous)
	}
	text.WriteString(formulas)
	for _, p := range r.phases {
		r.Phases[p.name].write(&text)
	}
	r.Phases[quiet.name].write(&text)
	_, err := io.WriteString(w, text.String())
	return err
}

var tablePlace = place{
	title: "What a technique costs, by protocol and rate",
	begin: "<!-- cost table: made by make bench; what stands here is overwritten -->\n",
	end:   "<!-- cost table: end -->\n",
}

// save writes the report to benchmarks.md in docs, its figures to
// benchmarks/cost-table.json, and its charts beside them.
func (r *tableReport) save(docs string) error {
	if err := save(docs, tablePlace, "cost-table.json", r); err != nil {
		return err
	}
	for _, c := range r.charts() {
		if err := os.WriteFile(filepath.Join(docs, "benchmarks", c.file), []byte(c.svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}
