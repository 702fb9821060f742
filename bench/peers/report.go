package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A sample is what one measurement found, by name.
type sample map[string]float64

// String returns s in a line.
func (s sample) String() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&text, "%s %.4g  ", name, s[name])
	}
	return strings.TrimSpace(text.String())
}

// A report is all that was found, and on what.
type report struct {
	Date     time.Time          `json:"date"`
	Took     string             `json:"took"`
	Machine  machine            `json:"machine"`
	Load     string             `json:"load"` // of the machine when the run began, over 1, 5 and 15 minutes
	Sizes    sizes              `json:"sizes"`
	Versions map[string]string  `json:"versions"`
	Found    map[string]results `json:"found"` // by workload
	fresh    map[string]bool    // what was measured this time, as "workload/row"
	bench    *bench
}

// results are the rounds by row.
type results map[string]*rounds

type rounds struct {
	Date   time.Time `json:"date"`
	Rounds []sample  `json:"rounds"`
}

type machine struct {
	Cores    int    `json:"cores"`
	CPU      string `json:"cpu"`
	Platform string `json:"platform"`
	Kernel   string `json:"kernel"`
	Go       string `json:"go"`
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // what it cannot say is left out
	m.Kernel = strings.TrimSpace(string(kernel))
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpu)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// openReport begins a report, with what the last one in docs found on the same
// machine and with the same sizes.
func openReport(docs string, b *bench) (*report, error) {
	load, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(load))
	r := &report{
		Date: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(), Load: strings.Join(fields[:min(3, len(fields))], " "),
		Sizes: b.sizes, Versions: b.workshop.versions, Found: map[string]results{}, fresh: map[string]bool{}, bench: b,
	}
	if docs == "-" {
		return r, nil
	}
	text, err := os.ReadFile(figures(docs))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	} else if err != nil {
		return nil, err
	}
	var last report
	if err := json.Unmarshal(text, &last); err != nil {
		return nil, fmt.Errorf("%s: %w", figures(docs), err)
	}
	last.Sizes.Rounds = r.Sizes.Rounds
	if last.Machine == r.Machine && last.Sizes == r.Sizes {
		r.keep(last.Found)
	}
	return r, nil
}

// keep takes over what is still measured.
func (r *report) keep(found map[string]results) {
	for _, w := range workloads(r.Sizes) {
		for _, row := range r.bench.rows {
			if kept := found[w.key][row.key]; kept != nil && w.applies(row) {
				r.results(w.key)[row.key] = kept
			}
		}
	}
}

func (r *report) results(workload string) results {
	if r.Found[workload] == nil {
		r.Found[workload] = results{}
	}
	return r.Found[workload]
}

// note adds what a round found; the first of this run replaces what was kept.
func (r *report) note(workload, row string, s sample) {
	found := r.results(workload)
	if key := workload + "/" + row; !r.fresh[key] {
		r.fresh[key] = true
		found[row] = &rounds{Date: r.Date}
	}
	found[row].Rounds = append(found[row].Rounds, s)
}

// values returns what the rounds found, sorted.
func (r *report) values(workload, row, key string) (values []float64) {
	if found := r.Found[workload][row]; found != nil {
		for _, s := range found.Rounds {
			if v, ok := s[key]; ok {
				values = append(values, v)
			}
		}
	}
	slices.Sort(values)
	return values
}

// median returns the middle of what the rounds found.
func (r *report) median(workload, row, key string) (float64, bool) {
	values := r.values(workload, row, key)
	n := len(values)
	switch {
	case n == 0:
		return 0, false
	case n%2 == 1:
		return values[n/2], true
	}
	return (values[n/2-1] + values[n/2]) / 2, true
}

// cell shows a column of a row: the median and, if they differ, the least and
// the greatest.
func (r *report) cell(workload, row string, c column) string {
	values := r.values(workload, row, c.key)
	if len(values) == 0 {
		return "–"
	}
	middle, _ := r.median(workload, row, c.key)
	number := func(v float64) string {
		text := fmt.Sprintf("%.*f", c.digits, v/max(c.scale, 1))
		if strings.Trim(text, "-0.") == "" {
			return strings.TrimPrefix(text, "-")
		}
		return text
	}
	low, high := number(values[0]), number(values[len(values)-1])
	if low == high {
		return low
	}
	return fmt.Sprintf("%s (%s–%s)", number(middle), low, high)
}

// table writes a workload's table.
func (r *report) table(text *strings.Builder, w *workload) {
	if len(r.Found[w.key]) == 0 {
		return
	}
	fmt.Fprintf(text, "\n### %s\n\n%s\n\n| server |", w.title, w.about)
	for _, c := range w.columns {
		fmt.Fprintf(text, " %s |", c.head)
	}
	fmt.Fprintf(text, "\n|---|%s\n", strings.Repeat("--:|", len(w.columns)))
	for _, row := range r.bench.rows {
		if r.Found[w.key][row.key] == nil {
			continue
		}
		fmt.Fprintf(text, "| %s%s |", row.name, r.flaws(w.key, row.key))
		for _, c := range w.columns {
			fmt.Fprintf(text, " %s |", r.cell(w.key, row.key, c))
		}
		text.WriteByte('\n')
	}
}

// flaws says what did not come.
func (r *report) flaws(workload, row string) string {
	var flaws []string
	if lost := r.values(workload, row, "lost"); len(lost) > 0 && lost[len(lost)-1] > 0 {
		flaws = append(flaws, fmt.Sprintf("lost up to %.2g %%", lost[len(lost)-1]))
	}
	if len(r.values(workload, row, "stuck")) > 0 {
		flaws = append(flaws, fmt.Sprintf("had not delivered all after %.0f s", drainTime))
	}
	if len(flaws) == 0 {
		return ""
	}
	return " (**" + strings.Join(flaws, ", ") + "**)"
}

func figures(docs string) string { return filepath.Join(docs, "benchmarks", "peers.json") }

// The report's place in benchmarks.md: what stands around it is kept.
const (
	placeTitle = "## Pabal and others\n\n"
	placeBegin = "<!-- peers: made by make bench-peers; what stands here is overwritten -->\n"
	placeEnd   = "<!-- peers: end -->\n"
)

// save writes the report to benchmarks.md in docs, with its figures and charts
// to benchmarks/.
func (r *report) save(docs, text string) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	if err := encoder.Encode(r); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(docs, "benchmarks"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(figures(docs), out.Bytes(), 0o644); err != nil {
		return err
	}
	for name, svg := range r.charts() {
		if err := os.WriteFile(filepath.Join(docs, "benchmarks", name), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	file := filepath.Join(docs, "benchmarks.md")
	page, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(file, []byte(place(string(page), text)), 0o644)
}

// place puts text in its place in page, or makes a place for it at the end.
func place(page, text string) string {
	text = placeBegin + "\n" + strings.TrimSpace(text) + "\n\n" + placeEnd
	before, rest, found := strings.Cut(page, placeBegin)
	_, after, ended := strings.Cut(rest, placeEnd)
	switch {
	case page == "":
		return "# Benchmarks\n\n" + placeTitle + text
	case !found || !ended:
		return strings.TrimRight(page, "\n") + "\n\n" + placeTitle + text
	}
	return before + text + after
}
