package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pabal/pabal/auth"
)

// A pattern names what it says, and no more.
func (s *siege) patterns(t *testing.T) {
	for _, c := range []struct {
		pattern string
		not     []string
	}{
		{"*", []string{"$user/ben", "$calls/shop", "$host/cpu", "$-/leases", "$conn/" + someConnection, "$other"}},
		{"*/*", []string{"chat", "$host/cpu"}},
		{"chat/*", []string{"chat", "chat2", "chat2/x", "chats/x", "Chat/x", "x/chat/y"}},
		{"chat/*/x", []string{"chat/a", "chat/a/b/x", "chat/a/x/b"}},
		{"chat*", []string{"chat/x", "xchat"}},
		{"$*", []string{"$host/cpu", "chat", "$-/x"}},
		{"$calls/*", []string{"$calls", "$callsx/shop", "calls/shop", "$host/cpu"}},
		{"$presence/*", []string{"$presence/hidden", "$presence/chat"}},
		{"$conn/*", []string{"$conn/" + someConnection}},
		{"$user/*", []string{"$user/ben", "$user/ann:00"}},
		{"$-/*", []string{"$-/leases", "$-/calls/x"}},
	} {
		reads := s.token(t, auth.Claims{User: "ann", Rights: auth.Rights{Read: []string{c.pattern}}})
		writes := s.token(t, auth.Claims{User: "ann", Rights: auth.Rights{Publish: []string{c.pattern}, Call: []string{c.pattern}, See: []string{c.pattern}}})
		for _, name := range c.not {
			what := c.pattern + " for " + name
			s.attempts(t,
				attempt{what: what, method: "GET", path: "/channels/" + name + "?via=poll", header: []string{bearer(reads)}, status: 403, says: "you may not"},
				attempt{what: what, method: "HEAD", path: "/channels/" + name, header: []string{bearer(reads)}, status: 403},
				attempt{what: what, method: "GET", path: "/presence/" + name, header: []string{bearer(reads)}, status: 403, says: "you may not see who is in"},
				commanded(what, reads, "?connection="+connection(t), fmt.Sprintf(`{"id":1,"command":"subscribe","channel":%q}`, name), 403, "you may not"),
			)
			if strings.HasPrefix(c.pattern, "$user") {
				continue // that is what backends have
			}
			s.attempts(t,
				attempt{what: what, method: "POST", path: "/channels/" + name, body: "x", header: []string{bearer(writes)}, status: 403, says: "you may not publish to"},
				attempt{what: what, method: "DELETE", path: "/channels/" + name, header: []string{bearer(writes)}, status: 403, says: "you may not publish to"},
				commanded(what, writes, "?connection="+connection(t), fmt.Sprintf(`{"id":1,"command":"call","channel":%q,"call":"1"}`, name), 403, "you may not call"),
			)
		}
	}
	// Rights are each for themselves.
	reads := bearer(s.token(t, auth.Claims{Rights: auth.Rights{Read: []string{"chat"}}}))
	s.attempts(t,
		attempt{what: "publishing by the right to read", method: "POST", path: "/channels/chat", body: "x", header: []string{reads}, status: 403, says: `you may not publish to channel \"chat\"`},
		attempt{what: "seeing by the right to read", method: "GET", path: "/presence/chat", header: []string{reads}, status: 403, says: "see who is in"},
		attempt{what: "seeing by the right to read", method: "GET", path: "/channels/$presence/chat?via=poll", header: []string{reads}, status: 403, says: "see who is in"},
	)
}

// odd are parts of names that no name may have, as a URL and as JSON have them.
var odd = [][2]string{
	{"%0d%0aInjected:%20yes", `\r\nInjected: yes`}, {"%0a", `\n`}, {"%0d", `\r`}, {"%00", `\u0000`}, {"%7f", `\u007f`}, {"%1b[2J", `\u001b[2J`}, {"%85", `\ufffd`},
}

// more are parts that only channels and connections may not have.
var more = [][2]string{
	{"%20", " "}, {"%c3%a9", "é"}, {"%e2%80%ae", `\u202e`}, {"%ff", `\ufffd`}, {"%22", `\"`}, {"%3c", "<"}, {"%25", "%"}, {"%5c", `\\`}, {"%3b", ";"}, {"%23", "#"}, {"%24", "$"}, {"*", "*"},
}

