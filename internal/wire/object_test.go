package wire_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pabal/pabal/internal/wire"
)

// FuzzMember: what Member makes of an object is what encoding/json makes of it.
func FuzzMember(f *testing.F) {
	for _, text := range []string{
		`{}`, `{ }`, `{"a":1}`, "{\t\"a\" : [1, {\"b\":null}] ,\r\n\"c\":\"\\u00e9\\\"\" }", `{"a":1,"a":2}`, `{"a":{"a":{}}}`, `{"":-0.5e+1}`,
		``, `{`, `}`, `[]`, `{,}`, `{"a":1,}`, `{,"a":1}`, `{"a"}`, `{"a":}`, `{"a":1 "b":2}`, `{"a":1}}`, `{"a":1} `, `{"a":01}`, `{"a":1`, `{"a":1,`, `{]`, `{"a":[1}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := map[string]string{}
		for at := 0; ; {
			name, value, next := wire.Member(text, at)
			if next < 0 {
				return // json may understand it all the same
			}
			if name == nil {
				break
			}
			if next <= at {
				t.Fatalf("%q: the member at %d is followed by one at %d", text, at, next)
			}
			at = next
			if strings.ContainsRune(string(name), '\\') || strings.ToValidUTF8(string(name), "") != string(name) {
				return // json reads its name otherwise
			}
			got[string(name)] = string(value)
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("%q: got %v, want the error %v", text, got, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%q: got %v, want %v", text, got, want)
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Errorf("%q: %q is %q, want %q", text, name, got[name], value)
			}
		}
	})
}

func TestMemberOfWhatClientsWrite(t *testing.T) {
	text := []byte(`{"id": 1, "data": {"x":[]}}`)
	var said []string
	at := 0
	for {
		name, value, next := wire.Member(text, at)
		if name == nil {
			said = append(said, "end")
			if next != 0 {
				t.Errorf("at the end next is %d, want 0", next)
			}
			break
		}
		said, at = append(said, string(name)+"="+string(value)), next
	}
	if got, want := strings.Join(said, " "), `id=1 data={"x":[]} end`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
