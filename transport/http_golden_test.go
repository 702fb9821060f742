package transport_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal/vector"
)

// TestGoldenHTTP holds what each technique sends, from the first byte of the
// request to the last of the response, against testdata/http.
func TestGoldenHTTP(t *testing.T) {
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, c := range []struct{ name, path, headers string }{
		{"poll", "/channels/chat", ""},
		{"poll-several", "/channels?channel=chat&channel=news/kbo", ""},
		{"longpoll", "/channels/chat?since=now", "Prefer: wait=20\r\n"},
		{"jsonp", "/channels/chat?via=jsonp&callback=app.got", ""},
		{"stream", "/channels/chat?via=stream&since=all", ""},
		{"stream-several", "/channels?via=stream&channel=chat&channel=news/kbo&since=1", ""},
		{"sse", "/channels/chat?since=all", "Accept: text/event-stream\r\n"},
		{"sse-several", "/channels?channel=chat&channel=news/kbo&since=all", "Accept: text/event-stream\r\n"},
		{"sse-entry", "/channels/chat?via=sse&format=entry&since=all&pad=64", ""},
		{"sse-message", "/channels/chat?via=sse&format=message&since=all", ""},
		{"sse-message-several", "/channels?channel=chat&channel=news/kbo&via=sse&format=message&since=all", ""},
		{"multipart", "/channels/chat?since=all", "Accept: multipart/mixed\r\n"},
		{"multipart-image", "/channels/chat?via=multipart&since=all", "Accept: image/*\r\n"},
		{"iframe", "/channels/chat?via=iframe&since=all&callback=app.got", ""},
		{"page", "/channels/chat?via=page&since=all", ""},
		{"websocket", "/channels/chat?since=all", upgrade + "Sec-WebSocket-Protocol: other, pabal.v1\r\n"},
		{"websocket-several", "/channels?channel=chat&channel=news/kbo&since=all", upgrade + "Sec-WebSocket-Protocol: pabal.v1\r\n"},
		{"websocket-raw", "/channels/chat?since=all", upgrade},
		{"websocket-raw-entry", "/channels/chat?since=all&format=entry", upgrade},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, &setup{}, func(w *world) {
				request := "GET " + c.path + " HTTP/1.1\r\nHost: pabal.test\r\n" + c.headers + "\r\n"
				golden(t, c.name, w.play(request))
			})
		})
	}
}

// A recorder keeps what comes on a connection.
type recorder struct {
	mu   sync.Mutex
	got  bytes.Buffer
	done chan struct{}
}

func record(conn net.Conn) *recorder {
	r := &recorder{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			r.mu.Lock()
			r.got.Write(buf[:n])
			r.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return r
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.got.Bytes())
}

// play plays one scene to request, and writes all of it down.
func (w *world) play(request string) []byte {
	w.Helper()
	publish := func(channel, query, contentType, body string) string {
		resp := w.do("POST", "/channels/"+channel+query, body, "Content-Type: "+contentType)
		w.receipt(resp)
		w.sleep(100 * time.Millisecond)
		return fmt.Sprintf("POST /channels/%s%s  %s  %q\n", channel, query, contentType, body)
	}
	var script bytes.Buffer
	script.WriteString(publish("chat", "", "text/plain", "before"))
	conn, err := w.pipes.Dial(w.Context(), "", "")
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	in := record(conn)
	if _, err := conn.Write([]byte(request)); err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
	script.WriteString("\n" + strings.ReplaceAll(request, "\r\n", "\n"))
	script.WriteString(publish("chat", "", "application/x-www-form-urlencoded", "hello, 파발\nsecond line </script>"))
	script.WriteString(publish("news/kbo", "", "text/plain", "of another channel"))
	script.WriteString(publish("chat", "?type=goal&key=lg&id=7", "application/json", `{ "home": 1, "away": "<0>" }`))
	w.sleep(16 * time.Second)
	script.WriteString("(a heartbeat later)\n")
	script.WriteString(publish("chat", "", "image/png", "\x89PNG\r\n\x1a\n\x00\xff"))
	script.WriteString(publish("chat", "", "text/plain", ""))
	script.WriteString(publish("news/kbo", "?close", "text/plain", "the last"))
	script.WriteString(publish("chat", "?close", "text/plain", ""))
	w.sleep(time.Second)
	head, body := w.split(request, in.bytes())
	return fmt.Appendf(nil, "%s\n%s\n%s", script.Bytes(), w.fix(head), w.fix(body))
}

