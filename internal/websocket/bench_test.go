package websocket

import (
	"bytes"
	"strings"
	"testing"
)

func TestParseAllocatesOnlyThePayload(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want float64
	}{
		{"text of 128 bytes", masked(0x81, strings.Repeat("x", 128)), 1},
		{"empty text", masked(0x81, ""), 0},
		{"empty ping", masked(0x89, ""), 0},
		{"ping of 4 bytes", masked(0x89, "ping"), 1},
		{"binary of 64 KiB", masked(0x82, strings.Repeat("x", 65536)), 1},
	} {
		p := Parser{}
		got := testing.AllocsPerRun(100, func() {
			if ev, _, err := p.Next(c.in); ev.Op == 0 || err != nil {
				t.Fatalf("%s: got %v, error %v", c.name, ev, err)
			}
		})
		if got > c.want {
			t.Errorf("%s: got %v allocations, want %v", c.name, got, c.want)
		}
	}
}

func benchmarkParse(b *testing.B, p Parser, in []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		for rest := in; len(rest) > 0; {
			var err error
			if _, rest, err = p.Next(rest); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkParseText128(b *testing.B) {
	benchmarkParse(b, Parser{}, masked(0x81, strings.Repeat("x", 128)))
}

func BenchmarkParseText64K(b *testing.B) {
	benchmarkParse(b, Parser{}, masked(0x81, strings.Repeat("x", 65536)))
}

func BenchmarkParseCompressed1K(b *testing.B) {
	benchmarkParse(b, Parser{Deflate: true}, masked(0xc1, deflated(strings.Repeat("0123456789abcdef", 64))))
}

func BenchmarkParseFragments(b *testing.B) {
	benchmarkParse(b, Parser{}, fragmented(0x01, pieces(strings.Repeat("x", 65536), 64)...))
}

func BenchmarkMessage128(b *testing.B) {
	payload := bytes.Repeat([]byte("x"), 128)
	b.ReportAllocs()
	for b.Loop() {
		Message(OpText, payload, false)
	}
}

func BenchmarkMessageCompressed4K(b *testing.B) {
	payload := bytes.Repeat([]byte("0123456789abcdef"), 256)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		Message(OpText, payload, true)
	}
}
