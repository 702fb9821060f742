package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// checkModel tests that ParseMessages makes of text what the model does: the
// same messages or the same error.
func checkModel(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, text []byte) {
	t.Helper()
	given := bytes.Clone(text)
	got, err := wire.ParseMessages(given, 10)
	clear(given) // what was parsed must not be a part of it
	want, wantErr := modelMessages(text, 10)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || errors.As(err, new(*pabal.LimitError)) != errors.As(wantErr, new(*pabal.LimitError)) ||
		errors.As(err, new(*pabal.InvalidError)) != errors.As(wantErr, new(*pabal.InvalidError)) {
		t.Fatalf("%q:\ngot  the error %v\nwant %v", text, err, wantErr)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q:\ngot  %+q\nwant %+q", text, got, want)
	}
}

// seeds are lines that a parser may stumble over.
var seeds = []string{
	`{}`, `{ }`, ` {"data" : "x" } `, "\u00a0{}\u0085", `{`, `{"`, `{"data`, `{"data"`, `{"data":`, `{"data":"`, `{"data":"x"`, `{"data":"x",`, `{"data":"x",}`,
	`{,}`, `{"data":"x"]`, `{"data":"x"}]`, `{"data":"x"} {}`, `{"data":"x"}}`, `{"data" "x"}`, `{"data":,"id":"1"}`, `{"data":"x" "id":"1"}`,
	`{"data":"x","data":"y"}`, `{"d\u0061ta":"x"}`, `{"d\u0061ta":"x","data":"y"}`, `{"Data":"x"}`, `{"":1}`, `{"time":1}`, `{1:1}`, `{null:1}`,
	`{"data":null}`, `{"data":true}`, `{"data":false}`, `{"data":nul}`, `{"data":trueish}`, `{"data":tru}`,
	`{"data":0}`, `{"data":-0}`, `{"data":01}`, `{"data":-}`, `{"data":1.}`, `{"data":.5}`, `{"data":1.5e+10}`, `{"data":1E-7}`, `{"data":1e}`, `{"data":1e400}`, `{"data":+1}`,
	`{"data":[]}`, `{"data":[ ]}`, `{"data":[1, 2 ,{"a":[{}]}]}`, `{"data":[1,]}`, `{"data":[1 2]}`, `{"data":[}`, `{"data":{"a":1,"a":2}}`, `{"data":{"a"}}`, `{"data":{"a":}}`, `{"data":{a:1}}`, `{"data":{"a":1,}}`,
	`{"data":"\"\\\/\b\f\n\r\t\u00e9"}`, `{"data":"\u0000\u007F"}`, `{"data":"\x"}`, `{"data":"\u12"}`, `{"data":"\u12g4"}`, `{"data":"\`, `{"data":"\"}`,
	`{"data":"\ud83d\ude00"}`, `{"data":"\ud83d"}`, `{"data":"\ude00\ud83d"}`, `{"data":"\ud83dx\ude00"}`, `{"data":"\ud83d\\ude00"}`, `{"data":"\\ud83d"}`, `{"data":"\ud83d\ud83d\ude00"}`,
	`{"contentType":"application/json","data":"\ud83d"}`, `{"contentType":"application/json","data":"x"}`, `{"contentType":"application/json"}`, `{"contentType":"a/b+json","data":[1]}`,
	`{"contentType":"application/json","encoding":"base64","data":"e30="}`, `{"contentType":"application/json","encoding":"base64","data":"ew=="}`,
	`{"encoding":"base64","data":"/w=="}`, `{"encoding":"base64","data":"\/w=="}`, `{"encoding":"base64","data":"/w\r\n=="}`, `{"encoding":"base64","data":"/w"}`, `{"encoding":"base64","data":null}`, `{"encoding":"base64","data":1}`,
	`{"encoding":"base64"}`, `{"encoding":"","data":"x"}`, `{"encoding":"gzip"}`, `{"contentType":"text/html","data":1}`,
	`{"id":"a\u0000"}`, "{\"id\":\"a\x7f\"}", "{\"id\":\"a\tb\"}", `{"id":1}`, `{"id":"1","type":null}`, `{"type":"$x"}`, `{"type":"open"}`, `{"type":"\u0065rror"}`, `{"key":"\ud800"}`,
	"{\"data\":\"\xff\"}", "{\"data\":\"\xed\xa0\x80\"}", "{\"data\":\"파발\u2028\"}", "{\"data\":\"a\x00b\"}", `"x"`, `[]`, `x`,
	"{\"id\":\"1\"}\n\n{\"id\":\"1\"}", "{\"type\":\"t\",\"key\":\"k\"}\n{\"type\":\"t\",\"key\":\"l\"}\r\n{\"type\":\"u\"}", strings.Repeat("{}\n", 10), strings.Repeat("{}\n", 11),
	`{"data":` + strings.Repeat("[", 90) + strings.Repeat("]", 90) + `}`, `{"data":` + strings.Repeat(`[`, 200) + strings.Repeat(`]`, 200) + `}`,
	`{"data":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}`,
}

func FuzzParseMessages(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkModel(t, text) })
}

