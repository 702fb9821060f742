package main

import (
	"bufio"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMarksAreFoundWhereverTheTextIsCut(t *testing.T) {
	// The first byte of a frame's length, and what only looks like a mark, are none.
	text := "\x81^" + string(appendPayload(nil, 7)) + "^1234;^^" + string(appendPayload(nil, 12345678))
	for cut := range len(text) {
		var got []int
		found := func(n int) error {
			got = append(got, n)
			return nil
		}
		rest, err := scanMarks([]byte(text[:cut]), found)
		if err == nil {
			_, err = scanMarks([]byte(text[cut-rest:]), found)
		}
		if want := []int{7, 12345678}; err != nil || !slices.Equal(got, want) {
			t.Fatalf("cut at %d: got %v, %v, want %v", cut, got, err, want)
		}
	}
}

func TestReaderRefusesWhatIsNotTheNext(t *testing.T) {
	for _, test := range []struct {
		numbers []int
		want    string
	}{
		{[]int{0, 1, perPublisher, 2, perPublisher + 1}, ""},
		{[]int{0, 2}, "lost"},
		{[]int{0, 1, 1}, "repeated"},
		{[]int{perPublisher + 1}, "lost"},
	} {
		var r reader
		var err error
		for _, n := range test.numbers {
			if err == nil {
				err = r.found(n)
			}
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v: got %v, want %q", test.numbers, err, test.want)
		}
	}
}

func TestCPUOf(t *testing.T) {
	stat := "1 (pa) bal) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 100\n"
	if got, err := cpuOf([]byte(stat)); err != nil || got != 3*time.Second {
		t.Errorf("got %v, %v, want 3s", got, err)
	}
	if _, err := cpuOf([]byte("1 (pabal) S")); err == nil {
		t.Error("a short line: got no error")
	}
}

func TestReadHead(t *testing.T) {
	in := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nPabal-Cursor: a-1\r\nRetry-After: 1\r\n\r\nok" +
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" +
		"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\nslow"))
	for _, want := range []head{{status: 200, length: 2, cursor: "a-1", later: true}, {status: 200, chunks: true}} {
		got, err := readHead(in)
		if err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if err := discardBody(in, got); err != nil {
			t.Error(err)
		}
	}
	if _, err := readHead(in); err == nil || !strings.Contains(err.Error(), "429: slow") {
		t.Errorf("a refusal: got %v, want its status and its reason", err)
	}
}

func TestCells(t *testing.T) {
	s := &section{base: "a"}
	for round, cpu := range []float64{1, 3, 2} {
		s.add("a", round, sample{"cpu": cpu})
		s.add("b", round, sample{"cpu": 2 * cpu})
	}
	for _, test := range []struct {
		row  string
		of   column
		want string
	}{
		{"a", column{key: "cpu", digits: 1}, "2.0 (1.0–3.0)"},
		{"b", column{key: "cpu", digits: 1, ratio: true}, "2.0"},
		{"b", column{key: "cpu", scale: 2}, "2 (1–3)"},
		{"c", column{key: "cpu"}, "–"},
	} {
		if got := cell(s.values(test.row, test.of), test.of.digits); got != test.want {
			t.Errorf("%s, %+v: got %s, want %s", test.row, test.of, got, test.want)
		}
	}
}

func TestPlaceKeepsWhatStandsAround(t *testing.T) {
	first := basicPlace.put("", "one")
	again := basicPlace.put(first+"\n## Others\n", "two")
	if strings.Contains(again, "one") || !strings.Contains(again, "two") || !strings.HasSuffix(again, "\n## Others\n") || strings.Count(again, basicPlace.begin) != 1 {
		t.Errorf("got %q", again)
	}
	if got := basicPlace.put("# Others\n", "one"); !strings.HasPrefix(got, "# Others\n\n## What") {
		t.Errorf("a page without a place: got %q", got)
	}
}
