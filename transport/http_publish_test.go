package transport_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A receipt answers a publish.
type receipt struct {
	Cursor    string
	Cursors   []string
	Duplicate *bool
}

func (w *world) receipt(resp *response) (r receipt) {
	w.Helper()
	err := json.Unmarshal([]byte(resp.body), &r)
	if err != nil || resp.status != 200 || r.Duplicate == nil || r.Cursor == "" || resp.header.Get("Pabal-Cursor") != r.Cursor || resp.header.Get("Cache-Control") != "no-store" {
		w.Errorf("got %v, want a receipt", resp)
		r.Duplicate = new(bool)
	}
	return r
}

// What was published comes as it was meant.
func TestPublishForms(t *testing.T) {
	const ndjson = "Content-Type: application/x-ndjson"
	for _, c := range []struct{ path, body, contentType, want string }{
		{"", "hi", "", `"data":"hi"`},
		{"", "hi", "application/x-www-form-urlencoded", `"data":"hi"`}, // curl -d
		{"", "a=b&c=%20", "application/x-www-form-urlencoded; charset=UTF-8", `"data":"a=b&c=%20"`},
		{"", "파발", "text/plain; charset=utf-8", `"data":"파발"`},
		{"", "<b>", "text/html", `"contentType":"text/html","data":"<b>"`},
		{"", "", "", ``},
		{"", ` { "a" : [ 1, 2.50 ] } `, "application/json", `"data":{"a":[1,2.50]}`},
		{"", `"text"`, "application/json", `"contentType":"application/json","data":"text"`},
		{"", `{}`, "application/ld+json", `"contentType":"application/ld+json","data":{}`},
		{"", "\xff\x00", "", `"encoding":"base64","data":"/wA="`},
		{"", "\xff", "image/png", `"contentType":"image/png","encoding":"base64","data":"/w=="`},
		{"?type=goal&key=lg&id=7", "1:0", "", `"type":"goal","id":"7","key":"lg","data":"1:0"`},
	} {
		bubble(t, &setup{}, func(w *world) {
			resp := w.do("POST", "/channels/chat"+c.path, c.body, "Content-Type: "+c.contentType)
			r := w.receipt(resp)
			a := w.poll("/channels/chat")
			want := `{"entries":[{"channel":"chat","cursor":"` + r.Cursor + `","time":"2000-01-01T00:00:00Z"`
			if c.want != "" {
				want += ","
			}
			want += c.want + `}],"notices":[],"cursor":"` + r.Cursor + `","before":"` + a.before + "\"}\n"
			if a.body != want || *r.Duplicate || r.Cursors != nil {
				w.Errorf("%q of %q: got %s, want %s", c.body, c.contentType, a.body, want)
			}
		})
	}
	bubble(t, &setup{}, func(w *world) {
		batch := `{"data":"1","type":"t","id":"i","key":"k"}` + "\r\n\n" + `{"data":{"n":2}}` + "\n" + `{"data":"/w==","encoding":"base64"}` + "\n{}"
		r := w.receipt(w.do("POST", "/channels/chat", batch, ndjson))
		a := w.poll("/channels/chat")
		if strings.Join(a.cursors, ",") != strings.Join(r.Cursors, ",") || len(r.Cursors) != 4 || r.Cursors[3] != r.Cursor {
			w.Errorf("a batch: got %v and %v", r, a.response)
		}
	})
}

