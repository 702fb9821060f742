package websocket

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

type parseCase struct {
	name  string
	p     Parser
	in    []byte
	want  []string
	after int // fed byte by byte, the error comes after so many bytes; 0: not checked
}

func (c parseCase) run(t *testing.T) {
	for _, sizes := range splits(len(c.in)) {
		p := c.p
		got, _ := feed(t, &p, c.in, sizes...)
		if !slices.Equal(got, c.want) {
			t.Fatalf("in pieces of %d: got %q, want %q", sizes, got, c.want)
		}
		if p.op == 0 && !p.inPayload && p.Buffered() != 0 {
			t.Fatalf("in pieces of %d: %d bytes are held between messages", sizes, p.Buffered())
		}
	}
	if c.after > 0 {
		p := c.p
		if _, taken := feed(t, &p, c.in, 1); taken != c.after {
			t.Errorf("the error came after %d bytes, want %d", taken, c.after)
		}
	}
}

func runParse(t *testing.T, cases []parseCase) {
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

var deflate = Parser{Deflate: true}

func TestFraming(t *testing.T) {
	long := strings.Repeat("*", 65536)
	runParse(t, []parseCase{
		{name: "hello of RFC 6455", in: []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}, want: []string{`text "Hello"`}},
		{name: "empty text", in: masked(0x81, ""), want: []string{`text ""`}},
		{name: "empty binary", in: masked(0x82, ""), want: []string{`binary ""`}},
		{name: "125 bytes", in: masked(0x82, long[:125]), want: []string{Event{Op: OpBinary, Payload: []byte(long[:125])}.String()}},
		{name: "126 bytes", in: masked(0x82, long[:126]), want: []string{Event{Op: OpBinary, Payload: []byte(long[:126])}.String()}},
		{name: "65535 bytes", in: masked(0x81, long[:65535]), want: []string{Event{Op: OpText, Payload: []byte(long[:65535])}.String()}},
		{name: "65536 bytes", in: masked(0x81, long), want: []string{Event{Op: OpText, Payload: []byte(long)}.String()}},
		{name: "three messages", in: join(masked(0x81, "a"), masked(0x82, "\xff"), masked(0x81, "")), want: []string{`text "a"`, `binary "\xff"`, `text ""`}},
		{name: "empty ping", in: masked(0x89, ""), want: []string{`ping ""`}},
		{name: "ping of 125", in: masked(0x89, long[:125]), want: []string{Event{Op: OpPing, Payload: []byte(long[:125])}.String()}},
		{name: "pong that nobody asked for", in: masked(0x8a, "\xff\xfe"), want: []string{`pong "\xff\xfe"`}},

		{name: "unmasked", in: []byte{0x81, 0x01, 'a'}, want: []string{"error 1002"}, after: 2},
		{name: "unmasked and empty", in: []byte{0x81, 0x00}, want: []string{"error 1002"}, after: 2},
		{name: "unmasked ping", in: []byte{0x89, 0x00}, want: []string{"error 1002"}, after: 2},
		{name: "126 in the short form", in: []byte{0x82, 0xfe, 0x00, 0x7d, 1, 2, 3, 4}, want: []string{"error 1002"}, after: 4},
		{name: "0 in the short form", in: []byte{0x82, 0xfe, 0, 0, 1, 2, 3, 4}, want: []string{"error 1002"}, after: 4},
		{name: "65535 in the long form", in: []byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4}, want: []string{"error 1002"}, after: 10},
		{name: "highest bit of the length", in: []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, want: []string{"error 1002"}, after: 10},
		{name: "ping of 126", in: masked(0x89, long[:126]), want: []string{"error 1002"}, after: 2},
		{name: "close of 126", in: masked(0x88, long[:126]), want: []string{"error 1002"}, after: 2},
		{name: "ping of 65536", in: masked(0x89, long), want: []string{"error 1002"}, after: 2},
		{name: "ping without FIN", in: masked(0x09, ""), want: []string{"error 1002"}, after: 1},
		{name: "close without FIN", in: masked(0x08, ""), want: []string{"error 1002"}, after: 1},
		{name: "pong without FIN", in: masked(0x0a, ""), want: []string{"error 1002"}, after: 1},
	})
}

func TestReserved(t *testing.T) {
	var cases []parseCase
	for op := range byte(16) {
		if !Opcode(op).isKnown() {
			cases = append(cases, parseCase{name: "opcode", in: join(masked(0x81, "a"), masked(0x80|op, "x"), masked(0x89, "")), want: []string{`text "a"`, "error 1002"}, after: 8})
		}
	}
	for rsv := byte(0x10); rsv <= 0x70; rsv += 0x10 {
		for _, op := range []byte{0x81, 0x82, 0x88, 0x89, 0x8a} {
			cases = append(cases, parseCase{name: "rsv", in: join(masked(0x81, "a"), masked(rsv|op, ""), masked(0x89, "")), want: []string{`text "a"`, "error 1002"}, after: 8})
			if rsv != bitRSV1 || op&0x8 != 0 {
				cases = append(cases, parseCase{name: "rsv with deflate", p: deflate, in: join(masked(0x81, "a"), masked(rsv|op, "")), want: []string{`text "a"`, "error 1002"}, after: 8})
			}
		}
	}
	cases = append(cases,
		parseCase{name: "RSV1 on a continuation", p: deflate, in: join(masked(0x41, "a"), masked(0xc0, "")), want: []string{"error 1002"}, after: 8},
		parseCase{name: "RSV1 on a continuation of a plain message", p: deflate, in: join(masked(0x01, "a"), masked(0xc0, "")), want: []string{"error 1002"}, after: 8},
	)
	runParse(t, cases)
}

