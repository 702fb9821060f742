package server

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// What is not HTTP as it should be is refused, and never taken for two requests
// by one and for one by another.
func (s *siege) requests(t *testing.T) {
	ann := bearer(s.ann)
	for _, a := range []attempt{
		{what: "two lengths", method: "POST", path: "/channels/chat", body: "xyz", header: []string{"Content-Length: 3", "Content-Length: 1"}, status: 400},
		{what: "two lengths in one", method: "POST", path: "/channels/chat", body: "xyz", header: []string{"Content-Length: 3, 1"}, status: 400},
		{what: "a length with a sign", method: "POST", path: "/channels/chat", body: "xyz", header: []string{"Content-Length: +3"}, status: 400},
		{what: "a negative length", method: "POST", path: "/channels/chat", body: "xyz", header: []string{"Content-Length: -3"}, status: 400},
		{what: "a length beyond all numbers", method: "POST", path: "/channels/chat", body: "xyz", header: []string{"Content-Length: 99999999999999999999"}, status: 400},
		{what: "a coding that is not known", method: "POST", path: "/channels/chat", body: "xyz", header: []string{"Transfer-Encoding: gzip, chunked"}, status: 501},
		{what: "a coding with a trick", method: "POST", path: "/channels/chat", body: "0\r\n\r\n", header: []string{"Transfer-Encoding: xchunked"}, status: 501},
		{what: "two codings", method: "POST", path: "/channels/chat", body: "0\r\n\r\n", header: []string{"Transfer-Encoding: chunked", "Transfer-Encoding: identity"}, status: 501},
		{what: "a name with white space", method: "POST", path: "/channels/chat", body: "xyz", header: []string{"Content-Length : 3", "Content-Length: 3"}, status: 400},
		{what: "a line that is none", method: "GET", path: "/channels/chat", header: []string{"nothing"}, status: 400},
		{what: "a chunk that is none", method: "POST", path: "/channels/chat", body: "z\r\nxyz\r\n0\r\n\r\n", header: []string{"Transfer-Encoding: chunked"}, status: 400, says: "nothing was published"},
		{what: "a chunk with a length beyond all numbers", method: "POST", path: "/channels/chat", body: "fffffffffffffffff\r\nx", header: []string{"Transfer-Encoding: chunked"}, status: 400, says: "nothing was published"},
		{what: "a body where none belongs", method: "GET", path: "/channels/chat?via=poll", body: "xyz", status: 400, says: "GET has no body here"},
		{what: "a body of chunks where none belongs", method: "DELETE", path: "/channels/chat", body: "0\r\n\r\n", header: []string{"Transfer-Encoding: chunked"}, status: 400, says: "DELETE has no body here"},
		{what: "a large head", method: "GET", path: "/channels/chat", header: []string{"X: " + strings.Repeat("x", 200<<10)}, status: 431},
		{what: "many headers", method: "GET", path: "/channels/chat", header: []string{strings.Repeat("X: y\r\n", 40_000) + "X: y"}, status: 431},
		{what: "a large body", method: "POST", path: "/channels/chat", body: strings.Repeat("x", 64<<10+1), status: 413, says: `"limit":"max-message","max":65536`},
		{what: "a large body of chunks", method: "POST", path: "/channels/chat", body: "20000\r\n" + strings.Repeat("x", 0x20000) + "\r\n0\r\n\r\n", header: []string{"Transfer-Encoding: chunked"}, status: 413, says: `"limit":"max-message","max":65536`},
		{what: "a body that claims 2^62 bytes", method: "POST", path: "/channels/chat", body: "x", header: []string{"Content-Length: 4611686018427387904"}, status: 413, says: `"limit":"max-message"`},
		{what: "a large batch", method: "POST", path: "/channels/chat", body: strings.Repeat("{}\n", 1001), header: []string{"Content-Type: application/x-ndjson"}, status: 413, says: `"limit":"batch-messages","max":1000`},
		{what: "a method that is none", method: "G(T", path: "/channels/chat", status: 400},
		{what: "a version that is none", method: "GET", path: "/channels/chat HTTP/9.9\r\nX:", status: 505},
	} {
		a.header = append(a.header, ann)
		s.attempts(t, a)
	}
	for _, method := range []string{"TRACE", "PUT", "PATCH", "PROPFIND", "TRACK", "CONNECT", "get", "PRI"} {
		for path, allow := range map[string]string{"/channels/chat": "GET, HEAD, POST, DELETE, OPTIONS", "/commands": "POST", "/presence/chat": "GET, HEAD", "/health": "GET, HEAD", "/metrics": "GET, HEAD"} {
			got, err := s.ask(method, path, "", ann)
			if err != nil || got.status != 405 && got.status != 400 || got.status == 405 && !strings.HasPrefix(got.header.Get("Allow"), strings.Split(allow, ",")[0]) || strings.Contains(got.body, s.ann) {
				t.Errorf("%s %s: got %v, %v, Allow: %q; want 405", method, path, got, err, got.header.Get("Allow"))
			}
		}
	}
	s.smuggled(t)
}

