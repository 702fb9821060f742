package readers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An Event is what an EventSource dispatches.
type Event struct {
	ID   string // the last event ID
	Type string // "" is "message"
	Data string
}

// An EventStream parses text/event-stream as WHATWG HTML, section 9.2.6,
// says: line ends of all three kinds, the order mark, comments, an id with NUL
// ignored, a retry of digits alone, and an unfinished event at the end thrown
// away.
type EventStream struct {
	Retry time.Duration // the last that was given; 0: none
	in    *bufio.Reader
	begun bool
	event Event
	data  []byte
	cr    bool // the last line ended with CR: an LF that follows belongs to it
}

// NewEventStream returns a parser of r.
func NewEventStream(r io.Reader) *EventStream { return &EventStream{in: bufio.NewReader(r)} }

// Next returns the next event. At the end it returns [io.EOF].
func (s *EventStream) Next() (Event, error) {
	for {
		line, err := s.line()
		if err != nil {
			return Event{}, err
		}
		if len(line) > 0 {
			s.field(line)
			continue
		}
		done, has := s.event, s.data != nil
		done.Data = strings.TrimSuffix(string(s.data), "\n")
		s.event.Type, s.data = "", nil
		if has {
			return done, nil
		}
	}
}

// line returns the next line that is whole.
func (s *EventStream) line() ([]byte, error) {
	var line []byte
	for {
		b, err := s.in.ReadByte()
		if err != nil {
			return nil, err
		}
		if s.cr && b == '\n' {
			s.cr = false
			continue
		}
		if s.cr = b == '\r'; b == '\n' || s.cr {
			if !s.begun {
				s.begun, line = true, bytes.TrimPrefix(line, []byte("\ufeff"))
			}
			return line, nil
		}
		line = append(line, b)
	}
}

func (s *EventStream) field(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		s.event.Type = string(value)
	case "data":
		s.data = append(append(s.data, value...), '\n')
	case "id":
		if !bytes.Contains(value, []byte{0}) {
			s.event.ID = string(value)
		}
	case "retry":
		if n, err := strconv.ParseUint(string(value), 10, 31); err == nil && value[0] != '+' {
			s.Retry = time.Duration(n) * time.Millisecond
		}
	}
}

// SSE reads server-sent events. Of one channel the data is bare, unless it is
// the JSON form of this very event.
func SSE(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return t.body(ctx, "sse", "text/event-stream", nil, func(resp *http.Response, yield func(Item) bool) error {
		events := NewEventStream(resp.Body)
		for {
			e, err := events.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			it, err := e.item(t)
			if err != nil {
				return err
			}
			if !yield(it) {
				return nil
			}
		}
	})
}

func (e *Event) item(t *Target) (Item, error) {
	if e.ID == "" {
		return Item{}, fmt.Errorf("event %+v has no id", e)
	}
	several := len(t.Channels) > 1
	if several || t.Query.Get("format") == "entry" || strings.HasPrefix(e.Type, "$") {
		it, err := parseForm([]byte(e.Data))
		switch {
		case err != nil:
			return it, err
		case it.Notice != "" && it.Notice != e.Type, it.Notice == "" && it.Type != e.Type:
			return it, fmt.Errorf("event %+v is of another type than its data says", e)
		case several:
			it.Vector = e.ID
		case it.Cursor != e.ID:
			return it, fmt.Errorf("event %+v has another id than its data says", e)
		}
		return it, nil
	}
	if it, err := parseForm([]byte(e.Data)); err == nil && it.Cursor == e.ID && it.Channel == t.Channels[0] && it.Notice == "" {
		return it, nil
	}
	it := Item{Channel: t.Channels[0], Cursor: e.ID, Type: e.Type}
	if e.Data != "" {
		it.Data = []byte(e.Data)
	}
	return it, nil
}
