package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

func TestCompressed(t *testing.T) {
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00" // RFC 7692 section 7.2.3.1
	text := strings.Repeat("κόσμε ", 500)
	packed := deflated(text)
	whole := Event{Op: OpText, Payload: []byte(text)}.String()
	runParse(t, []parseCase{
		{name: "hello", p: deflate, in: masked(0xc1, hello), want: []string{`text "Hello"`}},
		{name: "hello in fragments", p: deflate, in: fragmented(0x41, hello[:3], hello[3:]), want: []string{`text "Hello"`}},
		{name: "hello, stored", p: deflate, in: masked(0xc1, "\x00\x05\x00\xfa\xffHello\x00"), want: []string{`text "Hello"`}},
		{name: "hello, final block", p: deflate, in: masked(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), want: []string{`text "Hello"`}},
		{name: "hello, final block, no flush", p: deflate, in: masked(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00"), want: []string{`text "Hello"`}},
		{name: "hello, two blocks", p: deflate, in: masked(0xc1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), want: []string{`text "Hello"`}},
		{name: "empty", p: deflate, in: masked(0xc1, "\x00"), want: []string{`text ""`}},
		{name: "empty, no byte at all", p: deflate, in: masked(0xc2, ""), want: []string{`binary ""`}},
		{name: "empty fragments", p: deflate, in: fragmented(0x41, "", hello, "", ""), want: []string{`text "Hello"`}},
		{name: "ping between", p: deflate, in: join(masked(0x41, hello[:3]), masked(0x89, "p"), masked(0x80, hello[3:])), want: []string{`ping "p"`, `text "Hello"`}},
		{name: "plain beside compressed", p: deflate, in: join(masked(0xc1, hello), masked(0x81, "plain"), masked(0xc1, hello)), want: []string{`text "Hello"`, `text "plain"`, `text "Hello"`}},
		{name: "long", p: deflate, in: masked(0xc1, packed), want: []string{whole}},
		{name: "every byte a fragment", p: deflate, in: fragmented(0x41, pieces(packed, 1)...), want: []string{whole}},

		{name: "not negotiated", in: masked(0xc1, hello), want: []string{"error 1002"}, after: 1},
		{name: "context taken over", p: deflate, in: join(masked(0xc1, hello), masked(0xc1, "\xf2\x00\x11\x00\x00")), want: []string{`text "Hello"`, "error 1007"}},
		{name: "garbage", p: deflate, in: masked(0xc2, "\xff\xff\xff"), want: []string{"error 1007"}},
		{name: "cut off", p: deflate, in: masked(0xc1, packed[:len(packed)/2]), want: []string{"error 1007"}},
		{name: "more after the final block", p: deflate, in: masked(0xc2, "\x03\x00\x03\x00"), want: []string{"error 1007"}},
		{name: "text is not UTF-8", p: deflate, in: masked(0xc1, deflated("abc\xff")), want: []string{"error 1007"}},
		{name: "text ends within a character", p: deflate, in: masked(0xc1, deflated("abc\xce")), want: []string{"error 1007"}},
		{name: "binary is not checked", p: deflate, in: masked(0xc2, deflated("abc\xff")), want: []string{`binary "abc\xff"`}},
	})
}

func TestCompressedLimit(t *testing.T) {
	p := Parser{Deflate: true, MaxMessage: 1000}
	at, over := strings.Repeat("a", 1000), strings.Repeat("a", 1001)
	noise := make([]byte, 1000)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(noise)
	runParse(t, []parseCase{
		{name: "at it", p: p, in: masked(0xc1, deflated(at)), want: []string{Event{Op: OpText, Payload: []byte(at)}.String()}},
		{name: "over it", p: p, in: masked(0xc1, deflated(over)), want: []string{"error 1009"}},
		{name: "what cannot be compressed, at it", p: p, in: masked(0xc2, deflated(string(noise))), want: []string{Event{Op: OpBinary, Payload: noise}.String()}},
		{name: "the header says too much", p: p, in: masked(0xc2, strings.Repeat("x", 1200)), want: []string{"error 1009"}, after: 4},
		{name: "fragments say too much", p: p, in: fragmented(0x42, strings.Repeat("\x00", 1000), strings.Repeat("\x00", 200)), want: []string{"error 1009"}, after: 1008 + 4},
	})
}

func TestDecompressionBomb(t *testing.T) {
	frame := masked(0xc2, deflated(strings.Repeat("\x00", 16<<20)))
	p := Parser{Deflate: true, MaxMessage: 64 << 10}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := p.Next(frame)
	runtime.ReadMemStats(&after)
	var bad *Error
	if !errors.As(err, &bad) || bad.Code != CodeTooBig {
		t.Fatalf("got error %v, want one with 1009", err)
	}
	// The frame, the limit as it grew, and an inflater.
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(2*len(frame)+10*p.MaxMessage); got > most {
		t.Errorf("a bomb of %d bytes made the parser allocate %d, want at most %d", len(frame), got, most)
	}
}

// zlib's fastest level and Go's stored blocks are the worst that honest clients send.
func TestIncompressibleFitsArrivalLimit(t *testing.T) {
	random := rand.NewChaCha8([32]byte{2})
	for _, size := range []int{1, 10, 1000, 100_000} {
		noise := make([]byte, size)
		random.Read(noise)
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			var b bytes.Buffer
			w, _ := flate.NewWriter(&b, level)
			w.Write(noise)
			w.Flush()
			p := Parser{Deflate: true, MaxMessage: size}
			got, _ := feed(t, &p, masked(0xc2, b.String()[:b.Len()-4]), 65536)
			if want := (Event{Op: OpBinary, Payload: noise}).String(); len(got) != 1 || got[0] != want {
				t.Errorf("%d bytes at level %d: got %q, want %q", size, level, got, want)
			}
		}
	}
}
