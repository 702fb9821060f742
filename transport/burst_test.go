package transport

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
)

// burstOf returns items as a burst of f.
func burstOf(f framing, items ...pabal.Item) *burst {
	b := &burst{}
	b.batch.Items = items
	for i := range items {
		b.bytes, b.ends = f.item(b.bytes, &items[i])
		b.upTo = append(b.upTo, len(b.bytes))
	}
	return b
}

// Wherever a burst breaks off, what was taken and the rest are whole items,
// the rest is not nothing, and what is left of an entry is not a copy.
func TestBurstSplit(t *testing.T) {
	first := &pabal.Entry{Channel: "a", Epoch: 1, Offset: 1, Message: pabal.Message{Data: []byte("first")}}
	second := &pabal.Entry{Channel: "a", Epoch: 1, Offset: 2, Prev: 1, Message: pabal.Message{Data: bytes.Repeat([]byte("second"), 500)}}
	notice := &pabal.Notice{Kind: pabal.NoticeLive, Channel: "a", Cursor: second.Position()}
	items := []pabal.Item{{Entry: first}, {Entry: second}, {Notice: notice}}
	response := func() *response {
		return &response{channels: []pabal.Channel{"a"}, start: []pabal.Position{{Epoch: 1}}}
	}
	for name, f := range map[string]framing{
		"sse":    newHTTPFraming(&sseEncoding, response()),
		"stream": newHTTPFraming(&streamEncoding, response()),
		"v1":     wsFraming{form: &v1Form},
		"raw":    wsFraming{form: &rawForm}, // for which the notice is nothing
	} {
		b := burstOf(f, items...)
		for n := range b.bytes {
			taken, rest := b.split(n, f)
			end := b.upTo[max(0, taken-1)]
			if want := string(b.bytes[n:max(n, end)]); taken == 0 || string(rest) != want || want == "" {
				t.Fatalf("%s: after %d bytes: %d items and %.20q of %d bytes, want %.20q of %d", name, n, taken, rest, len(rest), want, len(want))
			}
			if taken == 2 && len(rest) > 0 && &rest[len(rest)-1] != &f.shared(second)[len(f.shared(second))-1] {
				t.Fatalf("%s: after %d bytes: the rest of the entry is a copy", name, n)
			}
		}
		if taken, rest := b.split(len(b.bytes), f); taken != len(items) || rest != nil {
			t.Errorf("%s: of all bytes: %d items taken, %d bytes left", name, taken, len(rest))
		}
	}
}

// A loop keeps a few bursts, and pins no entries with them.
func TestSpareBursts(t *testing.T) {
	l := &loop{}
	for range 10 {
		b := &burst{bytes: make([]byte, 0, 3*burstBytes)}
		b.batch.Items = []pabal.Item{{Entry: &pabal.Entry{}}}
		l.giveBurst(b)
		if all := b.batch.Items[:1]; all[0].Entry != nil || b.bytes != nil {
			t.Fatal("a burst that was given back holds an entry, or much memory")
		}
	}
	if len(l.spare) != maxSpare {
		t.Errorf("%d are kept, want %d", len(l.spare), maxSpare)
	}
}

func TestAppendChunk(t *testing.T) {
	for data, want := range map[string]string{
		"": "", "a": "1\r\na\r\n", "0\r\n\r\n": "5\r\n0\r\n\r\n\r\n", strings.Repeat("x", 255): "ff\r\n" + strings.Repeat("x", 255) + "\r\n",
	} {
		if got := appendChunk([]byte("before"), []byte(data)); string(got) != "before"+want {
			t.Errorf("%.10q: got %q, want %q", data, got, want)
		}
	}
}

// A head written by hand says what net/http would, and no value of a field
// breaks it.
func TestAppendHead(t *testing.T) {
	header := http.Header{
		"Content-Type": {"text/event-stream"}, "X-Both": {"1", "2"}, "Connection": {"keep-alive"}, "Content-Length": {"5"},
		"Transfer-Encoding": {"gzip"}, "Date": {"yesterday"},
		"X-Injected": {"a\r\nSet-Cookie: b\r\n\r\nbody\nX: y\rZ: z"}, "X-Name: a\r\nX-Evil": {"c"},
	}
	at := time.Date(2030, 5, 6, 7, 8, 9, 0, time.FixedZone("KST", 9*3600))
	head := string(appendHead(nil, fieldsOf(header), at))
	if want := "HTTP/1.1 200 OK\r\nDate: Sun, 05 May 2030 22:08:09 GMT\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"; !strings.HasPrefix(head, want) {
		t.Errorf("got %q, want %q first", head, want)
	}
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head+"3\r\nabc\r\n"+lastChunk)), nil)
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if string(body) != "abc" || err != nil || !resp.Close {
		t.Errorf("got body %q, %v, closing: %v", body, err, resp.Close)
	}
	got := resp.Header
	if len(got) != 4 || len(got["X-Both"]) != 2 || len(got["X-Injected"]) != 1 || got.Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %q", got)
	}
}

// The head adds to what is there.
func TestAppendHeadAppends(t *testing.T) {
	head := appendHead([]byte("before "), fieldsOf(http.Header{"A": {"b"}}), time.Unix(0, 0))
	if want := "before HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n"; string(head) != want {
		t.Errorf("got %q, want %q", head, want)
	}
}
