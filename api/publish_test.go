package api_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
)

func TestReceipts(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	const batch = "Content-Type: application/x-ndjson"
	for _, c := range []struct {
		name, target, body string
		headers            []string
		want               string // E stands for the epoch
	}{
		{"one", "", "a", nil, `{"cursor":"E-1","duplicate":false}`},
		{"with an id", "?id=1", "a", nil, `{"cursor":"E-2","duplicate":false}`},
		{"again", "?id=1", "a", nil, `{"cursor":"E-2","duplicate":true}`},
		{"batch of one", "", `{"data":"a"}`, []string{batch}, `{"cursor":"E-3","cursors":["E-3"],"duplicate":false}`},
		{"batch", "", "{}\n{\"data\":1}\n{}", []string{batch, `Idempotency-Key: "k"`}, `{"cursor":"E-6","cursors":["E-4","E-5","E-6"],"duplicate":false}`},
		{"batch again", "", "{}\n{\"data\":1}\n{}", []string{batch, "Idempotency-Key: k"}, `{"cursor":"E-6","cursors":["E-4","E-5","E-6"],"duplicate":true}`},
		{"closing with a message", "?close=true", "a", nil, `{"cursor":"E-7","duplicate":false,"closed":true}`},
		{"closing again", "?close", "", nil, `{"cursor":"E-7","duplicate":false,"closed":true}`},
		{"closing with a batch of nothing", "?close", "\n\n", []string{batch}, `{"cursor":"E-7","duplicate":false,"closed":true}`},
	} {
		resp := w.do(http.MethodPost, "/channels/chat"+c.target, c.body, c.headers...)
		epoch, _, _ := strings.Cut(resp.Header().Get("Pabal-Cursor"), "-")
		body := resp.Body.String()
		if want := strings.ReplaceAll(c.want, "E-", epoch+"-") + "\n"; resp.Code != 200 || body != want {
			t.Fatalf("%s: got %d %s, want %s", c.name, resp.Code, body, want)
		}
		checkReceipt(t, resp)
	}
}

