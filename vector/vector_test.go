package vector_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/vector"
)

// safe checks that cursor can stand in a query, a header, a quoted ETag and a
// line of text as it is.
func safe(t *testing.T, cursor string) {
	t.Helper()
	if escaped := url.QueryEscape(cursor); escaped != cursor || strings.ContainsAny(cursor, "\"\\,; \t\r\n") {
		t.Errorf("cursor %q is not safe: in a query it is %q", cursor, escaped)
	}
}

func TestVector(t *testing.T) {
	v, err := vector.New([]pabal.Channel{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[pabal.Channel]pabal.Position{"a": {Epoch: 7, Offset: 1}, "b": {Epoch: 3, Offset: 1 << 40}, "c": {Epoch: 7, Offset: 0}}
	v.Set(0, pabal.Position{Epoch: 9, Offset: 9}) // moves twice
	v.Set(0, want["a"])
	v.Set(1, want["b"])
	v.Set(2, want["c"])
	parsed, err := vector.Parse(v.String())
	if err != nil {
		t.Fatal(err)
	}
	for ch, at := range want {
		for what, v := range map[string]*vector.Vector{"made": v, "parsed": parsed} {
			if got, ok := v.Of(ch); !ok || got != at {
				t.Errorf("%s: of %s got %v, %v, want %v", what, ch, got, ok, at)
			}
		}
	}
	if at, ok := parsed.Of("d"); ok {
		t.Errorf("of a channel it does not hold: got %v", at)
	}
	if !vector.Is(v.String()) {
		t.Errorf("%q is not taken for a vector", v)
	}
	const golden = "~AAAAAAAAAAMBPiPoFgA5WUqAgICAgCAAAAAAAAAABwIufSwDqVB64gDKl4ESyhu9ygE"
	if got := v.String(); got != golden {
		t.Errorf("the cursors in clients' hands changed: got %q, want %q", got, golden)
	}
}

// However a vector came to its positions, it is the same bytes.
func TestVectorIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "channels")
		channels := make([]pabal.Channel, n)
		at := map[pabal.Channel]pabal.Position{}
		for i := range channels {
			channels[i] = pabal.Channel(fmt.Sprint("c", i))
			at[channels[i]] = pabal.Position{Epoch: pabal.Epoch(rapid.Uint64Range(1, 3).Draw(t, "epoch")), Offset: pabal.Offset(rapid.Uint64().Draw(t, "offset"))}
		}
		one, two := vectorOf(t, channels, at), vectorOf(t, rapid.Permutation(channels).Draw(t, "order"), at)
		if one.String() != two.String() {
			t.Fatalf("in another order: got %q, want %q", two, one)
		}
		parsed, err := vector.Parse(one.String())
		if err != nil {
			t.Fatalf("its own cursor %q: %v", one, err)
		}
		for _, ch := range channels {
			if got, ok := parsed.Of(ch); !ok || got != at[ch] {
				t.Fatalf("of %s: got %v, %v, want %v", ch, got, ok, at[ch])
			}
		}
	})
}

func vectorOf(t *rapid.T, channels []pabal.Channel, at map[pabal.Channel]pabal.Position) *vector.Vector {
	v, err := vector.New(channels)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for i, ch := range channels {
			v.Set(i, pabal.Position{Epoch: pabal.Epoch(rapid.Uint64Range(0, 5).Draw(t, "before"))})
			v.Set(i, at[ch])
		}
	}
	return v
}

func TestVectorBounds(t *testing.T) {
	var channels []pabal.Channel
	for i := range 100 {
		channels = append(channels, pabal.Channel(fmt.Sprint("channel/", i)))
	}
	v, err := vector.New(channels)
	if err != nil {
		t.Fatal(err)
	}
	for i := range channels { // the longest there can be
		v.Set(i, pabal.Position{Epoch: pabal.Epoch(rand.Uint64()), Offset: math.MaxUint64})
	}
	if n := len(v.String()); n > 4096 {
		t.Errorf("100 channels take %d bytes, want 4096 at most", n)
	}
	if _, err := vector.Parse(v.String()); err != nil {
		t.Errorf("the longest vector: %v", err)
	}
	if _, err := vector.New(append(channels, "one-more")); err == nil {
		t.Error("a vector of 101 channels: want an error")
	}
	if _, err := vector.New([]pabal.Channel{"a", "b", "a"}); err == nil || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("a channel twice: got %v, want an error that names it", err)
	}
}

// Only the bytes that are given out are well formed.
func FuzzVector(f *testing.F) {
	v, err := vector.New([]pabal.Channel{"a", "b", "c"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("~")
	f.Add(v.String())
	v.Set(0, pabal.Position{Epoch: 5, Offset: 300})
	v.Set(2, pabal.Position{Epoch: 5, Offset: 2})
	f.Add(v.String())
	f.Add(v.String() + "\n")
	f.Add(v.String() + "A")
	f.Add(v.String()[1:])
	f.Add("~" + strings.Repeat("A", 5000))
	f.Add("~AAAAAAAAAAUA")                                     // an epoch without channels
	f.Add("~AAAAAAAAAAUBAAAAAAAAAAGAAA")                       // an offset in more bytes than it needs
	f.Add("~AAAAAAAAAAUBAAAAAAAAAAEAAAAAAAAAAAUBAAAAAAAAAAIA") // an epoch twice
	f.Fuzz(func(t *testing.T, cursor string) {
		v, err := vector.Parse(cursor)
		if err != nil {
			return
		}
		safe(t, cursor[1:])
		if got := v.String(); got != cursor {
			t.Errorf("%q is written back as %q", cursor, got)
		}
		if len(cursor) > 4097 || !vector.Is(cursor) {
			t.Errorf("a vector of %d bytes was taken", len(cursor))
		}
		if _, err := pabal.ParsePosition(cursor); err == nil {
			t.Errorf("%q is both a position and a vector", cursor)
		}
	})
}
