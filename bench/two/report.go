package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
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
	Date    time.Time         `json:"date"`
	Took    string            `json:"took"`
	Machine machine           `json:"machine"`
	Load    string            `json:"load"` // of the machine when the run began, over 1, 5 and 15 minutes
	Sizes   sizes             `json:"sizes"`
	Version string            `json:"version"` // of the centrifuge library
	Found   map[string]*found `json:"found"`   // by section
	fresh   map[string]bool   // sections of this run
}

// found is what is in a section: of each row the rounds. A round that did not
// measure a row has none of its figures.
type found struct {
	Date time.Time           `json:"date"`
	Rows map[string][]sample `json:"rows"`
}

type machine struct {
	Cores    int    `json:"cores"`
	Platform string `json:"platform"`
	Kernel   string `json:"kernel"`
	Go       string `json:"go"`
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // what it cannot say is left out
	m.Kernel = strings.TrimSpace(string(kernel))
	return m
}

// openReport begins a report, with the sections that the last one in docs has,
// if it was made on the same machine and with the same sizes.
func openReport(docs string, b *bench) (*report, error) {
	load, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(load))
	r := &report{
		Date: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(), Load: strings.Join(fields[:min(3, len(fields))], " "),
		Sizes: b.sizes, Version: b.workshop.version, Found: map[string]*found{}, fresh: map[string]bool{},
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
		for _, s := range sections(r.Sizes) {
			if kept := last.Found[s.key]; kept != nil {
				r.Found[s.key] = kept
			}
		}
	}
	return r, nil
}

// note adds what a round found; the first of this run in a section replaces all
// that was kept of it, so that what is compared was measured together.
func (r *report) note(section, row string, round int, got sample) {
	if !r.fresh[section] {
		r.fresh[section] = true
		r.Found[section] = &found{Date: r.Date, Rows: map[string][]sample{}}
	}
	rows := r.Found[section].Rows
	for len(rows[row]) < round {
		rows[row] = append(rows[row], nil)
	}
	rows[row] = append(rows[row], got)
}

// values returns what the rounds found for c in a row, or the ratios to the row
// that c is over.
func (r *report) values(section, row string, c column) (values []float64) {
	f := r.Found[section]
	if f == nil {
		return nil
	}
	base := f.Rows[c.over]
	for i, got := range f.Rows[row] {
		value, ok := got[c.key]
		switch {
		case !ok: // it was not measured
		case c.over == "":
			values = append(values, value)
		case i < len(base) && base[i][c.key] > 0 && value > 0:
			values = append(values, value/base[i][c.key])
		}
	}
	slices.Sort(values)
	return values
}

// median returns the middle of values, which are sorted; NaN if there are none.
func median(values []float64) float64 {
	n := len(values)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// cell shows the median and, if they differ, the least and the greatest.
func cell(values []float64, digits int) string {
	if len(values) == 0 {
		return "–"
	}
	number := func(v float64) string { return fmt.Sprintf("%.*f", digits, v) }
	low, high := number(values[0]), number(values[len(values)-1])
	if low == high {
		return low
	}
	return fmt.Sprintf("%s (%s–%s)", number(median(values)), low, high)
}

// table writes a section.
func (r *report) table(text *strings.Builder, s *section) {
	found := r.Found[s.key]
	if found == nil {
		return
	}
	fmt.Fprintf(text, "\n### %s\n\n%s\n\n| %s |", s.title, s.about, s.first)
	for _, c := range s.columns {
		fmt.Fprintf(text, " %s |", c.head)
	}
	fmt.Fprintf(text, "\n|---|%s\n", strings.Repeat("--:|", len(s.columns)))
	for _, row := range s.rows {
		if found.Rows[row.key] == nil {
			continue
		}
		fmt.Fprintf(text, "| %s |", row.name)
		for _, c := range s.columns {
			fmt.Fprintf(text, " %s |", cell(r.values(s.key, row.key, c), c.digits))
		}
		text.WriteByte('\n')
	}
}

const how = "`make bench-two` does all of it in one run, over the loopback. Each figure is the median of the rounds, with the least and the greatest behind it; rounds are interleaved, and begin with different rows; × is a ratio within one round, in which the servers that are compared run at the same time and are loaded in turn. " +
	"Clients and servers share the cores, and the machine is not alone, so CPU, which the kernel counts by process, is what is claimed; a rate only says how busy the server was. The figures of each round are in [benchmarks/two.json](benchmarks/two.json).\n"

// markdown returns the report as Markdown.
func (r *report) markdown() string {
	var text strings.Builder
	m := r.Machine
	fmt.Fprintf(&text, "Measured until %s: %d cores, %s, Linux %s, %s, beside %s. The last run took %s, in %s; load average before it: %s. ",
		r.Date.Format(time.DateOnly), m.Cores, m.Platform, m.Kernel, m.Go, r.Version, r.Took, plural(r.Sizes.Rounds, "round"), r.Load)
	text.WriteString(how)
	r.reached(&text)
	for _, s := range sections(r.Sizes) {
		r.table(&text, s)
	}
	return text.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func figures(docs string) string { return filepath.Join(docs, "benchmarks", "two.json") }

// The report's place in benchmarks.md: what stands around it is kept.
const (
	placeTitle = "## Two ways\n\n"
	placeBegin = "<!-- two: made by make bench-two; what stands here is overwritten -->\n"
	placeEnd   = "<!-- two: end -->\n"
)

// save writes the report to benchmarks.md in docs, with its figures to
// benchmarks/.
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
