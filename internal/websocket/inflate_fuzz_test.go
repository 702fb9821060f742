package websocket

import (
	"bytes"
	"compress/flate"
	"io"
	"testing"
	"unicode/utf8"
)

// FuzzInflate: a message is what the standard library inflates from it at once, or it is refused; what one message left
// behind changes nothing for the next.
func FuzzInflate(f *testing.F) {
	for _, data := range []string{
		"", "\x00", deflated("hello"), deflated("")[:0], deflated("한글 text"), deflated("\xff\xfe"), deflated("\xf4\x90\x80\x80"), deflated("ab")[:2],
		"\x03\x00", "\x03\x00\x00", "\x03\x00\x03\x00", "\x01\x00\x00\xff\xff", "\x01\x01\x00\xfe\xff\x41", "\x00\x01\x00\xfe\xff\x41", "\x06", "\x07", "\xff", "\x04\x00\xfe\xff",
		deflated(string(bytes.Repeat([]byte("a"), 5000))), deflated("x") + "\x00\x00\xff\xff" + deflated("y"),
	} {
		f.Add([]byte(data), uint16(1000), true)
		f.Add([]byte(data), uint16(3), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, limit uint16, text bool) {
		got, bad := inflate(data, int(limit), text)
		again, badAgain := inflate(data, int(limit), text)
		if (bad == nil) != (badAgain == nil) || !bytes.Equal(got, again) {
			t.Fatalf("got %q, %v, and the second time %q, %v", got, bad, again, badAgain)
		}
		whole := flate.NewReader(io.MultiReader(bytes.NewReader(data), bytes.NewReader(deflateEnd)))
		want, err := io.ReadAll(io.LimitReader(whole, int64(limit)+1))
		switch {
		case bad != nil:
			if got != nil || !bad.Code.Valid() {
				t.Errorf("got %q beside %v", got, bad)
			}
			if bad.Code == CodeTooBig != (len(want) > int(limit)) && !text {
				t.Errorf("%v, of %d bytes and %v, limit %d", bad, len(want), err, limit)
			}
			if bad == errUTF8 && (!text || utf8.Valid(want) && err == nil) { // the first fault counts
				t.Errorf("%q is said to be no UTF-8", want)
			}
		case len(data) > 0 && (err != nil || !bytes.Equal(got, want)):
			t.Errorf("got %q, want %q, %v", got, want, err)
		case len(got) > int(limit) || text && !utf8.Valid(got):
			t.Errorf("got %q, limit %d", got, limit)
		}
	})
}
