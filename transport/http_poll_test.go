package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/readers"
)

func (w *world) status(want int, a *answer) *answer {
	w.Helper()
	if a.status != want {
		w.Errorf("got %v, want %d", a.response, want)
	}
	return a
}

func TestPollAnswers(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		empty := w.status(200, w.poll("/channels/chat"))
		if want := `{"entries":[],"notices":[],"cursor":"` + empty.cursor + `","before":"` + empty.cursor + `"}` + "\n"; empty.body != want {
			w.Errorf("an unwritten channel: got %q, want %q", empty.body, want)
		}
		for _, via := range []string{"poll", "longpoll&wait=1"} {
			path := "/channels/chat?via=" + via + "&cursor=" + empty.cursor
			none := w.status(204, w.answered(w.get(path)))
			tag := none.header.Get("ETag")
			if none.cursor != empty.cursor || tag != `"`+empty.cursor+`"` || none.header.Get("Cache-Control") != "no-store" {
				w.Errorf("204: got %v", none.header)
			}
			same := w.status(304, w.answered(w.get(path, "If-None-Match: "+tag)))
			if same.cursor != empty.cursor || same.header.Get("ETag") != tag {
				w.Errorf("304: got %v", same.header)
			}
			for _, other := range []string{`"x"`, `"` + empty.cursor, empty.cursor} {
				w.status(204, w.answered(w.get(path, "If-None-Match: "+other)))
			}
			for _, list := range []string{`"x", ` + tag, "W/" + tag} {
				w.status(304, w.answered(w.get(path, "If-None-Match: "+list)))
			}
		}
		cursors := w.publish("chat", "1", "2", "3")
		a := w.status(200, w.poll("/channels/chat?cursor="+empty.cursor, `If-None-Match: "`+empty.cursor+`"`))
		if a.data() != "1,2,3" || a.cursor != cursors[2] || strings.Join(a.cursors, ",") != strings.Join(cursors, ",") {
			w.Errorf("moved: got %v", a.response)
		}
		tag := a.header.Get("ETag")
		w.status(304, w.poll("/channels/chat?cursor="+empty.cursor, "If-None-Match: "+tag))
		w.status(304, w.poll("/channels/chat", "If-None-Match: "+tag))
		w.status(200, w.poll("/channels/chat?cursor="+cursors[0], "If-None-Match: "+tag))
		w.status(200, w.poll("/channels/chat?only=latest", "If-None-Match: "+tag))
		w.publish("chat", "4")
		w.status(200, w.poll("/channels/chat?cursor="+empty.cursor, "If-None-Match: "+tag))
		first := w.poll("/channels/chat?limit=2")
		if first.data() != "1,2" || !first.more || first.cursor != cursors[1] {
			w.Errorf("limit: got %v", first.response)
		}
		if rest := w.poll("/channels/chat?limit=2&cursor=" + first.cursor); rest.data() != "3,4" || rest.more {
			w.Errorf("the rest: got %v", rest.response)
		}
	})
}

func TestPollOfSeveralChannels(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		both := "/channels?channel=a&channel=b/c"
		start := w.status(200, w.poll(both))
		own := w.publish("b/c", "b1")
		a := w.poll(both + "&cursor=" + start.cursor)
		if a.data() != "b1" || a.cursors[0] != own[0] || a.cursor == start.cursor {
			w.Errorf("got %v", a.response)
		}
		w.status(204, w.poll(both+"&cursor="+a.cursor))
		w.status(304, w.poll(both+"&cursor="+a.cursor, `If-None-Match: "`+a.cursor+`"`))
		if a := w.poll("/channels?channel=b/c&channel=a&cursor=" + start.cursor); a.data() != "b1" {
			w.Errorf("in another order: got %v", a.response)
		}
		one := w.publish("a", "a1")
		if a := w.poll(both + "&cursor=" + one[0] + "&cursor=" + own[0]); a.status != 204 || a.cursor == "" {
			w.Errorf("a cursor each: got %v", a.response)
		}
		if a := w.poll("/channels/a?cursor=" + a.cursor); a.data() != "a1" {
			w.Errorf("a vector where one is read: got %v", a.response)
		}
	})
}