// checkReceipt tests that what is written by hand is what encoding/json writes.
func checkReceipt(t *testing.T, resp *httptest.ResponseRecorder) {
	t.Helper()
	var receipt struct {
		Cursor    string   `json:"cursor"`
		Cursors   []string `json:"cursors,omitempty"`
		Duplicate bool     `json:"duplicate"`
		Closed    bool     `json:"closed,omitempty"`
	}
	if err := json.Unmarshal(resp.Body.Bytes(), &receipt); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(receipt); err != nil || string(again)+"\n" != resp.Body.String() {
		t.Errorf("got %s, want %s, %v", resp.Body, again, err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store",
		"Content-Length": strconv.Itoa(resp.Body.Len()), "Pabal-Cursor": receipt.Cursor,
	} {
		if got := resp.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestWhatIsKept(t *testing.T) {
	for _, c := range []struct {
		target, contentType, body string
		want                      pabal.Message
	}{
		{"", "", "a", pabal.Message{}},
		{"", "text/plain", "a", pabal.Message{}},
		{"", "Text/Plain; charset=UTF-8", "a", pabal.Message{}},
		{"", "text/plain; charset=latin1", "a", pabal.Message{ContentType: "text/plain; charset=latin1"}},
		{"", "text/plain; format=flowed; charset=utf-8", "a", pabal.Message{ContentType: "text/plain; format=flowed; charset=utf-8"}},
		{"", "application/x-www-form-urlencoded", "a=b", pabal.Message{}},
		{"", "application/X-www-form-urlencoded; charset=x", "a=b", pabal.Message{}},
		{"", "application/json", `{"a": 1}`, pabal.Message{ContentType: "application/json"}},
		{"", "application/json; charset=utf-8", `1`, pabal.Message{ContentType: "application/json; charset=utf-8"}},
		{"", "application/octet-stream", "\xff\x00", pabal.Message{ContentType: "application/octet-stream"}},
		{"?id=i&type=t&key=k%20k", "", "", pabal.Message{ID: "i", Type: "t", Key: "k k"}},
	} {
		w := newWorld(t, pabal.Limits{})
		resp := w.do(http.MethodPost, "/channels/chat"+c.target, c.body, "Content-Type: "+c.contentType)
		c.want.Data = []byte(c.body)
		if got := w.kept(); resp.Code != 200 || !reflect.DeepEqual(got, []pabal.Message{c.want}) {
			t.Errorf("%q of %q: got %d, %+q; want %+q", c.body, c.contentType, resp.Code, got, c.want)
		}
	}
}

func TestBatchIsKept(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	w.do(http.MethodPost, "/channels/chat", `{"id":"1","data":"a"}`+"\n\n"+`{"type":"t","data":{"n":2}}`, "Content-Type: Application/X-NDJSON; charset=utf-8")
	want := []pabal.Message{{ID: "1", Data: []byte("a")}, {Type: "t", ContentType: "application/json", Data: []byte(`{"n":2}`)}}
	if got := w.kept(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+q, want %+q", got, want)
	}
}

// A message that is kept takes the memory that it needs, however it came.
func TestDataIsNoPartOfMore(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	data := strings.Repeat("x", 64)
	w.do(http.MethodPost, "/channels/chat", data)
	w.do(http.MethodPost, "/channels/chat", strings.Repeat(`{"data":"`+data+`"}`+"\n"+`{"data":["`+data+`"]}`+"\n", 50), "Content-Type: application/x-ndjson")
	for i, m := range w.kept() {
		if spare := cap(m.Data) - len(m.Data); spare > 16 {
			t.Fatalf("message %d: its data has %d bytes and keeps %d more", i, len(m.Data), spare)
		}
	}
}

func TestPublishRefuses(t *testing.T) {
	w := newWorld(t, pabal.Limits{MessageBytes: 100, BatchBytes: 100, BatchMessages: 3, FieldBytes: 20, ChannelBytes: 20})
	w.do(http.MethodPost, "/channels/chat?id=1", "first")
	before := w.end()
	const batch = "Content-Type: application/x-ndjson"
	for _, c := range []struct {
		target, body string
		header       string
		status       int
		says         string
	}{
		{"chat?a=%zz", "x", "", 400, "cannot be read"},
		{"chat?id=1&id=2", "x", "", 400, "given 2 times"},
		{"chat?topic=x", "x", "", 400, "these are: id, type, key, close"},
		{"chat?id=", "x", "", 400, "?id= is empty"},
		{"chat?close=false", "x", "", 400, "?close=false"},
		{"chat", "x", "Content-Encoding: gzip", 415, "gzip"},
		{"chat", "x", "If-Match: *", 400, "If-Match must be one cursor"},
		{"chat", "x", "If-Match: ", 400, "If-Match must be one cursor"},
		{"chat", "x", `If-Match: ""`, 400, "If-Match must be one cursor"},
		{"chat", "x", `If-Match: "` + before, 400, "closing quote"},
		{"chat", "x", "If-Match: " + before + `"`, 400, "If-Match must be one cursor"},
		{"chat", "x", `If-Match: W/"` + before + `"`, 400, "without W/"},
		{"chat", "x", `If-Match: "` + before + `", "1-1"`, 400, "one end"},
		{"chat", "x", "If-Match: x", 400, "If-Match must be one cursor"},
		{"chat", "x", `If-Match: "1-1"`, 412, "not where the condition says"},
		{"chat", "x", "Content-Type: text", 200, ""},
		{"chat", "x", "Content-Type: ;", 400, "no media type"},
		{"chat", "{", "Content-Type: application/json", 400, "no JSON"},
		{"chat", strings.Repeat("x", 101), "", 413, "max-message: "},
		{"chat?type=123456789012345678901", "x", "", 413, "field-bytes: "},
		{"chat?type=$a", "x", "", 400, "may not begin with $"},
		{"chat?id=1", "second", "", 409, "another content"},
		{"chat?key=k", "{}", batch, 400, "?key= is for one message"},
		{"chat", "{}\n{}\n{}\n{}", batch, 413, "batch-messages: "},
		{"chat", "{}\n{", batch, 400, "line 2: "},
		{"chat", strings.Repeat(" ", 1000), batch, 413, "batch-bytes: "},
		{"chat", `{"data":"` + strings.Repeat("x", 80) + `"}` + "\n" + `{"data":"` + strings.Repeat("x", 80) + `"}`, batch, 413, "batch-bytes: "},
		{"chat", "\n", batch, 400, "nothing to publish"},
		{"$chat", "x", "", 403, "Pabal's own"},
		{"a//b", "x", "", 400, "a segment is empty"},
		{strings.Repeat("x", 21), "x", "", 400, "channel-bytes: "},
	} {
		resp := w.do(http.MethodPost, "/channels/"+c.target, c.body, c.header)
		if c.status == 200 {
			before = w.end()
			continue
		}
		w.refused(c.target+" "+c.header, resp, c.status, c.says)
	}
	if after := w.end(); after != before {
		t.Errorf("the channel ended at %s and ends at %s", before, after)
	}
}

func TestConditions(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	w.do(http.MethodPost, "/channels/chat", "a")
	for i, form := range []string{`%`, `"%"`} {
		if resp := w.do(http.MethodPost, "/channels/chat", "b", "If-Match: "+strings.Replace(form, "%", w.end(), 1)); resp.Code != 200 {
			t.Errorf("form %d of the condition: got %d %s", i, resp.Code, resp.Body)
		}
	}
	w.do(http.MethodPost, "/channels/chat?close", "")
	tag := w.do(http.MethodHead, "/channels/chat", "").Header().Get("ETag")
	w.refused("what HEAD said of a closed channel", w.do(http.MethodPost, "/channels/chat", "c", "If-Match: "+tag), 409, "closed")
}

// Of two writers that read the same end one is refused, told where the end is
// now, and agrees with the other on an order after that.
func TestTwoWriters(t *testing.T) {
	for _, c := range []struct{ name, target, body, header string }{
		{"a message", "/channels/chat", "mine", "X: y"},
		{"a batch", "/channels/chat", "{}\n{}", "Content-Type: application/x-ndjson"},
		{"the end", "/channels/chat?close", "", "X: y"},
	} {
		w := newWorld(t, pabal.Limits{})
		w.do(http.MethodPost, "/channels/chat", "first")
		seen := w.end()
		if resp := w.do(http.MethodPost, "/channels/chat", "theirs", "If-Match: "+seen); resp.Code != 200 {
			t.Fatalf("the first: got %d %s", resp.Code, resp.Body)
		}
		resp := w.do(http.MethodPost, c.target, c.body, c.header, `If-Match: "`+seen+`"`)
		w.refused(c.name, resp, 412, "read on from there")
		var p struct{ Type, Cursor string }
		if err := json.Unmarshal(resp.Body.Bytes(), &p); err != nil || p.Cursor != w.end() || resp.Header().Get("Pabal-Cursor") != w.end() || p.Type != "/problems/moved" {
			t.Errorf("%s: got %s %v, want the end %s", c.name, resp.Body, resp.Header(), w.end())
		}
		for range 2 { // that its own publish moved the end is no reason to refuse the repeat
			resp = w.do(http.MethodPost, c.target, c.body, c.header, `If-Match: "`+p.Cursor+`"`, "Idempotency-Key: k")
			if resp.Code != 200 {
				t.Errorf("%s, again: got %d %s", c.name, resp.Code, resp.Body)
			}
		}
	}
	w := newWorld(t, pabal.Limits{})
	at := w.end()
	r := httptest.NewRequest(http.MethodPost, "/channels/chat", strings.NewReader("x"))
	r.Header["If-Match"] = []string{at, at}
	w.refused("two conditions", w.serve(r), 400, "one end")
	if resp := w.do(http.MethodPost, "/channels/chat", "x", "If-Match: "+at); resp.Code != 200 {
		t.Errorf("an unwritten channel: got %d %s", resp.Code, resp.Body)
	}
}

func TestStorageFails(t *testing.T) {
	for status, failure := range map[int]*pabal.StorageError{
		503: {What: "nothing was published: the disk is read-only", Retry: 10 * time.Second, Err: errors.New("open /secret: read-only")},
		507: {What: "nothing was published: make room", Full: true, Err: errors.New("write /secret: no space")},
	} {
		w := newWorld(t, pabal.Limits{})
		hub := pabal.NewHub(failing{w.broker, failure}, pabal.Limits{})
		defer hub.Close()
		var log strings.Builder
		w.handler = &api.Handler{Hub: hub, Log: slog.New(slog.NewTextHandler(&log, nil))}
		resp := w.do(http.MethodPost, "/channels/chat", "x")
		w.refused("a publish", resp, status, failure.What)
		if strings.Contains(resp.Body.String(), "/secret") || !strings.Contains(log.String(), "/secret") {
			t.Errorf("got %s and the log %s, want the cause in the log only", resp.Body, &log)
		}
		if got, want := resp.Header().Get("Retry-After"), map[int]string{503: "10"}[status]; got != want {
			t.Errorf("Retry-After of %d: got %q, want %q", status, got, want)
		}
		if resp := w.do(http.MethodHead, "/channels/chat", ""); resp.Code != 200 {
			t.Errorf("reading goes on: got %d", resp.Code)
		}
	}
}

// brokenBody is a body that breaks off.
type brokenBody struct{ io.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestBodies(t *testing.T) {
	const unknown = -1
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
		status int
		says   string
	}{
		{"of known length", strings.NewReader("12345"), 5, 200, ""},
		{"of unknown length", strings.NewReader("12345"), unknown, 200, ""},
		{"empty", strings.NewReader(""), 0, 200, ""},
		{"known to be too long", strings.NewReader("123456"), 6, 413, "max-message: "},
		{"found to be too long", strings.NewReader("123456"), unknown, 413, "max-message: "},
		{"that ends early", strings.NewReader("1234"), 5, 400, "broke off"},
		{"that breaks off", brokenBody{strings.NewReader("1234")}, 5, 400, "broke off"},
		{"that breaks off at its end", brokenBody{strings.NewReader("12345")}, 5, 400, "broke off"},
		{"of unknown length that breaks off", brokenBody{strings.NewReader("1234")}, unknown, 400, "broke off"},
		{"longer than it said", strings.NewReader("12345"), 4, 400, "broke off"},
	} {
		w := newWorld(t, pabal.Limits{MessageBytes: 5})
		r := httptest.NewRequest(http.MethodPost, "/channels/chat", c.body)
		r.ContentLength = c.length
		resp := w.serve(r)
		if c.status != 200 {
			w.refused("a body "+c.name, resp, c.status, c.says)
			continue
		}
		want := "12345"
		if c.length == 0 {
			want = ""
		}
		if got := w.kept(); len(got) != 1 || string(got[0].Data) != want {
			t.Errorf("a body %s: got %d %s and %+q", c.name, resp.Code, resp.Body, got)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	w := newWorld(t, pabal.Limits{MessageBytes: 60})
	w.handler.BodyBytes = 100
	in, out := io.Pipe()
	slow := make(chan *httptest.ResponseRecorder)
	go func() {
		r := httptest.NewRequest(http.MethodPost, "/channels/slow", in)
		r.ContentLength = 60
		slow <- w.serve(r)
	}()
	if _, err := out.Write([]byte(strings.Repeat("x", 59))); err != nil { // it is being read
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/channels/chat", strings.NewReader("x"))
	r.ContentLength = -1 // it may be of 60 bytes
	w.refused("a second body", w.serve(r), http.StatusServiceUnavailable, "body-bytes: ")
	if resp := w.do(http.MethodPost, "/channels/chat", "short"); resp.Code != 200 {
		t.Errorf("a body for which there is room: got %d %s", resp.Code, resp.Body)
	}
	if _, err := out.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	if resp := <-slow; resp.Code != 200 {
		t.Errorf("the slow body: got %d %s", resp.Code, resp.Body)
	}
	for range 3 { // or the first would still be counted
		if resp := w.do(http.MethodPost, "/channels/chat", strings.Repeat("x", 60)); resp.Code != 200 {
			t.Errorf("after the slow body: got %d %s", resp.Code, resp.Body)
		}
	}
}