func TestFragments(t *testing.T) {
	ping := masked(0x89, "p")
	runParse(t, []parseCase{
		{name: "two", in: fragmented(0x01, "ab", "cd"), want: []string{`text "abcd"`}},
		{name: "all empty", in: fragmented(0x01, "", "", ""), want: []string{`text ""`}},
		{name: "empty around", in: fragmented(0x02, "", "x", "", "y", ""), want: []string{`binary "xy"`}},
		{name: "ping between", in: join(masked(0x01, "ab"), ping, masked(0x00, "cd"), masked(0x8a, "q"), masked(0x80, "ef")), want: []string{`ping "p"`, `pong "q"`, `text "abcdef"`}},
		{name: "close between", in: join(masked(0x01, "ab"), masked(0x88, ""), masked(0x80, "cd")), want: []string{`close 1005 ""`}},
		{name: "continuation of nothing", in: masked(0x80, "ab"), want: []string{"error 1002"}, after: 1},
		{name: "continuation of nothing, not the last", in: masked(0x00, "ab"), want: []string{"error 1002"}, after: 1},
		{name: "continuation after the end", in: join(fragmented(0x01, "a", "b"), masked(0x80, "c")), want: []string{`text "ab"`, "error 1002"}, after: 15},
		{name: "text within text", in: join(masked(0x01, "ab"), masked(0x81, "cd")), want: []string{"error 1002"}, after: 9},
		{name: "binary within text", in: join(masked(0x01, "ab"), ping, masked(0x02, "cd")), want: []string{`ping "p"`, "error 1002"}, after: 16},
	})
}

func TestClose(t *testing.T) {
	cases := []parseCase{
		{name: "empty", in: masked(0x88, ""), want: []string{`close 1005 ""`}},
		{name: "one byte", in: masked(0x88, "\x03"), want: []string{"error 1002"}},
		{name: "code", in: masked(0x88, closePayload(1000, "")), want: []string{`close 1000 ""`}},
		{name: "reason", in: masked(0x88, closePayload(1001, "gute Nacht, März")), want: []string{`close 1001 "gute Nacht, März"`}},
		{name: "longest reason", in: masked(0x88, closePayload(1000, strings.Repeat("*", 123))), want: []string{`close 1000 "` + strings.Repeat("*", 123) + `"`}},
		{name: "reason is not UTF-8", in: masked(0x88, closePayload(1000, "\xce\xba\xed\xa0\x80")), want: []string{"error 1007"}},
		{name: "reason ends within a character", in: masked(0x88, closePayload(1000, "a\xce")), want: []string{"error 1007"}},
		{name: "the rest is discarded", in: join(masked(0x88, closePayload(1000, "")), masked(0x81, "a"), masked(0x89, ""), []byte("\xff\xff\xff")), want: []string{`close 1000 ""`}},
		{name: "twice", in: join(masked(0x88, ""), masked(0x88, "")), want: []string{`close 1005 ""`}},
	}
	for code := range uint16(5100) {
		ok := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
		if got := Code(code).Valid(); got != ok {
			t.Errorf("code %d: Valid is %v, want %v", code, got, ok)
		}
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, parseCase{name: "invalid code", in: masked(0x88, closePayload(code, "")), want: []string{"error 1002"}})
	}
	runParse(t, cases)
}

func TestErrorIsFinal(t *testing.T) {
	p := Parser{}
	_, _, first := p.Next([]byte{0x83})
	ev, rest, again := p.Next(masked(0x81, "a"))
	if first == nil || !errors.Is(again, first) || ev.Op != 0 || len(rest) != 0 {
		t.Errorf("after error %v: got %v, %d bytes left, error %v; want the same error and nothing else", first, ev, len(rest), again)
	}
}