// A full page says so, and is the same for ever.
func TestCaching(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		at := w.poll("/channels/chat").cursor
		cursors := w.publish("chat", "1", "2", "3")
		w.do("POST", "/channels/shut?close", "end")
		shut := w.poll("/channels/shut?limit=1").cursor
		for _, c := range []struct{ path, headers, want, vary string }{
			{"/channels/chat?via=poll&cursor=" + at, "", "public, max-age=5", ""},
			{"/channels/chat?via=longpoll&cursor=" + at, "", "public, max-age=5", ""},
			{"/channels/chat?via=jsonp&callback=f&cursor=" + at, "", "public, max-age=5", ""},
			{"/channels/chat?via=poll&limit=2&cursor=" + at, "", "public, max-age=3600", ""},
			{"/channels/chat?via=poll&limit=3&cursor=" + at, "", "public, max-age=5", ""},
			{"/channels/chat?cursor=" + at, "", "no-store", "Accept, Prefer"},
			{"/channels/chat?wait=1&cursor=" + at, "", "no-store", "Accept, Prefer"},
			{"/channels/chat?via=poll", "", "no-store", ""},
			{"/channels/chat?via=poll&since=all", "", "no-store", ""},
			{"/channels/chat?via=poll&since=1h", "", "no-store", ""},
			{"/channels/chat?via=poll", "Last-Event-ID: " + at, "no-store", ""},
			{"/channels/chat?via=poll&cursor=" + cursors[2], "", "no-store", ""},
			{"/channels/chat?via=poll&cursor=1-1", "", "no-store", ""},
			{"/channels/shut?via=poll&cursor=" + shut, "", "no-store", ""},
			{"/channels/chat?via=poll&cursor=" + at, "Authorization: Bearer x", "private, no-store", ""},
			{"/channels/chat?via=poll&cursor=" + at, "Cookie: a=b", "private, no-store", ""},
			{"/channels/chat?via=stream&cursor=" + at, "", "no-store, no-transform", ""},
			{"/channels/chat?via=sse", "", "no-store, no-transform", ""},
		} {
			var headers []string
			if c.headers != "" {
				headers = []string{c.headers}
			}
			resp := w.open(c.path, headers...)
			if got := resp.Header.Get("Cache-Control"); got != c.want || resp.Header.Get("Vary") != c.vary {
				w.Errorf("%s %s: got %d %q, Vary %q, want %q, Vary %q", c.path, c.headers, resp.StatusCode, got, resp.Header.Get("Vary"), c.want, c.vary)
			}
			resp.Body.Close()
		}
	})
}

// At a closed end nothing waits.
func TestClosedEnd(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		w.publish("chat", "1")
		w.do("POST", "/channels/chat?close", "")
		at := w.poll("/channels/chat").cursor
		begun := time.Now()
		for _, via := range []string{"poll", "longpoll", "jsonp", "stream", "sse", "multipart", "iframe", "page"} {
			resp := w.get("/channels/chat?via=" + via)
			if !strings.Contains(resp.body, "$closed") || resp.status != 200 {
				w.Errorf("%s: got %v", via, resp)
			}
			resp = w.get("/channels/chat?via="+via+"&cursor="+at, `If-None-Match: "`+at+`"`)
			if via == "sse" {
				if resp.status != 204 || resp.body != "" {
					w.Errorf("sse at the end: got %v, want 204", resp)
				}
				continue
			}
			if resp.status != 200 || !strings.Contains(resp.body, "$closed") {
				w.Errorf("%s at the end: got %v", via, resp)
			}
		}
		if resp := w.get("/channels/chat", "Accept: text/event-stream", "Last-Event-ID: "+at); resp.status != 204 {
			w.Errorf("a native EventSource at the end: got %v, want 204", resp)
		}
		open := w.poll("/channels?channel=chat&channel=open").cursor
		resp := w.open("/channels?via=sse&channel=chat&channel=open&cursor=" + url.QueryEscape(open))
		if resp.StatusCode != 200 {
			w.Errorf("one of two closed: got %d, want 200", resp.StatusCode)
		}
		for _, via := range []string{"websocket", "raw", "raw-entry"} {
			target := w.target("chat")
			target.Cursors = []string{at}
			f := w.follow(via, target)
			if got := f.now(); !strings.HasSuffix(got, "$closed closed") {
				w.Errorf("%s: got %q", via, got)
			}
			f.stop()
		}
		if got := time.Since(begun); got != 0 {
			w.Errorf("it took %v", got)
		}
		w.publish("open", "still")
	})
}

// Answers are bounded in bytes too.
func TestAnswerBytes(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		big := strings.Repeat("x", 300_000)
		w.publish("chat", big, big, big, big, big, big)
		at := ""
		var sizes []string
		for range 10 {
			a := w.poll("/channels/chat?limit=1000" + at)
			sizes = append(sizes, fmt.Sprint(len(a.entries)))
			at = "&cursor=" + a.cursor
			if !a.more {
				break
			}
		}
		if got := strings.Join(sizes, " "); got != "3 3" {
			w.Errorf("answers of %s entries of 300 kB, want at most 1 MiB each", got)
		}
	})
}

// A reader that goes away gives everything back at once.
func TestReadersLeave(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		for _, by := range readers.All {
			f := w.follow(by.Name, w.target("chat"))
			f.now()
			if by.Name != "poll" && w.hub.Stats().Sessions != 1 {
				w.Errorf("%s: %d sessions, want 1", by.Name, w.hub.Stats().Sessions)
			}
			f.stop()
			w.sleep(time.Second)
			if got := w.hub.Stats().Sessions; got != 0 {
				w.Errorf("%s: %d sessions after the reader left", by.Name, got)
			}
		}
	})
	bubble(t, &setup{limits: pabal.Limits{Sessions: 1}}, func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		r := newRequest(w, ctx, "GET", "http://pabal.test/channels/chat?via=longpoll", "")
		done := make(chan error)
		go func() {
			_, err := w.client.Do(r)
			done <- err
		}()
		synctest.Wait()
		if resp := w.get("/channels/chat"); resp.status != http.StatusServiceUnavailable {
			w.Errorf("got %v, want 503", resp)
		}
		cancel()
		if <-done == nil {
			w.Error("the poll was answered")
		}
		synctest.Wait()
		w.status(200, w.poll("/channels/chat"))
	})
}
