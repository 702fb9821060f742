package websocket

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// FuzzParser: whatever comes, in whatever pieces, nothing panics, memory is bounded (feed checks it), and the result is
// that of the whole.
func FuzzParser(f *testing.F) {
	for _, in := range [][]byte{
		masked(0x81, "hello κόσμε"), masked(0xc1, deflated(strings.Repeat("ab", 300))), masked(0x88, closePayload(1000, "bye")),
		join(masked(0x01, "ab"), masked(0x89, "p"), masked(0x80, "cd")), fragmented(0x41, pieces(deflated("abcabcabc"), 2)...),
		masked(0x82, strings.Repeat("x", 300)), {0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, {0x81, 0x00},
		masked(0x81, "\xf4\x90\x80\x80"), masked(0xc2, "\x03\x00\x03\x00"),
	} {
		for _, limit := range []uint16{0, 20, 1000} {
			f.Add(in, uint8(3), uint8(1), limit, true)
			f.Add(in, uint8(1), uint8(7), limit, false)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, first, next uint8, limit uint16, deflate bool) {
		p := Parser{MaxMessage: int(limit), Deflate: deflate}
		whole, split, single := p, p, p
		want, taken := feed(t, &whole, in, max(len(in), 1))
		got, _ := feed(t, &split, in, int(first)+1, int(next)+1)
		if !slices.Equal(got, want) {
			t.Errorf("in pieces: got %q, want %q", got, want)
		}
		got, atOnce := feed(t, &single, in, 1)
		if !slices.Equal(got, want) {
			t.Errorf("byte by byte: got %q, want %q", got, want)
		}
		if atOnce > taken {
			t.Errorf("byte by byte took %d bytes, the whole %d", atOnce, taken)
		}
	})
}

// FuzzMessage: what Message makes, the parser reads.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("hello"), uint8(1), true)
	f.Add(bytes.Repeat([]byte("hello "), 200), uint8(2), true)
	f.Fuzz(func(t *testing.T, payload []byte, times uint8, compress bool) {
		payload = bytes.Repeat(payload, int(times))
		p := Parser{Deflate: compress, MaxMessage: max(len(payload), 1)}
		got, _ := feed(t, &p, asClient(t, Message(OpBinary, payload, compress)), 1000)
		if want := []string{Event{Op: OpBinary, Payload: payload}.String()}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// FuzzHandshake: whatever the headers, nothing panics, only what was offered is chosen, and the response is one.
func FuzzHandshake(f *testing.F) {
	f.Add("13", "dGhlIHNhbXBsZSBub25jZQ==", "pabal.v1, mqtt", "permessage-deflate; client_max_window_bits", "websocket", "Upgrade", "v")
	f.Add("8", "", "", `permessage-deflate; server_max_window_bits="1\0", foo; a="b`, "h2c, websocket", "keep-alive, upgrade", "a\r\nb")
	f.Fuzz(func(t *testing.T, version, key, protocol, extensions, upgrade, connection, extra string) {
		r := &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
			"Sec-Websocket-Version": {version}, "Sec-Websocket-Key": {key}, "Sec-Websocket-Protocol": {protocol},
			"Sec-Websocket-Extensions": {extensions}, "Upgrade": {upgrade}, "Connection": {connection},
		}}
		h, err := Negotiate(r, Config{Subprotocols: []string{"pabal.v1", "mqtt"}, Deflate: true})
		if err != nil {
			return
		}
		if h.Subprotocol != "" && !strings.Contains(protocol, h.Subprotocol) {
			t.Errorf("subprotocol %q was not offered in %q", h.Subprotocol, protocol)
		}
		if h.Deflate && !strings.Contains(extensions, "permessage-deflate") {
			t.Errorf("permessage-deflate was not offered in %q", extensions)
		}
		extra = strings.Map(func(r rune) rune { // control characters but line breaks are the caller's fault
			if r != '\r' && r != '\n' && unicode.IsControl(r) {
				return -1
			}
			return r
		}, extra)
		head := h.AppendResponse(nil, http.Header{"X-Extra": {extra}})
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
		if err != nil || response.StatusCode != 101 || response.Header.Get("Sec-Websocket-Accept") != acceptKey(key) {
			t.Errorf("response %q: %v", head, err)
		}
	})
}

// FuzzExtensions: what is accepted means the same when written plainly.
func FuzzExtensions(f *testing.F) {
	f.Add(`permessage-deflate; server_max_window_bits="10"; client_max_window_bits, foo;a=b`)
	f.Fuzz(func(t *testing.T, value string) {
		list, ok := parseExtensions(value)
		if !ok {
			return
		}
		var plain strings.Builder
		for _, e := range list {
			plain.WriteString("," + e.name)
			for _, p := range e.params {
				plain.WriteString(";" + p.name)
				if p.hasValue {
					plain.WriteString("=" + p.value)
				}
			}
		}
		again, ok := parseExtensions(plain.String())
		same := slices.EqualFunc(list, again, func(a, b extension) bool {
			return a.name == b.name && slices.Equal(a.params, b.params)
		})
		if !ok || !same {
			t.Errorf("%q: got %v, written as %q got %v", value, list, plain.String(), again)
		}
	})
}