// What is wrong is refused whole.
func TestPublishRefusals(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		for _, c := range []struct {
			method, path, body, contentType string
			status                          int
			says                            string
		}{
			{"POST", "/channels/chat", "{", "application/json", 400, "no JSON"},
			{"POST", "/channels/chat", "", "application/json", 400, "no JSON"},
			{"POST", "/channels/chat", "{}{}", "application/json", 400, "no JSON"},
			{"POST", "/channels/chat", `{"data":"1"}` + "\n" + `{"data":`, "application/x-ndjson", 400, "line 2"},
			{"POST", "/channels/chat", `{"data":"1"}` + "\n" + `{"date":"2"}`, "application/x-ndjson", 400, "line 2"},
			{"POST", "/channels/chat", `{"data":"1"}` + "\n" + `{"cursor":"x-1"}`, "application/x-ndjson", 400, "line 2"},
			{"POST", "/channels/chat", `{"data":"1"}` + "\n" + `{"type":"$live"}`, "application/x-ndjson", 400, "line 2"},
			{"POST", "/channels/chat", `["a"]`, "application/x-ndjson", 400, "line 1"},
			{"POST", "/channels/chat?type=t", `{"data":"1"}`, "application/x-ndjson", 400, "each line"},
			{"POST", "/channels/chat?type=$open", "x", "", 400, "begin with $"},
			{"POST", "/channels/chat?type=open", "x", "", 400, "EventSource"},
			{"POST", "/channels/chat?type=error", "x", "", 400, "EventSource"},
			{"POST", "/channels/chat?type=a%0Ab", "x", "", 400, "control"},
			{"POST", "/channels/chat?tipe=a", "x", "", 400, "not a parameter"},
			{"POST", "/channels/a//b", "x", "", 400, "empty"},
			{"POST", "/channels/../b", "x", "", 400, "may not be"},
			{"POST", "/channels/$host/cpu", "x", "", 403, "Pabal's own"},
			{"DELETE", "/channels/$host/cpu", "", "", 403, "Pabal's own"},
			{"POST", "/channels", "x", "", 405, "needs a channel"},
			{"PUT", "/channels/chat", "x", "", 405, "POST"},
			{"PATCH", "/channels/chat", "x", "", 405, "POST"},
		} {
			resp := w.do(c.method, c.path, c.body, "Content-Type: "+c.contentType)
			if p := w.problem(resp, c.status); !strings.Contains(p.Detail, c.says) {
				w.Errorf("%s %s %q: got %q, want something about %q", c.method, c.path, c.body, p.Detail, c.says)
			}
			if c.status == 405 && resp.header.Get("Allow") == "" {
				w.Errorf("%s %s: 405 without Allow", c.method, c.path)
			}
		}
		if a := w.poll("/channels/chat"); a.data() != "" || len(a.entries) > 0 {
			w.Errorf("something was published: %v", a.response)
		}
		if resp := w.do("POST", "/channels/chat", "\n\n", "Content-Type: application/x-ndjson"); resp.status != 400 {
			w.Errorf("a batch of nothing: got %v, want 400", resp)
		}
	})
}

func TestOnce(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		first := w.receipt(w.do("POST", "/channels/chat?id=a", "1"))
		if again := w.receipt(w.do("POST", "/channels/chat?id=a", "1")); again.Cursor != first.Cursor || !*again.Duplicate {
			w.Errorf("a repeat: got %+v, want %+v", again, first)
		}
		for _, change := range []string{"/channels/chat?id=a&type=t", "/channels/chat?id=a&key=k"} {
			w.problem(w.do("POST", change, "1"), 409)
		}
		w.problem(w.do("POST", "/channels/chat?id=a", "2"), 409)
		if other := w.receipt(w.do("POST", "/channels/other?id=a", "2")); *other.Duplicate {
			w.Error("an id of another channel is taken for a repeat")
		}
		const ndjson = "Content-Type: application/x-ndjson"
		batch := `{"id":"b","data":"2"}` + "\n" + `{"data":"3"}`
		one := w.receipt(w.do("POST", "/channels/chat", batch, ndjson, "Idempotency-Key: k1"))
		for _, key := range []string{"k1", `"k1"`} {
			again := w.receipt(w.do("POST", "/channels/chat", batch, ndjson, "Idempotency-Key: "+key))
			if !*again.Duplicate || fmt.Sprint(again.Cursors) != fmt.Sprint(one.Cursors) {
				w.Errorf("a batch again: got %+v, want %+v", again, one)
			}
		}
		w.problem(w.do("POST", "/channels/chat", batch+"\n{}", ndjson, "Idempotency-Key: k1"), 409)
		partly := w.do("POST", "/channels/chat", `{"id":"b","data":"2"}`+"\n"+`{"id":"c","data":"4"}`, ndjson)
		if p := w.problem(partly, 409); p.Type != "/problems/partial" {
			w.Errorf("a batch known in part: got %+v", p)
		}
		if a := w.poll("/channels/chat"); a.data() != "1,2,3" {
			w.Errorf("got %v, want 1,2,3", a.entries)
		}
		w.sleep(11 * time.Minute)
		if late := w.receipt(w.do("POST", "/channels/chat?id=a", "1")); *late.Duplicate {
			w.Error("a repeat after the window is taken for one within")
		}
	})
}

func TestConditionalPublish(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		tag := w.do("HEAD", "/channels/chat", "").header.Get("ETag")
		w.receipt(w.do("POST", "/channels/chat", "1", "If-Match: "+tag))
		w.problem(w.do("POST", "/channels/chat", "2", "If-Match: "+tag), 412)
		w.problem(w.do("POST", "/channels/chat", "2", "If-Match: x"), 400)
		w.receipt(w.do("POST", "/channels/chat", "2", "If-Match: "+w.do("HEAD", "/channels/chat", "").header.Get("ETag")))
		if a := w.poll("/channels/chat"); a.data() != "1,2" {
			w.Errorf("got %v", a.entries)
		}
	})
}

