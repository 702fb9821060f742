package transport

import (
	"bytes"
	"flag"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/vector"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// A scene is what a session may yield, one after the other.
type scene struct {
	entry  *pabal.Entry
	notice *pabal.Notice // a scene with neither is a beat
	place  int
}

var sceneTime = time.Date(2026, 5, 1, 12, 0, 0, 250_000_000, time.UTC)

// sceneMessages has a message of each kind.
var sceneMessages = []pabal.Message{
	{Data: []byte("hello, 파발")},
	{Data: []byte("one\ntwo\r\nthree\rfour\n\n  five </script>&\"'\u2028\n")},
	{Type: "goal", ID: "7%", Key: "lg doosan/é", ContentType: "text/html", Data: []byte("<b>1</b>:0")},
	{ContentType: "application/json", Data: []byte("{ \"n\": [1, 2.50],\n \"s\": \"</script>\" }")},
	{ContentType: "application/json", Data: []byte(`"text"`)},
	{ContentType: "image/png", Data: []byte("\x89PNG\r\n\x1a\n\x00\xff")},
	{Data: []byte{0, 1, 0xFF}},
	{},
	{Type: "bad\ntype", Key: "\r\n", Data: []byte("got into the log past Pabal")},
}

func sceneEntry(ch pabal.Channel, offset pabal.Offset, m pabal.Message) *pabal.Entry {
	return &pabal.Entry{Channel: ch, Epoch: 46655, Offset: offset, Prev: offset - 1, Time: sceneTime, Message: m}
}

// scenes yields every kind of message and of notice, over n channels.
func scenes(n int) []scene {
	names := []pabal.Channel{"chat", "news/kbo"}[:n]
	offsets := make([]pabal.Offset, n)
	var all []scene
	for i, m := range sceneMessages {
		place := i % n
		offsets[place]++
		all = append(all, scene{entry: sceneEntry(names[place], offsets[place], m), place: place})
		if i == 0 {
			all = append(all, scene{})
		}
	}
	at := func(offset pabal.Offset) pabal.Position { return pabal.Position{Epoch: 46655, Offset: offset} }
	for i, ch := range names {
		end := at(offsets[i])
		for _, notice := range []pabal.Notice{
			{Kind: pabal.NoticeLive, Cursor: end},
			{Kind: pabal.NoticeGap, From: end, To: at(20), Cursor: at(20), Reason: pabal.Trimmed},
			{Kind: pabal.NoticeReset, From: at(20), To: at(30), Cursor: at(30), Reason: pabal.Deleted},
			{Kind: pabal.NoticeSkipped, Cursor: at(33), Count: 3},
			{Kind: pabal.NoticeClosed, Cursor: at(33), Reason: pabal.ClosedByPublisher},
		} {
			notice.Channel = ch
			all = append(all, scene{notice: &notice, place: i})
		}
	}
	return all
}

// newResponse returns a response over n channels that begins at their start.
func newResponse(t *testing.T, n int) *response {
	t.Helper()
	r := &response{
		channels: []pabal.Channel{"chat", "news/kbo"}[:n], start: make([]pabal.Position, n),
		connection: "c1", heartbeat: 15 * time.Second, nonce: "n0nce", callback: "app.got", retry: 2500 * time.Millisecond,
		url: url.URL{Path: "/channels/chat", RawQuery: "via=page&since=10m&only=latest"},
	}
	for i := range r.start {
		r.start[i].Epoch = 46655
	}
	if n > 1 {
		var err error
		if r.vector, err = vector.New(r.channels); err != nil {
			t.Fatal(err)
		}
		for i, p := range r.start {
			r.vector.Set(i, p)
		}
	}
	return r
}

// compose returns the body of a response that yields all, and its pieces.
func compose(t *testing.T, enc *encoding, r *response, all []scene, closed bool) (body []byte, pieces [][]byte) {
	t.Helper()
	add := func(f func([]byte) []byte) {
		piece, appends := bytes.CutPrefix(f([]byte("before")), []byte("before"))
		if !appends {
			t.Fatal("what was there before is not there any more")
		}
		body, pieces = append(body, piece...), append(pieces, piece)
	}
	add(func(dst []byte) []byte { return enc.open(dst, r) })
	for _, s := range all {
		switch {
		case s.entry != nil:
			r.move(s.place, s.entry.Position())
			add(func(dst []byte) []byte { return enc.entry(dst, r, s.entry) })
		case s.notice != nil:
			r.move(s.place, s.notice.Cursor)
			add(func(dst []byte) []byte { return enc.notice(dst, r, s.notice) })
		default:
			add(func(dst []byte) []byte { return enc.beat(dst, r) })
		}
	}
	add(func(dst []byte) []byte { return enc.end(dst, r, closed) })
	return body, pieces
}

// golden compares got with testdata/name, or rewrites that.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (to accept it: go test ./transport -update)\ngot:\n%s", file, got)
	}
}

