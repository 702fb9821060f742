package transport_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"
)

// numbers returns "from", …, "to".
func numbers(from, to int) (all []string) {
	for n := from; n <= to; n++ {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

// A chat begins with the last few entries, and goes on from there both ways.
func TestLoadOlder(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		cursors := w.publish("chat", numbers(1, 10)...)
		begun := w.poll("/channels/chat?since=3")
		if begun.data() != "8,9,10" || begun.before != cursors[6] || begun.cursor != cursors[9] {
			w.Fatalf("the beginning: got %v", begun.response)
		}
		w.publish("chat", "11")
		if newer := w.poll("/channels/chat?cursor=" + begun.cursor); newer.data() != "11" || newer.before != "" {
			w.Errorf("newer: got %v", newer.response)
		}
		page := begun
		for _, want := range []string{"5,6,7 more", "2,3,4 more", "1", ""} {
			asked := page.before
			page = w.status(200, w.poll("/channels/chat?limit=3&before="+asked))
			if got := page.data() + map[bool]string{true: " more"}[page.more]; got != want || page.cursor != asked || len(page.notices) > 0 {
				w.Errorf("before %s: got %v, want %s", asked, page.response, want)
			}
			if page.header.Get("Retry-After") != "" {
				w.Error("a page of the past says when to come back")
			}
			if next := w.poll("/channels/chat?limit=1&cursor=" + page.cursor); next.data() != strconv.Itoa(11-len(cursorsAfter(cursors, asked))) {
				w.Errorf("forward from %s: got %v", page.cursor, next.response)
			}
		}
		if page.before != page.cursor {
			w.Errorf("at the oldest entry: before %s, want %s", page.before, page.cursor)
		}
		end := w.do("HEAD", "/channels/chat", "").header.Get("Pabal-Cursor")
		if newest := w.poll("/channels/chat?limit=2&before=" + end); newest.data() != "10,11" || !newest.more {
			w.Errorf("before the end: got %v", newest.response)
		}
		for _, begin := range []string{"since=10m", "since=now", "since=2", "since=" + time.Now().Format("2006-01-02T15:04:05-07:00")} {
			a := w.poll("/channels/chat?limit=4&" + begin)
			f := w.open("/channels/chat?via=stream&" + begin)
			line, _ := readText(f.Body).now()
			f.Body.Close()
			if a.before == "" || !strings.Contains(line, `"$open","channel":"chat","cursor":"`+a.before+`"`) {
				w.Errorf("%s: an answer begins at %q, a stream with %s", begin, a.before, line)
			}
		}
		if empty := w.status(200, w.poll("/channels/never?before="+w.poll("/channels/never").before)); empty.body != `{"entries":[],"notices":[],"cursor":"`+empty.cursor+`","before":"`+empty.cursor+`"}`+"\n" {
			w.Errorf("an unwritten channel: got %v", empty.response)
		}
	})
}

// cursorsAfter returns those of cursors that come after at, which is one of
// them or before the first.
func cursorsAfter(cursors []string, at string) []string {
	for i, c := range cursors {
		if c == at {
			return cursors[i+1:]
		}
	}
	return cursors
}

// Whatever a page is bounded by, all pages together are the log.
func TestPagesBackward(t *testing.T) {
	for _, limits := range []pabal.Limits{{}, {WindowEntries: 2}, {BatchBytes: 500, MessageBytes: 400}} {
		bubble(t, &setup{limits: limits}, func(w *world) {
			var want []string
			for i := range 12 {
				want = append(want, fmt.Sprintf("%d%s", i, strings.Repeat("x", i*i*3)))
			}
			cursors := w.publish("chat", want[:8]...)
			for _, text := range want[8:] {
				cursors = append(cursors, w.publish("chat", text)...)
			}
			w.do("POST", "/channels/chat?close", "")
			for limit := 1; limit <= 13; limit++ {
				var got []string
				page := &answer{before: cursors[11], more: true}
				for page.more {
					page = w.poll(fmt.Sprintf("/channels/chat?limit=%d&before=%s", limit, page.before))
					size := len(page.data())
					if len(page.notices) > 0 || len(page.entries) == 0 || len(page.entries) > limit || len(page.entries) > 1 && limits.BatchBytes > 0 && size > 500 {
						w.Fatalf("limit %d: got %v", limit, page.response)
					}
					if limits.BatchBytes == 0 && page.more && len(page.entries) < limit {
						w.Errorf("limit %d: got %d entries and more", limit, len(page.entries))
					}
					got = append(page.entries, got...)
				}
				if strings.Join(got, ",") != strings.Join(want, ",") {
					w.Errorf("limit %d: got %q", limit, got)
				}
			}
		})
	}
}

// given is a list of header, if there is one.
func given(header string) []string {
	if header == "" {
		return nil
	}
	return []string{header}
}

