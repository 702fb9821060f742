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
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/pabal/pabal/bench/cost/chart"
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
	Date     time.Time         `json:"date"`
	Took     string            `json:"took"`
	Machine  machine           `json:"machine"`
	Load     string            `json:"load"` // of the machine when the run began, over 1, 5 and 15 minutes
	Sizes    sizes             `json:"sizes"`
	Versions map[string]string `json:"versions"`
	Found    map[string]*found `json:"found"` // by section
	fresh    map[string]bool   // sections of this run
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

// versions returns those of what is compared in this process.
func versions() map[string]string {
	found := map[string]string{}
	info, _ := debug.ReadBuildInfo() // what it cannot say is left out
	for _, name := range []string{"github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go", "go.etcd.io/bbolt", "modernc.org/sqlite", "github.com/cockroachdb/pebble/v2"} {
		for _, dep := range info.Deps {
			if dep.Path == name {
				found[name] = dep.Version
			}
		}
	}
	return found
}

// openReport begins a report, with the sections that the last one in docs has,
// if it was made on the same machine and with the same sizes.
func openReport(docs string, b *bench) (*report, error) {
	load, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(load))
	r := &report{
		Date: time.Now().UTC().Truncate(time.Second), Machine: thisMachine(), Load: strings.Join(fields[:min(3, len(fields))], " "),
		Sizes: b.sizes, Versions: versions(), Found: map[string]*found{}, fresh: map[string]bool{},
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

// values returns what the rounds found for c in a row; if over names another
// row, ratios to it.
func (r *report) values(section, row, over string, c column) (values []float64) {
	f := r.Found[section]
	if f == nil {
		return nil
	}
	base := f.Rows[over]
	for i, got := range f.Rows[row] {
		value, ok := got[c.key]
		switch {
		case !ok: // it was not measured
		case over == "":
			values = append(values, value/max(c.scale, 1))
		case i >= len(base) || base[i][c.key] <= 0 || value <= 0:
		case c.inverse:
			values = append(values, base[i][c.key]/value)
		default:
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
			over := ""
			if c.ratio {
				over = row.over
			}
			fmt.Fprintf(text, " %s |", cell(r.values(s.key, row.key, over, c), c.digits))
		}
		text.WriteByte('\n')
	}
}

const how = "`make bench-storage` keeps all of it on one disk, in one run. Each figure is the median of the rounds, with the least and the greatest behind it; rounds are interleaved, and begin with different rows; × is a ratio within one round. " +
	"What publishes in the process does so in a process of its own for each measurement. Clients, load and servers share the cores. Messages have 128 bytes, most of them letters at random, in which there is little to compress. The figures of each round are in [benchmarks/storage.json](benchmarks/storage.json).\n"

// markdown returns the report as Markdown.
func (r *report) markdown() string {
	var text strings.Builder
	m := r.Machine
	fmt.Fprintf(&text, "Measured until %s: %d cores, %s, Linux %s, %s. The last run took %s, in %s; load average before it: %s. ",
		r.Date.Format(time.DateOnly), m.Cores, m.Platform, m.Kernel, m.Go, r.Took, plural(r.Sizes.Rounds, "round"), r.Load)
	if syncs := r.values("synced", "file", "", column{key: "per_s-1"}); len(syncs) > 0 {
		fmt.Fprintf(&text, "This disk syncs a file %.0f times a second, one time after the other. ", median(syncs))
	}
	text.WriteString(how)
	var compared []string
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		compared = append(compared, name+" "+r.Versions[name])
	}
	if len(compared) > 0 {
		text.WriteString("\nCompared are " + strings.Join(compared, ", ") + "; the version of Mercure is above.\n")
	}
	r.reached(&text)
	if r.Found["synced"] != nil {
		fmt.Fprintf(&text, "\n![%s](benchmarks/%s)\n", chartTitle, chartFile)
	}
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

const (
	chartFile  = "storage-synced.svg"
	chartTitle = "Synced publishes a second, in the process"
)

// chart draws synced publishes by the number of clients.
func (r *report) chart() string {
	c := chart.Chart{Title: chartTitle, X: "clients", Y: "messages a second"}
	for _, row := range sections(r.Sizes)[0].rows {
		s := chart.Series{Name: strings.TrimSuffix(row.name, ", disk broker"), Dashed: row.key == "file" || strings.HasSuffix(row.key, " one")}
		for _, clients := range crowds {
			if v := median(r.values("synced", row.key, "", column{key: fmt.Sprint("per_s-", clients)})); v > 0 {
				s.Points = append(s.Points, chart.Point{X: float64(clients), Y: v})
			}
		}
		c.Series = append(c.Series, s)
	}
	return c.SVG()
}

func figures(docs string) string { return filepath.Join(docs, "benchmarks", "storage.json") }

// The report's place in benchmarks.md: what stands around it is kept.
const (
	placeTitle = "## Storage\n\n"
	placeBegin = "<!-- storage: made by make bench-storage; what stands here is overwritten -->\n"
	placeEnd   = "<!-- storage: end -->\n"
)

// save writes the report to benchmarks.md in docs, with its figures and chart to
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
	if r.Found["synced"] != nil {
		if err := os.WriteFile(filepath.Join(docs, "benchmarks", chartFile), []byte(r.chart()), 0o644); err != nil {
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
