package wire_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 250_000_000, time.UTC)

func entry(m pabal.Message) *pabal.Entry {
	return &pabal.Entry{Channel: "chat", Epoch: 46655, Offset: 7, Prev: 6, Time: noon, Message: m}
}

func TestAppendEntry(t *testing.T) {
	const head = `{"channel":"chat","cursor":"zzz-7","time":"2026-05-01T12:00:00.25Z"`
	for _, c := range []struct {
		name string
		m    pabal.Message
		want string
	}{
		{"empty", pabal.Message{}, `}`},
		{"text", pabal.Message{Data: []byte("hi")}, `,"data":"hi"}`},
		{"every field", pabal.Message{ID: "i", Type: "t", Key: "k", ContentType: "text/html", Data: []byte("<p>")},
			`,"type":"t","id":"i","key":"k","contentType":"text/html","data":"<p>"}`},
		{"escapes", pabal.Message{Data: []byte("\"\\\r\n\t\x00\x7f파발\u2028")}, `,"data":"\"\\\r\n\t\u0000` + "\x7f파발\u2028" + `"}`},
		{"charset", pabal.Message{ContentType: `text/plain; charset="UTF-8"`, Data: []byte("x")},
			`,"contentType":"text/plain; charset=\"UTF-8\"","data":"x"}`},
		{"foreign charset", pabal.Message{ContentType: "text/plain; charset=euc-kr", Data: []byte("x")},
			`,"contentType":"text/plain; charset=euc-kr","encoding":"base64","data":"eA=="}`},
		{"text that is not UTF-8", pabal.Message{ContentType: "text/plain", Data: []byte{0xFF}},
			`,"contentType":"text/plain","encoding":"base64","data":"/w=="}`},
		{"bytes", pabal.Message{Data: []byte{0xFF}}, `,"encoding":"base64","data":"/w=="}`},
		{"bytes that look like text", pabal.Message{ContentType: "application/octet-stream", Data: []byte("x")},
			`,"contentType":"application/octet-stream","encoding":"base64","data":"eA=="}`},
		{"object", pabal.Message{ContentType: "application/json", Data: []byte("{ \"a\" : [ 1,\n 1e400 ] }")}, `,"data":{"a":[1,1e400]}}`},
		{"null", pabal.Message{ContentType: "application/json", Data: []byte("null")}, `,"data":null}`},
		{"JSON string", pabal.Message{ContentType: "application/json", Data: []byte(` "x"`)}, `,"contentType":"application/json","data":"x"}`},
		{"JSON of another name", pabal.Message{ContentType: "application/geo+json", Data: []byte(`{}`)},
			`,"contentType":"application/geo+json","data":{}}`},
		{"JSON that does not parse", pabal.Message{ContentType: "application/json", Data: []byte(`{`)},
			`,"contentType":"application/json","encoding":"base64","data":"ew=="}`},
		{"JSON that is not UTF-8", pabal.Message{ContentType: "application/json", Data: []byte("\"\xff\"")},
			`,"contentType":"application/json","encoding":"base64","data":"Iv8i"}`},
		{"JSON that is empty", pabal.Message{ContentType: "application/json"}, `,"contentType":"application/json"}`},
		{"object in text", pabal.Message{Data: []byte(`{"a":1}`)}, `,"data":"{\"a\":1}"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := entry(c.m)
			if got, want := string(wire.AppendEntry(nil, e)), head+c.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			checkRoundTrip(t, e)
		})
	}
}

// checkRoundTrip tests that what parses an entry finds what was written, and
// that its JSON form is UTF-8 on one line.
func checkRoundTrip(t *testing.T, e *pabal.Entry) {
	t.Helper()
	text := wire.AppendEntry(nil, e)
	if !json.Valid(text) || !utf8.Valid(text) || bytes.ContainsAny(text, "\n\r") {
		t.Fatalf("not one line of JSON: %q", text)
	}
	got, err := wire.ParseEntry(text)
	if err != nil {
		t.Fatal(err)
	}
	want := e.Copy()
	if json.Valid(e.Data) && bytes.ContainsAny(e.Data, " \t\r\n") && wire.IsJSON(e.ContentType) {
		var compact bytes.Buffer
		if json.Compact(&compact, e.Data) == nil && utf8.Valid(e.Data) {
			want.Data = compact.Bytes()
		}
	}
	if got.Channel != want.Channel || got.Position() != want.Position() || !got.Time.Equal(want.Time) ||
		got.ID != want.ID || got.Digest() != want.Digest() {
		t.Fatalf("got %+v, want %+v, over %s", &got.Message, &want.Message, text)
	}
	if again := wire.AppendEntry(nil, got); !bytes.Equal(again, text) {
		t.Fatalf("written again: %s, want %s", again, text)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add("chat", "", "", "", "", []byte("hi"), uint64(7), int64(1))
	f.Add("a/b", "t", "i", "k", "application/json", []byte(` {"a": "\u2028\ud800"}`), uint64(1), int64(0))
	f.Add("a", "", "", "", "application/json", []byte(`"<"`), uint64(1), int64(0))
	f.Add("a", "", "", "", "text/plain; charset=utf-8", []byte{0xC3, 0x28}, uint64(1), int64(5))
	f.Fuzz(func(t *testing.T, channel, kind, id, key, contentType string, data []byte, offset uint64, nanos int64) {
		for _, s := range []string{channel, kind, id, key, contentType} {
			if !utf8.ValidString(s) {
				return // Check lets no such message pass
			}
		}
		e := &pabal.Entry{Channel: pabal.Channel(channel), Epoch: pabal.Epoch(offset * 3), Offset: pabal.Offset(offset), Time: time.Unix(0, nanos)}
		e.Message = pabal.Message{ID: id, Type: kind, Key: key, ContentType: contentType, Data: data}
		checkRoundTrip(t, e)
		checkScript(t, wire.AppendEntry(nil, e))

		line := wire.AppendMessage(nil, &e.Message)
		batch, err := wire.ParseMessages(line, 1)
		if e.Check() != nil {
			return
		}
		parsed, _ := wire.ParseEntry(wire.AppendEntry(nil, e))
		if err != nil || len(batch) != 1 || batch[0].ID != id || batch[0].Digest() != parsed.Digest() {
			t.Fatalf("batch %s: got %+v, %v", line, batch, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"channel":"a","cursor":"1-1","data":1}`))
	f.Add([]byte(`{"notice":"$gap","channel":"a","cursor":"1-1","count":1,"heartbeat":0.5}`))
	f.Add([]byte("{\"data\":\"\\ud83d\\ude00\"}\n\n{\"data\":null}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if e, n, err := wire.Parse(text); err == nil && (e == nil) == (n == nil) {
			t.Fatalf("%q: got entry %v and notice %v", text, e, n)
		}
		messages, err := wire.ParseMessages(text, 10)
		for i := range messages {
			if err := messages[i].Check(); err != nil {
				t.Fatal(err)
			}
			checkRoundTrip(t, entry(messages[i]))
		}
		if err != nil && messages != nil {
			t.Fatalf("messages beside the error %v", err)
		}
	})
}