// split returns the head and the body of raw, which answers request.
func (w *world) split(request string, raw []byte) (head, body string) {
	w.Helper()
	i := bytes.Index(raw, []byte("\r\n\r\n"))
	if i < 0 {
		w.Fatalf("no head: %q", raw)
	}
	head = asNetHTTP(strings.ReplaceAll(string(raw[:i+2]), "\r\n", "\n"))
	if strings.Contains(request, "Upgrade") {
		return head, frames(raw[i+4:])
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil {
		w.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Errorf("the body breaks off: %v", err)
	}
	if length := resp.Header.Get("Content-Length"); length != "" {
		if length != strconv.Itoa(len(text)) {
			w.Errorf("Content-Length %s of %d bytes", length, len(text))
		}
		head = strings.Replace(head, "Content-Length: "+length, "Content-Length: LENGTH", 1)
	}
	return head, string(text)
}

// asNetHTTP returns the head of a response of a loop in the order of net/http,
// which does not say that the connection will be closed.
func asNetHTTP(head string) string {
	status, fields, _ := strings.Cut(head, "\n")
	date, rest, loop := strings.Cut(fields, "\nConnection: close\nTransfer-Encoding: chunked\n")
	if !loop {
		return head
	}
	return status + "\n" + rest + date + "\nTransfer-Encoding: chunked\n"
}

// frames writes WebSocket frames down, one a line.
func frames(raw []byte) string {
	var all strings.Builder
	for len(raw) >= 2 {
		first, n := raw[0], int(raw[1])
		raw = raw[2:]
		switch n {
		case 126:
			n, raw = int(binary.BigEndian.Uint16(raw)), raw[2:]
		case 127:
			n, raw = int(binary.BigEndian.Uint64(raw)), raw[8:]
		}
		fmt.Fprintf(&all, "%x %q\n", first, raw[:n])
		raw = raw[n:]
	}
	return all.String()
}

var vectorPattern = regexp.MustCompile(`~[A-Za-z0-9_-]{20,}`)

// fix makes of text what is the same each time.
func (w *world) fix(text string) string {
	epoch, _, _ := strings.Cut(w.do("HEAD", "/channels/chat", "").header.Get("Pabal-Cursor"), "-")
	text = vectorPattern.ReplaceAllStringFunc(text, func(cursor string) string {
		v, err := vector.Parse(cursor)
		if err != nil {
			w.Error(err)
			return cursor
		}
		chat, _ := v.Of("chat")
		news, _ := v.Of("news/kbo")
		return fmt.Sprintf("~(chat=%s,news/kbo=%s)", chat, news)
	})
	text = strings.ReplaceAll(text, epoch, "EPOCH")
	text = strings.ReplaceAll(text, strings.Repeat(" ", 1024), "(1024 spaces)")
	for _, change := range []struct{ pattern, with string }{
		{`pabal-[A-Z2-7]{26}`, "pabal-BOUNDARY"},
		{`"connection\\?":\\?"[A-Z2-7]{26}`, `"connection":"CONNECTION`},
		{`nonce(-|=")[A-Z2-7]{26}`, "nonce${1}NONCE"},
		{`retry: \d+`, "retry: RETRY"},
		{`(?s)<style>.*</style>`, "<style>STYLE</style>"}, // held elsewhere
		{`'sha256-[^']*'`, "'sha256-STYLE'"},
		{`(Content-Length: )\d+`, "${1}LENGTH"}, // of a part whose cursor was as long as this epoch is
	} {
		text = regexp.MustCompile(change.pattern).ReplaceAllString(text, change.with)
	}
	return text
}

// golden compares got with testdata/http/name.golden, or rewrites that.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "http", name+".golden")
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
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
