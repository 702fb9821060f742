package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A section is one table: what was measured, round by round.
type section struct {
	title, about string
	first        string // the head of its first column
	base         string // the row that ratios compare with
	columns      []column
	rows         []string
	Rounds       map[string][]sample `json:"rounds"` // by row
}

// A column is one thing that was measured.
type column struct {
	key, head string
	digits    int
	scale     float64 // what one of the units shown is
	ratio     bool    // to the base row's, of the same round
}

func (s *section) add(row string, round int, got sample) {
	if s.Rounds == nil {
		s.Rounds = map[string][]sample{}
	}
	if !slices.Contains(s.rows, row) {
		s.rows = append(s.rows, row)
	}
	for len(s.Rounds[row]) < round { // rounds that measured nothing do not happen
		s.Rounds[row] = append(s.Rounds[row], nil)
	}
	s.Rounds[row] = append(s.Rounds[row], got)
}

// values returns what the rounds found for c in a row.
func (s *section) values(row string, c column) (values []float64) {
	base := s.Rounds[s.base]
	for i, got := range s.Rounds[row] {
		value, ok := got[c.key]
		switch {
		case !ok: // it was not measured
		case !c.ratio:
			values = append(values, value/max(c.scale, 1))
		case i < len(base) && base[i][c.key] > 0:
			values = append(values, value/base[i][c.key])
		}
	}
	return values
}

// cell shows the median and, if they differ, the least and the greatest.
func cell(values []float64, digits int) string {
	if len(values) == 0 {
		return "–"
	}
	slices.Sort(values)
	number := func(v float64) string {
		text := fmt.Sprintf("%.*f", digits, v)
		if strings.Trim(text, "-0.") == "" {
			return strings.TrimPrefix(text, "-")
		}
		return text
	}
	low, high := number(values[0]), number(values[len(values)-1])
	if low == high {
		return low
	}
	return fmt.Sprintf("%s (%s–%s)", number(median(values)), low, high)
}

// median returns the middle of values, which are sorted.
func median(values []float64) float64 {
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

func (s *section) write(w *strings.Builder) {
	if len(s.rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s\n\n%s\n\n| %s |", s.title, s.about, s.first)
	for _, c := range s.columns {
		fmt.Fprintf(w, " %s |", c.head)
	}
	fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("--:|", len(s.columns)))
	for _, row := range s.rows {
		fmt.Fprintf(w, "| %s |", row)
		for _, c := range s.columns {
			fmt.Fprintf(w, " %s |", cell(s.values(row, c), c.digits))
		}
		fmt.Fprintln(w)
	}
}

// A setting is when and on what something was measured.
type setting struct {
	Date     time.Time `json:"date"`
	Took     string    `json:"took"`
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	Cores    int       `json:"cores"`
	Load     string    `json:"load"` // of the machine when the run began, over 1, 5 and 15 minutes
}

func newSetting() setting {
	load, _ := os.ReadFile("/proc/loadavg") // what it cannot say is left out
	fields := strings.Fields(string(load))
	return setting{
		Date: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(),
		Load: strings.Join(fields[:min(3, len(fields))], " "),
	}
}

// done notes how long it took.
func (s *setting) done() { s.Took = time.Since(s.Date).Round(time.Second).String() }

func (s *setting) words(rounds int) string {
	return fmt.Sprintf("Measured on %s in %s: %d cores, %s, %s, %s; load average before: %s. ", s.Date.Format(time.DateOnly), s.Took, s.Cores, s.Platform, s.Go,
		plural(rounds, "round"), s.Load)
}

// A report is all that a run found, and on what, but for the table.
type report struct {
	setting
	Sizes   sizes    `json:"sizes"`
	Publish *section `json:"publish"`
	Deliver *section `json:"deliver"`
	Each    *section `json:"each"`
	Idle    *section `json:"idle"`
}

func newReport(s sizes) *report {
	r := &report{setting: newSetting(), Sizes: s}
	r.Publish, r.Deliver, r.Each, r.Idle = sections(s)
	return r
}

// write writes the report as Markdown.
func (r *report) write(w io.Writer) error {
	var text strings.Builder
	text.WriteString(r.words(r.Sizes.Rounds))
	text.WriteString(how)
	for _, s := range []*section{r.Publish, r.Deliver, r.Each, r.Idle} {
		s.write(&text)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// A place in benchmarks.md is made anew by each run; what stands around it is
// kept.
type place struct{ title, begin, end string }

var basicPlace = place{
	title: "What Pabal costs",
	begin: "<!-- cost: made by make bench; what stands here is overwritten -->\n",
	end:   "<!-- cost: end -->\n",
}

// save writes the report to benchmarks.md in docs, and its figures to
// benchmarks/cost.json.
func (r *report) save(docs string) error {
	return save(docs, basicPlace, "cost.json", r)
}

// save writes p to its place in benchmarks.md in docs, and its figures to a file
// in benchmarks.
func save(docs string, at place, file string, p part) error {
	figures, err := json.MarshalIndent(p, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(docs, "benchmarks"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(docs, "benchmarks", file), append(figures, '\n'), 0o644); err != nil {
		return err
	}
	name := filepath.Join(docs, "benchmarks.md")
	page, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	var text strings.Builder
	if err := p.write(&text); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(at.put(string(page), text.String())), 0o644)
}

// put puts text in p in page, or makes a place for it at the end.
func (p place) put(page, text string) string {
	text = p.begin + "\n" + strings.TrimSpace(text) + "\n\n" + p.end
	before, rest, found := strings.Cut(page, p.begin)
	_, after, ended := strings.Cut(rest, p.end)
	switch {
	case page == "":
		return "# Benchmarks\n\n## " + p.title + "\n\n" + text
	case !found || !ended:
		return strings.TrimRight(page, "\n") + "\n\n## " + p.title + "\n\n" + text
	}
	return before + text + after
}
