package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/wire"
)

// backend is a handler over a log in memory.
type backend struct {
	broker  *memory.Broker
	hub     *pabal.Hub
	handler *api.Handler
	n       int // channels used
}

func newBackend(f *testing.F) *backend {
	f.Helper()
	broker := memory.New(memory.Config{})
	hub := pabal.NewHub(broker, pabal.Limits{MessageBytes: 1000, BatchMessages: 10})
	f.Cleanup(func() {
		hub.Close()
		if err := broker.Close(); err != nil {
			f.Error(err)
		}
	})
	return &backend{broker: broker, hub: hub, handler: &api.Handler{Hub: hub, Log: slog.New(slog.DiscardHandler)}}
}

// channel returns the name of a channel that was never there, and has it
// forgotten at the test's end.
func (b *backend) channel(t *testing.T) pabal.Channel {
	b.n++
	ch := pabal.Channel(fmt.Sprint("chat/", b.n))
	t.Cleanup(func() {
		if err := b.hub.Delete(context.WithoutCancel(t.Context()), pabal.Grant{}, ch); err != nil {
			t.Error(err)
		}
	})
	return ch
}

func (b *backend) serve(method, target, query string, body []byte, headers map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	r.URL.RawQuery = query
	for name, value := range headers {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func (b *backend) kept(t *testing.T, ch pabal.Channel) []*pabal.Entry {
	t.Helper()
	page, err := b.broker.Read(t.Context(), ch, pabal.Query{MaxEntries: 1000, MaxBytes: 1 << 24})
	if err != nil {
		t.Fatal(err)
	}
	return page.Entries
}

// wellRefused checks that resp is a refusal that is the client's to mend.
func wellRefused(t *testing.T, resp *httptest.ResponseRecorder) {
	t.Helper()
	var p struct {
		Status int
		Detail string
	}
	err := json.Unmarshal(resp.Body.Bytes(), &p)
	if err != nil || resp.Code < 400 || resp.Code >= 500 || p.Status != resp.Code || p.Detail == "" || resp.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("refused with %d %s, %v", resp.Code, resp.Body, err)
	}
}

// A publish is answered with where each of its messages is, which the log
// holds then as they were sent, or refused, and nothing of it is there.
func FuzzPublish(f *testing.F) {
	b := newBackend(f)
	for _, query := range []string{
		"", "id=1&type=t&key=k", "close", "close=true", "close=no", "id=", "id=1&id=2", "other=1", "type=%24x", "type=open", "key=%00", "id=%ff", "%zz", "a;b", "close&id=1",
	} {
		f.Add(query, "", "", "", []byte("hello"))
	}
	for _, contentType := range []string{
		"text/plain", "text/plain; charset=utf-8", "text/plain; charset=latin1", "application/json", "image/png", "application/x-www-form-urlencoded", "nonsense", "a/b; c", ";", "application/x-ndjson", "Application/X-NDJSON; x=1",
	} {
		f.Add("", contentType, "", "", []byte(`{"data":1}`))
	}
	f.Add("", "application/x-ndjson", `"key"`, "", []byte("{\"id\":\"1\",\"data\":\"a\"}\n{\"type\":\"t\"}\n"))
	f.Add("id=1", "application/x-ndjson", "", "", []byte("{}"))
	f.Add("", "application/x-ndjson", "", "", []byte("{}\n{"))
	f.Add("", "application/x-ndjson", "", "", []byte(strings.Repeat("{}\n", 11)))
	f.Add("close", "application/x-ndjson", "", "", []byte(""))
	f.Add("", "", "", "gzip", []byte("x"))
	f.Add("", "", strings.Repeat("k", 300), "identity", []byte("x"))
	f.Add("", "", "", "", bytes.Repeat([]byte("x"), 1001))
	f.Add("", "", "", "", []byte(""))
	f.Fuzz(func(t *testing.T, query, contentType, key, encoding string, body []byte) {
		ch := b.channel(t)
		headers := map[string]string{"Content-Type": contentType, "Idempotency-Key": key, "Content-Encoding": encoding}
		resp := b.serve(http.MethodPost, "/channels/"+string(ch), query, body, headers)
		kept := b.kept(t, ch)
		if resp.Code != http.StatusOK {
			wellRefused(t, resp)
			if len(kept) > 0 {
				t.Errorf("refused with %s, and %d entries are there", resp.Body, len(kept))
			}
			return
		}
		var receipt struct {
			Cursor  string
			Cursors []string
			Closed  bool
		}
		if err := json.Unmarshal(resp.Body.Bytes(), &receipt); err != nil || receipt.Cursor != resp.Header().Get("Pabal-Cursor") {
			t.Fatalf("answered with %s, %v", resp.Body, err)
		}
		var at []string
		for _, e := range kept {
			at = append(at, e.Position().String())
		}
		q, _ := url.ParseQuery(query)
		if len(at) > 0 && at[len(at)-1] != receipt.Cursor || len(receipt.Cursors) > 0 && !slices.Equal(receipt.Cursors, at) || receipt.Closed != q.Has("close") {
			t.Errorf("answered with %s, and at %q there are entries", resp.Body, at)
		}
		checkKept(t, kept, q, contentType, body)
	})
}

// checkKept holds what is kept against what was sent.
func checkKept(t *testing.T, kept []*pabal.Entry, q url.Values, contentType string, body []byte) {
	t.Helper()
	media, _, _ := mime.ParseMediaType(contentType)
	var want []pabal.Message
	switch {
	case media == "application/x-ndjson" || strings.EqualFold(strings.TrimSpace(contentType), "application/x-ndjson"):
		var err error
		if want, err = wire.ParseMessages(body, 10); err != nil {
			t.Fatalf("published from %q: %v", body, err)
		}
	case len(body) > 0 || !q.Has("close"):
		want = []pabal.Message{{ID: q.Get("id"), Type: q.Get("type"), Key: q.Get("key"), ContentType: contentType, Data: body}}
		if media == "application/x-www-form-urlencoded" || media == "text/plain" && kept != nil && kept[0].ContentType == "" {
			want[0].ContentType = ""
		}
	}
	if len(want) != len(kept) {
		t.Fatalf("%d messages are kept, %d were sent", len(kept), len(want))
	}
	for i, e := range kept {
		if m := want[i]; e.ID != m.ID || e.Digest() != m.Digest() {
			t.Errorf("kept %+v, want %+v", e.Message, m)
		}
		if err := e.Check(); err != nil {
			t.Error(err)
		}
	}
}

// A publish with a condition is done only where the condition names the very
// end of the log.
func FuzzIfMatch(f *testing.F) {
	b := newBackend(f)
	for _, header := range []string{"END", `"END"`, `"END.closed"`, `W/"END"`, "*", `"END", "END"`, `"END`, `END"`, `""`, "START", `"START"`, "zzz-1", "~", " END ", `"END".closed`, "ENDEND"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		ch := b.channel(t)
		start, _, err := b.hub.End(t.Context(), ch)
		if err != nil {
			t.Fatal(err)
		}
		done, err := b.hub.Publish(t.Context(), pabal.Grant{}, ch, pabal.Publish{Messages: []pabal.Message{{Data: []byte("1")}}})
		if err != nil {
			t.Fatal(err)
		}
		end := done.End.String()
		header = strings.NewReplacer("END", end, "START", start.String()).Replace(header)
		if header == "" {
			return // no condition
		}
		resp := b.serve(http.MethodPost, "/channels/"+string(ch), "", []byte("2"), map[string]string{"If-Match": header})
		plain := strings.TrimSuffix(strings.Trim(strings.TrimSpace(header), `"`), ".closed")
		if resp.Code == http.StatusOK && plain != end {
			t.Errorf("If-Match: %s holds of a log that ends at %s", header, end)
		}
		if header == `"`+end+`"` && resp.Code != http.StatusOK {
			t.Errorf("If-Match: %s is refused with %d %s", header, resp.Code, resp.Body)
		}
		if resp.Code != http.StatusOK {
			wellRefused(t, resp)
			if resp.Code == http.StatusPreconditionFailed && !strings.Contains(resp.Body.String(), `"cursor":"`+end+`"`) {
				t.Errorf("refused without the end %s: %s", end, resp.Body)
			}
		}
		if n := len(b.kept(t, ch)); (n == 2) != (resp.Code == http.StatusOK) {
			t.Errorf("answered with %d, and %d entries are there", resp.Code, n)
		}
	})
}

