package predict

import (
	"math"
	"testing"
	"time"

	"github.com/pabal/pabal/bench/cost/browser"
)

func testCase(technique string, every time.Duration) Case {
	return Case{
		Technique: technique, Every: every,
		Request: browser.Request{Host: "localhost:8080", Path: "/channels/a?via=" + technique + "&cursor="},
		Message: Message{Channel: "a", Epoch: "0123456789abc", Offset: 100, Data: 128},
		Poll:    time.Second, Wait: 20 * time.Second, Heartbeat: 15 * time.Second, Ping: 30 * time.Second,
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6*math.Abs(b)+1e-9 }

func TestFraming(t *testing.T) {
	tls := Case{TLS: true}
	for _, test := range []struct {
		what      string
		got, want float64
	}{
		{"a chunk with one digit", float64(chunked(15)), 15 + 1 + 4},
		{"a chunk with two digits", float64(chunked(16)), 16 + 2 + 4},
		{"a chunk with three digits", float64(chunked(256)), 256 + 3 + 4},
		{"a DATA frame", float64(framed(100)), 109},
		{"two DATA frames", float64(framed(1<<14 + 1)), 1<<14 + 1 + 18},
		{"a write in the clear", Case{}.sealed(100), 100},
		{"a record", tls.sealed(100), 122},
		{"two records", tls.sealed(1<<14 + 1), 1<<14 + 1 + 44},
		{"a WebSocket frame with a short length", float64(Message{Data: 125}.frame("websocket raw")), 127},
		{"a WebSocket frame with a longer length", float64(Message{Data: 126}.frame("websocket raw")), 130},
		{"a WebSocket frame with a long length", float64(Message{Data: 1 << 16}.frame("websocket raw")), 1<<16 + 10},
	} {
		if !near(test.got, test.want) {
			t.Errorf("%s: got %v bytes, want %v", test.what, test.got, test.want)
		}
	}
}

// Written out by hand, so that each form is counted twice.
func TestForms(t *testing.T) {
	m := testCase("", 0).Message
	const cursor, at, data = 17, 30, 128
	entry := len(`{"channel":"a","cursor":"","time":"","data":""}`) + cursor + at + data
	for technique, want := range map[string]int{
		"stream":    entry + 1,
		"sse":       len("id: \ndata: \n\n") + cursor + data,
		"multipart": len("Pabal-Cursor: \r\nPabal-Channel: a\r\nPabal-Time: \r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 128\r\n\r\n\r\n--pabal-\r\n") + cursor + at + data + 26,
		"iframe":    len(`<script nonce="">document.currentScript.remove();parent.pabal()</script>`) + 1 + 26 + entry,
		"page":      len(`<li data-cursor=""><time datetime="">2026-11-22 23:51:44Z</time> <span class="of">a</span> <pre></pre></li>`) + 1 + cursor + at + data,
	} {
		if got := m.streamed(technique); got != want {
			t.Errorf("%s: got %d bytes, want %d", technique, got, want)
		}
	}
	around := len(`{"entries":[],"notices":[],"cursor":""}`) + cursor
	for k, want := range map[float64]int{0: around, 1: around + entry, 3: around + 3*entry + 2} {
		if got := m.body("poll", k); got != float64(want) {
			t.Errorf("an answer with %v messages: got %v bytes, want %d", k, got, want)
		}
	}
	if got, want := m.body("jsonp", 0), float64(around+len("/**/got();")); got != want {
		t.Errorf("jsonp: got %v bytes, want %v", got, want)
	}
}

func TestRequestsPerMessage(t *testing.T) {
	for _, test := range []struct {
		technique string
		every     time.Duration
		want      float64
	}{
		{"poll", 10 * time.Second, 10},
		{"poll", time.Second, 1},
		{"poll", 20 * time.Millisecond, 0.02},
		{"longpoll", 20 * time.Millisecond, 1},
		{"longpoll", 50 * time.Second, 3},
		{"jsonp", time.Second, 1},
		{"sse", time.Second, 0},
	} {
		if got := testCase(test.technique, test.every).PerMessage().Requests; !near(got, test.want) {
			t.Errorf("%s every %v: got %v requests a message, want %v", test.technique, test.every, got, test.want)
		}
	}
	for technique, want := range map[string]float64{"poll": 3600, "longpoll": 180, "jsonp": 180, "sse": 0} {
		if got := testCase(technique, 0).PerHour().Requests; !near(got, want) {
			t.Errorf("%s: got %v requests an hour, want %v", technique, got, want)
		}
	}
}

func TestSignsOfLife(t *testing.T) {
	raw, v1, sse := testCase("websocket raw", 15*time.Second), testCase("websocket pabal.v1", 0), testCase("sse", 0)
	if got, want := raw.PerMessage(), (Cost{Up: 6, Down: 132 + 2}); got != want {
		t.Errorf("a WebSocket with a ping a message: got %+v, want %+v", got, want)
	}
	if got, want := v1.PerHour(), (Cost{Up: 240 * 6, Down: 240 * 4}); got != want {
		t.Errorf("an hour of pabal.v1: got %+v, want %+v", got, want)
	}
	if got, want := sse.PerHour(), (Cost{Down: 240 * 8}); got != want { // 3 CRLF : LF LF CRLF
		t.Errorf("an hour of sse: got %+v, want %+v", got, want)
	}
	sse.TLS, sse.HTTP2 = true, true
	if got, want := sse.PerHour(), (Cost{Up: 120 * 39, Down: 240*34 + 120*39}); got != want {
		t.Errorf("an hour of sse over HTTP/2: got %+v, want %+v", got, want)
	}
	sse.Streams = 10
	if got, want := sse.PerHour(), (Cost{Up: 12 * 39, Down: 240*34 + 12*39}); !near(got.Total(), want.Total()) {
		t.Errorf("the same, shared by ten: got %+v, want %+v", got, want)
	}
}

func TestHeadersOverHTTP2(t *testing.T) {
	table := newTable()
	r := browser.Request{Host: "localhost:8080", Path: "/channels/a?cursor=x-1", Secure: true}
	first, second := table.add(r.HTTP2()), table.add(r.HTTP2())
	// All but the path is one byte each; the path is its name, its length and its text as Huffman code.
	fields := len(r.HTTP2())
	if low, high := fields+len(r.Path)/2, fields+len(r.Path)+2; second < low || second > high {
		t.Errorf("the second request: got %d bytes, want %d to %d", second, low, high)
	}
	if first < 4*second {
		t.Errorf("the first request: got %d bytes, and %d for the second, want far more", first, second)
	}
}

func TestHTTP2TakesLessThanHTTP1(t *testing.T) {
	for _, technique := range []string{"poll", "longpoll", "jsonp"} {
		c := testCase(technique, time.Second)
		c.TLS, c.Request.Secure = true, true
		one := c.PerMessage()
		c.HTTP2 = true
		two := c.PerMessage()
		c.Streams = 50
		shared := c.PerMessage()
		if two.Total() > 0.6*one.Total() || shared.Total() > two.Total() {
			t.Errorf("%s: got %.0f bytes over HTTP/1.1, %.0f over HTTP/2, %.0f shared; want less and less", technique, one.Total(), two.Total(), shared.Total())
		}
	}
}

// A poll with many messages costs little beside them.
func TestPollWithManyMessages(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		c := testCase("poll", 20*time.Millisecond)
		c.TLS, c.HTTP2 = h2, h2
		entry := float64(len(c.Message.entry()))
		if got := c.PerMessage().Total(); got < entry || got > 1.1*entry {
			t.Errorf("HTTP/2 %v: got %.0f bytes a message, want little more than its form of %.0f", h2, got, entry)
		}
	}
}