func TestCloseAndDelete(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		f := w.follow("websocket", w.target("chat"))
		if got := f.now(); got != "$open,$live" {
			w.Errorf("of nothing: got %q", got)
		}
		w.publish("chat", "1")
		last := w.receipt(w.do("POST", "/channels/chat?close", "2"))
		if got := f.now(); got != "1,2,$closed closed" {
			w.Errorf("closed: got %q", got)
		}
		if p := w.problem(w.do("POST", "/channels/chat", "3"), 409); p.Type != "/problems/closed" {
			w.Errorf("after the close: got %+v", p)
		}
		if again := w.receipt(w.do("POST", "/channels/chat?close", "")); again.Cursor != last.Cursor {
			w.Errorf("closed again: got %+v, want %s", again, last.Cursor)
		}
		head := w.do("HEAD", "/channels/chat", "")
		if head.header.Get("Pabal-Cursor") != last.Cursor || head.header.Get("ETag") == `"`+last.Cursor+`"` {
			w.Errorf("HEAD of a closed channel: got %v", head)
		}
		for range 2 {
			if resp := w.do("DELETE", "/channels/chat", ""); resp.status != 204 {
				w.Errorf("delete: got %v, want 204", resp)
			}
		}
		a := w.poll("/channels/chat?cursor=" + last.Cursor)
		if len(a.notices) != 1 || a.notices[0].Notice != "$reset" || a.notices[0].Reason != "deleted" || a.data() != "" {
			w.Errorf("after the delete: got %v", a.response)
		}
		cursor := w.publish("chat", "new")[0]
		if a := w.poll("/channels/chat"); a.data() != "new" || cursor == last.Cursor {
			w.Errorf("begun anew: got %v", a.response)
		}
		w.status(204, w.poll("/channels/never?cursor="+w.poll("/channels/never").cursor))
	})
}

// Each technique tells its readers of a delete, and goes on.
func TestDeleteIsTold(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		w.publish("chat", "old")
		all := map[string]*follow{}
		for _, via := range []string{"stream", "sse", "multipart", "iframe", "page", "websocket", "longpoll", "jsonp", "raw", "raw-entry"} {
			all[via] = w.follow(via, w.target("chat"))
			if got := all[via].now(); !strings.Contains(got, "old") {
				w.Errorf("%s: got %q", via, got)
			}
		}
		w.do("DELETE", "/channels/chat", "")
		for via, f := range all {
			want := "$reset deleted"
			if via == "page" || strings.HasPrefix(via, "raw") {
				want = "$reset"
			}
			if got := f.now(); got != want {
				w.Errorf("%s: got %q, want %q", via, got, want)
			}
		}
		w.publish("chat", "new")
		for via, f := range all {
			want := "new"
			if strings.HasPrefix(via, "raw") {
				want = "" // closed with 4001
			}
			if got := f.now(); got != want {
				w.Errorf("%s after it: got %q, want %q", via, got, want)
			}
		}
	})
}

func TestHead(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		empty := w.do("HEAD", "/channels/chat", "")
		if empty.status != 200 || empty.body != "" || empty.header.Get("Pabal-Cursor") != w.poll("/channels/chat").cursor || empty.header.Get("Pabal-Readers") != "0" {
			w.Errorf("of nothing: got %v", empty)
		}
		w.follow("sse", w.target("chat")).now()
		w.follow("websocket", w.target("chat")).now()
		cursor := w.publish("chat", "1")[0]
		head := w.do("HEAD", "/channels/chat", "")
		for name, want := range map[string]string{"Pabal-Cursor": cursor, "ETag": `"` + cursor + `"`, "Pabal-Readers": "2", "Cache-Control": "no-store"} {
			if got := head.header.Get(name); got != want {
				w.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	})
}

func TestList(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		for _, name := range []string{"b", "a/2", "a/1", "a", "z", "gone"} {
			w.publish(name, "x")
		}
		w.do("DELETE", "/channels/gone", "")
		w.follow("stream", w.target("only/followed")).now()
		for _, c := range []struct {
			query, want string
			more        bool
		}{
			{"", "a,a/1,a/2,b,z", false},
			{"?prefix=a/", "a/1,a/2", false},
			{"?prefix=none", "", false},
			{"?limit=2", "a,a/1", true},
			{"?limit=2&after=a/1", "a/2,b", true},
			{"?limit=2&after=b", "z", false},
			{"?after=zz", "", false},
			{"?prefix=a&after=a&limit=2", "a/1,a/2", false},
		} {
			resp := w.get("/channels" + c.query)
			var page struct {
				Channels []string
				More     bool
			}
			if err := json.Unmarshal([]byte(resp.body), &page); err != nil || resp.status != 200 || page.Channels == nil {
				w.Errorf("%s: got %v", c.query, resp)
			}
			if got := strings.Join(page.Channels, ","); got != c.want || page.More != c.more {
				w.Errorf("%s: got %q, more %v, want %q, %v", c.query, got, page.More, c.want, c.more)
			}
		}
		w.problem(w.get("/channels?limit=0"), 400)
		w.problem(w.get("/channels?limit=1001"), 400)
		w.problem(w.get("/channels?page=2"), 400)
	})
}
