package pabal_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal"
)

func TestMessageCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		message pabal.Message
		want    string // what the error says; empty if there is none
	}{
		{"nothing at all", pabal.Message{}, ""},
		{"any bytes", pabal.Message{Data: []byte{0, 0xff, '\n'}}, ""},
		{"all fields", pabal.Message{ID: "파발-1", Type: "goal", Key: "lg", ContentType: "application/json; charset=utf-8", Data: []byte(` {"a":1} `)}, ""},
		{"a notice's type", pabal.Message{Type: "$live"}, "type"},
		{"EventSource's error", pabal.Message{Type: "error"}, `"error"`},
		{"EventSource's open", pabal.Message{Type: "open"}, `"open"`},
		{"error in another case", pabal.Message{Type: "Error"}, ""},
		{"a line end in an id", pabal.Message{ID: "a\nb"}, "id"},
		{"NUL in an id", pabal.Message{ID: "a\x00b"}, "id"},
		{"DEL in a key", pabal.Message{Key: "a\x7f"}, "key"},
		{"CR in a type", pabal.Message{Type: "a\rb"}, "type"},
		{"a tab in a content type", pabal.Message{ContentType: "text/plain;\tcharset=utf-8"}, "content type"},
		{"no UTF-8 in a key", pabal.Message{Key: "a\xff"}, "UTF-8"},
		{"no JSON", pabal.Message{ContentType: "application/json", Data: []byte("{")}, "no JSON"},
		{"nothing is no JSON", pabal.Message{ContentType: "application/json"}, "no JSON"},
		{"two values are no JSON", pabal.Message{ContentType: "application/json", Data: []byte("1 2")}, "no JSON"},
		{"JSON by its suffix", pabal.Message{ContentType: "application/geo+json", Data: []byte("nil")}, "no JSON"},
		{"JSON in capitals", pabal.Message{ContentType: "Application/JSON ;x=y", Data: []byte("nil")}, "no JSON"},
		{"text that looks like JSON", pabal.Message{ContentType: "text/plain", Data: []byte("{")}, ""},
		{"a sequence of JSON values", pabal.Message{ContentType: "application/x-ndjson", Data: []byte("1\n2")}, ""},
	} {
		err := c.message.Check()
		var invalid *pabal.InvalidError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!errors.As(err, &invalid) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want an InvalidError that says %q", c.name, err, c.want)
		}
	}
}

// All but the ID is content, and no two fields can be shifted into each other.
func TestDigest(t *testing.T) {
	m := pabal.Message{ID: "1", Type: "ab", Key: "c", ContentType: "d", Data: []byte("e")}
	same := m
	same.ID = "2"
	if m.Digest() != same.Digest() {
		t.Error("another ID: the digest differs")
	}
	seen := map[pabal.Digest]pabal.Message{m.Digest(): m}
	for _, other := range []pabal.Message{
		{}, {Type: "a", Key: "bc", ContentType: "d", Data: []byte("e")}, {Type: "ab", Key: "c", ContentType: "", Data: []byte("de")},
		{Type: "", Key: "abc", ContentType: "d", Data: []byte("e")}, {Type: "ab", Key: "c", ContentType: "d"}, {Data: []byte("abcde")},
	} {
		if twin, ok := seen[other.Digest()]; ok {
			t.Errorf("%v and %v have the same digest", twin, other)
		}
		seen[other.Digest()] = other
	}
}

