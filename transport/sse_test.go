package transport

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
	"github.com/pabal/pabal/vector"
)

// An sseEvent is one that an EventSource would dispatch.
type sseEvent struct{ id, name, data string }

// parseSSE reads body as WHATWG HTML, section 9.2.6, says. rest tells whether
// something was left that is no whole event.
func parseSSE(body string) (events []sseEvent, retry int, rest bool) {
	body = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(body)
	lines := strings.SplitAfter(body, "\n")
	var id, name, data string
	for _, line := range lines {
		if !strings.HasSuffix(line, "\n") {
			return events, retry, rest || line != ""
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if rest = false; data != "" {
				events = append(events, sseEvent{id, name, strings.TrimSuffix(data, "\n")})
			}
			name, data = "", ""
			continue
		}
		rest = true
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if n, err := strconv.Atoi(value); err == nil {
				retry = n
			}
		}
	}
	return events, retry, rest
}

func TestSSEIsWhatEventSourceReads(t *testing.T) {
	r := newResponse(t, 1)
	all := slices.DeleteFunc(scenes(1), func(s scene) bool { return s.entry == nil && s.notice == nil })
	body, _ := compose(t, &sseEncoding, r, all, false)
	events, retry, rest := parseSSE(string(body))
	if len(events) != len(all)+1 || retry != 2500 || rest {
		t.Fatalf("got %d events, retry %d, an unfinished one: %v; want %d, 2500, false", len(events), retry, rest, len(all)+1)
	}
	if open := events[0]; open.name != "$open" || open.id != "zzz-0" {
		t.Errorf("the first event: got %+v, want $open with the cursor where it begins", open)
	}
	lineEnds := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	for i, s := range all {
		got := events[i+1]
		if s.notice != nil {
			n, err := wire.ParseNotice([]byte(got.data))
			if err != nil || got.name != string(s.notice.Kind) || n.Kind != s.notice.Kind || got.id != s.notice.Cursor.String() {
				t.Errorf("notice %s: got %+v, %v", s.notice.Kind, got, err)
			}
			continue
		}
		want := sseEvent{s.entry.Position().String(), s.entry.Type, lineEnds.Replace(string(s.entry.Data))}
		if text, ok := wire.Text(&s.entry.Message); !ok {
			want.data = string(wire.Entry(s.entry))
		} else if strings.ContainsAny(s.entry.Type, "\r\n") {
			want.name, want.data = "", string(text)
		}
		if got != want {
			t.Errorf("entry %d: got %+v, want %+v", s.entry.Offset, got, want)
		}
	}
}

func TestSSEOverSeveralChannels(t *testing.T) {
	r := newResponse(t, 2)
	body, _ := compose(t, &sseEncoding, r, scenes(2), false)
	events, _, _ := parseSSE(string(body))
	at := map[pabal.Channel]pabal.Position{"chat": {Epoch: 46655}, "news/kbo": {Epoch: 46655}}
	for _, e := range events {
		var form struct {
			Channel pabal.Channel
			Cursor  string
		}
		if err := json.Unmarshal([]byte(e.data), &form); err != nil {
			t.Fatalf("event %+v is not in the JSON form: %v", e, err)
		}
		if form.Channel != "" {
			p, err := pabal.ParsePosition(form.Cursor)
			if err != nil {
				t.Fatal(err)
			}
			at[form.Channel] = p
		}
		v, err := vector.Parse(e.id)
		if err != nil {
			t.Fatalf("event %+v: %v", e, err)
		}
		for ch, want := range at {
			if got, _ := v.Of(ch); got != want {
				t.Errorf("the id of %s: %s is at %v, want %v", e.data, ch, got, want)
			}
		}
	}
}

func FuzzSSE(f *testing.F) {
	f.Add("a\r\n\rb", "goal")
	f.Add("", "")
	f.Add("\ufeffid: x\n\ndata", "event: $open")
	f.Fuzz(func(t *testing.T, text, kind string) {
		e := sceneEntry("chat", 7, pabal.Message{Type: kind, Data: []byte(text)})
		body := append(e.Encoded(sseBare), e.Encoded(sseEntry)...)
		events, _, rest := parseSSE(string(body))
		if len(events) != 2 || rest {
			t.Fatalf("%q is %d events, with a rest: %v", body, len(events), rest)
		}
		if _, ok := wire.Text(&e.Message); ok {
			if want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text); events[0].data != want {
				t.Fatalf("got %q, want %q", events[0].data, want)
			}
		}
		if name := events[0].name; name != events[1].name || name != "" && name != kind || strings.HasPrefix(name, "$") {
			t.Fatalf("type %q became event %q", kind, name)
		}
		for _, event := range events {
			if event.id != "zzz-7" {
				t.Fatalf("got id %q", event.id)
			}
		}
	})
}
