package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/pabal/pabal/bench/internal/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A post is a server of SSE that gives what is POSTed to all who read, or does
// it badly.
type post struct {
	mu      sync.Mutex
	readers []chan string
	bad     func(n int, message string) []string // what is sent in place of the n-th message
	n       int
}

func (p *post) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		message, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		messages := []string{string(message)}
		if p.bad != nil {
			messages = p.bad(p.n, string(message))
		}
		p.n++
		for _, m := range messages {
			for _, reader := range p.readers {
				reader <- m
			}
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	messages := make(chan string, 10_000)
	p.mu.Lock()
	p.readers = append(p.readers, messages)
	p.mu.Unlock()
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case m := <-messages:
			_, _ = io.WriteString(w, "data: "+m+"\n\n")
		case <-r.Context().Done():
			return
		}
	}
}

// load has orders carried out against p and returns the last report.
func load(t *testing.T, p *post, orders ...job.Order) (last job.Report) {
	t.Helper()
	server := httptest.NewServer(p)
	defer server.Close()
	var in, out strings.Builder
	target := &job.Target{Address: server.Listener.Addr().String(), Read: "nchan sse", Write: "nchan", Channels: 1, Publishers: 2, Processes: []int{os.Getpid()}}
	for _, order := range append([]job.Order{{Target: target}}, orders...) {
		if err := json.NewEncoder(&in).Encode(order); err != nil {
			t.Fatal(err)
		}
	}
	if err := serve(strings.NewReader(in.String()), &out); err != nil {
		t.Fatal(err)
	}
	for reports := json.NewDecoder(strings.NewReader(out.String())); ; {
		var report job.Report
		if err := reports.Decode(&report); err == io.EOF {
			return last
		} else if err != nil {
			t.Fatal(err)
		}
		if report.Error != "" {
			t.Fatalf("an order failed: %s", report.Error)
		}
		last = report
	}
}

var (
	some     = job.Order{Open: &job.Open{Readers: 20}}
	fast     = job.Order{Publish: &job.Publish{Flight: 16, Batch: 1, Payload: 128, Warm: 0.05, Measure: 0.1, Drain: 10}}
	slowly   = job.Order{Publish: &job.Publish{Rate: 100, Batch: 1, Payload: 128, Warm: 0.05, Measure: 0.1, Drain: 10}}
	shortly  = job.Order{Publish: &job.Publish{Rate: 100, Batch: 1, Payload: 128, Warm: 0.05, Measure: 0.1, Drain: 0.1}}
	fewStall = job.Order{Stall: &job.Stall{Readers: 5}}
)

func TestLoadCounts(t *testing.T) {
	for name, publish := range map[string]job.Order{"at full speed": fast, "at a fixed rate": slowly} {
		got := load(t, &post{}, some, publish).Published
		if got.Wrong() || got.Drained < 0 || got.Sent == 0 || got.Delivered == 0 || got.Age.Count == 0 {
			t.Errorf("%s: got %+v, want all of it", name, got)
		}
		if got.Expected%20 != 0 {
			t.Errorf("%s: got %d messages, want all of them for 20 readers", name, got.Expected)
		}
	}
}

func TestLoadLeavesStalledReadersOut(t *testing.T) {
	if got := load(t, &post{}, some, fewStall, slowly).Published; got.Wrong() || got.Expected == 0 || got.Expected%15 != 0 {
		t.Errorf("5 of 20 readers stalled: got %+v, want messages for 15", got)
	}
}

// A server that does not do what it should is found out.
func TestLoadFindsOut(t *testing.T) {
	var held string
	for _, c := range []struct {
		name string
		bad  func(n int, message string) []string
		is   func(c job.Counts) bool
	}{
		{"loses the third", func(n int, m string) []string {
			if n == 2 {
				return nil
			}
			return []string{m}
		}, func(c job.Counts) bool { return c.Lost == 20 && c.Repeated+c.Disordered == 0 }},
		{"repeats the third", func(n int, m string) []string {
			if n == 2 {
				return []string{m, m}
			}
			return []string{m}
		}, func(c job.Counts) bool { return c.Repeated == 20 && c.Lost+c.Disordered == 0 }},
		{"sends the third after the fourth", func(n int, m string) []string {
			switch n {
			case 2:
				held = m
				return nil
			case 3:
				return []string{m, held}
			}
			return []string{m}
		}, func(c job.Counts) bool { return c.Disordered == 20 && c.Lost+c.Repeated == 0 }},
	} {
		if got := load(t, &post{bad: c.bad}, some, slowly).Published; !c.is(got.Counts) || !got.Wrong() {
			t.Errorf("a server that %s: got %+v", c.name, got.Counts)
		}
	}
	silent := func(int, string) []string { return nil }
	if got := load(t, &post{bad: silent}, some, shortly).Published; got.Drained >= 0 {
		t.Errorf("a server that delivers nothing: got %+v, want it not drained", got)
	}
}

func TestLoadSaysWhatItCannot(t *testing.T) {
	var g generator
	defer g.close()
	for _, order := range []job.Order{{}, some, {Target: &job.Target{Address: "127.0.0.1:1", Read: "pigeon"}}, {Target: &job.Target{Address: "somewhere", Read: "pabal sse", Write: "pabal"}}} {
		if _, err := g.carryOut(order); err == nil {
			t.Errorf("%+v was carried out, want an error", order)
		}
	}
}
