package websocket

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var testKey = [4]byte{0x37, 0xfa, 0x21, 0x3d} // of RFC 6455 section 5.7

// masked returns a client's frame: the first byte as given, the length as short as can be.
func masked(first byte, payload string) []byte {
	b := appendHeader(nil, first, len(payload))
	b[1] |= bitMask
	b = append(b, testKey[:]...)
	at := len(b)
	b = append(b, payload...)
	for i := range b[at:] {
		b[at+i] ^= testKey[i&3]
	}
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func closePayload(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// deflated is data as a client compresses it, without its last four bytes.
func deflated(data string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression)
	w.Write([]byte(data))
	w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// pieces cuts data into parts of size bytes.
func pieces(data string, size int) []string {
	var parts []string
	for ; len(data) > size; data = data[size:] {
		parts = append(parts, data[:size])
	}
	return append(parts, data)
}

// fragmented is one message of the parts; first is the first byte of its first frame, without FIN.
func fragmented(first byte, parts ...string) []byte {
	var b []byte
	for i, part := range parts {
		if i > 0 {
			first = byte(opContinuation)
		}
		if i == len(parts)-1 {
			first |= bitFin
		}
		b = append(b, masked(first, part)...)
	}
	return b
}

func (e Event) String() string {
	switch e.Op {
	case OpText:
		return "text " + short(e.Payload)
	case OpBinary:
		return "binary " + short(e.Payload)
	case OpPing:
		return "ping " + short(e.Payload)
	case OpPong:
		return "pong " + short(e.Payload)
	case OpClose:
		return fmt.Sprintf("close %d %q", e.Code, e.Reason)
	}
	return fmt.Sprintf("op %d", e.Op)
}

func short(b []byte) string {
	if len(b) > 200 {
		return fmt.Sprintf("%d bytes, %x", len(b), acceptKey(string(b)))
	}
	return fmt.Sprintf("%q", b)
}

// feed gives in to p in pieces of the sizes, the last repeated, and returns all events and the error as text, and how
// many bytes were given before the error. It checks that Next takes what it says, leaves its input as it was, keeps
// none of it, and stays within its memory.
func feed(t testing.TB, p *Parser, in []byte, sizes ...int) (got []string, taken int) {
	t.Helper()
	most := p.arrivalLimit(p.Deflate)
	for len(in) > 0 {
		size := sizes[0]
		if len(sizes) > 1 {
			sizes = sizes[1:]
		}
		piece := slices.Clone(in[:min(size, len(in))])
		in = in[len(piece):]
		for rest := piece; len(rest) > 0; {
			before := len(rest)
			was := string(piece)
			ev, after, err := p.Next(rest)
			taken += before - len(after)
			if string(piece) != was {
				t.Fatal("Next wrote to its input")
			}
			if n := p.Buffered(); n-maxControl > most {
				t.Fatalf("%d bytes are held, the bound is %d and a control frame", n, most)
			}
			if err != nil {
				var e *Error
				if !errors.As(err, &e) || !e.Code.Valid() || e.Reason == "" || len(e.Reason) > 123 {
					t.Fatalf("got error %#v, want an *Error with a code and a reason of at most 123 bytes", err)
				}
				if p.Buffered() != 0 {
					t.Fatalf("%d bytes are held after an error", p.Buffered())
				}
				return append(got, fmt.Sprintf("error %d", e.Code)), taken
			}
			if ev.Op == 0 && len(after) > 0 {
				t.Fatal("no event, but input was left")
			}
			if len(after) >= before {
				t.Fatal("nothing was taken")
			}
			scribble := rest[:before-len(after)]
			for i := range scribble {
				scribble[i] = 0xEE // whatever the caller does with its buffer
			}
			if ev.Op != 0 {
				got = append(got, ev.String())
			}
			rest = after
		}
	}
	return got, taken
}

// splits are the ways to cut n bytes that a case is tried with: all sizes and all cuts in two if n is small.
func splits(n int) [][]int {
	if n > 400 {
		all := [][]int{{n}}
		for _, size := range []int{1, 2, 3, 7, 125, 126, 127, 1000, 4096, 65535, 65536} {
			if size < n && n/size < 200_000 {
				all = append(all, []int{size})
			}
		}
		return all
	}
	var all [][]int
	for size := 1; size <= n; size++ {
		all = append(all, []int{size}, []int{size, n})
	}
	return all
}
