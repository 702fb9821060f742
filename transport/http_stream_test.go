package transport_test

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"
)

// streams are the techniques whose response goes on.
var streams = []string{"stream", "sse", "multipart", "iframe", "page"}

func (w *world) each(techniques []string, query string, f func(via string, resp *http.Response, body *text)) {
	w.Helper()
	for _, via := range techniques {
		resp := w.open("/channels/chat?via=" + via + query)
		if resp.StatusCode != 200 {
			w.Errorf("%s: got %d", via, resp.StatusCode)
		}
		f(via, resp, readText(resp.Body))
		resp.Body.Close()
	}
}

// Nobody on the way may keep, change or gather a response that goes on.
func TestStreamHeaders(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		w.each(streams, "", func(via string, resp *http.Response, _ *text) {
			for name, want := range map[string]string{
				"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", "Incremental": "?1", "X-Content-Type-Options": "nosniff",
				"Content-Length": "", "Content-Encoding": "",
			} {
				if got := resp.Header.Get(name); got != want {
					w.Errorf("%s: %s is %q, want %q", via, name, got, want)
				}
			}
		})
	})
}

// The head and $open come at once, and a sign of life when nothing else does.
func TestHeartbeats(t *testing.T) {
	beats := map[string]string{"stream": "\n", "sse": ":\n\n", "multipart": "Content-Length: 0\r\n\r\n\r\n--", "iframe": "<!-- -->\n", "page": "<!-- -->\n"}
	bubble(t, &setup{reads: transport.Handler{Heartbeat: 10 * time.Second}}, func(w *world) {
		late := 10*time.Second/16 + 8*time.Millisecond // a loop gathers what is due
		if w.reads.Goroutines {
			late = 0
		}
		w.each(streams, "", func(via string, _ *http.Response, body *text) {
			first, open := body.now()
			if !strings.Contains(first, "$open") || !strings.Contains(first, "$live") || !open {
				w.Errorf("%s: opens with %q", via, first)
			}
			for range 3 {
				const step = 25 * time.Millisecond
				beat, open, waited := "", true, time.Duration(0)
				for ; beat == "" && open && waited < 11*time.Second; waited += step {
					w.sleep(step)
					beat, open = body.now()
				}
				if !strings.HasPrefix(beat, beats[via]) || !open {
					w.Errorf("%s: heartbeat %q, want %q", via, beat, beats[via])
				}
				if waited < 9900*time.Millisecond-late || waited > 10*time.Second+late+step {
					w.Errorf("%s: a heartbeat came %v after what was before", via, waited)
				}
			}
			w.sleep(9 * time.Second)
			w.publish("chat", "news")
			if got, _ := body.now(); !strings.Contains(got, "news") {
				w.Errorf("%s: got %q", via, got)
			}
			w.sleep(9 * time.Second)
			if got, _ := body.now(); got != "" {
				w.Errorf("%s: a heartbeat soon after an entry: %q", via, got)
			}
		})
	})
}

func TestPadding(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		w.each(streams, "&pad=3000", func(via string, _ *http.Response, body *text) {
			if first, _ := body.now(); strings.Index(first, "$open") < 3000 {
				w.Errorf("%s: %d bytes before $open, want 3000", via, strings.Index(first, "$open"))
			}
		})
		w.each([]string{"iframe", "page"}, "", func(via string, _ *http.Response, body *text) {
			if first, _ := body.now(); strings.Index(first, "$open") < 1024 {
				w.Errorf("%s: %d bytes before $open, want 1024", via, strings.Index(first, "$open"))
			}
		})
	})
}

// A response ends after some time, not all at once, and can be resumed.
func TestRotationByTime(t *testing.T) {
	bubble(t, &setup{reads: transport.Handler{RotateAfter: 100 * time.Second, Heartbeat: time.Hour}}, func(w *world) {
		seen := map[time.Duration]bool{}
		for range 8 {
			w.each(streams, "", func(via string, _ *http.Response, body *text) {
				begun := time.Now()
				body.now()
				w.sleep(90*time.Second - time.Millisecond)
				if end, open := body.now(); !open {
					w.Fatalf("%s: ended early, with %q", via, end)
				}
				end := ""
				for line := range body.lines {
					end += line
				}
				lasted := time.Since(begun)
				if seen[lasted] = true; lasted < 90*time.Second || lasted > 110*time.Second {
					w.Errorf("%s: lasted %v, want 100s, give or take a tenth", via, lasted)
				}
				if strings.Contains(end, "$closed") {
					w.Errorf("%s: says that it is closed: %q", via, end)
				}
				if via == "sse" && !regexp.MustCompile(`^retry: \d+\n\n$`).MatchString(end) {
					w.Errorf("sse: ends with %q, want a retry", end)
				}
				if via == "page" && !strings.Contains(end, `http-equiv="refresh"`) {
					w.Errorf("page: ends with %q, want a refresh", end)
				}
			})
		}
		if len(seen) < 30 {
			w.Errorf("40 responses lasted only %d different times", len(seen))
		}
	})
}

// RotateBytes ends a response after about as many, at the end of an entry.
func TestRotationByBytes(t *testing.T) {
	bubble(t, &setup{reads: transport.Handler{RotateBytes: 4000}}, func(w *world) {
		for _, via := range streams {
			channel, place := "rotate/"+via, (*readers.Place)(nil)
			place = readers.NewPlace(channel)
			responses, got := 0, 0
			for got < 40 {
				target := w.target(channel)
				target.Cursors, _ = place.Cursors(false)
				f := w.follow(via, target)
				for ended := false; !ended; ended, _ = f.end() {
					w.publish(channel, strings.Repeat("x", 500))
				}
				if _, err := f.end(); err != nil {
					w.Fatalf("%s: %v", via, err)
				}
				for len(f.items) > 0 {
					fresh, err := place.Take(<-f.items)
					if err != nil {
						w.Fatal(err)
					}
					if fresh {
						got++
					}
				}
				responses++
			}
			if responses < 3 || responses > 16 {
				w.Errorf("%s: %d entries of 500 bytes took %d responses of 4,000", via, got, responses)
			}
		}
	})
}

