package transport_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/internal/readers"
)

func TestNegotiation(t *testing.T) {
	const (
		poll, stream, sse = "application/json", "application/x-ndjson", "text/event-stream"
		multipart, image  = "multipart/mixed", "multipart/x-mixed-replace"
		html              = "text/html; charset=utf-8"
	)
	bubble(t, &setup{}, func(w *world) {
		w.publish("chat", "hi")
		for _, c := range []struct {
			query, headers string // headers are divided by "|"
			want           string // the content type
			vary           bool
		}{
			{"", "", poll, true},
			{"", "Accept: */*", poll, true},
			{"", "Accept: text/event-stream", sse, true},
			{"", "Accept: text/html, text/event-stream;q=0.9", sse, true},
			{"", "Accept: application/x-ndjson", stream, true},
			{"", "Accept: multipart/mixed", multipart, true},
			{"", "Accept: multipart/x-mixed-replace", image, true},
			{"", "Prefer: wait=1", poll, true},
			{"?wait=1", "", poll, true},
			{"?via=poll", "Accept: text/event-stream|Prefer: wait=5", poll, false},
			{"?via=longpoll", "Accept: application/x-ndjson", poll, false},
			{"?via=stream", "Accept: text/event-stream", stream, false},
			{"?via=sse", "", sse, false},
			{"?via=sse", "Accept: application/x-ndjson", sse, false},
			{"?via=multipart", "", multipart, false},
			{"?via=multipart", "Sec-Fetch-Dest: image", image, false},
			{"?via=iframe", "", html, false},
			{"?via=page", "", html, false},
			{"?via=jsonp&callback=f", "", "application/javascript; charset=utf-8", false},
		} {
			var headers []string
			if c.headers != "" {
				headers = strings.Split(c.headers, "|")
			}
			resp := w.open("/channels/chat"+c.query, headers...)
			got := resp.Header.Get("Content-Type")
			if strings.HasPrefix(got, "multipart/") {
				got, _, _ = strings.Cut(got, ";")
			}
			if resp.StatusCode != 200 || got != c.want {
				w.Errorf("%q with %q: got %d %s, want %s", c.query, c.headers, resp.StatusCode, got, c.want)
			}
			if vary := resp.Header.Get("Vary") == "Accept, Prefer"; vary != c.vary {
				w.Errorf("%q with %q: Vary is %q", c.query, c.headers, resp.Header.Get("Vary"))
			}
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				w.Errorf("%q: no nosniff", c.query)
			}
			resp.Body.Close()
		}
	})
}

// An upgrade beats ?via=, and ?via=websocket needs one.
func TestNegotiationOfWebSocket(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}
		if resp := w.open("/channels/chat?via=poll", upgrade...); resp.StatusCode != 101 {
			w.Errorf("got %d, want 101", resp.StatusCode)
		}
		resp := w.get("/channels/chat?via=websocket")
		if p := w.problem(resp, 426); resp.header.Get("Upgrade") != "websocket" || p.Detail == "" {
			w.Errorf("got %v", resp)
		}
		resp = w.get("/channels/chat", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 12", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
		if w.problem(resp, 426); resp.header.Get("Sec-Websocket-Version") != "13" {
			w.Errorf("version 12: got %v", resp)
		}
		w.problem(w.get("/channels/chat", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: short"), 400)
		w.problem(w.get("/channels?channel=a&channel=b", upgrade...), 400)
	})
}