func TestBeforeIsRefused(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		at := w.publish("chat", "1")[0]
		vector := w.poll("/channels?channel=chat&channel=b").cursor
		for _, c := range []struct{ target, header, says string }{
			{"chat?before=", "", "not one that this server gives out"},
			{"chat?before=x", "", "not one that this server gives out"},
			{"chat?before=0" + at, "", "not one that this server gives out"},
			{"chat?before=" + vector, "", "of several"},
			{"chat?before=" + at + "&before=" + at, "", "2 times"},
			{"chat?cursor=" + at + "&before=" + at, "", "leave out ?cursor="},
			{"chat?since=all&before=" + at, "", "leave out ?cursor="},
			{"chat?before=" + at, "Last-Event-ID: " + at, "leave out ?cursor="},
			{"chat?wait=1&before=" + at, "", "leave out ?wait="},
			{"chat?via=jsonp&wait=0&before=" + at, "", ""},
			{"chat?via=longpoll&before=" + at, "", "for poll and jsonp"},
			{"chat?via=stream&before=" + at, "", "for poll and jsonp"},
			{"chat?before=" + at, "Accept: text/event-stream", "for poll and jsonp"},
			{"?channel=chat&channel=b&before=" + at, "", "for one channel"},
			{"chat?every=1s&before=" + at, "", "every"},
			{"chat?limit=0&before=" + at, "", "limit"},
		} {
			resp := w.get(strings.TrimSuffix("/channels/"+c.target, "/"), given(c.header)...)
			if strings.HasPrefix(c.target, "?") {
				resp = w.get("/channels"+c.target, given(c.header)...)
			}
			if strings.Contains(c.target, "jsonp") {
				if p := w.called(resp, "/**/pabal(", ");\n"); p.Status != 400 {
					w.Errorf("%s: got %+v", c.target, p)
				}
				continue
			}
			if p := w.problem(resp, 400); !strings.Contains(p.Detail, c.says) {
				w.Errorf("%s: got %q, want something about %q", c.target, p.Detail, c.says)
			}
		}
		// What is only a wish is not held against the client.
		w.status(200, w.answered(w.get("/channels/chat?before="+at, "Prefer: wait=20")))
		w.status(200, w.answered(w.get("/channels?channel=chat&before="+at)))
	})
}

func TestCachingThePast(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		first := w.poll("/channels/chat").cursor
		cursors := w.publish("chat", "1", "2", "3")
		at := "before=" + cursors[2]
		for _, c := range []struct{ query, header, want, vary string }{
			{"via=poll&limit=2&" + at, "", "public, max-age=3600", ""},
			{"via=jsonp&limit=2&" + at, "", "public, max-age=3600", ""},
			{"via=poll&limit=3&" + at, "", "public, max-age=5", ""},
			{"via=poll&" + at, "", "public, max-age=5", ""},
			{"via=poll&only=latest&" + at, "", "no-store", ""},
			{"via=poll&before=" + first, "", "no-store", ""},
			{"via=poll&before=1-1", "", "no-store", ""},
			{"limit=2&" + at, "", "no-store", "Accept, Prefer"},
			{"via=poll&limit=2&" + at, "Authorization: Bearer x", "private, no-store", ""},
		} {
			resp := w.get("/channels/chat?"+c.query, given(c.header)...)
			if got := resp.header.Get("Cache-Control"); resp.status != 200 || got != c.want || resp.header.Get("Vary") != c.vary {
				w.Errorf("%s %s: got %v, Vary %q, want %q, Vary %q", c.query, c.header, resp, resp.header.Get("Vary"), c.want, c.vary)
			}
		}
		for _, query := range []string{"limit=2&" + at, at, "only=latest&" + at, "before=" + first} {
			path := "/channels/chat?" + query
			page := w.poll(path)
			w.publish("chat", "newer")
			if again := w.poll(path); again.body != page.body && !strings.Contains(query, "latest") {
				w.Errorf("%s: got %v, want %v", query, again.response, page.response)
			}
			if tag := page.header.Get("ETag"); len(page.notices) == 0 {
				same := w.status(304, w.poll(path, "If-None-Match: "+tag))
				if same.cursor != page.cursor || same.header.Get("ETag") != tag || same.header.Get("Cache-Control") != page.header.Get("Cache-Control") {
					w.Errorf("%s: 304 with %v, 200 with %v", query, same.header, page.header)
				}
				w.status(200, w.poll(path, `If-None-Match: "x"`))
			}
		}
		w.status(200, w.poll("/channels/chat?limit=1&"+at, "If-None-Match: "+w.poll("/channels/chat?limit=2&"+at).header.Get("ETag")))
	})
}

