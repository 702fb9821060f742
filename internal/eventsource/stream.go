package eventsource

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// An Event is what a source dispatches.
type Event struct {
	Type        string // "message", if the stream says none
	Data        string
	LastEventID string
}

// A stream parses one response's body.
type stream struct {
	in    *bufio.Reader
	begun bool // the first line is read, which may begin with an order mark
	cr    bool // the last line ended with CR: an LF that follows belongs to it

	typ, data, id []byte // the buffers of section 9.2.6

	last  string        // the last event ID
	retry time.Duration // the reconnection time; changed only by the stream's word
}

func newStream(r io.Reader, last string, retry time.Duration) *stream {
	return &stream{in: bufio.NewReader(r), id: []byte(last), last: last, retry: retry}
}

// next returns the next event. What is not followed by a blank line is thrown
// away with the error that ends the stream.
func (s *stream) next() (Event, error) {
	for {
		line, err := s.line()
		if err != nil {
			return Event{}, err
		}
		if len(line) > 0 {
			s.field(decode(line))
			continue
		}
		if e, is := s.dispatch(); is {
			return e, nil
		}
	}
}

// line returns the next whole line, as soon as the first byte of its end is
// there.
func (s *stream) line() ([]byte, error) {
	var line []byte
	for {
		b, err := s.in.ReadByte()
		if err != nil {
			return nil, err
		}
		follows := s.cr && b == '\n'
		s.cr = b == '\r'
		switch {
		case follows:
		case b != '\n' && b != '\r':
			line = append(line, b)
		case !s.begun:
			s.begun = true
			return bytes.TrimPrefix(line, []byte("\ufeff")), nil
		default:
			return line, nil
		}
	}
}

func (s *stream) field(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		s.typ = value
	case "data":
		s.data = append(append(s.data, value...), '\n')
	case "id":
		if !bytes.Contains(value, []byte{0}) {
			s.id = value
		}
	case "retry":
		if retry, ok := milliseconds(string(value)); ok {
			s.retry = retry
		}
	}
}

// milliseconds parses ASCII digits alone. What is more than a duration holds
// is the longest.
func milliseconds(digits string) (time.Duration, bool) {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	const most = math.MaxInt64 / int64(time.Millisecond)
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > most { // out of range is all that can be wrong
		n = most
	}
	return time.Duration(n) * time.Millisecond, true
}

// dispatch does what a blank line asks for. It reports whether there is an
// event.
func (s *stream) dispatch() (e Event, is bool) {
	s.last = string(s.id)
	if is = len(s.data) > 0; is {
		e = Event{Type: "message", Data: string(s.data[:len(s.data)-1]), LastEventID: s.last}
		if len(s.typ) > 0 {
			e.Type = string(s.typ)
		}
	}
	s.data, s.typ = s.data[:0], nil
	return e, is
}
