package transport

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// someCommands are plain, nearly plain, and not at all.
var someCommands = []string{
	`{"id":1,"command":"publish","channel":"chat","data":"hello"}`,
	`{"id":"a-1","command":"publish","channel":"chat","data":{"n":[1,2.5e-3,null,true,"\u00e9"]},"messageId":"m","type":"t","key":"k"}`,
	` { "id" : -1.5E+3 , "command" : "publish" , "channel" : "chat" , "contentType" : "application/json" , "data" : "x" } `,
	"{\t\"command\":\"publish\",\"channel\":\"chat\"\r\n}\n",
	`{"id":3,"command":"publish","channel":"chat","data":null}`,
	`{"id":3,"command":"publish","channel":"chat","data":"aGk=","encoding":"base64"}`,
	`{"id":3,"command":"publish","channel":"chat","data":"h\u00e9\ud83d\ude00\n"}`,
	`{"id":3,"command":"publish","channel":"chat","ifMatch":"a-1"}`,
	`{"id":3,"command":"publish","channel":"chat","cursor":"a-1"}`,
	`{"id":3,"command":"publish","channel":"caf\u00e9","data":"é"}`,
	`{"id":3,"command":"publish","channel":"é<&>","data":1}`,
	`{"id":"<&>","command":"publish","channel":"chat","data":1}`,
	`{"id":3,"command":"publish","channel":"a","channel":"b"}`,
	`{"ID":3,"Command":"publish","CHANNEL":"a"}`,
	`{"id":null,"command":"publish"}`, `{"id":true,"command":"publish"}`, `{"id":{},"command":"publish"}`, `{"id":"","command":"publish"}`,
	`{"id":01,"command":"publish"}`, `{"id":1,"command":"publish",}`, `{"id":1,"command":"publish"`, `{"id":1,"command":"publish"} x`, `{"id":1 "command":"publish"}`,
	`{,"id":1,"command":"publish"}`, `{}`, `{`, `}`, ``, ` `, `null`, `[]`, `"publish"`, `{"command":null,"channel":null}`, `{"command":"publish","channel":7}`,
	`{"command":"publish","messageId":"` + string(bytes.Repeat([]byte("m"), 300)) + `"}`,
	`{"command":"publish","id":"` + string(bytes.Repeat([]byte("i"), 127)) + `"}`, `{"command":"publish","id":` + string(bytes.Repeat([]byte("1"), 129)) + `}`,
	"{\"command\":\"publish\",\"channel\":\"\xff\"}", "{\"command\":\"publish\",\"data\":\"\xff\"}", "{\"command\":\"publish\",\"data\":\"\x01\"}", "{\"command\":\"publish\",\"key\":\"\x7f\"}",
	`{"command":"publish","data":` + string(bytes.Repeat([]byte("["), 200)) + string(bytes.Repeat([]byte("]"), 200)) + `}`,
	`{"command":"ping"}`, `{"id":5,"command":"call","channel":"shop","call":"c-17","data":1,"timeout":5}`,
}

// What is parsed as a plain command is what encoding/json makes of it; the rest
// is left to that, as it was.
func FuzzPlainCommand(f *testing.F) {
	for _, text := range someCommands {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want command
		if !parsePlain(text, &got) {
			if !reflect.DeepEqual(got, command{}) {
				t.Fatalf("%q: it was not parsed, and yet it is %+v", text, got)
			}
			return
		}
		if err := parseAny(text, &want); err != nil {
			t.Fatalf("%q: got %+v, want the error %v", text, got, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %+v, want %+v", text, got, want)
		}
	})
}

// What clients write is plain.
func TestPlainCommand(t *testing.T) {
	for i, text := range someCommands[:7] {
		if !parsePlain([]byte(text), new(command)) {
			t.Errorf("%d: %s is not plain", i, text)
		}
	}
}

// Data that may be kept as it stands is no part of the text it came in.
func TestPlainDataIsItsOwn(t *testing.T) {
	for _, text := range someCommands[1:3] {
		in := []byte(text)
		var cmd command
		if !parsePlain(in, &cmd) {
			t.Fatalf("%s is not plain", text)
		}
		m, err := cmd.message()
		if err != nil {
			t.Fatal(err)
		}
		want := string(m.Data)
		clear(in)
		if got := string(m.Data); got != want {
			t.Errorf("%s: once the text is gone the data is %q, want %q", text, got, want)
		}
	}
}

// A reply that is written as a plain one is what encoding/json writes.
func FuzzPlainReply(f *testing.F) {
	for _, id := range []string{``, `1`, `-1.5e+3`, `"a"`, `"<"`, `"\u00e9"`, `"é"`} {
		f.Add(id, "chat/2", "10feor7gw6skm-3", true)
		f.Add(id, "", "", false)
	}
	f.Add(`1`, "a\"b", "c\\", false)
	f.Add(`1`, "\x7f\x01", "\xff", false)
	f.Fuzz(func(t *testing.T, id, channel, cursor string, duplicate bool) {
		cmd := &command{ID: json.RawMessage(id)}
		if id != "" {
			if parseAny([]byte(`{"command":"ping","id":`+id+`}`), cmd) != nil {
				return // it never gets that far
			}
		}
		got, ok := plainReply(cmd, &reply{Channel: channel, Cursor: cursor, Duplicate: &duplicate})
		if want := anyReply(cmd, &reply{Channel: channel, Cursor: cursor, Duplicate: &duplicate}); ok && !bytes.Equal(got, want) {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

// Of a publish that was done the reply is plain; of nothing else.
func TestPlainReply(t *testing.T) {
	cmd := &command{ID: json.RawMessage("1")}
	for _, test := range []struct {
		answer reply
		want   bool
	}{
		{reply{Channel: "chat", Cursor: "a-1", Duplicate: new(bool)}, true},
		{reply{Channel: "chat", Cursor: "a-1"}, false},
		{reply{Channel: "chat", Duplicate: new(bool), URL: "/channels/chat"}, false},
		{reply{}, false},
	} {
		if _, got := plainReply(cmd, &test.answer); got != test.want {
			t.Errorf("%+v: got %v, want %v", test.answer, got, test.want)
		}
	}
}
