package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal/internal/readers"
)

// bubble runs f over a world in a bubble of testing/synctest, whose clock
// moves only when everything waits: once with loops, once with goroutines.
func bubble(t *testing.T, s *setup, f func(w *world)) {
	t.Helper()
	pumps(t, s, func(t *testing.T, s *setup) {
		synctest.Test(t, func(t *testing.T) { f(newWorld(t, s)) })
	})
}

// sleep lets d pass, and all that follows from it happen.
func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// An answer is what a poll got.
type answer struct {
	*response
	entries []string // their data
	cursors []string
	notices []readers.Item
	cursor  string
	before  string
	more    bool
}

// answered parses resp, which answers a poll.
func (w *world) answered(resp *response) *answer {
	w.Helper()
	a := &answer{response: resp, cursor: resp.header.Get("Pabal-Cursor")}
	if resp.status == http.StatusNoContent || resp.status == http.StatusNotModified {
		if resp.body != "" {
			w.Errorf("status %d has a body: %q", resp.status, resp.body)
		}
		return a
	}
	var parsed struct {
		Entries []struct {
			Cursor string
			Data   any
		}
		Notices []struct {
			Notice, Channel, Cursor, From, To, Reason string
			Count                                     int
		}
		Cursor, Before string
		More           bool
	}
	if err := json.Unmarshal([]byte(resp.body), &parsed); err != nil || resp.status != 200 {
		w.Fatalf("got %v, want an answer", resp)
	}
	for _, e := range parsed.Entries {
		text, _ := e.Data.(string)
		a.entries, a.cursors = append(a.entries, text), append(a.cursors, e.Cursor)
	}
	for _, n := range parsed.Notices {
		a.notices = append(a.notices, readers.Item{Notice: n.Notice, Channel: n.Channel, Cursor: n.Cursor, Detail: readers.Detail{From: n.From, To: n.To, Reason: n.Reason, Count: n.Count}})
	}
	if a.cursor != parsed.Cursor {
		w.Errorf("Pabal-Cursor is %s, the body says %s", a.cursor, parsed.Cursor)
	}
	a.before, a.more = parsed.Before, parsed.More
	return a
}

// poll polls path, to which via=poll is added.
func (w *world) poll(path string, headers ...string) *answer {
	w.Helper()
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return w.answered(w.get(path+sep+"via=poll", headers...))
}

func (a *answer) data() string { return strings.Join(a.entries, ",") }

// A follow reads a response that goes on, in a goroutine, so that a test can
// look at what has come so far.
type follow struct {
	items chan readers.Item
	ended chan error
	stop  context.CancelFunc
}

func (w *world) follow(by string, t *readers.Target) *follow {
	ctx, cancel := context.WithCancel(w.Context())
	f := &follow{make(chan readers.Item, 10_000), make(chan error, 1), cancel}
	go func() {
		f.ended <- func(all iter.Seq2[readers.Item, error]) error {
			for it, err := range all {
				if err != nil {
					return err
				}
				f.items <- it
			}
			return nil
		}(readers.Named(by).Read(ctx, t))
	}()
	w.Cleanup(cancel)
	return f
}

// now returns what has come since the last time: "data" and "$notice".
func (f *follow) now() string {
	synctest.Wait()
	var got []string
	for {
		select {
		case it := <-f.items:
			switch {
			case it.Notice == readers.At:
			case it.Notice != "" && it.Reason != "":
				got = append(got, it.Notice+" "+it.Reason)
			case it.Notice != "":
				got = append(got, it.Notice)
			default:
				got = append(got, string(it.Data))
			}
		default:
			return strings.Join(got, ",")
		}
	}
}

// end returns how f ended, or "goes on".
func (f *follow) end() (ended bool, err error) {
	synctest.Wait()
	select {
	case err := <-f.ended:
		f.ended <- err
		return true, err
	default:
		return false, nil
	}
}

// text reads a body in the background.
type text struct{ lines chan string }

func readText(body io.Reader) *text {
	t := &text{make(chan string, 10_000)}
	go func() {
		defer close(t.lines)
		in := bufio.NewReader(body)
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				t.lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	return t
}

// now returns what has come since the last time, and whether more may come.
func (t *text) now() (all string, open bool) {
	synctest.Wait()
	for {
		select {
		case line, ok := <-t.lines:
			if !ok {
				return all, false
			}
			all += line
		default:
			return all, true
		}
	}
}