// No name is cleaned: what is wrong with it is said.
func (s *siege) names(t *testing.T) {
	ann := []string{bearer(s.ann)}
	for _, part := range append(append([][2]string{}, odd...), more...) {
		const says = "is not allowed"
		s.attempts(t,
			attempt{what: "a channel", method: "GET", path: "/channels/a" + part[0] + "?via=poll", header: ann, status: 400, says: says},
			attempt{what: "a channel", method: "POST", path: "/channels/a" + part[0], body: "x", header: ann, status: 400, says: says},
			attempt{what: "a channel", method: "HEAD", path: "/channels/a" + part[0], header: ann, status: 400},
			attempt{what: "a channel", method: "GET", path: "/channels?channel=news/1&channel=a" + part[0], header: ann, status: 400, says: says},
			attempt{what: "a channel", method: "GET", path: "/presence/a" + part[0], header: ann, status: 400, says: says},
			commanded("a channel", s.ann, "", `{"id":1,"command":"publish","channel":"a`+part[1]+`","data":"x"}`, 400, says),
			attempt{what: "a connection", method: "GET", path: "/channels/news/1?via=poll&connection=" + someConnection + part[0], status: 400, says: says},
			commanded("a connection", s.ann, "?connection="+someConnection+part[0], `{"id":1,"command":"ping"}`, 400, says),
		)
	}
	for _, part := range odd {
		says := "control characters are not allowed"
		if part[0] == "%85" {
			says = "it must be UTF-8"
		}
		for _, name := range []string{"id", "type", "key"} {
			s.attempts(t, attempt{what: name, method: "POST", path: "/channels/chat?" + name + "=a" + part[0], body: "x", header: ann, status: 400, says: says})
			if part[0] == "%85" {
				continue // in JSON it is a letter
			}
			member := map[string]string{"id": "messageId"}[name]
			if member == "" {
				member = name
			}
			s.attempts(t,
				commanded(member, s.ann, "", `{"id":1,"command":"publish","channel":"chat","data":"x","`+member+`":"a`+part[1]+`"}`, 400, says),
				attempt{what: "a line's " + name, method: "POST", path: "/channels/chat", body: `{"data":"x","` + name + `":"a` + part[1] + `"}`, header: append(ann, "Content-Type: application/x-ndjson"), status: 400, says: says})
		}
	}
	s.paths(t)
	s.members(t)
}

// paths are not cleaned either.
func (s *siege) paths(t *testing.T) {
	for path, says := range map[string]string{
		"/channels/..": "may not be", "/channels/%2e%2e": "may not be", "/channels/a/../b": "may not be", "/channels/a/%2e%2e/b": "may not be", "/channels/.": "may not be",
		"/channels/a/./b": "may not be", "/channels//a": "a segment is empty", "/channels/a//b": "a segment is empty", "/channels/a/": "a segment is empty", "/channels/%2fa": "a segment is empty",
		"/channels/": "the channel has no name", "/channels/a%2f..%2fb": "may not be", "/channels/" + strings.Repeat("a", 256): `"limit":"channel-bytes","max":255`,
		"/channels/a;b": "is not allowed", "/channels/%252e%252e": "is not allowed", "/channels/a\\b": "is not allowed", "/presence/..": "may not be", "/presence/": "the channel has no name",
	} {
		s.attempts(t, attempt{what: "a path", method: "GET", path: path + "?since=all", header: []string{bearer(s.ann)}, status: 400, says: says})
	}
	secret := []string{"/channels/secret", "/channels/%73ecret", "/%63hannels/secret", "/channels%2fsecret", "/channels/secret?via=poll&via"}
	for _, path := range secret { // by whatever path it is one channel, which is not hers
		got, err := s.ask("GET", path, "", bearer(s.ann))
		if want := map[bool]int{true: 400, false: 403}[strings.HasSuffix(path, "&via")]; err != nil || got.status != want {
			t.Errorf("%s: got %v, %v, want %d", path, got, err, want)
		}
	}
	for _, path := range []string{"//channels/secret", "/./channels/secret", "/x/../channels/secret", "/CHANNELS/secret", "/channels\\secret", "/..%2fetc/passwd", "/assets/..%2f..%2fgo.mod", "/debug/pprof/", "/metrics/", "/health/x", "/commands/"} {
		s.attempts(t, attempt{what: "a path to nowhere", method: "GET", path: path, header: []string{bearer(s.ann)}, status: 404})
	}
	s.attempts(t,
		attempt{what: "an escape that is none", method: "GET", path: "/channels/%zz", status: 400},
		attempt{what: "NUL as it is", method: "GET", path: "/channels/a\x00b", status: 400},
		attempt{what: "CR as it is", method: "GET", path: "/channels/a\rb", status: 400},
		attempt{what: "a query with an escape that is none", method: "GET", path: "/channels/news/1?via=%zz", status: 400, says: "the query cannot be read"},
		attempt{what: "a query with ;", method: "GET", path: "/channels/news/1?via=poll;token=x", status: 400, says: "the query cannot be read"},
		attempt{what: "a parameter that is not known", method: "GET", path: "/channels/news/1?via=poll&admin=1", status: 400, says: "is not a parameter of reading"},
		attempt{what: "NUL in a header", method: "GET", path: "/channels/news/1", header: []string{"Last-Event-ID: a\x00"}, status: 400},
		attempt{what: "a cursor that is none", method: "GET", path: "/channels/news/1?via=poll", header: []string{"Last-Event-ID: ../x"}, status: 400, says: "cursor"},
	)
}

