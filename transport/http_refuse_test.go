package transport_test

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"
)

// An error comes in the form that the technique's clients can read.
func TestErrorsOfEachTechnique(t *testing.T) {
	const wrong = "/channels/chat?cursor=x&via="
	bubble(t, &setup{}, func(w *world) {
		for _, via := range []string{"poll", "longpoll", "stream", "sse", "multipart", "page"} {
			w.problem(w.get(wrong+via), 400)
		}
		w.problem(w.get("/channels/chat?cursor=x", "Accept: text/event-stream"), 400)
		p := w.called(w.get(wrong+"jsonp&callback=app.got"), "/**/app.got(", ");\n")
		if p.Status != 400 || p.Detail == "" {
			w.Errorf("jsonp: got %+v", p)
		}
		resp := w.get(wrong + "iframe&callback=app.got")
		nonce := regexp.MustCompile(`'nonce-([^']+)'`).FindStringSubmatch(resp.header.Get("Content-Security-Policy"))
		if nonce == nil {
			w.Fatalf("iframe: got %v", resp)
		}
		before, after := `<script nonce="`+nonce[1]+`">document.currentScript.remove();parent.app.got(`, ")</script>\n"
		resp.body = resp.body[strings.Index(resp.body, "<script"):strings.LastIndex(resp.body, "</body>")]
		if p := w.called(resp, before, after); p.Status != 400 {
			w.Errorf("iframe: got %+v", p)
		}
		// A callback that is no name is never called.
		for _, via := range []string{"jsonp", "iframe"} {
			w.problem(w.get(wrong+via+"&callback=alert(1)"), 400)
		}
	})
}

// called returns the problem that a script calls back with.
func (w *world) called(resp *response, before, after string) (p readers.Problem) {
	w.Helper()
	text, ok1 := strings.CutPrefix(resp.body, before)
	text, ok2 := strings.CutSuffix(text, after)
	if !ok1 || !ok2 || resp.status != 200 || resp.header.Get("Cache-Control") == "" || !strings.HasPrefix(resp.header.Get("Cache-Control"), "no-store") {
		w.Errorf("got %v, want 200 and a call", resp)
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		w.Errorf("%q: %v", text, err)
	}
	return p
}

