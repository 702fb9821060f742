package transport_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

// What retention dropped is said, with where it goes on.
func TestGaps(t *testing.T) {
	keep := memory.Config{Retention: func(pabal.Channel) pabal.Retention { return pabal.Retention{Entries: 3} }}
	bubble(t, &setup{memory: keep}, func(w *world) {
		cursors := w.publish("chat", "1", "2", "3", "4", "5", "6")
		a := w.poll("/channels/chat?cursor=" + cursors[0])
		if len(a.notices) != 1 || a.data() != "4,5,6" {
			w.Fatalf("got %v", a.response)
		}
		n := a.notices[0]
		if n.Notice != "$gap" || n.Reason != "trimmed" || n.From != cursors[0] || n.To != cursors[2] || n.Cursor != cursors[2] {
			w.Errorf("got %+v", n)
		}
		for _, via := range []string{"stream", "sse", "multipart", "iframe", "websocket", "longpoll", "jsonp"} {
			target := w.target("chat")
			target.Cursors = []string{cursors[0]}
			got := w.follow(via, target).now()
			if got = strings.TrimSuffix(strings.TrimPrefix(got, "$open,"), ",$live"); got != "$gap trimmed,4,5,6" {
				w.Errorf("%s: got %q", via, got)
			}
		}
		for _, via := range []string{"raw", "raw-entry"} {
			target := w.target("chat")
			target.Cursors = []string{cursors[0]}
			f := w.follow(via, target)
			f.now0(w, via, "$gap", cursors[2])
		}
	})
}

// now0 tests that a raw WebSocket was closed with where to go on.
func (f *follow) now0(w *world, via, notice, cursor string) {
	w.Helper()
	synctest.Wait()
	select {
	case it := <-f.items:
		if it.Notice != notice || it.Cursor != cursor {
			w.Errorf("%s: got %+v, want %s at %s", via, it, notice, cursor)
		}
	default:
		w.Errorf("%s: nothing came", via)
	}
}

// Of each key only the latest is read, and not more often than wanted.
func TestLatestAndEvery(t *testing.T) {
	keep := memory.Config{Retention: func(pabal.Channel) pabal.Retention { return pabal.Retention{Latest: true} }}
	bubble(t, &setup{memory: keep}, func(w *world) {
		put := func(key string, n int) { w.do("POST", fmt.Sprintf("/channels/chat?key=%s", key), key+strconv.Itoa(n)) }
		for n := range 3 {
			put("a", n)
			put("b", n)
		}
		if a := w.poll("/channels/chat?only=latest"); a.data() != "a2,b2" {
			w.Errorf("latest: got %v", a.response)
		}
		target := w.target("chat")
		target.Since = "now"
		target.Query = map[string][]string{"every": {"10s"}, "only": {"latest"}}
		f := w.follow("stream", target)
		f.now()
		w.sleep(10 * time.Second)
		put("a", 3)
		first := f.now()
		for n := range 5 {
			put("a", 10+n)
			put("b", 10+n)
		}
		if got := f.now(); first+got != "a3" {
			w.Errorf("within 10s: got %q and %q", first, got)
		}
		w.sleep(10 * time.Second)
		if got := f.now(); got != "$skipped,a14,b14" {
			w.Errorf("after 10s: got %q", got)
		}
	})
}

// Who wants to read only now and then is given what there is at once.
func TestEveryBeginsAtOnce(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		w.publish("chat", "1")
		for _, via := range append([]string{"websocket"}, streams...) {
			target := w.target("chat")
			target.Query = map[string][]string{"every": {"10s"}}
			f := w.follow(via, target)
			if got := f.now(); got != "$open,1,$live" {
				w.Errorf("%s: at once: got %q", via, got)
			}
			f.stop()
		}
	})
}
