package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder keeps what is published.
type recorder map[pabal.Channel][]string

func (r recorder) publish(_ context.Context, ch pabal.Channel, p pabal.Publish) error {
	for _, m := range p.Messages {
		if m.ContentType != "application/json" {
			return errors.New("not JSON: " + m.ContentType)
		}
		r[ch] = append(r[ch], string(m.Data))
	}
	return nil
}

// The real metrics of the machine that runs the test, field by field.
func TestFields(t *testing.T) {
	stats := pabal.Stats{Sessions: 3, Channels: 2}
	got := make(recorder)
	p := Publisher{Publish: got.publish, Stats: func() pabal.Stats { stats.Published += 5; return stats }}
	for _, m := range metrics(p.Stats) {
		if _, err := m.read(t.Context(), 0); err != nil {
			t.Fatalf("%s: %v", m.channel, err)
		}
		for range 2 {
			if err := p.publish(t.Context(), m, 500*time.Millisecond); err != nil {
				t.Fatalf("%s: %v", m.channel, err)
			}
		}
	}
	for ch, want := range map[pabal.Channel]string{
		"$host/cpu":     "perCore percent seq",
		"$host/memory":  "percent seq totalBytes usedBytes",
		"$host/load":    "load1 load15 load5 seq",
		"$host/network": "receivedBytesPerSecond sentBytesPerSecond seq",
		"$host/disk":    "percent readBytesPerSecond seq totalBytes usedBytes writtenBytesPerSecond",
		"$host/pabal":   "channels deliveredPerSecond goroutines heapBytes publishedPerSecond readers seq",
	} {
		if len(got[ch]) != 2 {
			t.Errorf("%s: got %q, want two samples", ch, got[ch])
			continue
		}
		for i, data := range got[ch] {
			fields := make(map[string]any)
			if err := json.Unmarshal([]byte(data), &fields); err != nil {
				t.Fatal(err)
			}
			if names := strings.Join(slices.Sorted(maps.Keys(fields)), " "); names != want || fields["seq"] != float64(i+1) {
				t.Errorf("%s: got %s, want the fields %s and the sequence %d", ch, data, want, i+1)
			}
		}
	}
	if !strings.Contains(got["$host/pabal"][1], `"readers":3,"channels":2,"publishedPerSecond":10,"deliveredPerSecond":0`) {
		t.Errorf("$host/pabal: got %s, want 3 readers, 2 channels and 10 a second", got["$host/pabal"][1])
	}
}

// Twice a second, whatever fails.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(recorder)
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		p := Publisher{Publish: got.publish, Log: slog.New(slog.NewTextHandler(&log, nil))}
		fails := func(context.Context, time.Duration) (sample, error) { return nil, errors.New("no such thing") }
		works := func(context.Context, time.Duration) (sample, error) { return &loadSample{}, nil }
		done := make(chan struct{})
		go func() {
			p.run(ctx, []*metric{{channel: "$host/none", read: fails}, {channel: "$host/load", read: works}})
			close(done)
		}()
		time.Sleep(2100 * time.Millisecond)
		synctest.Wait()
		cancel()
		<-done
		if len(got) != 1 || len(got["$host/load"]) != 4 || got["$host/load"][3] != `{"seq":4,"load1":0,"load5":0,"load15":0}` {
			t.Errorf("got %q, want four of $host/load in two seconds", got)
		}
		if n := strings.Count(log.String(), "no such thing"); n != 1 {
			t.Errorf("the error was logged %d times, want once:\n%s", n, &log)
		}
	})
}

func TestRate(t *testing.T) {
	var c counters
	for i, step := range []struct {
		now     counters
		elapsed time.Duration
		want    float64
	}{
		{counters{"a": 1000}, 0, 0},
		{counters{"a": 1500}, 500 * time.Millisecond, 1000},
		{counters{"a": 1500, "b": 9000}, time.Second, 0},             // b is new
		{counters{"a": 10, "b": 9001}, time.Second, 1},               // a began anew
		{counters{"a": 20}, 3 * time.Second, 3.3},                    // b is gone
		{counters{"a": 20, "b": 9001}, 500 * time.Millisecond, 0},    // and back
		{counters{"a": 20, "b": 9002}, 500 * time.Millisecond, 2},    //
		{counters{"a": 1 << 62, "b": 9002}, 0, 0},                    // no time went by
		{counters{"a": 1<<62 + 1, "b": 9002}, 10 * time.Second, 0.1}, //
	} {
		if got := c.rate(step.now, step.elapsed); got != step.want {
			t.Errorf("step %d: got %v a second, want %v", i, got, step.want)
		}
	}
}