// Each technique begins where it is told, and else with all or now.
func TestWhereToBegin(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		var times []time.Time
		var cursors []string
		for _, text := range []string{"1", "2", "3", "4", "5"} {
			times = append(times, time.Now())
			cursors = append(cursors, w.publish("chat", text)...)
			w.sleep(time.Minute)
		}
		const all = "1,2,3,4,5"
		// Now it is a minute after "5".
		for _, c := range []struct{ query, lastEventID, want string }{
			{"", "", "default"},
			{"since=all", "", all},
			{"since=now", "", ""},
			{"since=0", "", ""},
			{"since=2", "", "4,5"},
			{"since=100", "", all},
			{"since=1m", "", "5"},
			{"since=2m30s", "", "4,5"},
			{"since=59s", "", ""},
			{"since=0s", "", ""},
			{"since=1h", "", all},
			{"since=" + times[2].UTC().Format(time.RFC3339), "", "3,4,5"},
			{"since=" + times[2].Add(time.Millisecond).UTC().Format(time.RFC3339Nano), "", "4,5"},
			{"since=2000-01-01T09:01:00%2B09:00", "", "2,3,4,5"},
			{"since=2199-01-01T00:00:00Z", "", ""},
			{"cursor=" + cursors[0], "", "2,3,4,5"},
			{"cursor=" + cursors[4], "", ""},
			{"cursor=" + cursors[0] + "&since=all", "", "2,3,4,5"},
			{"cursor=" + cursors[0], cursors[2], "4,5"},
			{"since=all", cursors[3], "5"},
			{"", cursors[1], "3,4,5"},
			{"cursor=" + cursors[0], "", "2,3,4,5"},
		} {
			for _, via := range []string{"poll", "longpoll", "jsonp", "stream", "sse", "multipart", "iframe", "page", "websocket", "raw"} {
				want := c.want
				if want == "default" {
					want = ""
					if via == "poll" || via == "longpoll" || via == "jsonp" {
						want = all
					}
				}
				if got := w.beginning(via, c.query, c.lastEventID); got != want {
					w.Errorf("%s with %q and Last-Event-ID %q: got %q, want %q", via, c.query, c.lastEventID, got, want)
				}
			}
		}
	})
}

// beginning returns the data of what via yields of chat before it waits.
func (w *world) beginning(via, query, lastEventID string) string {
	w.Helper()
	t := w.target("chat")
	t.Since = "none"
	t.Query = map[string][]string{"since": nil}
	for _, pair := range strings.Split(query, "&") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			t.Query[name] = append(t.Query[name], strings.ReplaceAll(value, "%2B", "+"))
		}
	}
	if lastEventID != "" {
		t.Header = map[string][]string{"Last-Event-Id": {lastEventID}}
	}
	if by := readers.Named(via); by.Answers {
		if via != "poll" {
			t.Query["wait"] = []string{"0"}
		}
		return w.first(by, t)
	}
	f := w.follow(via, t)
	var got []string
	for _, it := range strings.Split(f.now(), ",") {
		if it != "" && !strings.HasPrefix(it, "$") {
			got = append(got, it)
		}
	}
	f.stop()
	return strings.Join(got, ",")
}

// first returns the data in the first answer to by.
func (w *world) first(by *readers.Technique, t *readers.Target) string {
	w.Helper()
	var got []string
	for it, err := range by.Read(w.Context(), t) {
		if err != nil {
			w.Fatal(err)
		}
		if it.Notice == readers.At {
			break
		}
		got = append(got, string(it.Data))
	}
	return strings.Join(got, ",")
}

