package eventsource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// heard is what a body says: its events, the last event ID and the
// reconnection time after it.
type heard struct {
	events []Event
	last   string
	retry  time.Duration
}

func hear(t testing.TB, body io.Reader, last string) heard {
	t.Helper()
	s := newStream(body, last, 3*time.Second)
	var events []Event
	for {
		e, err := s.next()
		if errors.Is(err, io.EOF) {
			return heard{events, s.last, s.retry}
		}
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
}

func (h heard) String() string {
	return fmt.Sprintf("%q, last %q, retry %v", h.events, h.last, h.retry)
}

func (h heard) equal(other heard) bool {
	return slices.Equal(h.events, other.events) && h.last == other.last && h.retry == other.retry
}

func event(typ, data, id string) Event { return Event{Type: typ, Data: data, LastEventID: id} }

func message(data string) Event { return event("message", data, "") }

const bom = "\xef\xbb\xbf"

var bodies = []struct {
	name, body string
	events     []Event
	last       string // "": none
	retry      time.Duration
}{
	{name: "nothing"},
	{name: "blank lines alone are no events", body: "\n\r\r\n\n"},
	{name: "one event", body: "data: a\n\n", events: []Event{message("a")}},
	{name: "the three line ends", body: "data:a\r\rdata:b\r\n\r\ndata:c\n\n", events: []Event{message("a"), message("b"), message("c")}},
	{name: "line ends mixed", body: "data:a\ndata:b\r\r\ndata:c\r\n\n", events: []Event{message("a\nb"), message("c")}},
	{name: "LF CR are two ends", body: "data:a\n\rdata:b\n\r", events: []Event{message("a"), message("b")}},
	{name: "CR LF is one end, not two", body: "data:a\r\ndata:b\r\n\r\n", events: []Event{message("a\nb")}},
	{name: "one order mark is skipped", body: bom + "data:a\n\n", events: []Event{message("a")}},
	{name: "a second is not", body: bom + bom + "data:a\n\n"},
	{name: "nor a later one", body: "\n" + bom + "data:a\n\n"},
	{name: "an order mark and a blank line", body: bom + "\ndata:a\n\n", events: []Event{message("a")}},
	{name: "half an order mark is no mark", body: "\xef\xbbdata:a\n\ndata:b\n\n", events: []Event{message("b")}},
	{name: "one space is taken off", body: "data:  a \n\n", events: []Event{message(" a ")}},
	{name: "a tab is not", body: "data:\ta\n\n", events: []Event{message("\ta")}},
	{name: "no value", body: "data\n\ndata:\n\ndata: \n\n", events: []Event{message(""), message(""), message("")}},
	{name: "two empty lines of data", body: "data\ndata\n\n", events: []Event{message("\n")}},
	{name: "only the last LF is taken off", body: "data:a\ndata:\ndata:\n\n", events: []Event{message("a\n\n")}},
	{name: "colons after the first are data", body: "data:a:b: c\n\n", events: []Event{message("a:b: c")}},
	{name: "a comment", body: ":data: a\n\n: \n:\ndata:b\n:x\ndata:c\n\n", events: []Event{message("b\nc")}},
	{name: "unknown and misspelt fields", body: "dat: a\nDATA:b\n data:c\ndata :d\nevents:x\n\ndata:e\n\n", events: []Event{message("e")}},
	{name: "a type is for one event", body: "event:x\ndata:a\n\ndata:b\n\n", events: []Event{event("x", "a", ""), message("b")}},
	{name: "a type without data is forgotten", body: "event:x\n\ndata:a\n\n", events: []Event{message("a")}},
	{name: "the last type counts, also if empty", body: "event:x\nevent:y\ndata:a\n\nevent:x\nevent\ndata:b\n\n", events: []Event{event("y", "a", ""), message("b")}},
	{name: "an ID stays", body: "id:1\ndata:a\n\ndata:b\n\n", events: []Event{event("message", "a", "1"), event("message", "b", "1")}, last: "1"},
	{name: "an ID without data counts", body: "id:1\n\ndata:a\n\n", events: []Event{event("message", "a", "1")}, last: "1"},
	{name: "an empty ID takes it back", body: "id:1\ndata:a\n\nid\ndata:b\n\n", events: []Event{event("message", "a", "1"), message("b")}},
	{name: "an ID with NUL is ignored", body: "id:1\ndata:a\n\nid:2\x003\ndata:b\n\n", events: []Event{event("message", "a", "1"), event("message", "b", "1")}, last: "1"},
	{name: "an ID counts at the blank line", body: "id:1\ndata:a\n\nid:2\ndata:b\n", events: []Event{event("message", "a", "1")}, last: "1"},
	{name: "other fields may hold NUL", body: "event:x\x00\ndata:\x00\n\n", events: []Event{event("x\x00", "\x00", "")}},
	{name: "an event without its blank line is thrown away", body: "data:a\n\ndata:b\n", events: []Event{message("a")}},
	{name: "and so is half a line", body: "data:a\n\ndata:b", events: []Event{message("a")}},
	{name: "a reconnection time", body: "retry:1500\n", retry: 1500 * time.Millisecond},
	{name: "counts although its event does not end", body: "data:a\nretry: 0010\n", retry: 10 * time.Millisecond},
	{name: "of no length", body: "retry:0\n", retry: -1},
	{name: "of digits alone", body: "retry:+1\nretry:-1\nretry:1 \nretry:1.5\nretry:1e3\nretry:0x1\nretry:\nretry\nretry:1_0\nretry:\u0661\n"},
	{name: "longer than a duration", body: "retry:99999999999999999999\n", retry: 9223372036854 * time.Millisecond},
	{name: "UTF-8", body: "data:é€😀\nid:é\n\n", events: []Event{event("message", "é€😀", "é")}, last: "é"},
	{name: "broken UTF-8", body: "data:\xe2\x82z\xff\xf0\x9f\x98\n\ndata:\xc0\xaf\xed\xa0\x80\n\n", events: []Event{message("\ufffdz\ufffd\ufffd"), message(strings.Repeat("\ufffd", 5))}},
	{name: "a line end within a character", body: "data:\xe2\x82\ndata:\xac\r\r", events: []Event{message("\ufffd\n\ufffd")}},
}

// A body says the same however it arrives, and what it says is what the
// standard says.
func TestStream(t *testing.T) {
	for _, b := range bodies {
		want := heard{b.events, b.last, b.retry}
		switch want.retry {
		case 0:
			want.retry = 3 * time.Second
		case -1:
			want.retry = 0
		}
		for at := range len(b.body) + 1 {
			parts := io.MultiReader(strings.NewReader(b.body[:at]), strings.NewReader(b.body[at:]))
			if got := hear(t, parts, ""); !got.equal(want) {
				t.Errorf("%s, split at byte %d: got %v, want %v", b.name, at, got, want)
				break
			}
		}
		if got := hear(t, iotest.OneByteReader(strings.NewReader(b.body)), ""); !got.equal(want) {
			t.Errorf("%s, byte by byte: got %v, want %v", b.name, got, want)
		}
	}
}

// What a cut leaves of a body is a beginning of what the whole says, and the
// last event ID is that of the last event.
func TestCut(t *testing.T) {
	for _, b := range bodies {
		for at := range len(b.body) + 1 {
			got := hear(t, strings.NewReader(b.body[:at]), "")
			if len(got.events) > len(b.events) || !slices.Equal(got.events, b.events[:len(got.events)]) {
				t.Errorf("%s, cut at byte %d: got %q, want a beginning of %q", b.name, at, got.events, b.events)
			}
		}
	}
}

// An event is there with the first byte of its blank line's end: a CR does not
// wait for what follows.
func TestNoByteTooMany(t *testing.T) {
	for _, body := range []string{"data:a\n\n", "data:a\r\r", "data:a\r\n\r", bom + "data:a\n\r"} {
		r, w := io.Pipe()
		s := newStream(r, "", 0)
		go func() { _, _ = io.WriteString(w, body) }()
		if e, err := s.next(); err != nil || e != message("a") {
			t.Errorf("%q and no more: got %q, %v", body, e, err)
		}
		r.Close()
	}
}

// A response goes on with the last event ID of the one before.
func TestLastEventIDIsKept(t *testing.T) {
	got := hear(t, strings.NewReader("data:a\n\nid\ndata:b\n\n"), "7")
	if want := []Event{event("message", "a", "7"), message("b")}; !slices.Equal(got.events, want) {
		t.Errorf("got %q, want %q", got.events, want)
	}
	if got := hear(t, strings.NewReader("retry:1\n\n"), "7"); got.last != "7" {
		t.Errorf("after a reconnection time alone the last event ID is %q, want 7", got.last)
	}
}

// plain reads a whole body in the plainest way.
func plain(body, last string) heard {
	text := strings.ReplaceAll(strings.ReplaceAll(strings.TrimPrefix(body, bom), "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(text, "\n")
	h := heard{last: last, retry: 3 * time.Second}
	typ, data, id := "", "", last
	for _, line := range lines[:len(lines)-1] {
		line = string(bytes.ToValidUTF8([]byte(line), []byte("?")))
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			h.last = id
			if data != "" {
				if typ == "" {
					typ = "message"
				}
				h.events = append(h.events, event(typ, strings.TrimSuffix(data, "\n"), id))
			}
			typ, data = "", ""
		case name == "event":
			typ = value
		case name == "data":
			data += value + "\n"
		case name == "id" && !strings.Contains(value, "\x00"):
			id = value
		}
	}
	return h
}

func FuzzStream(f *testing.F) {
	for _, b := range bodies {
		f.Add(b.body, 3)
	}
	f.Fuzz(func(t *testing.T, body string, at int) {
		at = max(0, min(at, len(body)))
		whole := hear(t, strings.NewReader(body), "0")
		if parts := hear(t, io.MultiReader(strings.NewReader(body[:at]), strings.NewReader(body[at:])), "0"); !parts.equal(whole) {
			t.Errorf("split at byte %d: got %v, want %v", at, parts, whole)
		}
		want := plain(body, "0")
		mark := func(e []Event) string { // the number of marks for broken characters is TestDecode's
			text := strings.ReplaceAll(fmt.Sprintf("%+v", e), "\ufffd", "?")
			for strings.Contains(text, "??") {
				text = strings.ReplaceAll(text, "??", "?")
			}
			return text
		}
		if got, want := mark(whole.events), mark(want.events); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestDecode(t *testing.T) {
	for in, want := range map[string]string{
		"a\x80b":               "a?b",
		"\x80\xbf":             "??",
		"\xc2":                 "?",
		"\xc2\xc2\xa9":         "?\u00a9",
		"\xc0\x80\xc1\xbf":     "????",
		"\xe0\x80\x80":         "???",
		"\xe0\xa0":             "?",
		"\xe1\x80\xe1\x80":     "??",
		"\xed\x9f\xed\xa0":     "???",
		"\xef\xbf\xbf":         "\uffff",
		"\xf0\x8f\xf0\x90":     "???",
		"\xf0\x90\x80":         "?",
		"\xf1\x80\x80\x41":     "?A",
		"\xf4\x8f\xbf":         "?",
		"\xf4\x90\x80\x80":     "????",
		"\xf5\x80\xff":         "???",
		"\xf0\x9f\x98\x80":     "\U0001f600",
		"\xef\xbb\xbf":         "\ufeff",
		"\xe2\x82\xe2\x82\xac": "?\u20ac",
	} {
		want = strings.ReplaceAll(want, "?", "\ufffd")
		if got := string(decode([]byte(in))); got != want {
			t.Errorf("%x: got %q, want %q", in, got, want)
		}
	}
}
