package browser

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

func TestHTTP1IsARequest(t *testing.T) {
	for kind := Fetch; kind <= WebSocketV1; kind++ {
		for _, bare := range []bool{false, true} {
			r := Request{Host: "localhost:8080", Path: "/channels/a?via=poll", Kind: kind, Bare: bare}
			got, err := http.ReadRequest(bufio.NewReader(strings.NewReader(r.HTTP1())))
			if err != nil {
				t.Errorf("%d: %v", kind, err)
				continue
			}
			if got.Host != r.Host || got.URL.String() != r.Path {
				t.Errorf("%d: got %s %s, want %s %s", kind, got.Host, got.URL, r.Host, r.Path)
			}
			if bare != (got.Header.Get("User-Agent") == "") {
				t.Errorf("%d, bare %v: got the header %v", kind, bare, got.Header)
			}
			if kind >= WebSocket && got.Header.Get("Sec-WebSocket-Key") == "" {
				t.Errorf("%d: got no handshake: %v", kind, got.Header)
			}
		}
	}
}

// A browser tells who it is, and where a request comes from, only over TLS.
func TestSecureSaysMore(t *testing.T) {
	plain := Request{Host: "a.example", Path: "/"}
	secure := plain
	secure.Secure = true
	if text := plain.HTTP1(); strings.Contains(text, "Sec-") || strings.Contains(text, "zstd") || !strings.Contains(text, "Referer: http://a.example/\r\n") {
		t.Errorf("in the clear: got %q", text)
	}
	if text := secure.HTTP1(); !strings.Contains(text, "Sec-Fetch-Mode: cors\r\n") || !strings.Contains(text, "zstd") || !strings.Contains(text, "Referer: https://a.example/\r\n") {
		t.Errorf("over TLS: got %q", text)
	}
}

func TestHTTP2NamesAreLower(t *testing.T) {
	pseudo := 0
	for _, f := range (Request{Host: "a.example", Path: "/", Secure: true}).HTTP2() {
		if f.Name != strings.ToLower(f.Name) || f.Name == "connection" || f.Name == "host" {
			t.Errorf("got the field %q, which HTTP/2 does not have", f.Name)
		}
		if strings.HasPrefix(f.Name, ":") {
			pseudo++
		}
	}
	if pseudo != 4 {
		t.Errorf("got %d fields of the request line, want 4", pseudo)
	}
}
