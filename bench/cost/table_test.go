package main

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/bench/cost/browser"
	"github.com/pabal/pabal/bench/cost/line"
)

// What is counted must hold whole numbers of messages, polls and signs of life.
func TestWindows(t *testing.T) {
	for _, p := range append(quickRates, rates...) {
		if p.window%p.every != 0 || p.window%tablePoll != 0 {
			t.Errorf("%s: the window of %v does not hold whole numbers of messages and polls", p.name, p.window)
		}
		last := time.Duration(p.messages()-1) * p.every
		if end := p.lead() + p.window; last < end-p.every || last > end {
			t.Errorf("%s: the last message comes at %v, and the window ends at %v", p.name, last, end)
		}
	}
	for _, every := range []time.Duration{tablePoll, tableWait, heartbeat, h2Ping} {
		if quiet.window%every != 0 {
			t.Errorf("%v of quiet do not hold a whole number of %v", quiet.window, every)
		}
	}
}

func TestWays(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range ways() {
		if seen[w.String()] {
			t.Errorf("%v is there twice", w)
		}
		seen[w.String()] = true
		if w.h2 && w.isWebSocket() || w.h2 && !w.tls || w.shared && !w.h2 {
			t.Errorf("%v cannot be", w)
		}
	}
	for _, want := range []string{"poll, h1", "jsonp, h2 + TLS", "sse, h2 + TLS, shared", "websocket raw, h1 + TLS"} {
		if !seen[want] {
			t.Errorf("got no %s", want)
		}
	}
}

