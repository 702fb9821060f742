package api_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
)

// nobody is woken.
type nobody struct{}

func (nobody) Wake(*pabal.Tail) {}

func TestHead(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	head := func(what, tagEnd, readers string) {
		t.Helper()
		resp := w.do(http.MethodHead, "/channels/chat", "")
		h, end := resp.Header(), w.end()
		if resp.Code != 200 || h.Get("Pabal-Cursor") != end || h.Get("ETag") != `"`+end+tagEnd+`"` ||
			h.Get("Pabal-Readers") != readers || h.Get("Cache-Control") != "no-store" || resp.Body.Len() > 0 {
			t.Errorf("%s: got %d %v, want the end %s%s and %s readers", what, resp.Code, h, end, tagEnd, readers)
		}
	}
	head("a channel that was never written", "", "0")
	w.do(http.MethodPost, "/channels/chat", "a")
	head("one message", "", "0")
	s, err := w.hub.Open(pabal.Grant{}, nobody{}, pabal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Subscribe("chat", pabal.FromNow()); err != nil {
		t.Fatal(err)
	}
	head("a reader", "", "1")
	w.do(http.MethodPost, "/channels/chat?close", "")
	head("closed", ".closed", "1")
	w.refused("a parameter", w.do(http.MethodHead, "/channels/chat?since=all", ""), 400, "it has none")
}

func TestDelete(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	w.do(http.MethodPost, "/channels/chat?close", "a")
	before := w.end()
	for range 2 { // it does not matter whether there is one
		if resp := w.do(http.MethodDelete, "/channels/chat", ""); resp.Code != http.StatusNoContent || resp.Body.Len() > 0 {
			t.Fatalf("got %d %s, want 204", resp.Code, resp.Body)
		}
	}
	if got := w.kept(); len(got) > 0 || w.end() == before {
		t.Errorf("after a deletion there is %q, and the end is %s as before", got, w.end())
	}
	if resp := w.do(http.MethodPost, "/channels/chat", "b"); resp.Code != 200 {
		t.Errorf("a publish to a channel that was closed and deleted: got %d %s", resp.Code, resp.Body)
	}
	w.refused("one of Pabal's own", w.do(http.MethodDelete, "/channels/$host", ""), 403, "Pabal's own")
	w.refused("a parameter", w.do(http.MethodDelete, "/channels/chat?all", ""), 400, "it has none")
	if got := w.kept(); len(got) != 1 {
		t.Errorf("after deletions that were refused there is %q, want one message", got)
	}
}

func TestList(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	for _, ch := range []pabal.Channel{"b", "a/2", "a/1", "$host/cpu"} {
		if _, err := w.broker.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{{}}}); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]string{
		"":                   `{"channels":["a/1","a/2","b"]}`,
		"?limit=2":           `{"channels":["a/1","a/2"],"more":true}`,
		"?limit=2&after=a/2": `{"channels":["b"]}`,
		"?prefix=a/":         `{"channels":["a/1","a/2"]}`,
		"?prefix=c":          `{"channels":[]}`,
		"?prefix=$":          `{"channels":["$host/cpu"]}`,
	} {
		resp := w.do(http.MethodGet, "/channels"+query, "")
		if got := resp.Body.String(); resp.Code != 200 || got != want+"\n" || resp.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %s, want %s", query, resp.Code, got, want)
		}
	}
	for query, says := range map[string]string{
		"?limit=0": "from 1 to 1000", "?limit=1001": "from 1 to 1000", "?limit=x": "from 1 to 1000", "?limit=": "from 1 to 1000",
		"?prefix=a&prefix=b": "given 2 times", "?from=a": "these are: prefix, after, limit",
	} {
		w.refused(query, w.do(http.MethodGet, "/channels"+query, ""), 400, says)
	}
}

func TestMethods(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	for _, c := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{http.MethodOptions, "/channels/chat", 204, "GET, HEAD, POST, DELETE, OPTIONS"},
		{http.MethodPut, "/channels/chat", 405, "GET, HEAD, POST, DELETE, OPTIONS"},
		{http.MethodGet, "/channels/chat", 405, "GET, HEAD, POST, DELETE, OPTIONS"}, // it is for package transport
		{http.MethodPost, "/channels", 405, "GET, HEAD"},
		{http.MethodHead, "/channels", 200, ""},
	} {
		resp := w.do(c.method, c.target, "")
		if got := resp.Header().Get("Allow"); resp.Code != c.status || got != c.allow {
			t.Errorf("%s %s: got %d, Allow: %s; want %d, Allow: %s", c.method, c.target, resp.Code, got, c.status, c.allow)
		}
	}
}

// failing is a broker of which nothing works. It cannot list.
type failing struct {
	pabal.Broker
	err error
}

func (f failing) Append(context.Context, pabal.Channel, pabal.Publish) (pabal.Appended, error) {
	return pabal.Appended{}, f.err
}

func (f failing) Delete(context.Context, pabal.Channel) error { return f.err }

func TestFailures(t *testing.T) {
	w := newWorld(t, pabal.Limits{})
	for _, c := range []struct {
		err    error
		status int
		logged bool
	}{
		{errors.New("the disk is full"), 500, true},
		{context.DeadlineExceeded, 503, false},
	} {
		hub := pabal.NewHub(failing{w.broker, c.err}, pabal.Limits{})
		t.Cleanup(hub.Close)
		var log strings.Builder
		w.handler = &api.Handler{Hub: hub, Log: slog.New(slog.NewTextHandler(&log, nil))}
		for _, method := range []string{http.MethodPost, http.MethodDelete} {
			log.Reset()
			w.refused(method, w.do(method, "/channels/chat", ""), c.status, "")
			if got := strings.Contains(log.String(), c.err.Error()) && strings.Contains(log.String(), "/channels/chat"); got != c.logged {
				t.Errorf("%s, %v: the log says %q; want it there: %v", method, c.err, log.String(), c.logged)
			}
		}
		w.refused("a list", w.do(http.MethodGet, "/channels", ""), http.StatusNotImplemented, "does not list channels")
	}
}