func checkScript(t *testing.T, text []byte) {
	t.Helper()
	safe := wire.AppendScript(nil, text)
	if bytes.ContainsAny(safe, "<>&\u2028\u2029") {
		t.Fatalf("not safe in a script: %q", safe)
	}
	var want, got any
	if json.Unmarshal(text, &want) == nil {
		if err := json.Unmarshal(safe, &got); err != nil {
			t.Fatalf("%v: %q", err, safe)
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		if !bytes.Equal(a, b) {
			t.Fatalf("script-safe JSON means %s, want %s", b, a)
		}
	}
}

func TestAppendScript(t *testing.T) {
	got := string(wire.AppendScript(nil, []byte("\"</script><!--&\u2028\u2029\u2027\u202a파\"")))
	if want := `"\u003c/script\u003e\u003c!--\u0026\u2028\u2029` + "\u2027\u202a파\""; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEntryIsMadeOnce(t *testing.T) {
	e := entry(pabal.Message{Data: []byte("hi")})
	if a, b := wire.Entry(e), e.Encoded(wire.Line); &a[0] != &b[0] || len(a) != len(b)-1 {
		t.Error("an entry and its line do not share their bytes")
	}
	if n := testing.AllocsPerRun(100, func() { wire.Entry(e) }); n != 0 {
		t.Errorf("%v allocations for an entry already encoded, want 0", n)
	}
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { dst = wire.AppendEntry(dst[:0], e) }); n != 0 {
		t.Errorf("%v allocations to append an entry of text, want 0", n)
	}
}

func BenchmarkAppendEntry(b *testing.B) {
	for _, c := range []struct{ name, contentType, data string }{
		{"text", "", "the quick brown fox jumps over the lazy dog, and 파발 arrives"},
		{"json", "application/json", `{"cpu":0.25,"memory":[1,2,3],"host":"a","load":"x"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := entry(pabal.Message{ContentType: c.contentType, Data: []byte(c.data)})
			dst := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				dst = wire.AppendEntry(dst[:0], e)
			}
		})
	}
}
