package server

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pabal/pabal/internal/h2connect"
)

// Headers that a browser sets for the page that asks.
const (
	evil, friend                            = "Origin: https://evil.test", "Origin: https://friend.test"
	crossSite, sameSite, sameOrigin, noSite = "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"
)

// Words of refusals: of a cookie, and of a page beside, where both are refused
// and it does not matter which is said.
const (
	noCookie   = "a cookie alone does not count"
	noneOfBoth = noCookie + "|may not "
)

// A page of another site can neither change nor read anything by way of the
// browser of somebody who may.
func (s *siege) pages(t *testing.T) {
	t.Run("origins", s.origins)
	t.Run("cookies", s.cookies)
	t.Run("scripts", s.scripts)
	t.Run("hosts", s.hosts)
	t.Run("sockets over HTTP/2", s.streams)
	t.Run("CORS", s.shares)
}

func (s *siege) origins(t *testing.T) {
	ann := bearer(s.ann)
	for _, from := range [][]string{
		{evil, crossSite}, {evil}, {"Origin: null", crossSite}, {"Origin: null"}, {crossSite}, {sameSite},
		{"Origin: https://friend.test.evil.test", crossSite}, {"Origin: http://friend.test", crossSite}, {"Origin: https://friend.test:444"}, {"Origin: https://evil.test/https://friend.test", crossSite},
		{"Origin: http://" + s.address + ".evil.test"},
	} {
		with := func(more ...string) []string { return slices.Concat(from, []string{ann}, more) }
		const says = "may not "
		s.attempts(t,
			attempt{what: "a foreign page publishes", method: "POST", path: "/channels/chat", body: "x", header: with(), status: 403, says: says + "POST here"},
			attempt{what: "a form of a foreign page", method: "POST", path: "/channels/chat", body: "x=y", header: with("Content-Type: application/x-www-form-urlencoded"), status: 403, says: says + "POST here"},
			attempt{what: "a foreign page closes", method: "POST", path: "/channels/chat?close", header: with(), status: 403, says: says + "POST here"},
			attempt{what: "a foreign page deletes", method: "DELETE", path: "/channels/chat", header: with(), status: 403, says: says + "DELETE here"},
			attempt{what: "a foreign page commands", method: "POST", path: "/commands", body: `{"id":1,"command":"ping"}`, header: with("Content-Type: application/json"), status: 403, says: says + "POST here"},
			attempt{what: "a foreign page commands by text", method: "POST", path: "/commands", body: `{"id":1,"command":"ping"}`, header: with("Content-Type: text/plain"), status: 403, says: says + "POST here"},
		)
		if !strings.HasPrefix(from[0], "Origin") {
			continue // with a WebSocket a browser always says who asks
		}
		s.attempts(t,
			attempt{what: "a foreign page opens a WebSocket", method: "GET", path: "/channels/chat", header: with(upgrade...), status: 403, says: "may not open a WebSocket here; allow it with --allow-origin"},
			attempt{what: "a foreign page opens a WebSocket", method: "GET", path: "/channels", header: with(append(upgrade, v1)...), status: 403, says: "may not open a WebSocket here"},
		)
	}
	s.works(t, "POST", "/channels/chat", "x", friend, crossSite, ann)
	s.works(t, "POST", "/channels/chat", "x", "Origin: "+s.url, sameOrigin, ann)
}