// However many ask at once, all get the same bytes, for each format its own.
func TestEncodedIsShared(t *testing.T) {
	entry := &pabal.Entry{Channel: "c", Epoch: 1, Offset: 2, Prev: 1, Time: time.Unix(0, 0), Message: pabal.Message{Data: []byte("x")}}
	var formats []*pabal.Format
	for _, name := range []string{"a", "b", "c"} {
		formats = append(formats, &pabal.Format{Name: name, Encode: func(e *pabal.Entry) []byte { return []byte(name + string(e.Data)) }})
	}
	const readers = 64
	var got [readers][3][]byte
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	for i := range readers {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-gate
			for j := range formats {
				j = (i + j) % len(formats)
				got[i][j] = entry.Encoded(formats[j])
			}
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
	for i := range readers {
		for j, f := range formats {
			if !bytes.Equal(got[i][j], []byte(f.Name+"x")) {
				t.Fatalf("reader %d, format %s: got %q", i, f.Name, got[i][j])
			}
			if &got[i][j][0] != &got[0][j][0] {
				t.Fatalf("reader %d, format %s: the bytes are not shared", i, f.Name)
			}
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { entry.Encoded(formats[1]) }); allocs > 0 {
		t.Errorf("once made, an encoding costs %v allocations, want 0", allocs)
	}
	made := 0
	formats[0].Encode = func(*pabal.Entry) []byte { made++; return nil }
	entry.Encoded(formats[0])
	if entry.Copy().Encoded(formats[0]); made != 1 {
		t.Errorf("made %d times for an entry that had it and a copy, want once, for the copy", made)
	}
}

func TestEntry(t *testing.T) {
	e := &pabal.Entry{Channel: "c", Epoch: 3, Offset: 9, Prev: 4, Message: pabal.Message{ID: "1", Type: "22", Key: "333", ContentType: "4444", Data: []byte("55555")}}
	if got, want := e.Position(), (pabal.Position{Epoch: 3, Offset: 9}); got != want {
		t.Errorf("position: got %v, want %v", got, want)
	}
	if got := e.Size(); got != 15 {
		t.Errorf("size: got %d, want 15", got)
	}
	if c := e.Copy(); c.Channel != e.Channel || c.Position() != e.Position() || c.Prev != e.Prev || c.Digest() != e.Digest() || c.ID != e.ID {
		t.Errorf("copy: got %v, want %v", c, e)
	}
}

// What is over a limit is refused whole, and the error names the limit.
func TestPublishLimits(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{MessageBytes: 10, FieldBytes: 5, BatchMessages: 3, BatchBytes: 20})
	m := func(n int) pabal.Message { return pabal.Message{Data: make([]byte, n)} }
	for _, c := range []struct {
		publish pabal.Publish
		limit   string // empty: no limit, but invalid
		most    int
	}{
		{pabal.Publish{Messages: []pabal.Message{m(1), m(11)}}, "max-message", 10},
		{pabal.Publish{Messages: []pabal.Message{m(1), m(1), m(1), m(1)}}, "batch-messages", 3},
		{pabal.Publish{Messages: []pabal.Message{m(10), m(10), m(1)}}, "batch-bytes", 20},
		{pabal.Publish{Messages: []pabal.Message{m(1)}, BatchID: "123456"}, "field-bytes", 5},
		{pabal.Publish{Messages: []pabal.Message{m(1), {ID: "123456"}}}, "field-bytes", 5},
		{pabal.Publish{Messages: []pabal.Message{{Type: "123456"}}}, "field-bytes", 5},
		{pabal.Publish{Messages: []pabal.Message{{Key: "123456"}}}, "field-bytes", 5},
		{pabal.Publish{Messages: []pabal.Message{{ContentType: "123456"}}}, "field-bytes", 5},
		{pabal.Publish{Messages: []pabal.Message{m(1), {Type: "$live"}}}, "", 0},
	} {
		_, err := h.Publish(t.Context(), pabal.Grant{}, "a", c.publish)
		if c.limit != "" {
			wantLimit(t, err, c.limit, c.most)
		} else if _, ok := errors.AsType[*pabal.InvalidError](err); !ok {
			t.Errorf("got %v, want an InvalidError", err)
		}
	}
	if end, _, err := h.End(t.Context(), "a"); err != nil || end.Offset != 0 || h.Stats().Published != 0 {
		t.Errorf("after what was refused the log's end is %v, %v, and %d messages were published; want none", end, err, h.Stats().Published)
	}
	if _, err := h.Publish(t.Context(), pabal.Grant{}, "a", pabal.Publish{Messages: []pabal.Message{m(10), m(10), m(0)}, BatchID: "12345"}); err != nil {
		t.Errorf("at all limits, and not over: %v", err)
	}
	l := h.Limits()
	_, err := l.CheckChannel(strings.Repeat("x", 256))
	wantLimit(t, err, "channel-bytes", 255)
	if ch, err := l.CheckChannel(strings.Repeat("x", 255)); err != nil || len(ch) != 255 {
		t.Errorf("a name of 255 bytes: %v", err)
	}
}
