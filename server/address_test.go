package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/pabal/pabal/server/config"
)

func prefixes(t testing.TB, texts ...string) (all []config.Prefix) {
	t.Helper()
	for _, text := range texts {
		var p config.Prefix
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestClientAddress(t *testing.T) {
	a := addresses{prefixes(t, "10.0.0.0/8", "127.0.0.1", "fd00::/8")}
	const f, x = "Forwarded", "X-Forwarded-For"
	for _, test := range []struct {
		name, peer string
		header     http.Header
		want       string
	}{
		{"not trusted", "192.0.2.9:1", http.Header{x: {"1.2.3.4"}, f: {"for=1.2.3.4"}}, "192.0.2.9:1"},
		{"nothing said", "10.0.0.1:1", nil, "10.0.0.1:0"},
		{"mapped peer", "[::ffff:10.0.0.1]:1", http.Header{x: {"192.0.2.1"}}, "192.0.2.1:0"},

		{"one", "10.0.0.1:1", http.Header{x: {"192.0.2.1"}}, "192.0.2.1:0"},
		{"what the client wrote is to the left", "10.0.0.1:1", http.Header{x: {"1.1.1.1, 192.0.2.1"}}, "192.0.2.1:0"},
		{"through two", "10.0.0.1:1", http.Header{x: {"1.1.1.1,192.0.2.1 ,  10.0.0.2"}}, "192.0.2.1:0"},
		{"two lines", "10.0.0.1:1", http.Header{x: {"1.1.1.1, 192.0.2.1", "10.0.0.2"}}, "192.0.2.1:0"},
		{"all trusted", "10.0.0.1:1", http.Header{x: {"10.0.0.3, 10.0.0.2"}}, "10.0.0.3:0"},
		{"with a port", "10.0.0.1:1", http.Header{x: {"192.0.2.1:4711"}}, "192.0.2.1:0"},
		{"six", "10.0.0.1:1", http.Header{x: {"2001:db8::1"}}, "[2001:db8::1]:0"},
		{"six in brackets", "10.0.0.1:1", http.Header{x: {"[2001:db8::1]:443"}}, "[2001:db8::1]:0"},
		{"not an address", "10.0.0.1:1", http.Header{x: {"192.0.2.1, evil"}}, "10.0.0.1:0"},
		{"not one behind the second", "10.0.0.1:1", http.Header{x: {"evil, 10.0.0.2"}}, "10.0.0.2:0"},
		{"not one to the left", "10.0.0.1:1", http.Header{x: {"evil, 192.0.2.1"}}, "192.0.2.1:0"},
		{"empty", "10.0.0.1:1", http.Header{x: {""}}, "10.0.0.1:0"},
		{"zone", "10.0.0.1:1", http.Header{x: {"fe80::1%eth0"}}, "10.0.0.1:0"},
		{"unspecified", "10.0.0.1:1", http.Header{x: {"0.0.0.0"}}, "10.0.0.1:0"},

		{"forwarded", "10.0.0.1:1", http.Header{f: {"for=192.0.2.1;proto=https;by=10.0.0.1"}}, "192.0.2.1:0"},
		{"forwarded, any case", "10.0.0.1:1", http.Header{f: {"Proto=https; FOR=192.0.2.1"}}, "192.0.2.1:0"},
		{"forwarded through two", "10.0.0.1:1", http.Header{f: {`for=1.1.1.1, for=192.0.2.1;host="a,b;c" ,for=10.0.0.2`}}, "192.0.2.1:0"},
		{"forwarded six", "10.0.0.1:1", http.Header{f: {`for="[2001:db8::1]:4711"`}}, "[2001:db8::1]:0"},
		{"forwarded, escaped", "10.0.0.1:1", http.Header{f: {`for="192.0.2.\1"`}}, "192.0.2.1:0"},
		{"forwarded by nobody", "10.0.0.1:1", http.Header{f: {"for=unknown"}}, "10.0.0.1:0"},
		{"forwarded in secret", "10.0.0.1:1", http.Header{f: {"for=192.0.2.1, for=_hidden"}}, "10.0.0.1:0"},
		{"forwarded without for", "10.0.0.1:1", http.Header{f: {"for=192.0.2.1, proto=https"}}, "10.0.0.1:0"},
		{"forwarded, for twice", "10.0.0.1:1", http.Header{f: {"for=192.0.2.1;for=192.0.2.2"}}, "10.0.0.1:0"},
		{"forwarded, open quote", "10.0.0.1:1", http.Header{f: {`for="x, for=192.0.2.1`}}, "10.0.0.1:0"},
		{"forwarded, no value", "10.0.0.1:1", http.Header{f: {"for=, for=192.0.2.1"}}, "10.0.0.1:0"},
		{"forwarded, two words", "10.0.0.1:1", http.Header{f: {"for=1.1.1.1 for=192.0.2.1"}}, "10.0.0.1:0"},

		{"both agree", "10.0.0.1:1", http.Header{f: {"for=192.0.2.1"}, x: {"192.0.2.1"}}, "192.0.2.1:0"},
		{"both disagree", "10.0.0.1:1", http.Header{f: {"for=1.1.1.1"}, x: {"192.0.2.1"}}, "10.0.0.1:0"},
		{"one malformed", "10.0.0.1:1", http.Header{f: {`"`}, x: {"192.0.2.1"}}, "10.0.0.1:0"},

		{"this machine by its proxy", "127.0.0.1:1", http.Header{x: {"127.0.0.1"}}, "127.0.0.1:0"},
		{"not this machine", "127.0.0.1:1", http.Header{f: {"for=1.1.1.1"}, x: {"192.0.2.1"}}, "0.0.0.0:0"},
		{"nor this", "127.0.0.1:1", http.Header{x: {"evil"}}, "0.0.0.0:0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr, r.Header = test.peer, test.header
			var got string
			a.handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).ServeHTTP(nil, r)
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if r.RemoteAddr != test.peer {
				t.Errorf("the request itself was changed: its peer is now %s", r.RemoteAddr)
			}
		})
	}
}

// Whatever the headers are, who is not trusted is its own address, and nobody
// else becomes this machine.
func FuzzClientAddress(f *testing.F) {
	f.Add(`for="[2001:db8::1]:1";proto=http, for=10.0.0.1`, "1.2.3.4, 10.0.0.1")
	f.Add(`for="\"`, "")
	f.Add("", "[::1")
	a := addresses{prefixes(f, "10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, forwarded, forwardedFor string) {
		header := http.Header{}
		if forwarded != "" {
			header.Set("Forwarded", forwarded)
		}
		if forwardedFor != "" {
			header.Set("X-Forwarded-For", forwardedFor)
		}
		peer := netip.MustParseAddr("10.0.0.1")
		got := a.client(peer, header)
		if !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Errorf("got %v", got)
		}
		// A nearer proxy that says who asked it is believed, whatever stands to the left.
		if forwarded == "" {
			header.Set("X-Forwarded-For", forwardedFor+", 192.0.2.1")
			if got := a.client(peer, header); got != netip.MustParseAddr("192.0.2.1") {
				t.Errorf("after the proxy's own hop: got %v, want 192.0.2.1", got)
			}
		}
	})
}
