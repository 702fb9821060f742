package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// aReport makes a report in which every workload was measured with every row
// that it applies to: Pabal twice as good as the others.
func aReport(t *testing.T, docs string) *report {
	t.Helper()
	b := &bench{sizes: full, workshop: &workshop{versions: map[string]string{"gorilla": "gorilla/websocket v1"}}, only: regexp.MustCompile(""), rows: rowsOf([]string{"loop", "goroutine"})}
	r, err := openReport(docs, b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fill(r *report) {
	for _, w := range workloads(r.Sizes) {
		for _, row := range r.bench.rows {
			if !w.applies(row) {
				continue
			}
			for _, factor := range []float64{1, 0.9, 1.2} {
				s := sample{"lost": 0}
				for _, c := range w.columns {
					s[c.key] = 1000 * factor
					if row.kind == ours {
						s[c.key] *= map[better]float64{neither: 1, more: 2, less: 0.5}[c.better]
					}
				}
				r.note(w.key, row.key, s)
			}
		}
	}
}

func TestReportShowsMedians(t *testing.T) {
	r := aReport(t, "-")
	fill(r)
	text := r.markdown()
	for _, want := range []string{
		"| Pabal, WebSocket | 2000 (1800–2400) |", "| gorilla hub, WebSocket | 1000 (900–1200) |", "| Pabal (goroutine pump), SSE |",
		"gorilla/websocket v1 in a [hub", "| 10,000 readers at full speed: deliveries/s | 2.00 × | Nchan, WebSocket | 4.00 ×: **not met** |",
		"| 1,000 channels: deliveries/s | 2.00 × | Nchan, WebSocket | 1.00 ×: met | 2.00 ×: met |", "In none of the tables below is another server ahead",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
}

// What another server lost, and where it is ahead, is said.
func TestReportSaysWhatIsBad(t *testing.T) {
	r := aReport(t, "-")
	fill(r)
	r.note("full", "gorilla websocket", sample{"lost": 3, "per_s": 1e6})
	r.note("full", "nchan websocket", sample{"stuck": 1})
	for range 9 {
		r.note("rooms", "nchan websocket", sample{"per_s": 9000, "cpu_million": 1e6})
	}
	text := r.markdown()
	for _, want := range []string{
		"| gorilla hub, WebSocket (**lost up to 3 %**) |", "Nchan, WebSocket (**had not delivered all after 25 s**)",
		"- 1,000 channels of 10 readers, at full speed: deliveries/s of Pabal, WebSocket is 0.22 × that of Nchan, WebSocket.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
}

func TestNothingMeasuredIsSaid(t *testing.T) {
	text := aReport(t, "-").markdown()
	if !strings.Contains(text, "| connects/s | – | – | 1.00 ×: met |") && !strings.Contains(text, "not measured") {
		t.Errorf("an empty report does not say that nothing was measured:\n%s", text)
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "benchmarks/peers-") {
		t.Errorf("an empty report shows what is not there:\n%s", text)
	}
}

// A run of a part leaves the rest as it was.
func TestSaveKeepsTheRest(t *testing.T) {
	docs := t.TempDir()
	page := filepath.Join(docs, "benchmarks.md")
	if err := os.WriteFile(page, []byte("# Benchmarks\n\nBefore.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := aReport(t, docs)
	fill(r)
	if err := r.save(docs, r.markdown()); err != nil {
		t.Fatal(err)
	}
	again := aReport(t, docs)
	again.note("connect", "mercure sse", sample{"per_s": 77})
	if err := again.save(docs, again.markdown()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Before.\n\n## Pabal and others\n\n<!-- peers:", "| Mercure, SSE | 77 | – | – |", "| Pabal, WebSocket | 2000 (1800–2400) |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page does not hold %q:\n%s", want, text)
		}
	}
	if n := strings.Count(string(text), placeBegin); n != 1 {
		t.Errorf("the page has %d places for the report, want 1", n)
	}

	other := aReport(t, docs)
	other.Machine.CPU = "another"
	if err := other.save(docs, ""); err != nil {
		t.Fatal(err)
	}
	if got := aReport(t, docs); len(got.Found) != 0 {
		t.Errorf("what another machine found was kept: %v", slices.Sorted(maps.Keys(got.Found)))
	}
}

func TestPlace(t *testing.T) {
	const place1 = placeBegin + "\none\n\n" + placeEnd
	for _, c := range []struct{ page, want string }{
		{"", "# Benchmarks\n\n" + placeTitle + place1},
		{"# Mine\n", "# Mine\n\n" + placeTitle + place1},
		{"a\n" + placeBegin + "old\n" + placeEnd + "b\n", "a\n" + place1 + "b\n"},
	} {
		if got := place(c.page, "\none\n"); got != c.want {
			t.Errorf("in %q: got %q, want %q", c.page, got, c.want)
		}
	}
}

func TestChartsAreXML(t *testing.T) {
	r := aReport(t, "-")
	fill(r)
	charts := r.charts()
	if len(charts) != len(chartList(full)) {
		t.Errorf("got %d charts, want %d", len(charts), len(chartList(full)))
	}
	for name, svg := range charts {
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if !strings.Contains(svg, "Pabal, WebSocket") || !strings.Contains(svg, "prefers-color-scheme: dark") {
			t.Errorf("%s shows no Pabal, or no colours for dark pages", name)
		}
	}
}

func TestCellsAndCommas(t *testing.T) {
	r := aReport(t, "-")
	r.note("full", "limit", sample{"x": -0.8, "y": -0.001})
	r.note("full", "limit", sample{"x": 1.25, "y": 0})
	for _, c := range []struct {
		column column
		want   string
	}{{column{key: "x", digits: 1}, "0.2 (-0.8–1.2)"}, {column{key: "y", digits: 1}, "0.0"}, {column{key: "z"}, "–"}} {
		if got := r.cell("full", "limit", c.column); got != c.want {
			t.Errorf("cell %s: got %q, want %q", c.column.key, got, c.want)
		}
	}
	for v, want := range map[float64]string{0: "0.0", 999.96: "1,000.0", 1234567.8: "1,234,567.8"} {
		if got := commas(v, 1); got != want {
			t.Errorf("commas(%v): got %q, want %q", v, got, want)
		}
	}
}

// Every row and workload has a name of its own, and every workload a row.
func TestRowsAndWorkloads(t *testing.T) {
	for _, pumps := range [][]string{nil, {"loop", "goroutine"}} {
		rows := rowsOf(pumps)
		keys := map[string]bool{}
		for _, r := range rows {
			if keys[r.key] {
				t.Errorf("two rows are called %q", r.key)
			}
			keys[r.key] = true
		}
		for _, w := range workloads(quick) {
			if keys[w.key] {
				t.Errorf("two workloads are called %q", w.key)
			}
			keys[w.key] = true
			if !slices.ContainsFunc(rows, w.applies) {
				t.Errorf("workload %q has no row", w.key)
			}
		}
	}
	if _, err := json.Marshal(full); err != nil {
		t.Error(err)
	}
}
