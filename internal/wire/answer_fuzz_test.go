package wire_test

import (
	"bytes"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/pabal/pabal/internal/wire"
)

// An answer is refused, or says what it says when it is written again.
func FuzzAnswer(f *testing.F) {
	const entry = `{"channel":"a","cursor":"z-1","time":"2026-05-01T12:00:00Z","type":"t","data":{"n":1}}`
	const notice = `{"notice":"$gap","channel":"a","cursor":"z-9","from":"z-1","to":"z-9","reason":"trimmed"}`
	for _, text := range []string{
		`{"entries":[` + entry + `,` + entry + `],"notices":[` + notice + `],"cursor":"z-9","before":"z-0","more":true}`,
		`{"entries":[],"notices":[],"cursor":"~"}`, `{}`, `null`, `[]`, ``, `{"entries":{}}`, `{"entries":[{}]}`, `{"notices":[{}]}`, `{"entries":[` + notice + `]}`,
		`{"notices":[` + entry + `]}`, `{"entries":[null]}`, `{"more":1}`, `{"cursor":"\ud800"}`, `{"entries":[` + entry + `]`, `{"other":[1],"cursor":"a"}`, `{"cursor":"a"}{"cursor":"b"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := wire.ParseAnswer(text)
		if err != nil {
			return
		}
		written := wire.AppendAnswer(nil, a)
		if !utf8.Valid(written) || bytes.ContainsAny(written, "\n\r") {
			t.Fatalf("not one line: %q", written)
		}
		again, err := wire.ParseAnswer(written)
		if err != nil || again.Cursor != a.Cursor || again.Before != a.Before || again.More != a.More || len(again.Entries) != len(a.Entries) || len(again.Notices) != len(a.Notices) {
			t.Fatalf("%s\nis written as %s: %+v, %v", text, written, again, err)
		}
		for i, e := range a.Entries {
			if got := again.Entries[i]; got.Channel != e.Channel || got.Position() != e.Position() || !got.Time.Equal(e.Time) || got.ID != e.ID {
				t.Errorf("entry %d is %+v, and was %+v", i, got, e)
			}
		}
		if third := wire.AppendAnswer(nil, again); !bytes.Equal(third, written) {
			t.Errorf("%s\nis written again as %s", written, third)
		}
	})
}

// A notice is refused, or says what it says when it is written again.
func FuzzNotice(f *testing.F) {
	for _, text := range []string{
		`{"notice":"$open","channels":["a","b"],"cursors":["z-1","z-2"],"cursor":"~","heartbeat":15,"connection":"c"}`,
		`{"notice":"$skipped","channel":"a","cursor":"z-1","count":3}`, `{"notice":"$closed","reason":"draining"}`, `{"notice":"$open","heartbeat":0.000000001}`,
		`{"notice":"$open","heartbeat":1e300}`, `{"notice":"$open","heartbeat":-0}`, `{"notice":"$x","count":1.5}`, `{"notice":""}`, `{"notice":1}`, `{"data":"x"}`, ``,
		`{"notice":"$open","channels":["a"]}`, `{"notice":"\u0000<\u2028"}`, `{"notice":"$open","cursors":["a"]}`, `{"notice":"$a","notice":"$b"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := wire.ParseNotice(text)
		if (n == nil) != (err != nil) {
			t.Fatalf("got %+v beside %v", n, err)
		}
		if err != nil {
			return
		}
		written := wire.AppendNotice(nil, n)
		again, err := wire.ParseNotice(written)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", text, written, err)
		}
		if len(n.Channels) == 0 {
			n.Channels, n.Cursors = nil, nil // which say nothing then
		}
		if len(n.Cursors) == 0 {
			n.Cursors, again.Cursors = nil, nil
		}
		if d := n.Heartbeat - again.Heartbeat; d < -1 || d > 1 {
			t.Errorf("a heartbeat of %v is written as one of %v", n.Heartbeat, again.Heartbeat)
		}
		again.Heartbeat = n.Heartbeat
		if !reflect.DeepEqual(again, n) {
			t.Errorf("%s is written as %s", text, written)
		}
	})
}
