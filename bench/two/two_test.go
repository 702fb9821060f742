package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// All is measured once, in small, but for centrifuge, which is a module of its
// own.
func TestAll(t *testing.T) {
	s := sizes{Rounds: 1, Seconds: 0.4, Publishers: 3, Readers: 5, Fanouts: 3, Joins: 30}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	b := &bench{sizes: s, dir: t.TempDir(), alone: true, only: regexp.MustCompile("")}
	var err error
	if b.workshop, err = build(t.Context(), b.dir, false); err != nil {
		t.Fatal(err)
	}
	r := aReport(t, "-", b)
	if err := b.round(t.Context(), r, 0); err != nil {
		t.Fatal(err)
	}
	for _, section := range sections(s) {
		for _, row := range section.rows {
			if found := r.Found[section.key]; !strings.HasPrefix(row.key, "centrifuge") && (found == nil || len(found.Rows[row.key]) != 1) {
				t.Errorf("%s, %s: it was not measured", section.key, row.key)
			}
		}
	}
	for _, row := range []string{"join", "leave"} {
		if got := r.Found["joins"].Rows[row]; len(got) == 1 && (got[0]["entries"] != 30 || got[0]["publishes"] < 1) {
			t.Errorf("%s: got %v, want 30 entries", row, got[0])
		}
	}
	text := r.markdown()
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("the report has figures that are none:\n%s", text)
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

// What a server does not do as it was asked to is an error, not a figure.
func TestRefusals(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	var err error
	if b.workshop, err = build(t.Context(), b.dir, false); err != nil {
		t.Fatal(err)
	}
	k, err := newKeys(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.workshop.pabal("--broker=memory", k.files["es256"])
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	for _, r := range roads[:7] { // without a token
		c, err := hire(r, s, 1)
		if err == nil {
			_, err = c.burst(t.Context(), 1, 0.01)
			c.close()
		}
		if !errors.Is(err, errTurnedAway) {
			t.Errorf("%s: got %v, want that it is refused", r.row, err)
		}
	}
	other, err := newKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		keys *keys
		row  string
		good bool
	}{{k, "es256", true}, {k, "hs256", false}, {other, "es256", false}} {
		header, err := test.keys.header(test.row, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, technique := range techniques {
			a, err := gather(t.Context(), s, 1, 1, func(c *socket, _ int) error { return c.get(technique.path, technique.header+header, technique.status) })
			if err == nil {
				a.leave()
			}
			if good := err == nil; good != test.good {
				t.Errorf("%s, %s: got %v, want that it is good: %v", technique.key, test.row, err, test.good)
			}
		}
	}
}

// Marks are counted wherever the text is cut; too many are an error.
func TestAudienceCounts(t *testing.T) {
	text := strings.Repeat("^"+mark+" ^!!^ ", 3)
	for cut := range len(text) {
		end, conn := pipe(t)
		a := &audience{sockets: []*socket{{conn: conn, in: bufio.NewReader(conn)}}, failed: make(chan error, 1)}
		a.reading.Go(func() { a.read(a.sockets[0]) })
		for _, part := range []string{text[:cut], text[cut:]} {
			if _, err := io.WriteString(end, part); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.await(t.Context(), 3); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if err := a.await(t.Context(), 2); err == nil {
			t.Error("more came than was sent: got no error")
		}
		_ = end.Close()
		if err := a.await(t.Context(), 4); err == nil || !strings.Contains(err.Error(), "cut off") {
			t.Errorf("the server hangs up: got %v", err)
		}
		a.leave()
	}
}

// pipe returns both ends of a connection.
func pipe(t *testing.T) (net.Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	end, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = end.Close() })
	return end, conn.(*net.TCPConn)
}

// A publisher hears acknowledgements in whatever frames they come, answers
// pings, and reports what is no acknowledgement.
func TestPublisherHears(t *testing.T) {
	frame := func(op byte, text string) []byte {
		if len(text) < 126 {
			return append([]byte{0x80 | op, byte(len(text))}, text...)
		}
		return append([]byte{0x80 | op, 126, byte(len(text) >> 8), byte(len(text))}, text...)
	}
	end, conn := pipe(t)
	p := &publisher{socket: &socket{conn: conn, in: bufio.NewReader(conn)}, road: roads[slices.IndexFunc(roads, func(r *road) bool { return r.row == "centrifuge" })]}
	two := `{"id":7,"publish":{}}` + "\n" + `{"id":8,"publish":{}}`
	in := slices.Concat(frame(opPing, "hi"), frame(opText, two), frame(opText, `{"id":9,"publish":{}}`+strings.Repeat(" ", 200)))
	if _, err := end.Write(in); err != nil {
		t.Fatal(err)
	}
	for heard := 0; heard < 3; {
		n, err := p.hear()
		if heard += n; err != nil {
			t.Fatal(err)
		}
	}
	pong := make([]byte, 8)
	if _, err := io.ReadFull(end, pong); err != nil || !bytes.Equal(pong, appendFrame(nil, opPong, []byte("hi"))) {
		t.Errorf("got % x, %v, want a pong", pong, err)
	}
	for _, bad := range [][]byte{frame(opText, `{"id":10,"error":{"code":100}}`), frame(opClose, "\x03\xe8bye")} {
		if _, err := end.Write(bad); err != nil {
			t.Fatal(err)
		}
		if _, err := p.hear(); !errors.Is(err, errTurnedAway) {
			t.Errorf("%q: got %v, want that it is refused", bad, err)
		}
	}
	p.close()
}

// Messages have the size that they are said to have, and each is another.
func TestMessages(t *testing.T) {
	seen := map[string]bool{}
	for publisher := range 3 {
		for n := range 3 {
			text := string(bare(nil, publisher, n))
			if len(text) != payload || seen[text] || strings.Contains(text, mark) {
				t.Errorf("message %d of %d is %q", n, publisher, text)
			}
			seen[text] = true
		}
	}
}

// The report takes its place in the page and leaves what stands around it, and
// what was not measured again.
func TestReportIsKept(t *testing.T) {
	docs := t.TempDir()
	page := filepath.Join(docs, "benchmarks.md")
	if err := os.WriteFile(page, []byte("# Benchmarks\n\nbefore\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b := &bench{sizes: sizes{Rounds: 2, Joins: 10}, workshop: &workshop{version: "centrifuge v0"}}
	r := aReport(t, docs, b)
	for round := range 2 {
		r.note("publish", "pabal", round, sample{"cpu_us-1": 14})
		r.note("publish", "centrifuge", round, sample{"cpu_us-1": 10})
		r.note("joins", "join", round, sample{"seen": 2, "entries_each": 1})
	}
	if err := r.save(docs, r.markdown()); err != nil {
		t.Fatal(err)
	}
	again := aReport(t, docs, b)
	again.note("publish", "pabal", 0, sample{"cpu_us-1": 16})
	again.note("publish", "centrifuge", 0, sample{"cpu_us-1": 10})
	text := again.markdown()
	if err := again.save(docs, text); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"before\n\n## Two ways\n", "1 under way, beside centrifuge | 1.60 × | 1.50 ×: **not met** |", "| 10 join: all are seen after | 2.00 s | 10.00 s: met |",
		"| 10 join: publishes | – | not measured |", placeEnd,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if n := strings.Count(string(got), placeBegin); n != 1 {
		t.Errorf("the report is there %d times", n)
	}
	b.Joins = 11
	if r := aReport(t, docs, b); len(r.Found) != 0 {
		t.Errorf("of other sizes %v is kept", r.Found)
	}
}

func TestEachStopsAtAnError(t *testing.T) {
	failed := errors.New("it failed")
	calls := 0
	err := each(context.Background(), 1, 100, func(i int) error {
		if calls++; i == 3 {
			return failed
		}
		return nil
	})
	if !errors.Is(err, failed) || calls != 4 {
		t.Errorf("got %v after %d calls, want the error after 4", err, calls)
	}
}
