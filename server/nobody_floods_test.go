package server

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// elsewhere is the header by which the node takes a client for another than this
// machine's.
func elsewhere(ip string) string { return "X-Forwarded-For: " + ip }

// Too much of something is refused to whoever does it, and to nobody else.
func (s *siege) subscriptions(t *testing.T) {
	names := func(n int) string {
		var query strings.Builder
		for i := range n {
			fmt.Fprintf(&query, "&channel=flood/%d", i)
		}
		return query.String()[1:]
	}
	const limit = `"limit":"channels-per-response","max":20`
	s.attempts(t,
		attempt{what: "10,000 channels in a URL", method: "GET", path: "/channels?" + names(10_000), header: []string{bearer(s.ann)}, status: 431},
		attempt{what: "1,000 channels in a URL", method: "GET", path: "/channels?via=sse&" + names(1000), header: []string{bearer(s.ann)}, status: 400, says: limit},
		attempt{what: "21 channels in a URL", method: "GET", path: "/channels?" + names(21), header: append(upgrade, v1, bearer(s.ann)), status: 400, says: limit},
		commanded("7,000 channels in a command", s.ann, "", `{"id":1,"command":"subscribe","channel":"chat","read":"/channels?`+names(7000)+`"}`, 400, limit),
		commanded("one channel more", s.ann, "", `{"id":1,"command":"subscribe","channel":"chat","read":"/channels?`+names(20)+`"}`, 400, limit),
	)
	w := s.socket(t, "/channels/chat", v1, bearer(s.ann))
	defer w.close()
	var sent []byte
	for i := range 10_000 {
		sent = append(sent, frame(fin|text, fmt.Appendf(nil, `{"id":%d,"command":"subscribe","channel":"flood/%d"}`, i, i))...)
	}
	defer w.send(sent)()
	refused := 0
	for i := range 10_000 {
		switch got := w.hear(t, `{"id":`); {
		case strings.Contains(got, `"ok":true`) && i < 19: // with the channel of the URL
		case strings.Contains(got, limit):
			refused++
		default:
			t.Fatalf("subscription %d on a WebSocket: got %s", i, got)
		}
	}
	if refused != 10_000-19 {
		t.Errorf("of 10,000 subscriptions on a WebSocket %d were refused", refused)
	}
}

func (s *siege) commands(t *testing.T) {
	lines := strings.Repeat(`{"id":1,"command":"subscribe","channel":"flood/1"}`+"\n", 2000)
	s.attempts(t,
		attempt{what: "2,000 commands in a POST", method: "POST", path: "/commands", body: lines, header: []string{"Content-Type: application/x-ndjson", bearer(s.ann)}, status: 413, says: `"limit":"batch-messages","max":1000`},
		attempt{what: "10,000 empty lines in a POST", method: "POST", path: "/commands", body: strings.Repeat("\n", 10_000) + "x", header: []string{"Content-Type: application/x-ndjson", bearer(s.ann)}, status: 413, says: `"limit":"batch-messages","max":1000`},
		attempt{what: "100,000 commands in a POST", method: "POST", path: "/commands", body: strings.Repeat(lines, 50), header: []string{"Content-Type: application/x-ndjson", bearer(s.ann)}, status: 413, says: `"limit":`},
	)
	// From elsewhere commands and requests are counted.
	w := s.socket(t, "/channels/chat", v1, bearer(s.ann), elsewhere("203.0.113.1"))
	defer w.close()
	var sent []byte
	for i := range 1000 {
		sent = append(sent, frame(fin|text, fmt.Appendf(nil, `{"id":%d,"command":"publish","channel":"chat","data":"x"}`, i))...)
	}
	defer w.send(sent)()
	told := 0
	for i := range 1000 {
		got := w.hear(t, `{"id":`)
		if strings.Contains(got, `"limit":"command-rate","max":40,"retryAfter":1`) && strings.Contains(got, `"status":429`) {
			told++
		} else if !strings.Contains(got, `"ok":true`) {
			t.Fatalf("command %d: got %s", i, got)
		}
	}
	if told < 500 {
		t.Errorf("of 1,000 commands at once %d were refused, want most", told)
	}
	raw := s.socket(t, "/channels/chat", bearer(s.ann), elsewhere("203.0.113.2"))
	if code, reason := raw.ends(t, bytes.Repeat(frame(fin|text, []byte("x")), 1000)); code != 1013 || !strings.Contains(reason, "the limit command-rate is 40") {
		t.Errorf("1,000 messages at once on a raw WebSocket: closed with %d %q, want 1013 and command-rate", code, reason)
	}
	limited := 0
	for range 600 {
		got, err := s.ask("GET", "/channels/news/1?via=poll", "", elsewhere("203.0.113.3"))
		switch {
		case err != nil:
			t.Fatal(err)
		case got.status == 429 && strings.Contains(got.body, `"limit":"request-rate","max":100`) && got.header.Get("Retry-After") == "1":
			limited++
		case got.status != 200:
			t.Fatalf("a request of many: got %v", got)
		}
	}
	if limited == 0 {
		t.Error("of 600 requests at once none was refused")
	}
	s.works(t, "GET", "/channels/news/1?via=poll", "", elsewhere("203.0.113.4"))
	s.attempts(t, attempt{what: "an address that cannot be read", method: "GET", path: "/metrics", header: []string{elsewhere("127.0.0.1, nonsense")}, status: 403})
}

