package transport_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

type vectorCase struct {
	Name  string
	Steps []struct{ Send, Reply map[string]any }
}

func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("../spec/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// What spec/vectors says of commands is so on a WebSocket and by POST.
func TestCommandVectors(t *testing.T) {
	var all struct{ Cases []vectorCase }
	readVectors(t, "commands.json", &all)
	if len(all.Cases) < 5 {
		t.Fatalf("there are %d cases", len(all.Cases))
	}
	for _, c := range all.Cases {
		t.Run(c.Name, func(t *testing.T) {
			bubble(t, &setup{}, func(w *world) {
				conn, err := w.pipes.Dial(w.Context(), "", "")
				if err != nil {
					w.Fatal(err)
				}
				s := handshake(w.T, conn, "/channels", v1)
				s.opened()
				w.plays(&c, func(text string) string { return s.reply(text).text })
			})
			bubble(t, &setup{}, func(w *world) {
				w.plays(&c, func(text string) string { return w.command("?connection="+conn1, text).text })
			})
			bubble(t, &setup{}, func(w *world) { // a line each
				w.plays(&c, func(text string) string {
					resp := do(w, w.client, newRequest(w, w.Context(), "POST", "http://pabal.test/commands?connection="+conn1, text+"\n", "Content-Type: application/x-ndjson"))
					return strings.TrimSpace(resp.body)
				})
			})
		})
	}
}

// plays sends what v does, and compares the replies.
func (w *world) plays(v *vectorCase, send func(text string) string) {
	w.Helper()
	known := map[string]string{}
	for _, step := range v.Steps {
		text, err := json.Marshal(step.Send)
		if err != nil {
			w.Fatal(err)
		}
		for name, value := range known {
			text = []byte(strings.ReplaceAll(string(text), jsonText(name), jsonText(value)))
		}
		got := send(string(text))
		var reply map[string]any
		if err := json.Unmarshal([]byte(got), &reply); err != nil {
			w.Fatalf("%s: got %q: %v", text, got, err)
		}
		if wrong := match(step.Reply, reply, known); wrong != "" {
			w.Errorf("%s: got %s: %s", text, got, wrong)
		}
	}
}

func jsonText(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// match reports how got is not what is wanted; known are the texts that stand for
// <x>.
func match(want, got map[string]any, known map[string]string) string {
	for name, value := range got {
		if name == "error" {
			continue
		}
		wanted, text := want[name], fmt.Sprint(value)
		if place, ok := wanted.(string); ok && strings.HasPrefix(place, "<") {
			if known[place] == "" {
				known[place] = text
			}
			wanted = known[place]
		}
		if !reflect.DeepEqual(wanted, value) {
			return fmt.Sprintf("%s is %v, want %v", name, value, wanted)
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			return name + " is missing"
		}
	}
	wanted, _ := want["error"].(map[string]any)
	problem, _ := got["error"].(map[string]any)
	for name, value := range wanted {
		switch text, is := problem[name].(string); {
		case name == "detail" && !strings.Contains(text, value.(string)):
			return fmt.Sprintf("detail has no %q", value)
		case name == "detail":
		case is && strings.HasPrefix(value.(string), "<"):
			if known[value.(string)] != text {
				return fmt.Sprintf("%s is %s, want %s", name, text, known[value.(string)])
			}
		case !reflect.DeepEqual(problem[name], value):
			return fmt.Sprintf("%s is %v, want %v", name, problem[name], value)
		}
	}
	return ""
}

// The vectors can fail.
func TestMatch(t *testing.T) {
	known := map[string]string{}
	if wrong := match(map[string]any{"cursor": "<a>"}, map[string]any{"cursor": "1-1"}, known); wrong != "" || known["<a>"] != "1-1" {
		t.Errorf("a first cursor: %s, %v", wrong, known)
	}
	for _, c := range []struct{ want, got string }{
		{`{"cursor":"<a>"}`, `{"cursor":"1-2"}`}, {`{"ok":true}`, `{}`}, {`{}`, `{"ok":true}`}, {`{"id":1}`, `{"id":2}`},
		{`{"error":{"status":400}}`, `{"error":{"status":403}}`}, {`{"error":{"detail":"x"}}`, `{"error":{"detail":"y"}}`}, {`{"error":{}}`, `{}`},
	} {
		var want, got map[string]any
		if json.Unmarshal([]byte(c.want), &want) != nil || json.Unmarshal([]byte(c.got), &got) != nil {
			t.Fatal(c)
		}
		if match(want, got, known) == "" {
			t.Errorf("%s passes for %s", c.got, c.want)
		}
	}
}

// Which ids a connection may have.
func TestConnectionVectors(t *testing.T) {
	var all struct {
		Connections []struct {
			ID    string
			Valid bool
		}
	}
	readVectors(t, "names.json", &all)
	bubble(t, &setup{}, func(w *world) {
		for _, c := range all.Connections {
			resp := w.get("/channels/a?via=poll&connection=" + strings.ReplaceAll(c.ID, " ", "%20"))
			if (resp.status < 300) != c.Valid {
				w.Errorf("%q: status %d, want it valid: %v", c.ID, resp.status, c.Valid)
			}
		}
		w.sleep(time.Second)
	})
}