// fixBoundary makes the boundary known for the time of a test.
func fixBoundary(t *testing.T) {
	was := boundary
	boundary = "pabal-BOUNDARY"
	t.Cleanup(func() { boundary = was })
}

func TestEncodings(t *testing.T) {
	fixBoundary(t)
	for _, c := range []struct {
		name   string
		enc    *encoding
		n      int
		closed bool
		change func(r *response)
	}{
		{name: "sse", enc: &sseEncoding, n: 1},
		{name: "sse-entry", enc: &sseEncoding, n: 1, change: func(r *response) { r.form = entryForm }},
		{name: "sse-several-padded-closed", enc: &sseEncoding, n: 2, closed: true, change: func(r *response) { r.pad = 16 }},
		{name: "stream", enc: &streamEncoding, n: 1},
		{name: "stream-several-padded", enc: &streamEncoding, n: 2, change: func(r *response) { r.pad = 16 }},
		{name: "multipart", enc: &multipartEncoding, n: 1},
		{name: "multipart-several-padded", enc: &multipartEncoding, n: 2, change: func(r *response) { r.pad = 16 }},
		{name: "multipart-image", enc: &multipartEncoding, n: 1, change: func(r *response) { r.image = true }},
		{name: "iframe", enc: &iframeEncoding, n: 1},
		{name: "iframe-several", enc: &iframeEncoding, n: 2},
		{name: "page", enc: &pageEncoding, n: 1},
		{name: "page-several-closed", enc: &pageEncoding, n: 2, closed: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newResponse(t, c.n)
			if c.change != nil {
				c.change(r)
			}
			h := make(http.Header)
			c.enc.header(h, r)
			checkHeader(t, h)
			var head []byte
			for _, name := range slices.Sorted(maps.Keys(h)) {
				head = append(head, name+": "+h.Get(name)+"\n"...)
			}
			all := scenes(c.n)
			body, pieces := compose(t, c.enc, r, all, c.closed)
			checkShared(t, c.enc, r, all, pieces)
			golden(t, c.name+".golden", slices.Concat(head, []byte("\n"), body))
		})
	}
}

// checkHeader tests what every response that goes on must say.
func checkHeader(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", "Incremental": "?1", "X-Content-Type-Options": "nosniff",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// checkShared tests that the shared format is what entry appends, made once.
func checkShared(t *testing.T, enc *encoding, r *response, all []scene, pieces [][]byte) {
	t.Helper()
	f := enc.shared(r)
	if f == nil {
		return
	}
	for i, s := range all {
		if s.entry == nil {
			continue
		}
		if got, want := s.entry.Encoded(f), pieces[i+1]; !bytes.Equal(got, want) {
			t.Errorf("the shared bytes of entry %d: got %q, want %q", s.entry.Offset, got, want)
		}
		dst := make([]byte, 0, len(pieces[i+1]))
		if n := testing.AllocsPerRun(10, func() { dst = enc.entry(dst[:0], r, s.entry) }); n != 0 {
			t.Errorf("%v allocations to append entry %d again, want 0", n, s.entry.Offset)
		}
	}
}

func TestPollAnswer(t *testing.T) {
	a := &answer{cursor: "zzz-33", more: true}
	for _, s := range scenes(1) {
		if s.entry != nil {
			a.entries = append(a.entries, s.entry)
		} else if s.notice != nil {
			a.notices = append(a.notices, s.notice)
		}
	}
	golden(t, "poll.golden", appendAnswer(nil, a))
	golden(t, "poll-empty.golden", appendAnswer([]byte("HTTP/1.1 200 OK\r\n\r\n"), &answer{cursor: "zzz-33"}))
	golden(t, "jsonp.golden", appendJSONP(nil, "app.got", appendAnswer(nil, a)))
}

func TestCheckCallback(t *testing.T) {
	for name, ok := range map[string]bool{
		"pabal": true, "app.got": true, "_a1.B_2.c": true, strings.Repeat("a", 128): true,
		"": false, "a..b": false, ".a": false, "a.": false, "1a": false, "a.1b": false, "a b": false, "a(": false, "a[0]": false,
		"alert(1)//": false, "파발": false, "a\n": false, "$": false, strings.Repeat("a", 129): false,
	} {
		if err := checkCallback(name); (err == nil) != ok {
			t.Errorf("callback %q: got %v, want it allowed: %v", name, err, ok)
		}
	}
}
