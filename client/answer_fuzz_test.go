package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/internal/wire"
)

// A roundTrip answers requests without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pieces is a body that comes a few bytes at a time.
type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pieces) Close() error { return nil }

// A reading is what a client made of one response.
type reading struct {
	events []string
	err    error
	conn   *connection
}

var mediaOf = map[string]string{
	"sse": "text/event-stream", "stream": "application/x-ndjson", "multipart": `multipart/mixed; boundary="b"`,
	"poll": "application/json", "longpoll": "application/json",
}

// read has a client that follows the channels chat and news read body by a
// technique.
func read(t *testing.T, via string, body []byte, size int) *reading {
	t.Helper()
	answer := roundTrip(func(r *http.Request) (*http.Response, error) {
		header := http.Header{"Content-Type": {mediaOf[via]}}
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: &pieces{slices.Clone(body), size}, Request: r}, nil
	})
	at, err := newPlaces([]pabal.Channel{"chat", "news"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{}
	patience := time.NewTimer(time.Hour)
	defer patience.Stop()
	r.conn = &connection{
		client: &Client{HTTP: &http.Client{Transport: answer}}, options: &Options{}, places: at, via: via, patience: patience,
		watch: newWatchdog(func(error) {}),
		yield: func(e Event) bool {
			r.events = append(r.events, string(e.AppendJSON(nil)))
			checkEvent(t, at, e)
			return len(r.events) < 1000
		},
	}
	defer r.conn.watch.stop()
	if by := techniques[via]; via != "poll" && via != "longpoll" {
		r.err = by(t.Context(), r.conn)
	} else {
		_, r.err = r.conn.ask(t.Context()) // the technique asks again and again
	}
	return r
}

// checkEvent checks that the reader stands after e, which is of a channel that
// was asked for.
func checkEvent(t *testing.T, at *places, e Event) {
	t.Helper()
	if e.Entry == nil {
		return
	}
	p, err := at.find(e.Entry.Channel)
	if err != nil || e.Entry.Channel == "" || p.at != e.Entry.Position() {
		t.Errorf("after entry %s the reader stands at %+v, %v", wire.Entry(e.Entry), p, err)
	}
}

// wellRead checks what holds for whatever a server sends: how it is divided
// does not matter, no entry comes twice in a row of one life, and the client
// knows where to go on.
func wellRead(t *testing.T, via string, body []byte, size int) *reading {
	t.Helper()
	whole, divided := read(t, via, body, max(len(body), 1)), read(t, via, body, size)
	if !slices.Equal(whole.events, divided.events) || fmt.Sprint(whole.err) != fmt.Sprint(divided.err) {
		t.Errorf("%d bytes at a time: got %q, %v, want %q, %v", size, divided.events, divided.err, whole.events, whole.err)
	}
	if via != "poll" && via != "longpoll" && whole.err == nil && via != "multipart" {
		t.Error("a response that goes on ended without an error")
	}
	last := map[pabal.Channel]pabal.Position{}
	for _, text := range whole.events {
		e, n, err := wire.Parse([]byte(text))
		if err != nil {
			t.Fatalf("the event %s: %v", text, err)
		}
		if n != nil {
			delete(last, n.Channel) // it may have moved the reader
			if n.Channel == "" {
				clear(last)
			}
			continue
		}
		if was, ok := last[e.Channel]; ok && was.Epoch == e.Epoch && e.Offset <= was.Offset {
			t.Errorf("entry %v of %s comes after %v", e.Position(), e.Channel, was)
		}
		last[e.Channel] = e.Position()
	}
	if cursor := whole.conn.places.cursor(); cursor != "" {
		again, err := newPlaces([]pabal.Channel{"chat", "news"}, whole.conn.places.cursors())
		if err != nil || len(whole.conn.places.open()) == 2 && again.cursor() != cursor {
			t.Errorf("the reader goes on at %q, which is read as %q, %v", cursor, again.cursor(), err)
		}
	}
	if whole.conn.watch.limit <= 0 || whole.conn.retry < 0 {
		t.Errorf("the client waits %v for a byte, and %v for the next attempt", whole.conn.watch.limit, whole.conn.retry)
	}
	return whole
}

var lines = []string{
	`{"notice":"$open","channels":["chat","news"],"cursors":["z-1","z-0"],"heartbeat":15,"connection":"c"}`,
	`{"channel":"chat","cursor":"z-2","time":"2020-01-01T00:00:00Z","data":"x"}`, `{"channel":"news","cursor":"y-1","type":"t","id":"i","key":"k","data":{"n":1}}`,
	`{"channel":"chat","cursor":"z-2","data":"again"}`, `{"notice":"$gap","channel":"chat","cursor":"z-9","from":"z-2","to":"z-9","reason":"trimmed"}`,
	`{"notice":"$closed","channel":"chat","cursor":"z-9","reason":"closed"}`, `{"notice":"$closed","reason":"draining"}`, `{"notice":"$live","channel":"news","cursor":"y-1"}`,
	`{"channel":"other","cursor":"z-1","data":"x"}`, `{"channel":"chat","cursor":"?","data":"x"}`, `{"channel":"chat","cursor":"z-3","encoding":"base64","data":"?"}`,
	`{"notice":"$open","channels":["chat"],"cursors":[],"heartbeat":1e300}`, `{"notice":"$open","channel":"chat","cursor":"z-1","heartbeat":5e9}`, `{}`, `[]`, `x`, "",
}

// Server-sent events say to the client what their data, as another reader
// finds it in the same bytes, says as lines.
func FuzzSSE(f *testing.F) {
	for _, line := range lines {
		f.Add([]byte("data: "+line+"\n\n"), uint8(1))
	}
	f.Add([]byte("retry: 5\n\ndata: "+lines[0]+"\r\n\r\n:\n\nid: z-2\nevent: t\ndata:"+lines[1]+"\n\ndata: "+lines[1]), uint8(7))
	f.Add([]byte("data: {\"channel\":\"chat\",\ndata: \"cursor\":\"z-2\"}\n\nretry: 99999999999\ndata\n\nnonsense: x\n\n"), uint8(3))
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		got := wellRead(t, "sse", body, int(size)+1)
		if bytes.ContainsRune(body, '\r') || bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
			return // which Pabal does not send
		}
		var said []byte
		for in := readers.NewEventStream(bytes.NewReader(body)); ; {
			event, err := in.Next()
			if err != nil {
				break
			}
			if strings.Contains(event.Data, "\n") {
				return // which no line can hold
			}
			said = append(append(said, event.Data...), '\n')
		}
		want := read(t, "stream", said, len(said)+1)
		if !slices.Equal(got.events, want.events) || errors.Is(got.err, errGarbled) != errors.Is(want.err, errGarbled) {
			t.Errorf("got %q, %v; as lines it is %q, %v", got.events, got.err, want.events, want.err)
		}
	})
}

