package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/auth"
)

// request makes one of a line of headers, as "Name: value; Name: value".
func request(method, target, headers string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "pabal.example"
	for line := range strings.SplitSeq(headers, "; ") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			r.Header.Add(name, value)
		}
	}
	return r
}

// Where a token may be, and what two of them are.
func TestWhereTokensAre(t *testing.T) {
	a := open(t, auth.Config{Keys: keys(t), Cookie: "pabal_token", Anonymous: func(pabal.Channel) auth.Actions { return auth.All }})
	bare := open(t, auth.Config{Keys: keys(t)})
	x := sign(jwt.SigningMethodHS256, secret, nil, claims(nil))
	y := sign(jwt.SigningMethodHS256, secret, nil, claims(object{"sub": "bob"}))
	for _, c := range []struct {
		name, target, headers string
		by                    *auth.Authenticator
		user                  string
		status                int
	}{
		{"nowhere", "/channels/a?via=sse", "", a, "", 200},
		{"a password", "/", "Authorization: Basic abc", a, "", 200},
		{"header", "/", "Authorization: Bearer " + x, a, "alice", 200},
		{"header in lower case", "/", "Authorization: bearer  " + x, a, "alice", 200},
		{"header, empty", "/", "Authorization: Bearer", a, "", 401},
		{"header, bad", "/", "Authorization: Bearer x", a, "", 401},
		{"subprotocol", "/", "Sec-WebSocket-Protocol: pabal.v1, pabal.token." + x, a, "alice", 200},
		{"subprotocol in its own line", "/", "Sec-WebSocket-Protocol: pabal.v1; Sec-WebSocket-Protocol: pabal.token." + x, a, "alice", 200},
		{"subprotocol, bad", "/", "Sec-WebSocket-Protocol: pabal.token.x", a, "", 401},
		{"query", "/?via=sse&token=" + x, "", a, "alice", 200},
		{"query, name escaped", "/?%74oke%6e=" + x, "", a, "alice", 200},
		{"query, value escaped", "/?token=" + strings.ReplaceAll(x, ".", "%2E"), "", a, "alice", 200},
		{"query, empty", "/?token=", "", a, "", 401},
		{"query, no value", "/?token", "", a, "", 401},
		{"query, bad", "/?token=x", "", a, "", 401},
		{"query, not escaped well", "/?token=%zz", "", a, "", 400},
		{"query, another name", "/?tokens=x&Token=y&a=token", "", a, "", 200},
		{"cookie", "/", "Cookie: a=b; Cookie: pabal_token=" + x, a, "alice", 200},
		{"cookie, empty", "/", "Cookie: pabal_token=", a, "", 401},
		{"cookie, bad", "/", "Cookie: pabal_token=x", a, "", 401},
		{"cookie that is not looked at", "/", "Cookie: pabal_token=" + x, bare, "", 200},
		{"the same twice", "/?token=" + x, "Authorization: Bearer " + x + "; Cookie: pabal_token=" + x, a, "alice", 200},
		{"header and query", "/?token=" + y, "Authorization: Bearer " + x, a, "", 400},
		{"two headers", "/", "Authorization: Bearer " + x + "; Authorization: Bearer " + y, a, "", 400},
		{"two queries", "/?token=" + x + "&token=" + y, "", a, "", 400},
		{"two cookies", "/", "Cookie: pabal_token=" + x + "; Cookie: pabal_token=" + y, a, "", 400},
		{"header and cookie", "/", "Authorization: Bearer " + x + "; Cookie: pabal_token=" + y, a, "", 400},
		{"a good one and a bad one", "/?token=x", "Authorization: Bearer " + x, a, "", 400},
	} {
		g, err := c.by.Grant(request("GET", c.target, c.headers))
		if c.status == 200 {
			if err != nil || g.User != c.user || g.Address != "" {
				t.Errorf("%s: got %+v, %v, want %q", c.name, g, err, c.user)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s: got %+v, want %d", c.name, g, c.status)
			continue
		}
		if p := asProblem(t, err); p.Status != c.status || strings.Contains(p.Detail, x) {
			t.Errorf("%s: got %d, %s; want %d", c.name, p.Status, p.Detail, c.status)
		}
	}
}

// A cookie counts only where no page of another site can have had it sent.
func TestCookies(t *testing.T) {
	a := open(t, auth.Config{Keys: keys(t), Cookie: "pabal_token", AllowOrigins: []string{"https://a.example", "*"}})
	token := sign(jwt.SigningMethodHS256, secret, nil, claims(nil))
	const upgrade = "Upgrade: websocket; Sec-WebSocket-Key: x"
	for _, c := range []struct {
		method, query, headers string
		ok                     bool
	}{
		{"POST", "", "Sec-Fetch-Site: same-origin", true},
		{"POST", "", "Sec-Fetch-Site: none", true},
		{"POST", "", "Sec-Fetch-Site: same-site", false},
		{"POST", "", "Sec-Fetch-Site: cross-site", false},
		{"POST", "", "Sec-Fetch-Site: cross-site; Origin: https://a.example", false},
		{"POST", "", "Sec-Fetch-Site: cross-site; Origin: https://pabal.example", false},
		{"POST", "", "Origin: https://pabal.example", true},
		{"POST", "", "Origin: https://PABAL.example", true},
		{"POST", "", "Origin: https://pabal.example:8443", false},
		{"POST", "", "Origin: https://evil.example", false},
		{"POST", "", "Origin: null", false},
		{"POST", "", "", false},
		{"DELETE", "", "Sec-Fetch-Site: cross-site", false},
		{"PUT", "", "", false},
		{"CONNECT", "", "", false},
		{"CONNECT", "", "Origin: https://pabal.example", true},
		{"GET", "", upgrade + "; Sec-Fetch-Site: same-origin", true},
		{"GET", "", upgrade + "; Origin: https://pabal.example", true},
		{"GET", "", upgrade + "; Sec-Fetch-Site: cross-site; Origin: https://a.example", false},
		{"GET", "", upgrade + "; Origin: https://evil.example", false},
		{"GET", "", upgrade, false},

		{"GET", "", "", true},
		{"HEAD", "", "", true},
		{"GET", "", "Sec-Fetch-Site: same-origin", true},
		{"GET", "", "Sec-Fetch-Site: none", true},
		{"GET", "", "Sec-Fetch-Site: same-site", false},
		{"GET", "", "Sec-Fetch-Site: cross-site", false},
		{"HEAD", "", "Sec-Fetch-Site: cross-site", false},
		{"GET", "", "Sec-Fetch-Site: cross-site; Origin: https://a.example", true},
		{"GET", "", "Sec-Fetch-Site: cross-site; Origin: https://b.example", false},
		{"GET", "", "Sec-Fetch-Site: cross-site; Origin: *", false},
		{"GET", "via=sse", "Sec-Fetch-Site: cross-site", false},
		{"GET", "via=jsonp", "Sec-Fetch-Site: same-origin", true},
		{"GET", "via=jsonp", "Sec-Fetch-Site: cross-site", false},
		{"GET", "via=jsonp", "Sec-Fetch-Site: cross-site; Origin: https://a.example", false},
		{"GET", "via=jsonp", "", false},
		{"GET", "via=iframe", "", false},
		{"GET", "via=iframe", "Sec-Fetch-Site: none", false},
		{"GET", "via=multipart", "", false},
		{"GET", "%76ia=jsonp", "", false},
		{"GET", "via=sse&via=jsonp", "", false},
		{"GET", "", "Accept: multipart/mixed", false},
	} {
		r := request(c.method, "/channels/a?"+c.query, c.headers)
		r.AddCookie(&http.Cookie{Name: "pabal_token", Value: token})
		g, err := a.Grant(r)
		if c.ok {
			if err != nil || g.User != "alice" {
				t.Errorf("%s ?%s %s: got %+v, %v, want it to count", c.method, c.query, c.headers, g, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s ?%s %s: it counts", c.method, c.query, c.headers)
		} else if p := asProblem(t, err); p.Status != 403 {
			t.Errorf("%s ?%s %s: got %d, want 403", c.method, c.query, c.headers, p.Status)
		}
		// Whoever knows the token may, from wherever.
		r.Header.Set("Authorization", "Bearer "+token)
		if _, err := a.Grant(r); err != nil {
			t.Errorf("%s ?%s %s, with the token: %v", c.method, c.query, c.headers, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"/channels/a":                            "/channels/a",
		"/channels/a?via=sse":                    "/channels/a?via=sse",
		"/channels/a?":                           "/channels/a?",
		"/?token=SECRET":                         "/?token=redacted",
		"https://u@h:1/a?x=1&token=SECRET&y=%20": "https://u@h:1/a?x=1&token=redacted&y=%20",
		"/?TOKEN=SECRET":                         "/?token=redacted",
		"/?%74oken=SECRET":                       "/?token=redacted",
		"/?%54OK%45n=SECRET":                     "/?token=redacted",
		"/?+token=SECRET":                        "/?token=redacted",
		"/?token=a&token=SECRET":                 "/?token=redacted&token=redacted",
		"/?a;token=SECRET":                       "/?a&token=redacted",
		"/?token%3DSECRET":                       "/?redacted",
		"/?read=%2Fc%3Fa%3D1%26token%3DSECRET":   "/?read=redacted",
		"/?read=%252Fc%253Ftoken%253DSECRET&b=1": "/?read=redacted&b=1",
		"/?read=%zz%3Ftoken%3DSECRET":            "/?read=redacted",
		"/a%3Ftoken=SECRET":                      "redacted",
		"/channels/token":                        "/channels/token",
		"/?tokens=3":                             "/?tokens=3",
		"/?cursor=token":                         "/?cursor=token",
		"/?token":                                "/?token=redacted",
	} {
		if got := auth.Redact(in); got != want || strings.Contains(got, "SECRET") {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// Whatever the server takes for a token is not in what is logged.
func FuzzRedact(f *testing.F) {
	f.Add("via=sse&%74oken=S3CRET")
	f.Add("token=S3CRET;a=b")
	f.Add("a=%&token=S3CRET")
	a := open(f, auth.Config{Keys: keys(f)})
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = query
		_, err := a.Grant(r)
		if err == nil {
			return // it takes none for a token
		}
		for piece := range strings.SplitSeq(query, "&") {
			if _, value, _ := strings.Cut(piece, "="); len(value) >= 6 && r.URL.Query().Get("token") == value && strings.Contains(auth.Redact("/?"+query), value) && strings.Count(query, value) == 1 {
				t.Fatalf("%q: got %q", query, auth.Redact("/?"+query))
			}
		}
	})
}