// The times after which clients come back differ.
func TestRetryIsJittered(t *testing.T) {
	bubble(t, &setup{reads: transport.Handler{Retry: 4 * time.Second}}, func(w *world) {
		seen := map[string]bool{}
		for range 20 {
			w.sleep(time.Millisecond) // chance goes by the clock
			w.each([]string{"sse"}, "", func(_ string, _ *http.Response, body *text) {
				first, _ := body.now()
				found := regexp.MustCompile(`^retry: (\d+)\n`).FindStringSubmatch(first)
				if found == nil {
					w.Fatalf("opens with %q", first)
				}
				if ms, _ := strconv.Atoi(found[1]); ms < 2000 || ms > 6000 {
					w.Errorf("retry: %d", ms)
				}
				seen[found[1]] = true
			})
		}
		if len(seen) < 10 {
			w.Errorf("20 responses had only %d different times", len(seen))
		}
	})
}

// A reader that stops reading is closed after the write timeout, bothers
// nobody meanwhile, and can resume.
func TestSlowReader(t *testing.T) {
	for _, via := range append([]string{"websocket"}, streams...) {
		t.Run(via, func(t *testing.T) {
			bubble(t, &setup{reads: transport.Handler{WriteTimeout: 10 * time.Second, Heartbeat: 4 * time.Second}}, func(w *world) {
				slow := w.target("chat")
				taken := make(chan readers.Item)
				done := make(chan error, 1)
				go func() { // takes one entry for each receive
					for it, err := range readers.Named(via).Read(w.Context(), slow) {
						if err != nil {
							done <- err
							return
						}
						taken <- it
					}
					done <- nil
				}()
				other := w.follow(via, w.target("chat"))
				var have []string
				for it := range taken {
					if have = append(have, it.Cursor); it.Notice == "$live" {
						break
					}
				}
				other.now()
				var cursors []string
				for i := range 20 {
					cursors = append(cursors, w.publish("chat", strconv.Itoa(i)+strings.Repeat(" ", 10_000))...)
					if got := other.now(); !strings.HasPrefix(got, strconv.Itoa(i)+" ") {
						w.Fatalf("the other reader: got %.80q of entry %d", got, i)
					}
				}
				if got := w.hub.Stats().Sessions; got != 2 {
					w.Fatalf("%d sessions, want 2", got)
				}
				w.sleep(11 * time.Second)
				if got := w.hub.Stats().Sessions; got != 1 {
					w.Errorf("%d sessions after the write timeout, want the other's alone", got)
				}
				for err := error(nil); err == nil; {
					select {
					case it := <-taken:
						have = append(have, it.Cursor)
					case err = <-done:
						if err == nil {
							w.Fatal("the slow reader's response ended well")
						}
					}
				}
				slow.Cursors = []string{have[len(have)-1]}
				rest := w.follow(via, slow)
				got := 0
				for synctest.Wait(); len(rest.items) > 0; {
					if it := <-rest.items; it.Notice == "" {
						got++
					}
				}
				if fresh := len(have) - 2; fresh+got != len(cursors) {
					w.Errorf("%d entries before, %d after, want %d together", fresh, got, len(cursors))
				}
			})
		})
	}
}

// When the server stops, readers are told, and newcomers sent elsewhere.
func TestDrain(t *testing.T) {
	bubble(t, &setup{}, func(w *world) {
		at := w.publish("chat", "1")[0]
		all := map[string]*follow{}
		for _, via := range append([]string{"websocket", "raw", "longpoll"}, streams...) {
			target := w.target("chat")
			target.Cursors = []string{at}
			all[via] = w.follow(via, target)
			all[via].now()
		}
		sse := readText(w.open("/channels/chat?via=sse").Body)
		if err := w.reads.Drain(w.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.hub.Stats().Sessions; got != 0 {
			w.Errorf("%d sessions after the drain", got)
		}
		for via, f := range all {
			want := "$closed draining"
			switch via {
			case "page":
				want = "$closed"
			case "raw", "longpoll":
				want = ""
			}
			if got := f.now(); got != want {
				w.Errorf("%s: got %q, want %q", via, got, want)
			}
			ended, err := f.end()
			if via == "websocket" || via == "raw" {
				if err == nil || !strings.Contains(err.Error(), "status = StatusGoingAway and reason = \"draining\"") {
					w.Errorf("%s: ended with %v, want 1001", via, err)
				}
				continue
			}
			if refused, ok := errors.AsType[*readers.StatusError](err); via == "longpoll" && ok && refused.Status == 503 {
				continue // it has come again
			}
			if !ended || err != nil {
				w.Errorf("%s: ended %v with %v", via, ended, err)
			}
		}
		if body, open := sse.now(); open || !regexp.MustCompile(`\$closed(.|\n)*retry: \d+\n\n$`).MatchString(body) {
			w.Errorf("sse: ends with %q, want $closed and a retry", body)
		}
		for _, via := range []string{"poll", "longpoll", "stream", "multipart", "page"} {
			if resp := w.get("/channels/chat?via=" + via); resp.header.Get("Retry-After") == "" {
				w.Errorf("%s: 503 without Retry-After", via)
			} else {
				w.problem(resp, 503)
			}
		}
		w.retries(w.get("/channels/chat?via=sse"))
		w.problem(w.get("/channels/chat", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), 503)
		w.publish("chat", "2") // publishing goes on
	})
}
