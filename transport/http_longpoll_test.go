package transport_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal/transport"
)

func TestLongPollWaits(t *testing.T) {
	for _, c := range []struct {
		query, prefer string
		want          time.Duration
		applied       string
	}{
		{"via=longpoll", "", 25 * time.Second, ""},
		{"via=longpoll&wait=3", "", 3 * time.Second, ""},
		{"wait=3", "", 3 * time.Second, ""},
		{"wait=0", "", 0, ""},
		{"wait=300", "", 30 * time.Second, ""},
		{"", "wait=7", 7 * time.Second, "wait=7"},
		{"", "respond-async, wait=7; foo", 7 * time.Second, "wait=7"},
		{"", "wait=100", 30 * time.Second, "wait=30"},
		{"via=longpoll", "wait=4", 4 * time.Second, "wait=4"},
		{"wait=2", "wait=9", 2 * time.Second, ""},
		{"via=poll", "wait=9", 0, ""},
		{"via=jsonp&callback=f&wait=6", "", 6 * time.Second, ""},
		{"via=jsonp&callback=f", "", 0, ""},
	} {
		t.Run(c.query+" "+c.prefer, func(t *testing.T) {
			bubble(t, &setup{}, func(w *world) {
				var headers []string
				if c.prefer != "" {
					headers = []string{"Prefer: " + c.prefer}
				}
				path := "/channels/chat?since=now&" + c.query
				if strings.Contains(c.query, "via=longpoll") {
					path = "/channels/chat?" + c.query // of nothing, all is as good as now
				}
				begun := time.Now()
				resp := w.get(path, headers...)
				if got := time.Since(begun); got != c.want || resp.status != 200 {
					w.Errorf("got %v after %v, want 200 after %v", resp, got, c.want)
				}
				if got := resp.header.Get("Preference-Applied"); got != c.applied {
					w.Errorf("Preference-Applied: got %q, want %q", got, c.applied)
				}
			})
		})
	}
}

// A long poll answers as soon as there is something, with all there is.
func TestLongPollAnswers(t *testing.T) {
	bubble(t, &setup{reads: transport.Handler{LongPollMax: 20 * time.Second}}, func(w *world) {
		at := w.poll("/channels/chat").cursor
		f := w.follow("longpoll", w.target("chat"))
		for i, text := range []string{"1", "2", "3"} {
			w.sleep(time.Duration(i) * 19 * time.Second)
			w.publish("chat", text)
			if got := f.now(); got != text {
				w.Errorf("got %q, want %q", got, text)
			}
		}
		begun := time.Now()
		a := w.answered(w.get("/channels/chat?via=longpoll&cursor=" + at))
		if a.data() != "1,2,3" || !begun.Equal(time.Now()) {
			w.Errorf("behind: got %v", a.response)
		}
		w.status(204, w.answered(w.get("/channels/chat?via=longpoll&cursor="+a.cursor)))
		if got := time.Since(begun); got != 20*time.Second {
			w.Errorf("waited %v, want the longest, 20s", got)
		}
		w.status(304, w.answered(w.get("/channels/chat?via=longpoll&cursor="+a.cursor, `If-None-Match: "`+a.cursor+`"`)))
		if got := time.Since(begun); got != 40*time.Second {
			w.Errorf("waited %v, want twice the longest", got)
		}
		f.stop()
		if ended, _ := f.end(); !ended {
			w.Error("a reader that left is still there")
		}
		if got := w.hub.Stats().Sessions; got != 0 {
			w.Errorf("%d sessions are open after all readers left", got)
		}
	})
}

// Who waits is told of what happens meanwhile: closed, deleted, draining.
func TestLongPollHearsOfTheEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world)
		want string
	}{
		{"closed", func(w *world) { w.do("POST", "/channels/chat?close", "") }, "$closed closed"},
		{"deleted", func(w *world) { w.do("DELETE", "/channels/chat", "") }, "$reset deleted"},
		{"nothing", func(w *world) { _ = w.reads.Drain(w.Context()) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, &setup{}, func(w *world) {
				at := w.publish("chat", "1")[0]
				got := make(chan *answer)
				go func() { got <- w.answered(w.get("/channels/chat?via=longpoll&cursor=" + at)) }()
				synctest.Wait()
				begun := time.Now()
				c.do(w)
				a := <-got
				var all []string
				if a.status == 200 {
					all = append(all, a.entries...)
					for _, n := range a.notices {
						all = append(all, n.Notice+" "+n.Reason)
					}
				}
				if text := strings.Join(all, ","); text != c.want || !begun.Equal(time.Now()) {
					w.Errorf("got %q after %v, want %q at once", text, time.Since(begun), c.want)
				}
			})
		})
	}
}