// members of commands that are wrong.
func (s *siege) members(t *testing.T) {
	deep := strings.Repeat("[", 60_000)
	id := "?connection=" + connection(t)
	for _, a := range []attempt{
		commanded("no JSON", s.ann, "", `{"id":1`, 400, "a command is one JSON object"),
		commanded("a list", s.ann, "", `[{"id":1,"command":"ping"}]`, 400, "a command is one JSON object"),
		commanded("null", s.ann, "", `null`, 400, "is not known"),
		commanded("two", s.ann, "", `{"id":1,"command":"ping"}{"id":2,"command":"ping"}`, 400, "a message holds one command"),
		commanded("not known", s.ann, "", `{"id":1,"command":"shutdown"}`, 400, "is not known; these are"),
		commanded("a member that is not known", s.ann, "", `{"id":1,"command":"ping","admin":true}`, 400, "admin"),
		commanded("a member of another command", s.ann, "", `{"id":1,"command":"ping","token":"x"}`, 400, "ping has no token"),
		commanded("claims", s.ann, id, `{"id":1,"command":"refresh","claims":{"sub":"kim"}}`, 400, "claims"),
		commanded("a long id", s.ann, "", `{"id":"`+strings.Repeat("a", 200)+`","command":"ping"}`, 400, "id must be a number or a string of at most 128 bytes"),
		commanded("an id that is an object", s.ann, "", `{"id":{},"command":"ping"}`, 400, "id must be a number or a string"),
		commanded("deep", s.ann, "", `{"id":1,"command":"publish","channel":"chat","data":`+deep+`}`, 400, "max depth"),
		commanded("deep, where nothing belongs", s.ann, "", `{"id":1,"command":"ping","x":`+deep+`}`, 400, ""),
		commanded("deep presence", s.ann, id, `{"id":1,"command":"presence","channel":"chat","data":`+deep[:4000]+strings.Repeat("]", 4000)+`}`, 413, `"limit":"presence-data-bytes","max":4096`),
		commanded("presence that is not JSON", s.ann, id, `{"id":1,"command":"presence","channel":"chat","data":nothing}`, 400, "a command is one JSON object"),
		commanded("presence where it is off", s.token(t, auth.Claims{Rights: auth.Rights{Read: []string{"hidden/*"}}}), id+"x", `{"id":1,"command":"presence","channel":"hidden/1"}`, 400, "presence is off in this channel's namespace"),
		commanded("data that is not base64", s.ann, "", `{"id":1,"command":"publish","channel":"chat","encoding":"base64","data":"*"}`, 400, "base64"),
		{what: "joining with what is no JSON", method: "GET", path: "/channels/news/1?via=poll&join={&" + id[1:], status: 400, says: "must be JSON"},
		{what: "joining with much", method: "GET", path: "/channels/chat?via=poll&join=%22" + strings.Repeat("a", 4096) + "%22&" + id[1:], header: []string{bearer(s.ann)}, status: 413, says: `"limit":"presence-data-bytes","max":4096`},
		{what: "joining without a connection", method: "GET", path: "/channels/news/1?via=poll&join", status: 400, says: "needs ?connection="},
		{what: "a short connection", method: "GET", path: "/channels/news/1?via=poll&connection=123", status: 400, says: "22 to 64 characters"},
		{what: "a long connection", method: "GET", path: "/channels/news/1?via=poll&connection=" + strings.Repeat("a", 65), status: 400, says: "22 to 64 characters"},
		{what: "two connections", method: "GET", path: "/channels/news/1?via=poll&connection=" + someConnection + "&connection=" + connection(t), status: 400, says: "give it once"},
		{what: "a command of another type", method: "POST", path: "/commands", body: `{"id":1,"command":"ping"}`, header: []string{bearer(s.ann), "Content-Type: text/plain"}, status: 415, says: "application/json"},
		{what: "a compressed body", method: "POST", path: "/channels/chat", body: "x", header: []string{bearer(s.ann), "Content-Encoding: gzip"}, status: 415, says: "Content-Encoding"},
	} {
		s.attempts(t, a)
	}
}