func TestLengths(t *testing.T) {
	got := lengths(8, 107) // 8 to 9, 10 to 99, 100 to 107
	for from, want := range map[int]float64{8: 0.02, 10: 0.9, 100: 0.08} {
		if got[from] != want {
			t.Errorf("from %d: got %v, want %v", from, got[from], want)
		}
	}
	if len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

// fakeLine answers each request with the next of its answers.
type fakeLine struct {
	answers []string
	body    io.Reader
	asked   []string
}

func (l *fakeLine) Ask(r browser.Request) error {
	l.asked = append(l.asked, r.Path)
	return nil
}

func (l *fakeLine) Head() (line.Head, error) {
	if len(l.answers) == 0 {
		return line.Head{}, io.ErrUnexpectedEOF
	}
	l.body, l.answers = strings.NewReader(l.answers[0]), l.answers[1:]
	return line.Head{Status: 200, Cursor: fmt.Sprint("e-", len(l.asked))}, nil
}

func (l *fakeLine) Read(p []byte) (int, error) { return l.body.Read(p[:min(len(p), 7)]) } // in pieces

func (*fakeLine) Close() error { return nil }

func viewerOf(w way, answers ...string) (*viewer, *fakeLine) {
	l := &fakeLine{answers: answers}
	v := &viewer{way: w, line: l, request: browser.Request{Path: "/channels/a?via=x&"}, plan: &plan{}, tally: &tally{}, buf: make([]byte, 400)}
	return v, l
}

func messages(numbers ...int) string {
	var text []byte
	for _, n := range numbers {
		text = append(appendPayload(append(text, `{"data":"`...), n), "\"},"...)
	}
	return string(text)
}

func TestViewerReadsOnAfterItsCursor(t *testing.T) {
	v, l := viewerOf(way{techniques[1], h1}, "", messages(0, 1, 2), "", messages(3))
	if err := v.open(); err != nil {
		t.Fatal(err)
	}
	if err := v.run(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) { // after the last answer
		t.Errorf("got %v", err)
	}
	if v.seen() != 4 || v.tally.got.Load() != 4 || len(v.ages) != 3 {
		t.Errorf("got %d messages, a tally of %d, %d ages; want 4, 4, and 3 without the first", v.seen(), v.tally.got.Load(), len(v.ages))
	}
	want := []string{
		"/channels/a?via=poll&since=now", "/channels/a?via=x&cursor=e-1", "/channels/a?via=x&cursor=e-2",
		"/channels/a?via=x&cursor=e-3", "/channels/a?via=x&cursor=e-4",
	}
	if fmt.Sprint(l.asked) != fmt.Sprint(want) {
		t.Errorf("asked for %v, want %v", l.asked, want)
	}
}

func TestViewerRefusesWhatIsNotTheNext(t *testing.T) {
	for numbers, want := range map[[2]int]string{{0, 2}: "lost", {0, 0}: "repeated"} {
		v, _ := viewerOf(way{sse, h1}, messages(numbers[0], numbers[1]))
		err := v.open()
		if err == nil {
			err = v.run(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", numbers, err, want)
		}
	}
}

func TestViewerEndsWithItsContext(t *testing.T) {
	v, _ := viewerOf(way{techniques[0], h1}, "")
	if err := v.open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.run(ctx); err != nil {
		t.Errorf("got %v, want none", err)
	}
}

func TestPollsKeepTheirPlaceInTheInterval(t *testing.T) {
	v, _ := viewerOf(way{techniques[0], h1})
	v.pollTurn = tablePoll / 4
	begun := time.Unix(1000, 0)
	v.plan.begun.Store(begun.UnixNano())
	for _, test := range []struct{ at, want time.Duration }{
		{0, tablePoll / 4}, {tablePoll / 8, tablePoll / 8}, {tablePoll / 4, tablePoll}, {tablePoll, tablePoll / 4}, {-tablePoll / 4, tablePoll / 2},
	} {
		if got := v.untilPoll(begun.Add(test.at)); got != test.want {
			t.Errorf("at %v: got %v, want %v", test.at, got, test.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	var ages []time.Duration
	for i := range 100 {
		ages = append(ages, time.Duration(i)*time.Millisecond)
	}
	if a, b, none := quantile(ages, 0.5), quantile(ages, 0.99), quantile(nil, 0.5); a != 50 || b != 99 || none != 0 {
		t.Errorf("got %v, %v and %v, want 50, 99 and 0", a, b, none)
	}
}

// tableOf is a report in which everything costs as many bytes as its name says.
func tableOf(t *testing.T) *tableReport {
	t.Helper()
	r := newTableReport(&bench{rates: rates}, 1)
	for _, p := range append(rates, quiet) {
		for _, w := range ways() {
			bytes := 100.0
			if w.name() == "poll" {
				bytes = 1000
			}
			r.add(p, w, 0, sample{"bytes": bytes, "predicted": bytes, "of_predicted": 1})
			if p.every == 0 {
				r.addMemory(w, 0, sample{"rss": 2048})
			}
		}
	}
	return r
}

func TestTableIsWritten(t *testing.T) {
	r := tableOf(t)
	var text strings.Builder
	if err := r.write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"is 10.0 : 1, 10.0 : 1, 10.0 : 1 and 10.0 : 1 over HTTP/1.1", "at 0.1, 1, 10 and 50 messages a second",
		"| 0.1/s | 10.0 : 1 | 1.0 : 1 |", "### One message in 10 seconds", "### Nothing comes", "| sse, h2 + TLS, shared |", "| 2.0 |",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("got no %q in\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "%!") {
		t.Error("a text is not formatted as it should be")
	}
	charts := r.charts()
	for _, c := range charts {
		if err := xml.Unmarshal([]byte(c.svg), new(struct{})); err != nil || strings.Count(c.svg, "class=\"line\"") != len(techniques) {
			t.Errorf("%s: got %v and %d lines, want %d", c.file, err, strings.Count(c.svg, "class=\"line\""), len(techniques))
		}
	}
	if len(charts) != 2 {
		t.Errorf("got %d charts, want 2", len(charts))
	}
}

// A part of the table says nothing that it did not measure.
func TestPartOfTheTable(t *testing.T) {
	r := newTableReport(&bench{rates: quickRates}, 1)
	r.add(quickRates[0], way{sse, h1}, 0, sample{"bytes": 100})
	var text strings.Builder
	if err := r.write(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "Polling against") || !strings.Contains(text.String(), "| sse, h1 | 100 | – |") {
		t.Errorf("got %s", text.String())
	}
}

func TestCertificateIsTrusted(t *testing.T) {
	c, err := newCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() {
		served <- tls.Server(far, &tls.Config{Certificates: []tls.Certificate{pair}}).HandshakeContext(t.Context())
	}()
	if err := tls.Client(near, c.client).HandshakeContext(t.Context()); err != nil {
		t.Error(err)
	}
	near.Close()
	<-served // it may not have come to send its tickets
}