// Lines say what each of them says alone, up to the first that is wrong.
func FuzzStream(f *testing.F) {
	for _, line := range lines {
		f.Add([]byte(line+"\n"), uint8(1))
		f.Add([]byte(lines[0]+"\n"+line+"\r\n"+lines[1]), uint8(9))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		got := wellRead(t, "stream", body, int(size)+1)
		said := 0
		for line := range bytes.Lines(body) {
			if _, _, err := wire.Parse(bytes.TrimRight(line, "\r\n")); err == nil && bytes.HasSuffix(line, []byte("\n")) {
				said++
			}
		}
		if len(got.events) > said {
			t.Errorf("%d events of %d lines that are one: %q", len(got.events), said, got.events)
		}
	})
}

// Parts are read by their lengths, whatever their bodies hold.
func FuzzMultipart(f *testing.F) {
	part := func(head, body string) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s\r\n--b\r\n", head, len(body), body)
	}
	f.Add([]byte("--b\r\n"+part("Pabal-Notice: $open\r\n", lines[0])+part("Pabal-Cursor: z-2\r\nPabal-Channel: chat\r\nPabal-Time: 2020-01-01T00:00:00Z\r\nPabal-Id: a%20b\r\nContent-Type: text/plain\r\n", "\r\n--b\r\n")+part("", "")+"\r\n--b--\r\n"), uint8(1))
	f.Add([]byte("--b\r\n"+part("Pabal-Cursor: z-2\r\nPabal-Channel: chat\r\nContent-Type: "+entryType+"\r\n", lines[1])), uint8(5))
	for _, head := range []string{"Pabal-Cursor: ?\r\n", "Pabal-Cursor: z-1\r\nPabal-Id: %\r\n", "Pabal-Cursor: z-1\r\nPabal-Time: now\r\n", "Pabal-Cursor: z-1\r\nPabal-Channel: other\r\n", "Pabal-Notice: x\r\n"} {
		f.Add([]byte("--b\r\n"+part(head, "x")), uint8(3))
	}
	f.Add([]byte("--b\r\nContent-Length: 99999999\r\n\r\nx"), uint8(3))
	f.Add([]byte("--b\r\nContent-Length: -1\r\n\r\nx"), uint8(3))
	f.Add([]byte("--b\r\nno header\r\n\r\nx"), uint8(3))
	f.Add([]byte("--c\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		got := wellRead(t, "multipart", body, int(size)+1)
		if n := bytes.Count(body, []byte("--b")); len(got.events) > n {
			t.Errorf("%d events of %d boundaries", len(got.events), n)
		}
	})
}

// The header of a part that does not end is not kept in memory until it does.
func TestEndlessHeader(t *testing.T) {
	body := "--b\r\n" + strings.Repeat("Name: "+strings.Repeat("x", 1<<16)+"\r\n", 2*maxHead>>16)
	if got := read(t, "multipart", []byte(body), 1<<16); !errors.Is(got.err, errGarbled) || !strings.Contains(got.err.Error(), "of more than") {
		t.Errorf("got %v, want that it is too much", got.err)
	}
}