func (s *siege) manyReaders(t *testing.T) {
	const most = 5
	for range most {
		w := s.socket(t, "/channels/news/1", elsewhere("198.51.100.7"))
		defer w.close()
	}
	s.attempts(t,
		attempt{what: "one reader more", method: "GET", path: "/channels/news/1?via=stream", header: []string{elsewhere("198.51.100.7")}, status: 429, says: `"limit":"sessions-per-address","max":5`},
		attempt{what: "one WebSocket more", method: "GET", path: "/channels/news/1", header: append(upgrade, elsewhere("198.51.100.7")), status: 429, says: `"limit":"sessions-per-address","max":5`},
	)
	for i := range 3 {
		s.works(t, "GET", "/channels/lobby?via=poll&join&connection="+connection(t), "", elsewhere(fmt.Sprintf("198.51.100.%d", 10+i)))
	}
	s.attempts(t, attempt{what: "one present more", method: "GET", path: "/channels/lobby?via=poll&join&connection=" + connection(t), status: 429, says: `"limit":"members","max":3`})
}

// Bodies that do not end take room that is bounded; who sends them needs no
// token.
func (s *siege) manyBodies(t *testing.T) {
	const size, many = 2 << 20, 12 // for 8 of which there is room
	begun := fmt.Sprintf("POST /commands HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s", s.address, size, strings.Repeat(" ", size-1))
	answers := make(chan answered, many)
	for range many {
		conn, err := net.DialTimeout("tcp", s.address, patience)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		w := &socket{conn, bufio.NewReader(conn)}
		defer w.send([]byte(begun))()
		go func() {
			got, err := readAnswer(w.in, http.MethodPost)
			if err == nil {
				answers <- got
			}
		}()
	}
	select {
	case got := <-answers:
		if got.status != 503 || !strings.Contains(got.body, `"limit":"body-bytes","max":16777216`) || got.header.Get("Retry-After") == "" {
			t.Errorf("one more body: got %v, want 503 and body-bytes", got)
		}
	case <-time.After(patience):
		t.Errorf("%d bodies of %d bytes have begun, and none was refused", many, size)
	}
}

// Names for which there is no room are refused, and who reads reads on.
func (s *siege) manyChannels(t *testing.T) {
	const each, times = 1000, 100
	refused, limit := 0, `"limit":"channels","max":1000`
	for i := range times {
		var lines strings.Builder
		for j := range each {
			fmt.Fprintf(&lines, `{"id":%d,"command":"publish","channel":"flood/%d","data":"x"}`+"\n", j, i*each+j)
		}
		got, err := s.ask("POST", "/commands", lines.String(), "Content-Type: application/x-ndjson", bearer(s.ann))
		if err != nil || got.status != 200 {
			t.Fatalf("got %v, %v", got, err)
		}
		refused += strings.Count(got.body, limit)
	}
	if refused < each*times-1000 {
		t.Errorf("of 100,000 channels %d were refused, want all but 1,000 at most", refused)
	}
	s.attempts(t, attempt{what: "one channel more", method: "POST", path: "/channels/flood/more", body: "x", header: []string{bearer(s.ann)}, status: 503, says: limit})
}
