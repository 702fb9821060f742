package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// A record is a sink that remembers.
type record struct {
	text  strings.Builder
	said  []string // controls and answers
	whole []string // frames that came whole
}

func (r *record) payload(p []byte, whole bool) {
	r.text.Write(p)
	if whole {
		r.whole = append(r.whole, string(p))
	}
}

func (r *record) control(opcode byte, p []byte) {
	r.said = append(r.said, fmt.Sprintf("%d %s", opcode, p))
}

func (r *record) answered(cursor []byte, again bool) {
	r.said = append(r.said, fmt.Sprintf("%s %v", cursor, again))
}

// inPieces feeds text to framings of f, cut in pieces of every size.
func inPieces(t *testing.T, text string, f func() framing, check func(r *record, err error) error) {
	t.Helper()
	for size := 1; size <= len(text); size++ {
		var r record
		var err error
		into := f()
		for piece := range slices.Chunk([]byte(text), size) {
			if err = into.feed(piece, &r); err != nil {
				break
			}
		}
		if err := check(&r, err); err != nil {
			t.Fatalf("in pieces of %d bytes: %v", size, err)
		}
	}
}

func frame(opcode byte, payload string) string {
	switch n := len(payload); {
	case n < 126:
		return string([]byte{0x80 | opcode, byte(n)}) + payload
	case n < 1<<16:
		return string([]byte{0x80 | opcode, 126, byte(n >> 8), byte(n)}) + payload
	default:
		return string([]byte{0x80 | opcode, 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + payload
	}
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 300)
	text := frame(1, "hello") + frame(9, "") + frame(9, "are you there") + frame(1, "2") + frame(1, "") + frame(2, long) + frame(10, "") + frame(8, "\x03\xe8bye")
	inPieces(t, text, framed, func(r *record, err error) error {
		if got, want := r.text.String(), "hello2"+long; got != want || err != nil {
			return fmt.Errorf("got %q, want %q: %w", got, want, err)
		}
		if want := []string{"9 ", "9 are you there", "10 ", "8 \x03\xe8bye"}; !slices.Equal(r.said, want) {
			return fmt.Errorf("got the controls %q, want %q", r.said, want)
		}
		if !slices.Contains(r.whole, "2") {
			return fmt.Errorf("a small frame did not come whole: %q", r.whole)
		}
		return nil
	})

	var r record
	huge := strings.Repeat("y", 70_000)
	if err := framed().feed([]byte(frame(2, huge)), &r); err != nil || r.text.Len() != len(huge) {
		t.Errorf("a huge frame: got %d bytes and %v, want %d", r.text.Len(), err, len(huge))
	}
	if err := framed().feed([]byte{0x81, 0x81, 0, 0, 0, 0, 'x'}, &r); err == nil {
		t.Error("a masked frame of a server was taken")
	}
}

func TestChunks(t *testing.T) {
	text := "5\r\nhello\r\n1;a=b\r\n \r\n0A\r\nworld12345\r\n0\r\n\r\n"
	inPieces(t, text, func() framing { return &chunks{} }, func(r *record, err error) error {
		if got, want := r.text.String(), "hello world12345"; got != want || !errors.Is(err, io.EOF) {
			return fmt.Errorf("got %q, want %q and the end: %w", got, want, err)
		}
		return nil
	})
	if err := (&chunks{}).feed([]byte("what\r\n"), &record{}); err == nil {
		t.Error("a chunk whose size is no number was taken")
	}
}

func TestAnswers(t *testing.T) {
	text := "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nPabal-Cursor: a-1\r\n\r\nfirst" +
		"HTTP/1.1 204 No Content\r\nPabal-Cursor: a-2\r\nRetry-After: 5\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n"
	inPieces(t, text, answering, func(r *record, err error) error {
		if got, want := r.text.String(), "firstsecond"; got != want || err != nil {
			return fmt.Errorf("got %q, want %q: %w", got, want, err)
		}
		if want := []string{"a-1 true", "a-2 false", "a-2 true"}; !slices.Equal(r.said, want) {
			return fmt.Errorf("got the answers %q, want %q", r.said, want)
		}
		return nil
	})
	for _, bad := range []string{"HTTP/1.1 503 Later\r\n\r\n", "SSH-2.0 hello there\r\n\r\n"} {
		if err := answering().feed([]byte(bad), &record{}); err == nil {
			t.Errorf("%q was taken for an answer", bad)
		}
	}
}
