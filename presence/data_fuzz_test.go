package presence

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pabal/pabal"
)

// Whatever is to be shown of somebody is refused, or is what readers get: JSON
// of the same meaning, in an entry that can be sent and read again.
func FuzzData(f *testing.F) {
	for _, data := range []string{
		`{"name":"Kim"}`, `null`, ` [1, 2] `, `"\ud800"`, "\"\xff\"", `"</script>"`, "\"\u2028\"", `1e999`, `-0`, `{"a":1,"a":2}`, `{`, ``, `{} {}`, "\"\x00\"",
		`{"user":"ben","data":{},"node":"x","reason":"left"}`, `"` + strings.Repeat("a", maxData-2) + `"`, `"` + strings.Repeat("a", maxData-1) + `"`, strings.Repeat("[", 2000) + strings.Repeat("]", 2000), strings.Repeat(" ", maxData) + "1",
	} {
		f.Add("kim", []byte(data))
	}
	f.Add("", []byte(`1`))
	f.Add("k\"<&\u2028im", []byte(`{"data":"x"}`))
	f.Fuzz(func(t *testing.T, user string, data []byte) {
		if !utf8.ValidString(user) { // no token has such a one
			return
		}
		shown, err := checkData(data)
		if good := len(data) <= maxData && json.Valid(data) && utf8.Valid(data); good != (err == nil) {
			t.Fatalf("%q: %v", data, err)
		}
		if err != nil {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, data); err != nil {
			t.Fatal(err)
		}
		b := body{User: user, Data: shown, Node: "n"}
		m := b.message(typeJoin, "key")
		if err := m.Check(); err != nil || !utf8.Valid(m.Data) {
			t.Fatalf("%q cannot be said: %v", m.Data, err)
		}
		got := parse(&pabal.Entry{Message: m})
		if isNull := want.String() == "null"; got.User != user || got.Node != "n" || got.Reason != "" || !isNull && !bytes.Equal(got.Data, want.Bytes()) {
			t.Fatalf("%q of %q is read as %+v", data, user, got)
		}
	})
}

// No entry of a log keeps a node from reading it: what is not of presence says
// nothing.
func FuzzBody(f *testing.F) {
	for _, kind := range []string{typeJoin, typeChange, typeLeave, typeCount, "other"} {
		f.Add(kind, "key", []byte(`{"user":"kim","data":{},"node":"n","connections":3}`))
	}
	f.Add(typeCount, "key", []byte(`{"connections":-1}`))
	f.Add(typeJoin, "", []byte(`[]`))
	f.Add(typeJoin, "", []byte(`{"user":7,"node":"n"}`))
	f.Fuzz(func(t *testing.T, kind, key string, data []byte) {
		e := &pabal.Entry{Message: pabal.Message{Type: kind, Key: key, Data: data}}
		b := parse(e)
		there := present(e, &b)
		if !json.Valid(data) && b.User+string(b.Data)+b.Reason != "" {
			t.Errorf("%q is read as %+v", data, b)
		}
		if there && kind != typeJoin && kind != typeChange && (kind != typeCount || *b.Connections <= 0) {
			t.Errorf("%q of type %q says that somebody is there", data, kind)
		}
	})
}