func TestMalformedRequests(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		at := w.publish("chat", "hi")[0]
		epoch, _, _ := strings.Cut(at, "-")
		two := w.poll("/channels?channel=a&channel=b").cursor
		for _, c := range []struct{ path, says string }{
			{"/channels/chat?cursor=x", "unchanged"},
			{"/channels/chat?cursor=", "unchanged"},
			{"/channels/chat?cursor=" + at + "%20", "unchanged"},
			{"/channels/chat?cursor=" + epoch + "-01", "unchanged"},
			{"/channels/chat?cursor=" + epoch + "-", "unchanged"},
			{"/channels/chat?cursor=" + epoch + "-99999999999999999999", "unchanged"},
			{"/channels/chat?cursor=" + strings.ToUpper(epoch) + "-1", "unchanged"},
			{"/channels/chat?cursor=~AAAA", "unchanged"},
			{"/channels/chat?cursor=" + two[:len(two)-1], "unchanged"},
			{"/channels/chat?cursor=" + at + "&cursor=" + at, "2 cursors for 1 channels"},
			{"/channels?channel=a&channel=b&cursor=" + at, "1 cursors for 2 channels"},
			{"/channels?channel=a&channel=b&cursor=" + two + "&cursor=" + two, "unchanged"},
			{"/channels/chat?since=yesterday", "since=yesterday is none of"},
			{"/channels/chat?since=", "is none of"},
			{"/channels/chat?since=-1", "is none of"},
			{"/channels/chat?since=-5m", "is none of"},
			{"/channels/chat?since=all&since=now", "2 times"},
			{"/channels/chat?via=pigeon", "is not a technique"},
			{"/channels/chat?via=", "is not a technique"},
			{"/channels/chat?snice=all", "not a parameter"},
			{"/channels/chat?limit=0", "from 1 to 1000"},
			{"/channels/chat?limit=1001", "from 1 to 1000"},
			{"/channels/chat?limit=x", "whole number"},
			{"/channels/chat?via=stream&limit=5", "?limit= is for"},
			{"/channels/chat?via=poll&wait=5", "?wait= is for"},
			{"/channels/chat?via=longpoll&wait=-1", "whole number"},
			{"/channels/chat?via=longpoll&wait=1.5", "whole number"},
			{"/channels/chat?only=first", "only latest"},
			{"/channels/chat?format=xml", "the JSON form"},
			{"/channels/chat?via=sse&every=2h", "up to 1h"},
			{"/channels/chat?via=sse&every=0s", "up to 1h"},
			{"/channels/chat?via=poll&every=1s", "?every= is for"},
			{"/channels/chat?pad=-1", "from 0"},
			{"/channels/chat?pad=99999999", "from 0"},
			{"/channels/chat?callback=f", "for jsonp and iframe"},
			{"/channels/chat?via=jsonp&callback=a%28", "callback"},
			{"/channels/chat?via=iframe&callback=1", "callback"},
			{"/channels/chat?channel=b", "not both"},
			{"/channels?channel=a&channel=a", "twice"},
			{"/channels?channel=", "no name"},
			{"/channels/", "no name"},
			{"/channels/a//b", "empty"},
			{"/channels/a/", "empty"},
			{"/channels//a", "empty"},
			{"/channels/a/../b", ".."},
			{"/channels/./b", "may not be"},
			{"/channels/a%20b", "not allowed"},
			{"/channels/%ED%8C%8C", "not allowed"},
			{"/channels/a%00", "not allowed"},
			{"/channels/chat?%zz", "query"},
			{"/channels/chat?a;b", "query"},
		} {
			resp := w.get(c.path)
			if resp.status != 400 {
				w.Errorf("%s: got %v, want 400", c.path, resp)
				continue
			}
			if p := w.problem(resp, 400); !strings.Contains(p.Detail, c.says) {
				w.Errorf("%s: got %q, want something about %q", c.path, p.Detail, c.says)
			}
		}
	})
}

// What a cursor does not fit is told, never guessed.
func TestResets(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		cursors := w.publish("chat", "1", "2")
		epoch, _, _ := strings.Cut(cursors[0], "-")
		for _, c := range []struct{ cursor, reason, want string }{
			{"1-1", "unknown", "1,2"},
			{epoch + "-17", "ahead", ""},
		} {
			a := w.poll("/channels/chat?cursor=" + c.cursor)
			if len(a.notices) != 1 || a.notices[0].Notice != "$reset" || a.notices[0].Reason != c.reason || a.notices[0].From != c.cursor {
				w.Errorf("cursor %s: got %+v, want $reset %s", c.cursor, a.notices, c.reason)
			}
			if a.data() != c.want || a.cursor != cursors[1] || a.header.Get("Cache-Control") != "no-store" {
				w.Errorf("cursor %s: got %v", c.cursor, a.response)
			}
			for _, via := range []string{"longpoll", "stream", "sse", "multipart", "iframe", "page", "websocket"} {
				target := w.target("chat")
				target.Cursors = []string{c.cursor}
				f := w.follow(via, target)
				got := strings.TrimSuffix(strings.TrimPrefix(f.now(), "$open,"), ",$live")
				want := strings.TrimSuffix("$reset "+c.reason+","+c.want, ",")
				if via == "page" { // which says so in words
					want = strings.TrimSuffix("$reset,"+c.want, ",")
				}
				if got != want {
					w.Errorf("%s at %s: got %q, want %q", via, c.cursor, got, want)
				}
				f.stop()
			}
		}
		if a := w.poll("/channels/never/written"); a.status != 200 || a.data() != "" || len(a.notices) != 0 || !strings.HasSuffix(a.body, "\n") {
			w.Errorf("an unwritten channel: got %v", a.response)
		}
	})
}
