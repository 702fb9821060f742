package websocket

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendFrame(t *testing.T) {
	for _, c := range []struct {
		op   Opcode
		size int
		want []byte
	}{
		{OpText, 0, []byte{0x81, 0}},
		{OpBinary, 1, []byte{0x82, 1}},
		{OpPing, 0, []byte{0x89, 0}},
		{OpPong, 125, []byte{0x8a, 125}},
		{OpBinary, 125, []byte{0x82, 125}},
		{OpBinary, 126, []byte{0x82, 126, 0, 126}},
		{OpBinary, 65535, []byte{0x82, 126, 0xff, 0xff}},
		{OpBinary, 65536, []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		payload := bytes.Repeat([]byte{'x'}, c.size)
		want := "before" + string(c.want) + string(payload)
		if got := AppendFrame([]byte("before"), c.op, payload); string(got) != want {
			t.Errorf("op %d, %d bytes: got % x…, want % x…", c.op, c.size, got[:min(len(got), 20)], want[:min(len(want), 20)])
		}
		if got := headerSize(c.size); got != len(c.want) {
			t.Errorf("header of %d bytes: got size %d, want %d", c.size, got, len(c.want))
		}
		if message := Message(c.op, payload, false); cap(message) > len(message) {
			t.Errorf("message of %d bytes: holds %d for %d", c.size, cap(message), len(message))
		}
	}
}

func TestAppendFramePanicsOnLongControl(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a ping of 126 bytes: got no panic")
		}
	}()
	AppendFrame(nil, OpPing, make([]byte, 126))
}

func TestAppendClose(t *testing.T) {
	long := strings.Repeat("a", 122) + "é"
	for _, c := range []struct {
		code   Code
		reason string
		want   string
	}{
		{CodeNormal, "", "\x88\x02\x03\xe8"},
		{CodeGoingAway, "bye", "\x88\x05\x03\xe9bye"},
		{4999, "", "\x88\x02\x13\x87"},
		{0, "ignored", "\x88\x00"},
		{CodeNoStatus, "", "\x88\x00"},
		{1006, "", "\x88\x02\x03\xf3"},
		{1015, "", "\x88\x02\x03\xf3"},
		{65535, "", "\x88\x02\x03\xf3"},
		{CodeNormal, long[:123], "\x88\x7c\x03\xe8" + long[:122]}, // the half character becomes U+FFFD, which does not fit
		{CodeNormal, long, "\x88\x7c\x03\xe8" + long[:122]},
		{CodeNormal, strings.Repeat("a", 500), "\x88\x7d\x03\xe8" + strings.Repeat("a", 123)},
		{CodeNormal, "a\xffb", "\x88\x07\x03\xe8a\uFFFDb"},
	} {
		got := AppendClose(nil, c.code, c.reason)
		if string(got) != c.want {
			t.Errorf("code %d, reason %q: got % x, want % x", c.code, c.reason, got, c.want)
		}
		if len(got) > 127 || len(got) > 4 && !utf8.Valid(got[4:]) {
			t.Errorf("code %d, reason %q: % x is not a close frame", c.code, c.reason, got)
		}
	}
}

func TestAppendError(t *testing.T) {
	if got, want := AppendError(nil, tooBig(5)), AppendClose(nil, CodeTooBig, tooBig(5).Reason); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := AppendError(nil, errors.New("secret")), AppendClose(nil, CodeInternal, ""); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// asClient masks a server's frame, so that the parser takes it.
func asClient(t *testing.T, frame []byte) []byte {
	t.Helper()
	for _, n := range []int{2, 4, 10} {
		if payload := frame[n:]; frame[1] < length16 && n == 2 || frame[1] == length16 && n == 4 || frame[1] == length64 && n == 10 {
			return masked(frame[0], string(payload))
		}
	}
	t.Fatalf("not a frame: % x", frame)
	return nil
}

func TestMessageRoundTrip(t *testing.T) {
	random := rand.NewChaCha8([32]byte{3})
	for _, size := range []int{0, 1, 511, 512, 1000, 65535, 65536, 70_000, 3 << 20} {
		noise := make([]byte, size)
		random.Read(noise)
		text := bytes.Repeat([]byte("0123456789 κόσμε "), size/20+1)[:size]
		for i := len(text) - 1; i >= 0 && !utf8.Valid(text); i-- {
			text[i] = '.'
		}
		for _, c := range []struct {
			op      Opcode
			payload []byte
			smaller bool
		}{{OpText, text, size >= MinCompress}, {OpBinary, noise, false}} {
			frame := Message(c.op, c.payload, true)
			if got := frame[0]&bitRSV1 != 0; got != c.smaller {
				t.Errorf("op %d, %d bytes: compressed is %v, want %v", c.op, size, got, c.smaller)
			}
			if cap(frame) > len(frame) {
				t.Errorf("op %d, %d bytes: holds %d for %d", c.op, size, cap(frame), len(frame))
			}
			p := Parser{Deflate: true, MaxMessage: 4 << 20}
			got, _ := feed(t, &p, asClient(t, frame), 10_000)
			if want := []string{Event{Op: c.op, Payload: c.payload}.String()}; !slices.Equal(got, want) {
				t.Errorf("op %d, %d bytes: got %q, want %q", c.op, size, got, want)
			}
		}
	}
}

func TestCompressedFramesShareNoContext(t *testing.T) {
	payload := bytes.Repeat([]byte("the same again "), 100)
	first := slices.Clone(Message(OpText, payload, true))
	for range 3 {
		if again := Message(OpText, payload, true); !bytes.Equal(first, again) {
			t.Fatalf("got % x, want what it was before, % x", again, first)
		}
	}
}
