package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pabal/pabal/server/config"
)

func bodyOf(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// guarded sends r through a guard with those origins, to a handler that
// answers "served".
func guarded(t *testing.T, origins []config.Origin, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	g, err := newGuard(origins)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g.handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") })).ServeHTTP(w, r)
	return w
}

func TestHost(t *testing.T) {
	for _, test := range []struct {
		host           string
		loopback, open int
	}{
		{"127.0.0.1:8080", 200, 200},
		{"127.0.0.1", 200, 200},
		{"127.8.9.10:1", 200, 200},
		{"[::1]:8080", 200, 200},
		{"[::1]", 200, 200},
		{"localhost", 200, 200},
		{"LOCALHOST.:8080", 200, 200},
		{"app.localhost:8080", 200, 200},
		{"", 200, 200},
		{"my-machine:8080", 200, 200},   // as it was configured
		{"pabal.example:443", 200, 200}, // of an allowed origin
		{"evil.example", 421, 200},
		{"evil.example:8080", 421, 200},
		{"localhost.evil.example", 421, 200},
		{"notlocalhost", 421, 200},
		{"192.168.0.1:8080", 421, 200},
		{"0.0.0.0:8080", 421, 200},
		{"127.0.0.1.evil.example", 421, 200},
		{"[fe80::1%25lo]:8080", 421, 200},
		{"2130706433", 421, 200},
	} {
		for want, local := range map[int]bool{test.loopback: true, test.open: false} {
			if test.loopback == test.open {
				local = true
			}
			r := httptest.NewRequest("GET", "/channels/a", nil)
			r.Host = test.host
			if local {
				r = r.WithContext(onLoopback(r.Context(), loopback{host: "my-machine", address: "http://127.0.0.1:8080"}))
			}
			res := guarded(t, []config.Origin{"https://pabal.example"}, r)
			body := res.Body.String()
			if res.Code != want {
				t.Errorf("Host %q, loopback %v: got %d, want %d", test.host, local, res.Code, want)
			}
			if want == 421 && (!strings.Contains(body, "http://127.0.0.1:8080") || !strings.Contains(body, "--allow-origin")) {
				t.Errorf("Host %q: got %s, want it to say what to do", test.host, body)
			}
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	one, anyone := []config.Origin{"https://a.example"}, []config.Origin{"*"}
	for _, test := range []struct {
		name    string
		origins []config.Origin
		method  string
		header  string // "Name: value; Name: value"
		want    int
	}{
		{"curl", nil, "POST", "", 200},
		{"same origin", nil, "POST", "Origin: http://pabal.example; Sec-Fetch-Site: same-origin", 200},
		{"same host, no fetch metadata", nil, "POST", "Origin: http://pabal.example", 200},
		{"another site", nil, "POST", "Origin: https://a.example; Sec-Fetch-Site: cross-site", 403},
		{"another port", nil, "POST", "Origin: http://pabal.example:3000; Sec-Fetch-Site: same-site", 403},
		{"another host, no fetch metadata", nil, "DELETE", "Origin: https://a.example", 403},
		{"no origin at all", nil, "POST", "Origin: null; Sec-Fetch-Site: cross-site", 403},
		{"reads are for CORS to forbid", nil, "GET", "Origin: https://a.example; Sec-Fetch-Site: cross-site", 200},
		{"allowed", one, "POST", "Origin: https://a.example; Sec-Fetch-Site: cross-site; Cookie: a=b", 200},
		{"not the allowed one", one, "POST", "Origin: https://b.example; Sec-Fetch-Site: cross-site", 403},
		{"almost the allowed one", one, "POST", "Origin: https://a.example.evil; Sec-Fetch-Site: cross-site", 403},
		{"any", anyone, "POST", "Origin: https://b.example; Sec-Fetch-Site: cross-site", 200},
		{"any, with its token", anyone, "POST", "Origin: https://b.example; Sec-Fetch-Site: cross-site; Authorization: Bearer x", 200},
		{"any, but with a cookie", anyone, "POST", "Origin: https://b.example; Sec-Fetch-Site: cross-site; Cookie: a=b", 403},
		{"any, but with a password", anyone, "POST", "Origin: https://b.example; Sec-Fetch-Site: cross-site; Authorization: Basic x", 403},
		{"own page with a cookie", anyone, "POST", "Origin: http://pabal.example; Sec-Fetch-Site: same-origin; Cookie: a=b", 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := guarded(t, test.origins, request(test.method, test.header))
			body := res.Body.String()
			if res.Code != test.want {
				t.Fatalf("got %d, want %d: %s", res.Code, test.want, body)
			}
			if test.want == 403 && !strings.Contains(body, "--allow-origin") {
				t.Errorf("got %s, want it to say what to do", body)
			}
		})
	}
}

func TestCORS(t *testing.T) {
	one, anyone := []config.Origin{"https://b.example", "https://a.example"}, []config.Origin{"*"}
	for _, test := range []struct {
		name                    string
		origins                 []config.Origin
		method, header          string
		status                  int
		allow, credentials      string
		vary, methods, exposing string
	}{
		{"none allowed", nil, "GET", "Origin: https://a.example", 200, "", "", "", "", ""},
		{"allowed", one, "GET", "Origin: https://a.example", 200, "https://a.example", "true", "Origin", "", corsExposed},
		{"another", one, "GET", "Origin: https://c.example", 200, "", "", "Origin", "", ""},
		{"no page", one, "GET", "", 200, "", "", "Origin", "", ""},
		{"any", anyone, "GET", "Origin: https://a.example", 200, "*", "", "", "", corsExposed},
		{"preflight", one, "OPTIONS", "Origin: https://a.example; Access-Control-Request-Method: POST", 204, "https://a.example", "true", "Origin", corsMethods, ""},
		{"preflight of any", anyone, "OPTIONS", "Origin: https://a.example; Access-Control-Request-Method: POST", 204, "*", "", "", corsMethods, ""},
		{"preflight of another", one, "OPTIONS", "Origin: https://c.example; Access-Control-Request-Method: POST", 204, "", "", "Origin", "", ""},
		{"preflight, none allowed", nil, "OPTIONS", "Origin: https://c.example; Access-Control-Request-Method: POST", 204, "", "", "", "", ""},
		{"no preflight", nil, "OPTIONS", "", 200, "", "", "", "", ""},
		{"what another may not do", one, "POST", "Origin: https://c.example; Sec-Fetch-Site: cross-site", 403, "", "", "Origin", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := guarded(t, test.origins, request(test.method, test.header))
			if res.Code != test.status {
				t.Errorf("got %d, want %d", res.Code, test.status)
			}
			for name, want := range map[string]string{
				"Access-Control-Allow-Origin": test.allow, "Access-Control-Allow-Credentials": test.credentials, "Vary": test.vary,
				"Access-Control-Allow-Methods": test.methods, "Access-Control-Expose-Headers": test.exposing,
			} {
				if got := res.Header().Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

// answerOf returns what h answers to r.
func answerOf(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A WebSocket over HTTP/2 is as one over HTTP/1.1: its origin is for the
// transport to judge. Any other CONNECT is not.
func TestTunnel(t *testing.T) {
	const foreign = "Origin: https://b.example; Sec-Fetch-Site: cross-site"
	for protocol, want := range map[string]int{"websocket": 200, "": 403} {
		r := request("CONNECT", foreign)
		if protocol != "" {
			r.Header[":protocol"] = []string{protocol}
		}
		if res := guarded(t, nil, r); res.Code != want {
			t.Errorf(":protocol %q: got %d, want %d", protocol, res.Code, want)
		}
	}
}

// request makes a request to http://pabal.example with headers written in one
// line.
func request(method, headers string) *http.Request {
	r := httptest.NewRequest(method, "http://pabal.example/channels/a", nil)
	for pair := range strings.SplitSeq(headers, "; ") {
		if name, value, ok := strings.Cut(pair, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	return r
}