// TestParseMessagesModel compares batches put together from pieces of JSON, so
// that most lines are nearly right.
func TestParseMessagesModel(t *testing.T) {
	value := rapid.SampledFrom([]string{
		`"x"`, `""`, `"a\"b\\"`, `"\u00e9\ud83d\ude00"`, `"\ud800"`, `"application/json"`, `"text/html"`, `"base64"`, `"YQ=="`, `"$a"`, `"파"`,
		`1`, `-1.5e3`, `01`, `true`, `null`, `{"a":[1,"b",{}]}`, `[1,2`, `{"a":1,}`, "\"\t\"", ``,
	})
	name := rapid.SampledFrom([]string{`"data"`, `"id"`, `"type"`, `"key"`, `"contentType"`, `"encoding"`, `"i\u0064"`, `"other"`, `"time"`, `x`})
	space := rapid.SampledFrom([]string{"", "", "", " ", "\t \r"})
	between := rapid.SampledFrom([]string{",", ",", ",", ",", ",", "", ",,", "}"})
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for range rapid.IntRange(0, 4).Draw(t, "lines") {
			text.WriteString(space.Draw(t, "space") + "{")
			for i := range rapid.IntRange(0, 4).Draw(t, "members") {
				if i > 0 {
					text.WriteString(between.Draw(t, "between"))
				}
				text.WriteString(space.Draw(t, "space") + name.Draw(t, "name") + space.Draw(t, "space") + ":" + space.Draw(t, "space"))
				text.WriteString(value.Draw(t, "value") + space.Draw(t, "space"))
			}
			text.WriteString(rapid.SampledFrom([]string{"}", "}", "}", "}", "", "} {}", "]"}).Draw(t, "end") + "\n")
		}
		checkModel(t, []byte(text.String()))
	})
}

// TestParseDataModel compares what commands give, whose bytes need not be UTF-8.
func TestParseDataModel(t *testing.T) {
	contentType := rapid.SampledFrom([]string{"", "text/plain", "application/json", "image/svg+xml", "a/b+json"})
	encoding := rapid.SampledFrom([]string{"", "", "base64", "gzip"})
	value := rapid.SampledFrom([]string{
		``, `""`, `"x"`, `"YQ=="`, `"Y\u0051=="`, `"YQ"`, "\"\xff\"", "\"\xff\\n\"", "\"\xed\xa0\x80\"", `"\"\\\/\b\f\n\r\t\u00e9\uFFFF"`, `"\ud83d\ude00"`, `"\ud83d"`,
		`null`, `1`, `true`, `{"a":1}`, `["\ud800"]`,
	})
	rapid.Check(t, func(t *rapid.T) {
		kind, coding := contentType.Draw(t, "content type"), encoding.Draw(t, "encoding")
		text := json.RawMessage(value.Draw(t, "value"))
		if len(text) == 0 {
			text = nil
		}
		of, data, err := wire.ParseData(kind, coding, bytes.Clone(text))
		wantOf, want, wantErr := modelData(kind, coding, text)
		if of != wantOf || fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(data, want) {
			t.Fatalf("%q, %q, %q:\ngot  %q %q %v\nwant %q %q %v", kind, coding, text, of, data, err, wantOf, want, wantErr)
		}
	})
}

func TestParseMessagesSharesFields(t *testing.T) {
	messages, err := wire.ParseMessages([]byte(`{"type":"t","key":"k"}`+"\n"+`{"type":"t","key":"k"}`), 2)
	if err != nil {
		t.Fatal(err)
	}
	a, b := messages[0], messages[1]
	if unsafe.StringData(a.Type) != unsafe.StringData(b.Type) || unsafe.StringData(a.Key) != unsafe.StringData(b.Key) {
		t.Error("the fields of two lines are the same text and not the same bytes")
	}
}

func TestParseMessagesAllocates(t *testing.T) {
	batch := batchOf(`{"type":"say","data":"%s"}`)
	// For each line its data, and for all of them the slice and the first type.
	if got, most := testing.AllocsPerRun(10, func() { _, _ = wire.ParseMessages(batch, 100) }), 100+3.0; got > most {
		t.Errorf("%v allocations for 100 lines, want at most %v", got, most)
	}
}

// batchOf returns 100 lines of format, each with 128 bytes.
func batchOf(format string) (batch []byte) {
	for i := range 100 {
		batch = append(fmt.Appendf(batch, format, fmt.Sprintf("%03d%s", i, strings.Repeat("x", 125))), '\n')
	}
	return batch
}

func BenchmarkParseMessages(b *testing.B) {
	for _, c := range []struct{ name, format string }{
		{"text", `{"data":"%s"}`},
		{"type", `{"type":"say","data":"%s"}`},
		{"id", `{"id":"%.3[1]s","data":"%[1]s"}`},
		{"json", `{"data":{"cpu":0.25,"text":"%s"}}`},
		{"escapes", `{"data":"{\"cpu\":0.25,\"text\":\"%s\"}\n"}`},
		{"base64", `{"encoding":"base64","data":"%s"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			batch := batchOf(c.format)
			b.ReportAllocs()
			b.SetBytes(int64(len(batch)))
			for b.Loop() {
				if _, err := wire.ParseMessages(batch, 100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