// When the server is full a newcomer is refused, and nobody else is.
func TestFull(t *testing.T) {
	bubble(t, &setup{limits: pabal.Limits{Sessions: 2}}, func(w *world) {
		first, second := w.follow("stream", w.target("chat")), w.follow("websocket", w.target("chat"))
		first.now()
		second.now()
		for _, via := range []string{"poll", "longpoll", "stream", "multipart", "page"} {
			resp := w.get("/channels/chat?via=" + via)
			if p := w.problem(resp, 503); p.Limit != "sessions" || p.Max != 2 || p.RetryAfter < 1 || resp.header.Get("Retry-After") != strconv.FormatInt(p.RetryAfter, 10) {
				w.Errorf("%s: got %v", via, resp)
			}
		}
		resp := w.get("/channels/chat", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
		w.problem(resp, 503)
		w.retries(w.get("/channels/chat?via=sse"))
		w.retries(w.get("/channels/chat", "Accept: text/event-stream"))
		if p := w.called(w.get("/channels/chat?via=jsonp&callback=f"), "/**/f(", ");\n"); p.Status != 503 || p.RetryAfter < 1 {
			w.Errorf("jsonp: got %+v", p)
		}
		w.publish("chat", "1")
		for _, f := range []*follow{first, second} {
			if got := f.now(); got != "1" {
				w.Errorf("who was served: got %q", got)
			}
		}
	})
}

// retries tests that resp tells an EventSource to come back later.
func (w *world) retries(resp *response) {
	w.Helper()
	found := regexp.MustCompile(`^retry: (\d+)\n\n$`).FindStringSubmatch(resp.body)
	if found == nil || resp.status != 200 || resp.header.Get("Content-Type") != "text/event-stream" {
		w.Errorf("got %v, want 200 and a retry", resp)
		return
	}
	if ms, _ := strconv.Atoi(found[1]); ms < 500 || ms > 60_000 {
		w.Errorf("retry after %d ms", ms)
	}
}

func TestLimits(t *testing.T) {
	limits := pabal.Limits{
		MessageBytes: 100, FieldBytes: 20, BatchMessages: 3, BatchBytes: 150, ChannelBytes: 30, ChannelsPerResponse: 2, Channels: 1,
	}
	bubble(t, &setup{limits: limits}, func(w *world) {
		long := strings.Repeat("a", 31)
		batch := func(texts ...string) string {
			var lines []string
			for _, text := range texts {
				lines = append(lines, `{"data":"`+text+`"}`)
			}
			return strings.Join(lines, "\n")
		}
		follow := w.follow("stream", w.target("followed"))
		follow.now()
		for _, c := range []struct {
			method, path, body, contentType string
			status                          int
			limit                           string
			most                            int64
		}{
			{"POST", "/channels/chat", strings.Repeat("x", 101), "text/plain", 413, "max-message", 100},
			{"POST", "/channels/chat?id=" + long, "x", "text/plain", 413, "field-bytes", 20},
			{"POST", "/channels/chat?type=" + long, "x", "text/plain", 413, "field-bytes", 20},
			{"POST", "/channels/chat?key=" + long, "x", "text/plain", 413, "field-bytes", 20},
			{"POST", "/channels/chat", "x", "text/" + long, 413, "field-bytes", 20},
			{"POST", "/channels/chat", batch("1", "2", "3", "4"), "application/x-ndjson", 413, "batch-messages", 3},
			{"POST", "/channels/chat", batch(strings.Repeat("x", 80), strings.Repeat("x", 80)), "application/x-ndjson", 413, "batch-bytes", 150},
			{"POST", "/channels/chat", batch(strings.Repeat("x", 101)), "application/x-ndjson", 413, "max-message", 100},
			{"POST", "/channels/chat", strings.Repeat(" ", 10_000), "application/x-ndjson", 413, "batch-bytes", 150},
			{"POST", "/channels/" + long, "x", "", 400, "channel-bytes", 30},
			{"GET", "/channels/" + long, "", "", 400, "channel-bytes", 30},
			{"GET", "/channels?channel=a&channel=b&channel=c", "", "", 400, "channels-per-response", 2},
			{"GET", "/channels/other?via=stream", "", "", 503, "channels", 1},
		} {
			resp := w.do(c.method, c.path, c.body, "Content-Type: "+c.contentType)
			p := w.problem(resp, c.status)
			if p.Limit != c.limit || p.Max != c.most || !strings.Contains(p.Detail, c.limit) || p.Type != "/problems/limit" {
				w.Errorf("%s %.60s: got %+v, want the limit %s of %d", c.method, c.path, p, c.limit, c.most)
			}
		}
		if a := w.poll("/channels/chat"); a.data() != "" {
			w.Errorf("something was published: %v", a.response)
		}
	})
}

func TestReadersPerAddress(t *testing.T) {
	bubble(t, &setup{limits: pabal.Limits{SessionsPerAddress: 2}}, func(w *world) {
		for range 2 {
			w.follow("stream", w.target("chat")).now()
		}
		resp := w.get("/channels/chat")
		if p := w.problem(resp, 429); p.Limit != "sessions-per-address" || p.Max != 2 || resp.header.Get("Retry-After") == "" {
			w.Errorf("got %v", resp)
		}
		w.retries(w.get("/channels/chat?via=sse"))
	})
}

// A broker that is full refuses publishers with a time to come back.
func TestMemoryFull(t *testing.T) {
	bubble(t, &setup{memory: memory.Config{Bytes: 1000, Retention: func(pabal.Channel) pabal.Retention {
		return pabal.Retention{Age: time.Minute}
	}}}, func(w *world) {
		w.publish("chat", strings.Repeat("x", 500))
		resp := w.do("POST", "/channels/other", strings.Repeat("x", 500))
		if p := w.problem(resp, resp.status); p.Limit != "memory-bytes" || resp.status != 429 && resp.status != 503 || resp.header.Get("Retry-After") == "" {
			w.Errorf("got %v", resp)
		}
		w.sleep(2 * time.Minute)
		w.publish("other", strings.Repeat("x", 500))
	})
}

// Pages of other sites do not read where CORS has no say.
func TestOtherSites(t *testing.T) {
	const (
		site, mode, dest = "Sec-Fetch-Site: ", "Sec-Fetch-Mode: ", "Sec-Fetch-Dest: "
		friend, foe      = "Referer: https://friend.test/page", "Referer: https://foe.test/"
	)
	for _, c := range []struct {
		via     string
		headers []string
		ok      bool
	}{
		{"jsonp&callback=f", nil, true},
		{"jsonp&callback=f", []string{site + "same-origin", mode + "no-cors", dest + "script"}, true},
		{"jsonp&callback=f", []string{site + "none", mode + "navigate", dest + "document"}, true},
		{"jsonp&callback=f", []string{site + "cross-site", mode + "no-cors", dest + "script"}, false},
		{"jsonp&callback=f", []string{site + "cross-site", mode + "no-cors", dest + "script", foe}, false},
		{"jsonp&callback=f", []string{site + "cross-site", mode + "no-cors", dest + "script", friend}, true},
		{"jsonp", []string{site + "same-site", mode + "no-cors", dest + "script", foe}, false}, // another port, another subdomain
		{"jsonp", []string{site + "same-site", mode + "no-cors", dest + "script"}, false},
		{"jsonp", []string{foe}, false}, // a browser that says no more
		{"multipart", []string{site + "cross-site", mode + "no-cors", dest + "image"}, false},
		{"multipart", []string{site + "cross-site", mode + "no-cors", dest + "image", friend}, true},
		{"multipart", []string{site + "same-site", mode + "no-cors", dest + "image"}, true},
		{"iframe", []string{site + "cross-site", mode + "navigate", dest + "iframe"}, false},
		{"page", []string{site + "cross-site", mode + "navigate", dest + "iframe"}, false},
		{"page", []string{site + "cross-site", mode + "navigate", dest + "document"}, true},
		{"sse", []string{site + "cross-site", mode + "cors", dest + "empty"}, true}, // CORS decides
		{"poll", []string{site + "cross-site", mode + "cors", dest + "empty"}, true},
	} {
		bubble(t, &setup{reads: transport.Handler{AllowOrigins: []string{"https://friend.test"}}}, func(w *world) {
			w.do("POST", "/channels/chat?close", "secret")
			resp := w.get("/channels/chat?since=all&via="+c.via, c.headers...)
			if got := strings.Contains(resp.body, "secret") || resp.status == 200 && resp.header.Get("Content-Type") == "multipart/x-mixed-replace"; got != c.ok && !strings.Contains(strings.Join(c.headers, ""), "image") {
				w.Errorf("%s %q: got %v, want it allowed: %v", c.via, c.headers, resp, c.ok)
			}
			if strings.HasPrefix(c.via, "multipart") && (resp.status == 200) != c.ok {
				w.Errorf("%s %q: got %v, want it allowed: %v", c.via, c.headers, resp, c.ok)
			}
		})
	}
}

func TestOriginsOfWebSockets(t *testing.T) {
	upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}
	for _, c := range []struct {
		allow, origin string
		ok            bool
	}{
		{"", "", true},
		{"", "http://pabal.test", true},
		{"", "https://pabal.test", true},
		{"", "http://PABAL.test", true},
		{"", "http://pabal.test:8080", false},
		{"", "https://foe.test", false},
		{"", "null", false},
		{"https://friend.test", "https://friend.test", true},
		{"https://friend.test", "https://friend.test.foe.test", false},
		{"https://friend.test", "http://friend.test", false},
		{"*", "https://foe.test", true},
	} {
		s := &setup{}
		if c.allow != "" {
			s.reads.AllowOrigins = []string{c.allow}
		}
		bubble(t, s, func(w *world) {
			headers := upgrade
			if c.origin != "" {
				headers = append(headers, "Origin: "+c.origin)
			}
			resp := w.open("/channels/chat", headers...)
			if want := map[bool]int{true: 101, false: 403}[c.ok]; resp.StatusCode != want {
				w.Errorf("allowed %q, origin %q: got %d, want %d", c.allow, c.origin, resp.StatusCode, want)
			}
			resp.Body.Close()
		})
	}
}