// smuggled requests hide in the body of another, whose length is said twice, or
// behind one that goes on.
func (s *siege) smuggled(t *testing.T) {
	hidden := "POST /channels/chat HTTP/1.1\r\nHost: " + s.address + "\r\n" + bearer(s.ann) + "\r\nContent-Length: 8\r\n\r\nsmuggled"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(hidden))
	for what, first := range map[string]string{
		"a read with a body": "GET /channels/chat?via=poll HTTP/1.1\r\n" + length,
		"a body by name":     "POST /channels/chat HTTP/1.1\r\n" + length,
		"a stream":           "GET /channels/news/1?via=sse HTTP/1.1\r\n",
		"an upgrade to h2c":  "POST /channels/chat HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n" + length,
		"a WebSocket":        "GET /channels/news/1 HTTP/1.1\r\n" + strings.Join(upgrade, "\r\n") + "\r\n",
	} {
		if got, err := s.raw("GET", first+"Host: "+s.address+"\r\n\r\n"+hidden); err != nil || got.status == 500 {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
		if got := s.works(t, "GET", "/channels/chat?via=poll&since=all", "", bearer(s.ann)); strings.Contains(got, "smuggled") {
			t.Errorf("%s: it was taken for a request: %s", what, got)
		}
	}
}

// inflates to so many MiB of zeros.
func bomb(t *testing.T, mib int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	var sizes [3]int
	for i := range sizes { // from the second on they are alike: what came before is zeros
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		sizes[i] = out.Len()
	}
	all := out.Bytes()
	first, second, third := all[:sizes[0]], all[sizes[0]:sizes[1]], all[sizes[1]:]
	if !bytes.Equal(second, third) {
		t.Fatal("the parts of a bomb are not alike")
	}
	whole := append(bytes.Clone(first), bytes.Repeat(second, mib-1)...)
	return bytes.TrimSuffix(whole, []byte("\x00\x00\xff\xff"))
}

// frames that claim, or hold, more than there may be.
func (s *siege) frames(t *testing.T) {
	const most, limit = 2*64<<10 + 4<<10, "over the limit of 135168 bytes" // of a command with a message of 64 KiB
	claims := func(first byte, n uint64) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, n), 0, 0, 0, 0)
	}
	gib := bomb(t, 1024)
	fragments := frame(text|deflated, gib[:1000])
	for rest := gib[1000:]; len(rest) > 0; rest = rest[min(1000, len(rest)):] {
		fragments = append(fragments, frame(0, rest[:min(1000, len(rest))])...)
	}
	many := frame(text, []byte("{"))
	for range 3 {
		many = append(many, frame(0, make([]byte, most/2))...)
	}
	const extension = "Sec-WebSocket-Extensions: permessage-deflate"
	for _, c := range []struct {
		what   string
		header []string
		sent   []byte
		code   uint16
		says   string
	}{
		{"claims 2^63 bytes", nil, claims(fin|text, 1<<63), 1002, "the highest bit of a 64-bit length must be 0"},
		{"claims 2^64-1 bytes", nil, claims(fin|text, 1<<64-1), 1002, "the highest bit of a 64-bit length must be 0"},
		{"claims 2^63-1 bytes", nil, claims(fin|text, 1<<63-1), 1009, limit},
		{"claims one byte too many", nil, claims(fin|text, most+1), 1009, limit},
		{"a ping that claims 2^63-1 bytes", nil, claims(fin|9, 1<<63-1), 1002, "a control frame has at most 125 bytes"},
		{"fragments that are too much together", nil, many, 1009, limit},
		{"a bomb in one frame", []string{extension}, frame(fin|text|deflated, gib), 1009, limit},
		{"a bomb in fragments", []string{extension}, fragments, 1009, limit},
		{"a small bomb", []string{extension}, frame(fin|text|deflated, bomb(t, 100)), 1009, limit},
		{"a bomb that was not agreed on", nil, frame(fin|text|deflated, bomb(t, 1)), 1002, "permessage-deflate was not negotiated"},
		{"not masked", nil, []byte{fin | text, 2, '{', '}'}, 1002, "a client must mask its frames"},
		{"an opcode that is not known", nil, []byte{fin | 3, 0x80, 0, 0, 0, 0}, 1002, "is reserved"},
		{"text that is not UTF-8", nil, frame(fin|text, []byte("\xff")), 1007, ""},
	} {
		for _, protocol := range []string{v1, "X: raw"} {
			path, says := "/channels/chat", c.says
			if protocol != v1 {
				says = strings.Replace(says, "135168", "65536", 1)
			}
			w := s.socket(t, path, append(c.header, protocol, bearer(s.ann))...)
			if code, reason := w.ends(t, c.sent); code != c.code || !strings.Contains(reason, says) {
				t.Errorf("%s, %s: closed with %d %q, want %d %q", c.what, protocol, code, reason, c.code, says)
			}
		}
	}
}