// Who asks from where the log is not is told, never met with silence.
func TestBeforeWhatIsNotThere(t *testing.T) {
	bubble(t, &setup{memory: memory.Config{Retention: func(pabal.Channel) pabal.Retention { return pabal.Retention{Entries: 4} }}}, func(w *world) {
		first := w.poll("/channels/chat").cursor
		cursors := w.publish("chat", numbers(1, 6)...)
		end := cursors[5]
		ahead := end[:len(end)-1] + "99"
		check := func(what, at, data, cursor string, notice *readers.Item) {
			w.Helper()
			a := w.status(200, w.poll("/channels/chat?before="+at))
			if a.data() != data || a.cursor != cursor || a.more {
				w.Errorf("%s: got %v, want %q and the cursor %s", what, a.response, data, cursor)
			}
			if notice == nil {
				if len(a.notices) > 0 {
					w.Errorf("%s: got the notices %v", what, a.notices)
				}
				return
			}
			notice.Channel, notice.Cursor, notice.From, notice.To = "chat", cursor, at, cursor
			if len(a.notices) != 1 || fmt.Sprint(a.notices[0]) != fmt.Sprint(*notice) {
				w.Errorf("%s: got the notices %v, want %v", what, a.notices, *notice)
			}
		}
		reset := func(why pabal.Reason) *readers.Item {
			return &readers.Item{Notice: "$reset", Detail: readers.Detail{Reason: string(why)}}
		}
		check("the end", end, "3,4,5,6", end, nil)
		check("what is trimmed", cursors[0], "", cursors[0], nil)
		check("what was there before", first, "", first, nil)
		check("the first kept", cursors[1], "", cursors[1], nil)
		check("another store", "zzz-5", "3,4,5,6", end, reset(pabal.Unknown))
		check("after the end", ahead, "3,4,5,6", end, reset(pabal.Ahead))
		w.do("DELETE", "/channels/chat", "")
		floor := w.do("HEAD", "/channels/chat", "").header.Get("Pabal-Cursor")
		w.publish("chat", "7")
		check("what is deleted", cursors[3], "", floor, reset(pabal.Deleted))
		if forward := w.poll("/channels/chat?cursor=" + floor); forward.data() != "7" || len(forward.notices) > 0 {
			w.Errorf("forward from there: got %v", forward.response)
		}
	})
}

// Entries that a store came back without are missed by whoever stood after
// them, backwards too.
func TestBeforeWhatWasLost(t *testing.T) {
	broker := memory.New(memory.Config{})
	put := func(b *memory.Broker, text string) string {
		done, err := b.Append(t.Context(), "chat", pabal.Publish{Messages: []pabal.Message{{Data: []byte(text)}}})
		if err != nil {
			t.Fatal(err)
		}
		return done.End.String()
	}
	var at []string
	for _, text := range numbers(1, 4) {
		at = append(at, put(broker, text))
	}
	again := broker.Reopen(func(pabal.Channel) int { return 2 })
	defer again.Close()
	put(again, "new")
	hub := pabal.NewHub(again, pabal.Limits{})
	defer hub.Close()
	reads := &transport.Handler{Hub: hub, Log: slog.New(slog.DiscardHandler)}
	get := func(before string) string {
		w := httptest.NewRecorder()
		reads.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/channels/chat?via=poll&before="+before, nil))
		return w.Body.String()
	}
	for i, before := range at {
		body := get(before)
		told := strings.Contains(body, `"$reset","channel":"chat","cursor":"`+at[1]+`","from":"`+before+`","to":"`+at[1]+`","reason":"lost"`)
		if strings.Contains(body, "$reset") != told || told != (i > 1) || !strings.Contains(body, `"data":"1"`) || strings.Contains(body, `"data":"2"`) != (i > 0) || strings.Contains(body, "new") {
			t.Errorf("before entry %d: got %s", i+1, body)
		}
	}
}

// Of the latest of each key, those that lie before a position.
func TestLatestBefore(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		var at string
		for _, m := range []string{"a:1", "b:2", "a:3", "c:4", "d:5", "d:6"} {
			key, text, _ := strings.Cut(m, ":")
			at = w.do("POST", "/channels/chat?key="+key, text).header.Get("Pabal-Cursor")
		}
		var pages []string
		for before, more := at, true; more; {
			a := w.poll("/channels/chat?only=latest&limit=2&before=" + before)
			pages = append(pages, a.data())
			before, more = a.before, a.more
		}
		if got := strings.Join(pages, " "); got != "4,6 2,3" {
			w.Errorf("got the pages %s, want 4,6 2,3", got)
		}
		path := "/channels/chat?only=latest&before=" + at
		page := w.poll(path)
		w.do("POST", "/channels/chat?key=a", "7") // 3 goes from the middle
		if again := w.poll(path, "If-None-Match: "+page.header.Get("ETag")); again.status != 200 || again.data() != "2,4,6" {
			w.Errorf("after a newer value: got %v", again.response)
		}
	})
}
