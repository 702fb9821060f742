package readers

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// The cases are those of WHATWG HTML, section 9.2.6, and of the Web Platform
// Tests on EventSource.
func TestEventStream(t *testing.T) {
	for _, c := range []struct {
		body  string
		want  []Event
		retry time.Duration
	}{
		{"data: YHOO\ndata: +2\ndata: 10\n\n", []Event{{Data: "YHOO\n+2\n10"}}, 0},
		{": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n", []Event{{ID: "1", Data: "first event"}, {Data: "second event"}, {Data: " third event"}}, 0},
		{"data\n\ndata\ndata\n\ndata:", []Event{{}, {Data: "\n"}}, 0},
		{"data:test\n\ndata: test\n\n", []Event{{Data: "test"}, {Data: "test"}}, 0},
		{"\ufeffdata:1\n\n\ufeffdata:2\n\ndata:3\n\n", []Event{{Data: "1"}, {Data: "3"}}, 0},
		{"data:1\r\rdata:2\r\n\r\ndata:3\n\n", []Event{{Data: "1"}, {Data: "2"}, {Data: "3"}}, 0},
		{"data:a\r\n\ndata:b\n\r\n", []Event{{Data: "a"}, {Data: "b"}}, 0},
		{"id: 1\nevent: e\ndata: x\n\ndata: y\n\n", []Event{{ID: "1", Type: "e", Data: "x"}, {ID: "1", Data: "y"}}, 0},
		{"id: 1\n\nevent: lost\n\ndata: y\n\n", []Event{{ID: "1", Data: "y"}}, 0},
		{"id: 1\ndata: x\n\nid: 2\x00\ndata: y\n\n", []Event{{ID: "1", Data: "x"}, {ID: "1", Data: "y"}}, 0},
		{"retry: 3000\nretry: 1x\nretry: -1\nretry: +5\nretry:\nretry\n\n", nil, 3 * time.Second},
		{"Data: x\n data: y\nfield\n\n", nil, 0},
		{"data: unfinished\n", nil, 0},
	} {
		for _, cut := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
			s := NewEventStream(cut(strings.NewReader(c.body)))
			var got []Event
			var err error
			for err == nil {
				var e Event
				if e, err = s.Next(); err == nil {
					got = append(got, e)
				}
			}
			if !errors.Is(err, io.EOF) || !slices.Equal(got, c.want) || s.Retry != c.retry {
				t.Errorf("%q: got %+v, retry %v, %v, want %+v, retry %v", c.body, got, s.Retry, err, c.want, c.retry)
			}
		}
	}
}
