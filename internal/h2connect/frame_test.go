package h2connect

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseStatus(t *testing.T) {
	for _, c := range []struct {
		block  string
		status int
	}{
		{"\x88", 200},
		{"\x8c\x00", 400},
		{"\x8e", 500},
		{"\x20\x88", 200},         // after a change of the table's size
		{"\x48\x03403", 403},      // a literal, to be kept
		{"\x08\x03501", 501},      // not to be kept
		{"\x18\x03501", 501},      // never to be kept
		{"\x4e\x82\x6c\x01", 501}, // by another index of the same name, in Huffman's code
		{"\x48\x82\x64\x02", 302}, // RFC 7541, C.6.1
		{"\x48\x83\x64\x0e\xff", 307},
		{"", 0},
		{"\x87", 0},
		{"\x8f", 0},
		{"\x58\x03200", 0},
		{"\x47\x03200", 0},
		{"\x48", 0},
		{"\x48\x0320", 0},
		{"\x48\x0420000", 0},
		{"\x48\x0220", 0},
		{"\x48\x82\xff\xff", 0},
	} {
		got, err := parseStatus([]byte(c.block))
		if got != c.status || (err == nil) != (c.status != 0) {
			t.Errorf("%q: got %d, %v, want %d", c.block, got, err, c.status)
		}
	}
}

func TestAppendField(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ name, value, want string }{
		{"Origin", "a", "\x00\x06origin\x01a"},
		{":path", "", "\x00\x05:path\x00"},
		{"a", long[:126], "\x00\x01a\x7e" + long[:126]},
		{"a", long[:127], "\x00\x01a\x7f\x00" + long[:127]},
		{"a", long, "\x00\x01a\x7f\xad\x01" + long},
	} {
		if got := string(appendField(nil, c.name, c.value)); got != c.want {
			t.Errorf("%s: %d bytes: got %.20q…, want %.20q…", c.name, len(c.value), got, c.want)
		}
	}
}

func TestReadFrame(t *testing.T) {
	given := frame{frameData, flagEndStream, 1, []byte("hello")}
	raw := appendFrame(nil, given)
	got, err := readFrame(bytes.NewReader(raw))
	if err != nil || got.kind != given.kind || got.flags != given.flags || got.stream != 1 || string(got.payload) != "hello" {
		t.Errorf("got %v, %v, want %v", got, err, given)
	}
	for what, raw := range map[string][]byte{
		"cut off": raw[:12], "padded": appendFrame(nil, frame{frameData, flagPadded, 1, []byte("\x01ab")}), "HTTP/1.1": []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		if got, err := readFrame(bytes.NewReader(raw)); err == nil {
			t.Errorf("%s: got %v, want an error", what, got)
		}
	}
}
