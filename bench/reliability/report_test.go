package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// aReport makes a report in which everything went well.
func aReport(t *testing.T, docs string) *report {
	t.Helper()
	r, err := openReport(docs, sizes{Readers: 24, Pace: 1, Seed: 7}, map[string]string{"node": "v20", "mercure": "v0.20.2"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range everything() {
		r.put(p.fault.key, p.row.key, &result{verdict: verdict{Published: 300, Expected: 2400, Delivered: 2400, times: times{0.25, 0.002, 1.5}}, Peak: 24})
	}
	return r
}

func everything() []piece { return planned(regexp.MustCompile("")) }

func find(t *testing.T, key string) piece {
	t.Helper()
	for _, p := range everything() {
		if p.key() == key {
			return p
		}
	}
	t.Fatalf("no run is called %s", key)
	return piece{}
}

func TestReportShowsAll(t *testing.T) {
	r := aReport(t, "-")
	text := r.markdown()
	for _, want := range []string{
		"24 readers of 3 channels", "seed 7", "Mercure: v0.20.2", "## The server killed\n",
		"| Pabal, SSE | 0 | 0 |", "| Pabal in memory, Go client | – | – |",
		"| Nchan, long poll | 2,400 of 2,400 | 0 | 0 | 0 | 0 | 0 | 0 | 250 ms | 24 | 2 ms | 1.5 s |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	if err := r.wrong(everything()); err != nil {
		t.Errorf("nothing is wrong, but the report says %v", err)
	}
}

// What went wrong is said, of Pabal as of others.
func TestReportSaysWhatIsBad(t *testing.T) {
	r := aReport(t, "-")
	bad := verdict{Expected: 2400, Delivered: 1000, Lost: 1300, Silent: 900, Late: 100, Repeated: 7, Disordered: 3, Gaps: 5, Behind: 4, Unknown: 2}
	r.put("cuts", "pabal-sse", &result{verdict: bad, Peak: 9})
	r.put("cuts", "socketio", &result{verdict: bad, Peak: 9})
	r.put("kill", "mercure", &result{Failed: "no | file"})
	r.put("none", "centrifuge", &result{verdict: verdict{Strange: 1, Stories: []string{"a riddle"}}, Idle: 3})
	delete(r.Found["none"], "nchan-longpoll")
	r.put("age", "pabal-poll", &result{verdict: verdict{times: times{CaughtUp: 2}}})
	text := r.markdown()
	for _, want := range []string{
		"| Socket.IO (unknown outcome of publishes: 2) | 1,000 of 2,400 | 400 | **900** | **100** | **7** | **3** | 5 | **4 of 24 not** within the run | 9 |",
		"| Pabal, SSE | 0 | **900 lost**, 400 told, **7 twice**, **3 disordered**, **4 stuck** |",
		"| Mercure, SSE by EventSource | **could not be run**: no / file |", "| Nchan, long poll | was not run |",
		"centrifuge (3 of 24 were not live when publishing began; **strange**: a riddle)",
		"- Cut every 5 s: Socket.IO had all caught up after 250 ms; slower were Pabal, poll (2.0 s).",
		"- Cut at random: centrifuge had all caught up after 250 ms; slower were Pabal, SSE (4 of 24 not within the run).",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	err := r.wrong(everything())
	for _, want := range []string{"cuts/pabal-sse: Pabal broke its promise", "kill/mercure failed: no | file", "none/nchan-longpoll did not run"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "socketio") {
		t.Errorf("what others lose is no error: %v", err)
	}
}

// Which losses of Pabal fail the command.
func TestWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		key   string
		found verdict
		wrong bool
	}{
		{"cuts/pabal-sse", verdict{Lost: 1}, true},
		{"cuts/pabal-sse", verdict{Late: 1}, true},
		{"cuts/pabal-sse", verdict{Strange: 1}, true},
		{"cuts/pabal-sse", verdict{Gaps: 1}, false},
		{"long/pabal-sse", verdict{Lost: 1}, false}, // and told
		{"long/pabal-sse", verdict{Lost: 1, Silent: 1}, true},
		{"kill/pabal-memory", verdict{Lost: 1}, false},
		{"half-open/pabal-eventsource", verdict{Behind: 24, Late: 100}, false},
		{"half-open/pabal-sse", verdict{Behind: 1}, true},
		{"age/pabal-eventsource", verdict{Behind: 1}, true},
	} {
		r := aReport(t, "-")
		p := find(t, c.key)
		r.put(p.fault.key, p.row.key, &result{verdict: c.found})
		if err := r.wrong([]piece{p}); (err != nil) != c.wrong {
			t.Errorf("%s with %+v: got %v, want an error: %v", c.key, c.found, err, c.wrong)
		}
	}
}

// A run of a part leaves the rest as it was, unless the sizes are others.
func TestSaveKeepsTheRest(t *testing.T) {
	docs := t.TempDir()
	page := filepath.Join(docs, "reliability.md")
	if err := os.WriteFile(page, []byte("# Reliability\n\nBefore.\n\n"+placeBegin+"old\n"+placeEnd+"\nAfter.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := aReport(t, docs)
	r.begin()()
	r.put("gone", "pabal-sse", &result{})
	if err := r.save(docs, r.markdown()); err != nil {
		t.Fatal(err)
	}
	again, err := openReport(docs, r.Sizes, r.Versions, true)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Found["kill"]["mercure"]; got == nil || got.Delivered != 2400 || again.Found["gone"] != nil {
		t.Errorf("kept %+v and %v, want what the last run found, and no fault that is gone", got, again.Found["gone"])
	}
	if !again.Date.Equal(r.Date) || again.Took != r.Took {
		t.Errorf("the last run began at %v and took %q, want %v and %q", again.Date, again.Took, r.Date, r.Took)
	}
	again.put("kill", "mercure", &result{verdict: verdict{Delivered: 77, Expected: 77}})
	if err := again.save(docs, again.markdown()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Reliability\n\nBefore.\n\n<!-- reliability:", "| 77 of 77 |", "| 2,400 of 2,400 |", placeEnd + "\nAfter.\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if strings.Contains(string(text), "old\n") || strings.Count(string(text), placeBegin) != 1 {
		t.Error("the page holds what it held before, or two places")
	}
	if _, err := openReport(docs, sizes{Readers: 12, Pace: 1, Seed: 7}, r.Versions, true); err == nil {
		t.Error("a part of a run with other sizes would replace the results of a whole one")
	}
	other, err := openReport(docs, sizes{Readers: 12, Pace: 1, Seed: 7}, r.Versions, false)
	if err != nil || len(other.Found) != 0 {
		t.Errorf("with other sizes: kept %d faults, %v, want none", len(other.Found), err)
	}
}

// Every fault and row has a name of its own, and what a row names is there.
func TestPlan(t *testing.T) {
	keys := map[string]bool{}
	for _, p := range everything() {
		if keys[p.key()] {
			t.Errorf("two runs are called %s", p.key())
		}
		keys[p.key()] = true
	}
	for _, r := range rows {
		for _, f := range r.only {
			if !keys[f+"/"+r.key] {
				t.Errorf("%s is for the fault %s, which is not there", r.key, f)
			}
		}
	}
	if n := len(planned(regexp.MustCompile("^kill/pabal-(sse|poll)$"))); n != 2 {
		t.Errorf("got %d runs, want 2", n)
	}
}