// An answer is taken up to what is wrong in it, each notice before the entries
// that lie after it.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"entries":[`+lines[1]+`,`+lines[2]+`],"notices":[`+lines[4]+`],"cursor":"z-9","before":"z-1","more":true}`), uint8(9))
	f.Add([]byte(`{"entries":[{"channel":"chat","cursor":"z-3"},{"channel":"chat","cursor":"z-9"}],"notices":[{"notice":"$gap","channel":"chat","cursor":"z-7","from":"z-3","to":"z-7","reason":"trimmed"}],"cursor":"z-9"}`), uint8(9))
	for _, text := range []string{`{"entries":[` + lines[8] + `],"notices":[],"cursor":"z-9"}`, `{"entries":[` + lines[9] + `]}`, `{"notices":[{}]}`, `{"cursor":"~"}`, `{}`, `[]`, `{"entries":[`, ``, `{"entries":{}}`} {
		f.Add([]byte(text), uint8(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		got := wellRead(t, []string{"poll", "longpoll"}[size%2], body, int(size)+1)
		a, err := wire.ParseAnswer(body)
		if err != nil {
			if len(got.events) > 0 || !errors.Is(got.err, errGarbled) {
				t.Errorf("what is no answer (%v) gave %q, %v", err, got.events, got.err)
			}
			return
		}
		if n := len(a.Entries) + len(a.Notices); len(got.events) > n {
			t.Errorf("%d events of %d", len(got.events), n)
		}
		if errors.Is(got.err, io.EOF) {
			t.Errorf("an answer that is whole was said to be cut: %v", got.err)
		}
	})
}

// A refusal is an error with its status, whatever stands between the server
// and the client has made of it.
func FuzzRefusal(f *testing.F) {
	f.Add(uint16(409), "application/problem+json", `{"type":"/problems/conflict","title":"Conflict","status":409,"detail":"other content","limit":"x","cursor":"z-1"}`, "5")
	f.Add(uint16(412), "application/problem+json; charset=utf-8", `{"type":"/problems/moved","cursor":"z-1","status":200}`, "")
	f.Add(uint16(502), "text/html", `<h1>Bad Gateway</h1>`, "Wed, 21 Oct 2015 07:28:00 GMT")
	f.Add(uint16(503), "application/problem+json", `{`, "99999999999")
	f.Add(uint16(429), "application/problem+json", `[]`, "-1")
	f.Add(uint16(400), ";", `null`, "1.5")
	f.Add(uint16(0), "", "", "")
	f.Fuzz(func(t *testing.T, status uint16, contentType, body, after string) {
		header := http.Header{"Content-Type": {contentType}, "Retry-After": {after}}
		e := newError(&http.Response{StatusCode: int(status), Header: header, Body: io.NopCloser(strings.NewReader(body))})
		if e.Status != int(status) || e.RetryAfter < 0 || !strings.Contains(e.Error(), fmt.Sprintf("says %d: ", status)) {
			t.Errorf("got %+v, %q", e, e.Error())
		}
		var said struct{ Type, Detail, Cursor string }
		media, _, _ := mime.ParseMediaType(contentType)
		if valid := json.Unmarshal([]byte(body), &said) == nil; media == "application/problem+json" && valid && !e.foreign && (e.Type != said.Type || e.Detail != said.Detail || e.Cursor != said.Cursor) {
			t.Errorf("got %+v, want what %s says", e, body)
		} else if media != "application/problem+json" && (!e.foreign || e.Detail+e.Type+e.Cursor != "") {
			t.Errorf("got %+v from %s", e, contentType)
		}
		said.Type = strings.TrimSuffix(e.Type, "/")
		for target, name := range map[error]string{pabal.ErrClosed: "closed", pabal.ErrConflict: "conflict", pabal.ErrPartial: "partial", pabal.ErrMoved: "moved"} {
			if e.Is(target) && !strings.HasSuffix(strings.TrimRight(said.Type, "/"), name) {
				t.Errorf("type %q is %v", e.Type, target)
			}
		}
	})
}

// A publish is known to be done only if its answer says where.
func FuzzReceipt(f *testing.F) {
	for _, text := range []string{`{"cursor":"z-1","duplicate":false}`, `{"cursor":"z-2","cursors":["z-1","z-2"],"duplicate":true,"closed":true}`, `{"cursor":""}`, `{"cursor":1}`, `{}`, `[]`, ``, `<h1>welcome</h1>`, `{"cursor":"z-1"} x`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: &pieces{body, 100}, Request: r}, nil
		})
		c := &Client{HTTP: &http.Client{Transport: answer}}
		got, err := c.attempt(t.Context(), http.MethodPost, c.at("/channels/chat", nil), nil, []byte("x"))
		var want struct {
			Cursor    string
			Cursors   []string
			Duplicate bool
		}
		done := json.Unmarshal(body, &want) == nil && want.Cursor != ""
		if done != (err == nil) || done && (got.Cursor != want.Cursor || !slices.Equal(got.Cursors, want.Cursors) || got.Duplicate != want.Duplicate) {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
		if err != nil && !errors.Is(err, errGarbled) {
			t.Errorf("%s: got %v, which does not say what is wrong", body, err)
		}
	})
}
