package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// The test binary stands in for the command where that starts itself.
func TestMain(m *testing.M) {
	if found, err := doTask(os.Args[1:], os.Stdout); found {
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // else each of them sleeps a second at its end
	goleak.VerifyTestMain(m)
}

// All is measured once, in small, but for Mercure, which is a module of its own.
func TestAll(t *testing.T) {
	s := sizes{Rounds: 1, Seconds: 0.05, Channels: 600, Deep: 20, Touched: 300, Readers: 20, Fewer: 5, Tidy: 0.01}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	b := &bench{sizes: s, dir: t.TempDir(), only: regexp.MustCompile("^(synced|unsynced|million|fanout)$")}
	var err error
	if b.workshop, err = build(t.Context(), b.dir, false); err != nil {
		t.Fatal(err)
	}
	r := aReport(t, "-", b)
	if err := b.round(t.Context(), r, 0); err != nil {
		t.Fatal(err)
	}
	for _, section := range sections(s) {
		if section.part == "http" {
			continue
		}
		for _, row := range section.rows {
			if r.Found[section.key] == nil || len(r.Found[section.key].Rows[row.key]) != 1 {
				t.Errorf("%s, %s: it was not measured", section.key, row.key)
			}
		}
	}
	text := r.markdown()
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("the report has figures that are none:\n%s", text)
	}
}

// Pabal over HTTP is measured as Mercure is.
func TestPost(t *testing.T) {
	b := &bench{sizes: sizes{Seconds: 0.05}, dir: t.TempDir()}
	var err error
	if b.workshop, err = build(t.Context(), b.dir, false); err != nil {
		t.Fatal(err)
	}
	got, err := b.post(shops[0], 3)
	if err != nil || got.Sent == 0 {
		t.Errorf("got %+v, %v, want messages that were accepted", got, err)
	}
}

func aReport(t *testing.T, docs string, b *bench) *report {
	t.Helper()
	r, err := openReport(docs, b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// filled returns a report in which all was measured thrice: Pabal's figures are
// twice the others'.
func filled(t *testing.T, docs string) *report {
	r := aReport(t, docs, &bench{sizes: full})
	for _, s := range sections(full) {
		for _, row := range s.rows {
			for round, factor := range []float64{1, 0.9, 1.2} {
				got := sample{}
				for _, c := range s.columns {
					got[c.key] = 1000 * factor
					if strings.HasPrefix(row.key, "pabal") {
						got[c.key] *= 2
					}
				}
				r.note(s.key, row.key, round, got)
			}
		}
	}
	return r
}

func TestReportShowsMediansAndRatios(t *testing.T) {
	text := filled(t, "-").markdown()
	for _, want := range []string{
		"| Pabal, disk broker | 2000 (1800–2400) |", "| NATS JetStream | 1000 (900–1200) | 1000 (900–1200) | 1000 (900–1200) | 2.00 |",
		"beside JetStream | 2.00 × | 10.00 ×: **not met** |", "beside bbolt | 2.00 × | 1.00 ×: met |", "beside a file | 2.00 × | – |",
		"p50 | 1000 ms | 1.00 ms: **not met** |", "after kill -9: first read | 1.00 s | 2.00 s: met |", "beside memory | 1.00 × | 0.90 ×: met |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
}

func TestNothingMeasuredIsSaid(t *testing.T) {
	text := aReport(t, "-", &bench{sizes: full}).markdown()
	if !strings.Contains(text, "beside JetStream | – | not measured |") || strings.Contains(text, "NaN") || strings.Contains(text, ".svg") {
		t.Errorf("an empty report shows what is not there, or does not say so:\n%s", text)
	}
}

// A round that did not measure a row is no round of its ratios.
func TestRatiosAreWithinARound(t *testing.T) {
	r := aReport(t, "-", &bench{sizes: full})
	for round, value := range []float64{10, 20, 40} {
		r.note("synced", "pabal", round, sample{"per_s-256": value})
	}
	r.note("synced", "jetstream", 1, sample{"per_s-256": 5})
	c := column{key: "per_s-256", ratio: true, inverse: true}
	if got, want := r.values("synced", "jetstream", "pabal", c), []float64{4}; !slices.Equal(got, want) {
		t.Errorf("got ratios %v, want %v", got, want)
	}
}

// A run of a part leaves the other sections as they were, and measures its own
// anew.
func TestSaveKeepsTheRest(t *testing.T) {
	docs := t.TempDir()
	page := filepath.Join(docs, "benchmarks.md")
	if err := os.WriteFile(page, []byte("# Benchmarks\n\nBefore.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := filled(t, docs)
	if err := r.save(docs, r.markdown()); err != nil {
		t.Fatal(err)
	}
	again := aReport(t, docs, &bench{sizes: full})
	again.note("http", "mercure", 0, sample{"per_s-1": 77})
	if err := again.save(docs, again.markdown()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Before.\n\n## Storage\n\n<!-- storage:", "| Mercure, Bolt | 77 | – |", "| Pabal, disk broker | 2000 (1800–2400) |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page does not hold %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "| `pabal serve` |") || strings.Count(string(text), placeBegin) != 1 {
		t.Errorf("the page holds what was measured at another time, or two places:\n%s", text)
	}
	other := full
	other.Channels++
	if got := aReport(t, docs, &bench{sizes: other}); len(got.Found) != 0 {
		t.Errorf("what was found with other sizes was kept: %v", got.Found)
	}
}

func TestChartIsXML(t *testing.T) {
	svg := filled(t, "-").chart()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"NATS JetStream", "SQLite, one channel"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the chart does not show %s", want)
		}
	}
}

// Every row of the tables and of the targets is one that is measured.
func TestRowsAndTargets(t *testing.T) {
	rows := map[string]bool{}
	for _, s := range sections(full) {
		for _, row := range s.rows {
			rows[s.key+"/"+row.key] = true
			if k := keepers[s.key]; k != nil && k[row.key] == nil {
				t.Errorf("%s: no store for row %q", s.key, row.key)
			}
		}
		for _, row := range s.rows {
			if row.over != "" && !rows[s.key+"/"+row.over] {
				t.Errorf("%s: row %q compares with one that is not there", s.key, row.key)
			}
		}
	}
	for _, target := range targets(full) {
		if !rows[target.section+"/"+target.row] || target.than != "" && !rows[target.section+"/"+target.than] {
			t.Errorf("target %q is of a row that is not there", target.what)
		}
	}
}

func TestMessagesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for client := range 3 {
		for n := range 100 {
			m := message(client, n)
			if len(m) != payload || seen[string(m)] || bytes.ContainsAny(m, "\"\\") {
				t.Fatalf("message %d of client %d is %q", n, client, m)
			}
			seen[string(m)] = true
		}
	}
	if !json.Valid(bytes.TrimSpace(lines(1, 1))) {
		t.Errorf("a line is no JSON: %s", lines(1, 1))
	}
}
