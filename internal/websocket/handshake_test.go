package websocket

import (
	"bufio"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

const goodRequest = "GET /channels/a HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

func request(t testing.TB, head string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n")))
	if err != nil {
		t.Fatalf("request %q: %v", head, err)
	}
	return r
}

func TestNegotiateRefuses(t *testing.T) {
	change := func(old, new string) string {
		if !strings.Contains(goodRequest, old) {
			t.Fatalf("%q is not in the request", old)
		}
		return strings.Replace(goodRequest, old, new, 1)
	}
	for _, c := range []struct {
		name, head string
		status     int
		header     string // "Name: value" that the refusal must have
	}{
		{"POST", change("GET", "POST"), 405, "Allow: GET"},
		{"HTTP/1.0", change("HTTP/1.1", "HTTP/1.0"), 400, ""},
		{"no Upgrade", change("Upgrade: websocket\r\n", ""), 426, "Upgrade: websocket"},
		{"another Upgrade", change("Upgrade: websocket", "Upgrade: h2c"), 426, "Upgrade: websocket"},
		{"Upgrade is only like it", change("Upgrade: websocket", "Upgrade: websockets"), 426, "Upgrade: websocket"},
		{"Upgrade with a Kelvin sign", change("Upgrade: websocket", "Upgrade: websoc\u212Aet"), 426, "Upgrade: websocket"},
		{"no Connection", change("Connection: Upgrade\r\n", ""), 400, ""},
		{"Connection keep-alive", change("Connection: Upgrade", "Connection: keep-alive, Upgrades"), 400, ""},
		{"no version", change("Sec-WebSocket-Version: 13\r\n", ""), 426, "Sec-WebSocket-Version: 13"},
		{"version 8", change("Version: 13", "Version: 8"), 426, "Sec-WebSocket-Version: 13"},
		{"version 14", change("Version: 13", "Version: 14"), 426, "Sec-WebSocket-Version: 13"},
		{"version 013", change("Version: 13", "Version: 013"), 426, "Sec-WebSocket-Version: 13"},
		{"two versions", change("Version: 13", "Version: 13, 8"), 426, "Sec-WebSocket-Version: 13"},
		{"no key", change("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400, ""},
		{"key of 15 bytes", change("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j"), 400, ""},
		{"key of 17 bytes", change("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE="), 400, ""},
		{"key is not base64", change("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!!=="), 400, ""},
		{"key without padding", change("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"), 400, ""},
		{"empty key", change("dGhlIHNhbXBsZSBub25jZQ==", ""), 400, ""},
		{"key twice", goodRequest + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400, ""},
		{"body", goodRequest + "Content-Length: 5\r\n", 400, ""},
		{"chunked body", goodRequest + "Transfer-Encoding: chunked\r\n", 400, ""},
		{"malformed extensions", goodRequest + "Sec-WebSocket-Extensions: a;;b\r\n", 400, ""},
	} {
		_, err := Negotiate(request(t, c.head), Config{Deflate: true})
		var refused *HandshakeError
		if !errors.As(err, &refused) {
			t.Errorf("%s: got error %v, want a HandshakeError", c.name, err)
			continue
		}
		if refused.Status != c.status || refused.Message == "" {
			t.Errorf("%s: got status %d, message %q; want status %d and a message", c.name, refused.Status, refused.Message, c.status)
		}
		if name, value, ok := strings.Cut(c.header, ": "); ok && refused.Header.Get(name) != value {
			t.Errorf("%s: got %s %q, want %q", c.name, name, refused.Header.Get(name), value)
		}
	}
}

func TestNegotiateAccepts(t *testing.T) {
	requestLine, securityHeaders, _ := strings.Cut(goodRequest, "Sec-")
	const base = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	const protocol, pmd = "Sec-WebSocket-Protocol: ", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	all := Config{Subprotocols: []string{"pabal.v1", "mqtt"}, Deflate: true}
	for _, c := range []struct {
		name, head string
		config     Config
		want       string
	}{
		{"plain", goodRequest, all, ""},
		{"as Firefox writes it", strings.Replace(goodRequest, "Connection: Upgrade", "Connection: keep-alive, Upgrade", 1), all, ""},
		{"other case, other lines", strings.Replace(strings.ToLower(requestLine)+"Sec-"+securityHeaders,
			"get /channels/a http/1.1", "GET /channels/a HTTP/1.1\r\nConnection: close\r\nUpgrade: foo/2, bar", 1), all, ""},
		{"empty body", goodRequest + "Content-Length: 0\r\n", all, ""},
		{"the server's first", goodRequest + "Sec-WebSocket-Protocol: chat, mqtt\r\nSec-WebSocket-Protocol: pabal.v1\r\n", all, protocol + "pabal.v1\r\n"},
		{"its second", goodRequest + "Sec-WebSocket-Protocol: chat,mqtt\r\n", all, protocol + "mqtt\r\n"},
		{"none that the server speaks", goodRequest + "Sec-WebSocket-Protocol: chat\r\n", all, ""},
		{"case matters", goodRequest + "Sec-WebSocket-Protocol: MQTT\r\n", all, ""},
		{"the server speaks none", goodRequest + "Sec-WebSocket-Protocol: chat\r\n", Config{}, ""},
		{"deflate", goodRequest + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", all, pmd + "\r\n"},
		{"deflate is off", goodRequest + "Sec-WebSocket-Extensions: permessage-deflate\r\n", Config{}, ""},
		{"deflate on the second line", goodRequest + "Sec-WebSocket-Extensions: foo\r\nSec-WebSocket-Extensions: permessage-deflate\r\n", all, pmd + "\r\n"},
		{"both", goodRequest + "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15\r\nSec-WebSocket-Protocol: mqtt\r\n", all,
			protocol + "mqtt\r\n" + pmd + "; server_max_window_bits=15\r\n"},
	} {
		h, err := Negotiate(request(t, c.head), c.config)
		if err != nil {
			t.Errorf("%s: got error %v", c.name, err)
			continue
		}
		if got, want := string(h.AppendResponse([]byte("x"), nil)), "x"+base+c.want+"\r\n"; got != want {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
	}
}

func TestResponseHeaders(t *testing.T) {
	h, err := Negotiate(request(t, goodRequest), Config{})
	if err != nil {
		t.Fatal(err)
	}
	got := string(h.AppendResponse(nil, http.Header{
		"Set-Cookie": {"a=1", "b=2"}, "Pabal-Cursor": {"x\r\nInjected: y"}, "Bad Name": {"z"},
		"Connection": {"close"}, "Sec-Websocket-Extensions": {"foo"}, "Sec-Websocket-Protocol": {"p"}, "Content-Length": {"3"},
	}))
	_, got, _ = strings.Cut(got, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
	if want := "Pabal-Cursor: x  Injected: y\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDeflateOffers(t *testing.T) {
	const pmd = "permessage-deflate"
	for _, c := range []struct {
		offers   string
		accepted bool
		window   deflateWindow
	}{
		{pmd, true, 0},
		{" , " + pmd + " ,", true, 0},
		{pmd + "; server_no_context_takeover; client_no_context_takeover", true, 0},
		{pmd + ";client_max_window_bits", true, 0},
		{pmd + "; client_max_window_bits=8", true, 0},
		{pmd + `; client_max_window_bits="10"`, true, 0},
		{pmd + `; client_max_window_bits="1\0"`, true, 0},
		{pmd + "; server_max_window_bits=15", true, 15},
		{pmd + "; server_max_window_bits=8", true, 8},
		{pmd + "; server_max_window_bits=10; server_no_context_takeover; client_max_window_bits; client_no_context_takeover", true, 10},
		{pmd + "; server_max_window_bits=7, " + pmd + "; foo, " + pmd + "; server_max_window_bits=15", true, 15},
		{"x-webkit-deflate-frame, " + pmd + "; client_max_window_bits", true, 0},
		{pmd + "; unknown, " + pmd, true, 0},

		{"", false, 0},
		{"foo; a=b", false, 0},
		{"Permessage-Deflate", false, 0},
		{"permessage-deflate2", false, 0},
		{pmd + "; unknown", false, 0},
		{pmd + "; server_no_context_takeover=1", false, 0},
		{pmd + "; client_no_context_takeover=true", false, 0},
		{pmd + "; server_max_window_bits", false, 0},
		{pmd + "; server_max_window_bits=7", false, 0},
		{pmd + "; server_max_window_bits=16", false, 0},
		{pmd + "; server_max_window_bits=010", false, 0},
		{pmd + "; server_max_window_bits=08", false, 0},
		{pmd + "; server_max_window_bits=+9", false, 0},
		{pmd + "; client_max_window_bits=7", false, 0},
		{pmd + "; client_max_window_bits=16", false, 0},
		{pmd + "; client_max_window_bits=x", false, 0},
		{pmd + "; client_max_window_bits; client_max_window_bits=10", false, 0},
		{pmd + "; server_no_context_takeover; server_no_context_takeover", false, 0},
		{pmd + "; server_max_window_bits=15; server_max_window_bits=15", false, 0},
	} {
		list, ok := parseExtensions(c.offers)
		if !ok {
			t.Errorf("%q: is malformed", c.offers)
		}
		window, accepted := chooseDeflate(list)
		if accepted != c.accepted || window != c.window {
			t.Errorf("%q: got %v, window %d; want %v, window %d", c.offers, accepted, window, c.accepted, c.window)
		}
	}
}

func TestMalformedExtensions(t *testing.T) {
	for _, value := range []string{";", "=", "a b", "a;", "a;;b", "a;=b", "a; b=", `a; b="`, `a; b=""`, `a; b="x`, `a; b="x y"`, `a; b="x\`, `a; b="x"y`, "a; b=c d", "a=b", "a; b==c", "(a)", "a\x00", "ä"} {
		if list, ok := parseExtensions(value); ok {
			t.Errorf("%q: got %v, want it to be refused", value, list)
		}
	}
}

func TestCompress(t *testing.T) {
	for _, c := range []struct {
		h    Handshake
		size int
		want bool
	}{
		{Handshake{}, 600, false},
		{Handshake{Deflate: true}, 16 << 20, true},
		{Handshake{Deflate: true, window: 15}, 16 << 20, true},
		{Handshake{Deflate: true, window: 8}, 257, false},
		{Handshake{Deflate: true, window: 10}, 1024, true},
		{Handshake{Deflate: true, window: 10}, 1025, false},
	} {
		if got := c.h.Compress().May(c.size); got != c.want {
			t.Errorf("window %d, %d bytes: got %v, want %v", c.h.window, c.size, got, c.want)
		}
	}
}

// connectRequest returns an extended CONNECT as net/http hands it over.
func connectRequest(change func(*http.Request)) *http.Request {
	r := &http.Request{
		Method: "CONNECT", Proto: "HTTP/2.0", ProtoMajor: 2, ContentLength: -1, URL: &url.URL{Path: "/channels/a"},
		Header: http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}},
	}
	if change != nil {
		change(r)
	}
	return r
}

func TestExtendedConnect(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		want   string
	}{
		{"HTTP/2", nil, "websocket"},
		{"another protocol", func(r *http.Request) { r.Header[":protocol"] = []string{"connect-udp"} }, "connect-udp"},
		{"a tunnel", func(r *http.Request) { delete(r.Header, ":protocol") }, ""},
		{"GET", func(r *http.Request) { r.Method = "GET" }, ""},
		{"HTTP/1.1", func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1 }, ""},
		{"HTTP/3", func(r *http.Request) { r.Proto, r.ProtoMajor = "websocket", 3; delete(r.Header, ":protocol") }, "websocket"},
		{"a tunnel over HTTP/3", func(r *http.Request) { r.Proto, r.ProtoMajor = "HTTP/3.0", 3; delete(r.Header, ":protocol") }, ""},
	} {
		if got := ExtendedConnect(connectRequest(c.change)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNegotiateConnect(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		status int    // of the refusal
		header string // "Name: value" that it must have
	}{
		{"as it should be", nil, 0, ""},
		{"a key, which nobody reads", func(r *http.Request) { r.Header["Sec-Websocket-Key"] = []string{"x", "y"} }, 0, ""},
		{"another protocol", func(r *http.Request) { r.Header[":protocol"] = []string{"Websocket"} }, 501, ""},
		{"no version", func(r *http.Request) { delete(r.Header, "Sec-Websocket-Version") }, 400, "Sec-WebSocket-Version: 13"},
		{"version 8", func(r *http.Request) { r.Header["Sec-Websocket-Version"] = []string{"8"} }, 400, "Sec-WebSocket-Version: 13"},
		{"ended", func(r *http.Request) { r.ContentLength = 0 }, 400, ""},
		{"a length", func(r *http.Request) { r.ContentLength = 5; r.Header["Content-Length"] = []string{"5"} }, 400, ""},
		{"malformed extensions", func(r *http.Request) { r.Header["Sec-Websocket-Extensions"] = []string{"a;;b"} }, 400, ""},
		{"a tunnel", func(r *http.Request) { delete(r.Header, ":protocol") }, 405, "Allow: GET"},
	} {
		_, err := Negotiate(connectRequest(c.change), Config{Deflate: true})
		var refused *HandshakeError
		if !errors.As(err, &refused) {
			refused = &HandshakeError{}
		}
		if refused.Status != c.status || (err == nil) != (c.status == 0) {
			t.Errorf("%s: got %v, status %d, want %d", c.name, err, refused.Status, c.status)
		}
		if name, value, ok := strings.Cut(c.header, ": "); ok && refused.Header.Get(name) != value {
			t.Errorf("%s: got %s %q, want %q", c.name, name, refused.Header.Get(name), value)
		}
		if refused.Header.Get("Upgrade")+refused.Header.Get("Connection") != "" {
			t.Errorf("%s: the refusal has fields of HTTP/1.1: %v", c.name, refused.Header)
		}
	}
}

func TestSetResponse(t *testing.T) {
	h, err := Negotiate(connectRequest(func(r *http.Request) {
		r.Header["Sec-Websocket-Protocol"] = []string{"mqtt, pabal.v1"}
		r.Header["Sec-Websocket-Extensions"] = []string{"permessage-deflate; server_max_window_bits=10"}
	}), Config{Subprotocols: []string{"pabal.v1"}, Deflate: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		h    Handshake
		want http.Header
	}{
		{Handshake{}, http.Header{"Pabal-Cursor": {"c"}}},
		{h, http.Header{
			"Pabal-Cursor": {"c"}, "Sec-Websocket-Protocol": {"pabal.v1"},
			"Sec-Websocket-Extensions": {"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"},
		}},
	} {
		got := http.Header{"Pabal-Cursor": {"c"}, "Connection": {"close"}, "Sec-Websocket-Accept": {"a"}, "Sec-Websocket-Protocol": {"x"}, "Content-Length": {"3"}}
		c.h.SetResponse(got)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("got %v, want %v", got, c.want)
		}
	}
}
