package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// A report is all that was found, and on what.
type report struct {
	Date     time.Time                     `json:"date"`
	Took     string                        `json:"took"`
	Machine  machine                       `json:"machine"`
	Load     string                        `json:"load"` // of the machine when the last run began, over 1, 5 and 15 minutes
	Sizes    sizes                         `json:"sizes"`
	Versions map[string]string             `json:"versions"`
	Found    map[string]map[string]*result `json:"found"` // by fault and row

	mu sync.Mutex
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
// machine, with the same sizes.
func openReport(docs string, s sizes, versions map[string]string, part bool) (*report, error) {
	r := &report{Machine: thisMachine(), Sizes: s, Versions: versions, Found: map[string]map[string]*result{}}
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
	if last.Machine == r.Machine && last.Sizes == r.Sizes {
		r.Date, r.Took, r.Load = last.Date, last.Took, last.Load
		for _, f := range faults { // what is not run any more is left out
			for _, row := range rows {
				if kept := last.Found[f.key][row.key]; kept != nil {
					r.put(f.key, row.key, kept)
				}
			}
		}
	} else if part {
		return nil, fmt.Errorf("%s has results of another machine or of other sizes, which those of a part would replace: run all, or give -docs - to see them only", docs)
	}
	return r, nil
}

// begin notes when a run begins, and how busy the machine is. What it returns
// ends the run.
func (r *report) begin() (end func()) {
	load, _ := os.ReadFile("/proc/loadavg") // what it cannot say is left out
	fields := strings.Fields(string(load))
	r.Load = strings.Join(fields[:min(3, len(fields))], " ")
	r.Date = time.Now().UTC().Truncate(time.Second)
	return func() { r.Took = time.Since(r.Date).Round(time.Second).String() }
}

func (r *report) put(fault, row string, got *result) {
	if r.Found[fault] == nil {
		r.Found[fault] = map[string]*result{}
	}
	r.Found[fault][row] = got
}

// note adds what a run found, in place of what an earlier one did.
func (r *report) note(p piece, got *result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(p.fault.key, p.row.key, got)
	if got.Failed != "" {
		fmt.Fprintf(os.Stderr, "%-28s failed: %s\n", p.key(), got.Failed)
		return
	}
	fmt.Fprintf(os.Stderr, "%-28s delivered %d of %d, lost %d told and %d untold, %d late, repeated %d, disordered %d, gaps %d, %d behind, caught up after %.2f s, peak %d/s, p99 %.3f s\n",
		p.key(), got.Delivered, got.Expected, got.Lost-got.Silent, got.Silent, got.Late, got.Repeated, got.Disordered, got.Gaps, got.Behind, got.CaughtUp, got.Peak, got.P99)
	for _, s := range got.Stories {
		fmt.Fprintf(os.Stderr, "    %s\n", s)
	}
}

// wrong is an error that says which runs of the plan failed, or found Pabal to
// break its promise.
func (r *report) wrong(plan []piece) error {
	var errs []error
	for _, p := range plan {
		switch got := r.Found[p.fault.key][p.row.key]; {
		case got == nil:
			errs = append(errs, fmt.Errorf("%s did not run", p.key()))
		case got.Failed != "":
			errs = append(errs, fmt.Errorf("%s failed: %s", p.key(), got.Failed))
		case p.row.ours() && (got.Silent > 0 || got.Repeated > 0 || got.Disordered > 0 || got.Strange > 0):
			errs = append(errs, fmt.Errorf("%s: Pabal broke its promise: %s", p.key(), strings.Join(got.Stories, "; ")))
		case p.row.ours() && got.Behind+got.Late > 0 && (!p.row.blind || p.fault.key != "half-open"):
			errs = append(errs, fmt.Errorf("%s: %d readers of Pabal did not catch up: %s", p.key(), got.Behind, strings.Join(got.Stories, "; ")))
		case p.row.ours() && got.Lost > 0 && p.fault.history == 0 && !p.row.kind.forgets:
			errs = append(errs, fmt.Errorf("%s: Pabal lost %d, though it says so", p.key(), got.Lost))
		}
	}
	return errors.Join(errs...)
}

func figures(docs string) string { return filepath.Join(docs, "benchmarks", "reliability.json") }

// The report's place in reliability.md: what stands around it is kept.
const (
	placeBegin = "<!-- reliability: made by make reliability; what stands here is overwritten -->\n"
	placeEnd   = "<!-- reliability: end -->\n"
)

// save writes the report to reliability.md in docs, with its figures to
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
	file := filepath.Join(docs, "reliability.md")
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
		return "# Reliability\n\n" + text
	case !found || !ended:
		return strings.TrimRight(page, "\n") + "\n\n" + text
	}
	return before + text + after
}
