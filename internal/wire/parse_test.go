package wire_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

func TestParse(t *testing.T) {
	e, err := wire.ParseEntry([]byte(`{"cursor":"zzz-7","data":[1, 2],"later":{"x":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(e.Data)+" "+e.ContentType, "[1, 2] application/json"; got != want || e.Offset != 7 {
		t.Errorf("got %s at %d, want %s at 7", got, e.Offset, want)
	}
	for _, wrong := range []string{
		``, `[]`, `{`, `{}`, `{"cursor":"x"}`, `{"cursor":"1-1","data":`, `{"cursor":"1-1","encoding":"gzip"}`,
		`{"cursor":"1-1","encoding":"base64","data":"!"}`, `{"cursor":"1-1","encoding":"base64","data":1}`,
		`{"cursor":"1-1","contentType":"text/plain","data":1}`, `{"notice":"$live"}`,
	} {
		if e, err := wire.ParseEntry([]byte(wrong)); err == nil {
			t.Errorf("%s: got %+v, want an error", wrong, e)
		}
	}
	if _, err := wire.ParseNotice([]byte(`{"cursor":"1-1"}`)); err == nil {
		t.Error("an entry was taken for a notice")
	}
}

func TestNotice(t *testing.T) {
	from, to := pabal.Position{Epoch: 1, Offset: 2}, pabal.Position{Epoch: 1, Offset: 7}
	for _, c := range []struct {
		n    *wire.Notice
		want string
	}{
		{&wire.Notice{Kind: pabal.NoticeOpen, Channel: "a", Cursor: "1-2", Heartbeat: 1500 * time.Millisecond, Connection: "c"},
			`{"notice":"$open","channel":"a","cursor":"1-2","heartbeat":1.5,"connection":"c"}`},
		{&wire.Notice{Kind: pabal.NoticeOpen, Cursor: "~x", Heartbeat: 15 * time.Second, Channels: []pabal.Channel{"a", "b"}, Cursors: []string{"1-2", "1-3"}},
			`{"notice":"$open","cursor":"~x","heartbeat":15,"channels":["a","b"],"cursors":["1-2","1-3"]}`},
		{wire.NoticeOf(&pabal.Notice{Kind: pabal.NoticeLive, Channel: "a", Cursor: to}), `{"notice":"$live","channel":"a","cursor":"1-7"}`},
		{wire.NoticeOf(&pabal.Notice{Kind: pabal.NoticeGap, Channel: "a", Cursor: to, From: from, To: to, Reason: pabal.Trimmed}),
			`{"notice":"$gap","channel":"a","cursor":"1-7","from":"1-2","to":"1-7","reason":"trimmed"}`},
		{wire.NoticeOf(&pabal.Notice{Kind: pabal.NoticeReset, Channel: "a", Cursor: to, To: to, Reason: pabal.Unknown}),
			`{"notice":"$reset","channel":"a","cursor":"1-7","from":"0-0","to":"1-7","reason":"unknown"}`},
		{wire.NoticeOf(&pabal.Notice{Kind: pabal.NoticeSkipped, Channel: "a", Cursor: to, Count: 3}),
			`{"notice":"$skipped","channel":"a","cursor":"1-7","count":3}`},
		{wire.NoticeOf(&pabal.Notice{Kind: pabal.NoticeClosed, Channel: "a", Cursor: to, Reason: pabal.ClosedByPublisher}),
			`{"notice":"$closed","channel":"a","cursor":"1-7","reason":"closed"}`},
	} {
		text := wire.AppendNotice(nil, c.n)
		if string(text) != c.want {
			t.Errorf("got  %s\nwant %s", text, c.want)
		}
		if got, err := wire.ParseNotice(text); err != nil || !reflect.DeepEqual(got, c.n) {
			t.Errorf("%s: parsed as %+v, %v", text, got, err)
		}
	}
}

func TestParseMessages(t *testing.T) {
	messages, err := wire.ParseMessages([]byte("\r\n"+
		`{"data":"hi","id":"1"}`+"\r\n\n"+
		`{"type":"t","key":"k","data":{"a": 1}}`+"\n"+
		`{"contentType":"application/json","data":"x"}`+"\n"+
		`{"encoding":"base64","data":"/w=="}`+"\n"+
		`{"contentType":"application/xml","data":"<\ud83d\ude00\\ud800\n/>"}`+"\n"+
		`{}`), 6)
	want := []pabal.Message{
		{ID: "1", Data: []byte("hi")},
		{Type: "t", Key: "k", ContentType: "application/json", Data: []byte(`{"a": 1}`)},
		{ContentType: "application/json", Data: []byte(`"x"`)},
		{Data: []byte{0xFF}},
		{ContentType: "application/xml", Data: []byte("<😀\\ud800\n/>")},
		{},
	}
	same := func(a, b pabal.Message) bool { return a.ID == b.ID && a.Digest() == b.Digest() }
	if err != nil || !slices.EqualFunc(messages, want, same) {
		t.Fatalf("got %+v, %v\nwant %+v", messages, err, want)
	}
	if _, err := wire.ParseMessages([]byte("{}\n{}\n"), 1); !errors.As(err, new(*pabal.LimitError)) {
		t.Errorf("two messages where one may be: got %v, want a LimitError", err)
	}
}

func TestParseMessagesErrors(t *testing.T) {
	for batch, want := range map[string]string{
		"{}\n\n{\"colour\":1}":             `line 3: field "colour" is unknown`,
		`{"Data":"x"}`:                     `line 1: field "Data" is unknown`,
		`{"cursor":"1-1","data":"x"}`:      `line 1: field "cursor": the URL names`,
		`{"data":"x","data":"y"}`:          `line 1: field "data" is there twice`,
		`[{"data":"x"}]`:                   `line 1: a message is a JSON object on one line`,
		`hello`:                            `begins with 'h'`,
		"{\n\"data\":1}":                   `line 1: the object does not end on its line`,
		`{"data":1`:                        `does not end on its line`,
		`{"data":01}`:                      `this is no JSON`,
		`{"data" 1}`:                       `this is no JSON`,
		`{1:1}`:                            `this is no JSON`,
		`{} {}`:                            `something follows the object`,
		`{}]`:                              `something follows the object`,
		"{\"data\":\"\xff\"}":              `JSON is UTF-8`,
		`{"data":"\ud800"}`:                `data: \ud800 is half of a character`,
		`{"data":"\udc00\ud800"}`:          `data: \udc00 is half of a character`,
		`{"id":"\ud800\n"}`:                `id: \ud800 is half of a character`,
		`{"id":1}`:                         `id must be a string`,
		`{"type":null}`:                    `type must be a string`,
		`{"type":"$live"}`:                 `may not begin with $`,
		`{"type":"a\u0000"}`:               `control characters`,
		`{"encoding":"gzip","data":"x"}`:   `base64 is the only one`,
		`{"encoding":"base64","data":"@"}`: `data: illegal base64`,
		`{"encoding":"base64","data":{}}`:  `must be a string`,
		`{"contentType":"text/html","data":{"a":"b"} }`: `it must be a string`,
	} {
		if m, err := wire.ParseMessages([]byte(batch), 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v; want an error with %s", batch, m, err, want)
		}
	}
}

func TestAnswer(t *testing.T) {
	for want, a := range map[string]*wire.Answer{
		`{"entries":[],"notices":[],"cursor":"1-1"}`:                            {Cursor: "1-1"},
		`{"entries":[],"notices":[],"cursor":"1-3","before":"1-1","more":true}`: {Cursor: "1-3", Before: "1-1", More: true},
		`{"entries":[{"channel":"chat","cursor":"zzz-7","time":"2026-05-01T12:00:00.25Z","data":"a"},` +
			`{"channel":"chat","cursor":"zzz-7","time":"2026-05-01T12:00:00.25Z","data":2}],` +
			`"notices":[{"notice":"$live"},{"notice":"$live"}],"cursor":"zzz-7","more":true}`: {
			Entries: []*pabal.Entry{entry(pabal.Message{Data: []byte("a")}), entry(pabal.Message{ContentType: "application/json", Data: []byte("2")})},
			Notices: []*wire.Notice{{Kind: pabal.NoticeLive}, {Kind: pabal.NoticeLive}},
			Cursor:  "zzz-7", More: true,
		},
	} {
		text := wire.AppendAnswer(nil, a)
		if string(text) != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
		got, err := wire.ParseAnswer(text)
		if err != nil {
			t.Fatal(err)
		}
		if again := wire.AppendAnswer(nil, got); string(again) != want {
			t.Errorf("parsed and written again: %s", again)
		}
	}
	for _, wrong := range []string{`[]`, `{"entries":[{}]}`} {
		if _, err := wire.ParseAnswer([]byte(wrong)); err == nil {
			t.Errorf("%s: want an error", wrong)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		contentType, data string
		ok                bool
		is                string
	}{
		{"", "x", true, "text/plain; charset=utf-8"},
		{"", "\xff", false, "application/octet-stream"},
		{"TEXT/Plain;charset=utf8", "x", true, "TEXT/Plain;charset=utf8"},
		{"text/plain;charset=latin1", "x", false, "text/plain;charset=latin1"},
		{"text/plain;;", "x", false, "text/plain;;"},
		{"Application/JSON ; a=b", "{", true, "Application/JSON ; a=b"},
		{"image/svg+xml", "<svg>", false, "image/svg+xml"},
		{"application/x+json", "1", true, "application/x+json"},
	} {
		m := pabal.Message{ContentType: c.contentType, Data: []byte(c.data)}
		text, ok := wire.Text(&m)
		if ok != c.ok || ok && string(text) != c.data {
			t.Errorf("%q of type %q: got %q, %v; want text: %v", c.data, c.contentType, text, ok, c.ok)
		}
		if got := wire.ContentType(&m); got != c.is {
			t.Errorf("content type of %q: got %q, want %q", c.data, got, c.is)
		}
	}
}