func TestLimit(t *testing.T) {
	ten := Parser{MaxMessage: 10}
	huge := func(n uint64) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, n), 1, 2, 3, 4, 'x', 'x', 'x')
	}
	runParse(t, []parseCase{
		{name: "at it", p: ten, in: masked(0x81, "0123456789"), want: []string{`text "0123456789"`}},
		{name: "over it", p: ten, in: masked(0x81, "0123456789a"), want: []string{"error 1009"}, after: 2},
		{name: "fragments at it", p: ten, in: fragmented(0x01, "01234", "", "56789"), want: []string{`text "0123456789"`}},
		{name: "fragments over it", p: ten, in: fragmented(0x01, "01234", "567890"), want: []string{"error 1009"}, after: 13},
		{name: "per message", p: ten, in: join(masked(0x81, "0123456789"), masked(0x81, "0123456789")), want: []string{`text "0123456789"`, `text "0123456789"`}},
		{name: "control frames do not count", p: ten, in: join(masked(0x01, "01234"), masked(0x89, "01234567890"), masked(0x80, "56789")), want: []string{`ping "01234567890"`, `text "0123456789"`}},
		{name: "2^63-1 bytes", in: huge(math.MaxInt64), want: []string{"error 1009"}, after: 10},
		{name: "2^63-1 bytes compressed", p: deflate, in: append([]byte{0xc2}, huge(math.MaxInt64)[1:]...), want: []string{"error 1009"}, after: 10},
		{name: "default", in: huge(DefaultMaxMessage + 1), want: []string{"error 1009"}, after: 10},
		{name: "default, not over it", in: huge(DefaultMaxMessage), want: nil},
		{name: "no limit in effect", p: Parser{MaxMessage: math.MaxInt, Deflate: true}, in: huge(math.MaxInt64), want: nil},
	})
}

func TestTextIsUTF8(t *testing.T) {
	head := "κόσμε" // 10 bytes
	runParse(t, []parseCase{
		{name: "valid", in: masked(0x81, "Hello-µ@ßöäüàá-UTF-8!!"), want: []string{`text "Hello-µ@ßöäüàá-UTF-8!!"`}},
		{name: "every byte a fragment", in: fragmented(0x01, pieces("µ@ß\U0001F600x", 1)...), want: []string{`text "µ@ß😀x"`}},
		{name: "ping within a character", in: join(masked(0x01, "\xf0\x9f"), masked(0x89, "\xff"), masked(0x80, "\x98\x80")), want: []string{`ping "\xff"`, `text "😀"`}},
		{name: "binary is not checked", in: masked(0x82, "\xff\xfe"), want: []string{`binary "\xff\xfe"`}},
		{name: "surrogate", in: masked(0x81, head+"\xed\xa0\x80edited"), want: []string{"error 1007"}, after: 6 + 10 + 2},
		{name: "beyond U+10FFFF", in: masked(0x81, head+"\xf4\x90\x80\x80edited"), want: []string{"error 1007"}, after: 6 + 10 + 2},
		{name: "overlong", in: masked(0x81, head+"\xe0\x80\xaf"), want: []string{"error 1007"}, after: 6 + 10 + 2},
		{name: "fails fast in an unfinished frame", in: masked(0x81, head+"\xff"+strings.Repeat("a", 300))[:30], want: []string{"error 1007"}, after: 8 + 10 + 1},
		{name: "fails fast in an unfinished message", in: join(masked(0x01, head+"\xf4"), masked(0x00, "\x90")), want: []string{"error 1007"}, after: 6 + 11 + 6 + 1},
		{name: "ends within a character", in: masked(0x81, "\xce\xba\xe1\xbd"), want: []string{"error 1007"}},
		{name: "the message ends within a character", in: fragmented(0x01, "\xce", ""), want: []string{"error 1007"}},
		{name: "the next message begins anew", in: join(masked(0x81, "\xce\xba"), masked(0x81, "\xba")), want: []string{`text "κ"`, "error 1007"}},
	})
}

func TestIdleParserIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Parser{}); size > 128 {
		t.Errorf("a parser has %d bytes, want at most 128", size)
	}
}

// A client that announces much and sends little must not make the server hold much.
func TestBufferGrowsWithWhatArrives(t *testing.T) {
	p := Parser{MaxMessage: 16 << 20}
	frame := masked(0x82, strings.Repeat("x", 16<<20))
	for _, n := range []int{15, 1000, 5000, 100_000, 1_000_000} {
		p := p
		feed(t, &p, frame[:n], 1000)
		if held, most := p.Buffered(), max(firstBuffer, 2*n); held > most {
			t.Errorf("after %d of 16 MiB: %d bytes are held, want at most %d", n, held, most)
		}
	}
}

func TestManyFragments(t *testing.T) {
	const count = 60_000
	var in []byte
	for i := range count {
		first := byte(opContinuation)
		if i == 0 {
			first = byte(OpBinary)
		}
		in = append(in, masked(first, "x")...)
		in = append(in, masked(0x89, "p")...)
	}
	in = append(in, masked(0x80, "")...)
	p := Parser{}
	got, _ := feed(t, &p, in, 4096)
	want := Event{Op: OpBinary, Payload: []byte(strings.Repeat("x", count))}.String()
	if len(got) != count+1 || got[0] != `ping "p"` || got[count] != want {
		t.Fatalf("got %d events, the last %s; want %d, the last %s", len(got), got[len(got)-1], count+1, want)
	}
}