// A cookie is sent by the browser, whoever asks.
func (s *siege) cookies(t *testing.T) {
	cookie := "Cookie: pabal_token=" + s.ann
	for _, from := range [][]string{{friend, crossSite}, {friend}, {evil}, {sameSite}, {crossSite}, nil} {
		with := func(more ...string) []string { return slices.Concat(from, []string{cookie}, more) }
		says := noneOfBoth
		if len(from) == 0 || from[0] == friend { // who may ask
			says = noCookie
		}
		s.attempts(t,
			attempt{what: "publishing with a cookie", method: "POST", path: "/channels/chat", body: "x", header: with(), status: 403, says: says},
			attempt{what: "a command with a cookie", method: "POST", path: "/commands", body: `{"id":1,"command":"ping"}`, header: with("Content-Type: application/json"), status: 403, says: says},
			attempt{what: "deleting with a cookie", method: "DELETE", path: "/channels/chat", header: with(), status: 403, says: says},
			attempt{what: "a WebSocket with a cookie", method: "GET", path: "/channels/chat", header: with(append(upgrade, v1)...), status: 403, says: says},
		)
	}
	for _, from := range [][]string{{evil, crossSite}, {sameSite}, {crossSite, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, {crossSite, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"}} {
		for _, via := range []string{"poll", "longpoll", "sse", "stream", "multipart", "page"} {
			s.attempts(t, attempt{what: "reading with a cookie", method: "GET", path: "/channels/chat?via=" + via, header: append(from, cookie), status: 403, says: noneOfBoth})
		}
		s.attempts(t,
			attempt{what: "a list with a cookie", method: "GET", path: "/channels", header: append(from, cookie), status: 403, says: noneOfBoth},
			attempt{what: "who is there, with a cookie", method: "GET", path: "/presence/chat", header: append(from, cookie), status: 403, says: noneOfBoth},
		)
	}
	s.works(t, "GET", "/channels/chat?via=poll", "", cookie)
	s.works(t, "GET", "/channels/chat?via=poll", "", cookie, friend, crossSite)
	s.works(t, "POST", "/channels/chat", "x", cookie, "Origin: "+s.url, sameOrigin)
}

// Scripts and frames read what a page could not: who they are for is asked of
// the browser. An error goes where they can see it.
func (s *siege) scripts(t *testing.T) {
	s.works(t, "POST", "/channels/chat", "a secret of ann's", bearer(s.ann))
	cookie := "Cookie: pabal_token=" + s.ann
	for _, via := range []string{"jsonp", "iframe"} {
		path := "/channels/chat?since=all&wait=0&callback=app.got&via=" + via
		if via == "iframe" {
			path = strings.Replace(path, "&wait=0", "", 1)
		}
		for _, c := range []struct {
			header []string
			says   string
		}{
			{[]string{cookie, crossSite}, noneOfBoth},
			{[]string{cookie, sameSite}, noneOfBoth},
			{[]string{cookie, noSite}, noCookie},
			{[]string{cookie}, noCookie},
			{[]string{cookie, "Referer: " + s.url + "/"}, noCookie},
			{[]string{cookie, "Referer: https://friend.test/"}, noCookie},
			{[]string{bearer(s.ann), crossSite}, "a page of another origin may not read by " + via},
			{[]string{bearer(s.ann), crossSite, "Referer: https://evil.test/"}, "a page of another origin may not read by " + via},
			{[]string{bearer(s.ann), "Referer: https://evil.test/?" + s.url}, "a page of another origin may not read by " + via},
			{nil, "read channel"},
		} {
			got, err := s.ask("GET", path, "", c.header...)
			if err != nil || !says(got.body, c.says) || strings.Contains(got.body, "secret of ann") || !strings.Contains(got.body, "app.got({") {
				t.Errorf("%s with %.80q: got %v, %v, want %q", via, c.header, got, err, c.says)
			}
		}
	}
	if got := s.works(t, "GET", "/channels/chat?since=all&wait=0&via=jsonp", "", cookie, sameOrigin); !strings.Contains(got, "secret of ann") {
		t.Errorf("a script of a page of this origin: got %s", got)
	}
	for _, name := range []string{"alert(1)//", "a%0d%0aInjected:%20yes", "a%00", "a.b()", "a-b", "a..b", "%3Cscript%3E", "a%E2%80%A8", "[]", "1a", strings.Repeat("a", 1000)} {
		s.attempts(t,
			attempt{what: "a callback that is no name", method: "GET", path: "/channels/news/1?via=jsonp&callback=" + name, status: 400, says: "callback"},
			attempt{what: "a callback that is no name", method: "GET", path: "/channels/news/1?via=iframe&callback=" + name, status: 400, says: "callback"},
		)
	}
}

// What listens on this machine alone answers to no other name.
func (s *siege) hosts(t *testing.T) {
	for _, host := range []string{"evil.test", "evil.test:80", "127.0.0.1.evil.test", "127.0.0.1.evil.test:80", "localhost.evil.test", "0.0.0.0", "[::]", "2130706433", "127.1", "0x7f000001"} {
		for _, path := range []string{"/channels/news/1?via=poll", "/health", "/metrics", "/"} {
			s.attempts(t, attempt{what: "a foreign name", method: "GET", path: path, header: []string{"Host: " + host, "X-Forwarded-Host: localhost"}, status: 421, says: "does not answer to the name"})
		}
	}
	s.attempts(t,
		attempt{what: "a foreign name in the target", method: "GET", path: "http://evil.test/channels/news/1?via=poll", status: 421, says: "does not answer to the name"},
		attempt{what: "a foreign name beside the target's", method: "POST", path: "http://evil.test/channels/chat", body: "x", header: []string{bearer(s.ann)}, status: 421, says: "does not answer to the name"},
		attempt{what: "two names", method: "GET", path: "/health", header: []string{"Host: " + s.address, "Host: evil.test"}, status: 400},
		attempt{what: "no name", method: "GET", path: "/health", header: []string{"Host : " + s.address}, status: 400},
		attempt{what: "a name with another before it", method: "GET", path: "/health", header: []string{"Host: 127.0.0.1@evil.test"}, status: 400},
		attempt{what: "a name of white space", method: "GET", path: "/health", header: []string{"Host: a b"}, status: 400},
		attempt{what: "metrics by a proxy", method: "GET", path: "/metrics", header: []string{"X-Forwarded-For: 203.0.113.9"}, status: 403, says: "--metrics-from"},
		attempt{what: "metrics by a proxy that says nothing useful", method: "GET", path: "/metrics", header: []string{"X-Forwarded-For: 127.0.0.1"}, status: 403, says: "--metrics-from"},
		attempt{what: "metrics by a proxy of HTTP/1.0", method: "GET", path: "/metrics", header: []string{"Via: 1.0 x"}, status: 403, says: "--metrics-from"},
	)
}

// By extended CONNECT a WebSocket is as by an upgrade.
func (s *siege) streams(t *testing.T) {
	cookie := "Cookie: pabal_token=" + s.ann
	for _, c := range []struct {
		path   string
		header []string
		status int
		says   string
	}{
		{"/channels/chat", []string{bearer(s.ann), evil, crossSite}, 403, "may not open a WebSocket here"},
		{"/channels/chat", []string{bearer(s.ann), evil}, 403, "may not open a WebSocket here"},
		{"/channels/chat", []string{bearer(s.ann), "Origin: null"}, 403, "may not open a WebSocket here"},
		{"/channels/chat", []string{cookie, evil, crossSite}, 403, noneOfBoth},
		{"/channels/chat", []string{cookie, friend, crossSite}, 403, noCookie},
		{"/channels/chat", []string{cookie}, 403, noCookie},
		{"/channels/chat", nil, 401, "read channel"},
		{"/channels//chat", []string{bearer(s.ann)}, 400, "a segment is empty"},
		{"/commands", []string{bearer(s.ann)}, 405, "POST"},
		{"/presence/chat", []string{bearer(s.ann)}, 405, "GET"},
		{"/channels/chat?connection=short", []string{bearer(s.ann)}, 400, "22 to 64 characters"},
	} {
		stream, err := dialSocket(t, s.url, c.path, false, append(c.header, v1)...)
		var refused *h2connect.Refused
		switch {
		case err == nil:
			stream.Close()
			t.Errorf("%s with %.80q: it was opened", c.path, c.header)
		case !errors.As(err, &refused) || refused.Status != c.status || !says(refused.Body, c.says):
			t.Errorf("%s with %.80q: got %v, want %d and %q", c.path, c.header, err, c.status, c.says)
		}
	}
	stream, err := dialSocket(t, s.url, "/channels/chat", false, bearer(s.ann), v1, friend, crossSite)
	if err != nil {
		t.Fatalf("of an allowed page: %v", err)
	}
	stream.Close()
}

// Only pages of an allowed origin may look at answers.
func (s *siege) shares(t *testing.T) {
	for _, c := range []struct {
		method string
		header []string
		shared bool
	}{
		{"GET", []string{evil, bearer(s.ann)}, false},
		{"GET", []string{"Origin: null", bearer(s.ann)}, false},
		{"GET", []string{"Origin: *", bearer(s.ann)}, false},
		{"GET", []string{friend, bearer(s.ann)}, true},
		{"OPTIONS", []string{evil, "Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: Authorization"}, false},
		{"OPTIONS", []string{friend, "Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: Authorization"}, true},
	} {
		got, err := s.ask(c.method, "/channels/chat?via=poll", "", c.header...)
		if err != nil {
			t.Fatal(err)
		}
		if allowed := got.header.Get("Access-Control-Allow-Origin"); (allowed == "https://friend.test") != c.shared || (allowed == "") == c.shared {
			t.Errorf("%s with %.80q: got %v, want it shared: %v", c.method, c.header, got.header, c.shared)
		}
	}
}