// A list has the channels that are asked for, in order and one after the
// other, or a refusal.
func FuzzList(f *testing.F) {
	b := newBackend(f)
	all := []string{"$host/cpu", "a", "a/b", "a/c", "b"}
	for _, name := range all {
		if _, err := b.broker.Append(f.Context(), pabal.Channel(name), pabal.Publish{Messages: []pabal.Message{{}}}); err != nil {
			f.Fatal(err)
		}
	}
	for _, query := range []string{"", "prefix=a", "prefix=a/&after=a/b", "limit=2", "limit=0", "limit=x", "limit=1001", "prefix=%24", "after=%ff", "other=1", "limit=1&limit=2", "%", "prefix=&after=&limit=1"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		resp := b.serve(http.MethodGet, "/channels", query, nil, nil)
		if resp.Code != http.StatusOK {
			wellRefused(t, resp)
			return
		}
		var got struct {
			Channels []string
			More     bool
		}
		if err := json.Unmarshal(resp.Body.Bytes(), &got); err != nil || got.Channels == nil {
			t.Fatalf("answered with %s, %v", resp.Body, err)
		}
		q, _ := url.ParseQuery(query)
		prefix, after := q.Get("prefix"), q.Get("after")
		var want []string
		for _, name := range all {
			if strings.HasPrefix(name, prefix) && name > after && (name[0] != '$' || strings.HasPrefix(prefix, "$")) {
				want = append(want, name)
			}
		}
		if more := len(got.Channels) < len(want); got.More != more || !slices.Equal(got.Channels, want[:len(got.Channels)]) {
			t.Errorf("?%s: got %+v, want as many of %q", query, got, want)
		}
	})
}
