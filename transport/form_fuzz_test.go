package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/websocket"
	"github.com/pabal/pabal/internal/wire"
)

// addMessages adds messages of each kind, and such as look like what they are
// wrapped in.
func addMessages(f *testing.F) {
	for _, m := range sceneMessages {
		f.Add(m.Type, m.ID, m.Key, m.ContentType, m.Data)
	}
	f.Add("", "", "", "application/vnd.pabal.entry+json", []byte(`{"channel":"chat","cursor":"zzz-9"}`))
	f.Add("", "", "", "Application/vnd.pabal.entry+JSON ; x", []byte("1"))
	f.Add("", "", "", " text/html ", []byte("\r\n--"+boundary+"\r\n"))
	f.Add(boundary, "", "", "", []byte("x"))
	f.Add("", "\u2028", "<!--", "image/svg+xml", []byte("<svg onload=alert(1)>"))
	f.Add("", "", "", "image/png", []byte("\x00"))
	f.Add("", "", "", `text/html"><script>`, []byte("]]>"))
	f.Add("", "", "", "", []byte("\n<"))
}

// published is an entry of a message that may be published, or nil.
func published(kind, id, key, contentType string, data []byte) *pabal.Entry {
	e := sceneEntry("chat", 7, pabal.Message{Type: kind, ID: id, Key: key, ContentType: contentType, Data: data})
	if e.Check() != nil {
		return nil
	}
	return e
}

// Whatever is published, its part is what MIME reads: the entry with its bare
// data, or its JSON form; and the part after it is there.
func FuzzPart(f *testing.F) {
	addMessages(f)
	f.Fuzz(func(t *testing.T, kind, id, key, contentType string, data []byte) {
		e := published(kind, id, key, contentType, data)
		if e == nil {
			return
		}
		r := newResponse(t, 1)
		body, _ := compose(t, &multipartEncoding, r, []scene{{entry: e}, {notice: &pabal.Notice{Kind: pabal.NoticeLive, Channel: "chat", Cursor: e.Position()}}}, false)
		in := parts(t, r, bytes.NewReader(body))
		for i, want := range []string{"$open", "", "$live", "", "EOF"} {
			p, err := in.NextPart()
			if want == "EOF" {
				if !errors.Is(err, io.EOF) {
					t.Errorf("after the end: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("part %d: %v of %q", i, err, body)
			}
			data, err := io.ReadAll(p)
			if err != nil || p.Header.Get("Pabal-Notice") != want {
				t.Fatalf("part %d: %v, %v, want %q", i, p.Header, err, want)
			}
			if i != 1 {
				continue
			}
			if p.Header.Get("Content-Type") != formType {
				checkPart(t, scene{entry: e}, p, data)
			} else if got, err := wire.ParseEntry(data); err != nil || got.Position() != e.Position() || got.Digest() != parsedForm(t, e).Digest() {
				t.Errorf("got %s, %v, want %s", data, err, wire.Entry(e))
			}
		}
	})
}

func parsedForm(t *testing.T, e *pabal.Entry) *pabal.Entry {
	t.Helper()
	got, err := wire.ParseEntry(wire.Entry(e))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var tagPattern = regexp.MustCompile(`<[a-zA-Z/!][^>]*>`)

// Whatever is published, nothing of it is markup or script: a page shows it as
// text, and a frame and JSONP call their callback with its JSON form.
func FuzzMarkup(f *testing.F) {
	addMessages(f)
	f.Fuzz(func(t *testing.T, kind, id, key, contentType string, data []byte) {
		e := published(kind, id, key, contentType, data)
		if e == nil {
			return
		}
		r := newResponse(t, 1)
		item := string(pageEncoding.entry(nil, r, e))
		for _, tag := range tagPattern.FindAllString(item, -1) {
			switch name, rest, _ := strings.Cut(strings.Trim(tag, "</>"), " "); name {
			case "li", "time", "span", "b", "i", "pre":
			case "img":
				if !strings.HasPrefix(rest, `alt="" src="data:image/`) || strings.Count(rest, `"`) != 4 {
					t.Errorf("the tag %s of %q", tag, item)
				}
			default:
				t.Errorf("the tag %s of %q", tag, item)
			}
		}
		if text, ok := wire.Text(&e.Message); ok && !e.JSON() {
			found := itemPattern.FindStringSubmatch(item)
			if found == nil {
				t.Fatalf("%q is not an item", item)
			}
			shown := found[2]
			if len(text) > 0 && (text[0] == '\n' || text[0] == '\r') {
				shown = strings.TrimPrefix(shown, "\n")
			}
			if got := html.UnescapeString(shown); got != string(text) {
				t.Errorf("shows %q, want %q", got, text)
			}
		}
		calls := callPattern.FindAllStringSubmatch(string(iframeEncoding.entry(nil, r, e)), -1)
		if len(calls) != 1 || !meansSame(calls[0][1], wire.Entry(e)) {
			t.Errorf("a frame is called with %q, want %s", calls, wire.Entry(e))
		}
		script := string(appendJSONP([]byte("before"), "app.got", appendAnswer(nil, &answer{entries: []*pabal.Entry{e}})))[len("before"):]
		if strings.Contains(script, "</") || strings.Contains(script, "<!--") || !strings.HasPrefix(script, "/**/app.got({") || !strings.HasSuffix(script, "});\n") {
			t.Errorf("the script is %q", script)
		}
	})
}

func meansSame(a string, b []byte) bool {
	var one, other any
	if json.Unmarshal([]byte(a), &one) != nil || json.Unmarshal(b, &other) != nil {
		return false
	}
	x, _ := json.Marshal(one)
	y, _ := json.Marshal(other)
	return bytes.Equal(x, y)
}

// Whatever is published, each form of WebSocket has it in one message, plain
// or compressed, that a client can take.
func FuzzMessageForm(f *testing.F) {
	addMessages(f)
	f.Add("", "", "", "", bytes.Repeat([]byte("again "), 500))
	f.Fuzz(func(t *testing.T, kind, id, key, contentType string, data []byte) {
		e := published(kind, id, key, contentType, data)
		if e == nil {
			return
		}
		for _, form := range []*wsForm{&rawForm, &rawEntryForm, &v1Form} {
			plain, small := e.Encoded(form.plain), e.Encoded(form.small)
			if len(small) > len(plain) {
				t.Errorf("%s: compressed it has %d bytes, else %d", form.plain.Name, len(small), len(plain))
			}
			text, isText := messageOf(t, plain, false)
			again, stillText := messageOf(t, small, true)
			if text != again || isText != stillText || isText && !utf8.ValidString(text) {
				t.Errorf("%s: %q, compressed %q", form.plain.Name, text, again)
			}
			switch got, err := wire.ParseEntry([]byte(text)); {
			case form == &rawForm:
				if text != string(e.Data) {
					t.Errorf("raw: got %q, want %q", text, e.Data)
				}
			case err != nil || got.Position() != e.Position() || got.Digest() != parsedForm(t, e).Digest():
				t.Errorf("%s: got %s, %v", form.plain.Name, text, err)
			}
		}
	})
}

// messageOf returns what is in the one message that a server's frame is.
func messageOf(t *testing.T, frame []byte, compressed bool) (text string, isText bool) {
	t.Helper()
	head, key := 2, []byte{0, 0, 0, 0} // which masks nothing
	switch frame[1] {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	masked := slices.Concat(frame[:head], key, frame[head:])
	masked[1] |= 0x80
	p := websocket.Parser{Deflate: compressed, MaxMessage: 64 << 20}
	ev, rest, err := p.Next(masked)
	if err != nil || len(rest) > 0 || ev.Op != websocket.OpText && ev.Op != websocket.OpBinary {
		t.Fatalf("a frame of %d bytes is %+v, %v", len(frame), ev, err)
	}
	return string(ev.Payload), ev.Op == websocket.OpText
}

// A page of another origin reads by no technique over which CORS has no say,
// unless it is allowed; who says nothing of a page does.
func FuzzSite(f *testing.F) {
	f.Add(uint8(8), "https://evil.example", "", "", "", "", "host.example")
	f.Add(uint8(8), "https://HOST.example", "", "", "", "", "host.example")
	f.Add(uint8(8), "null", "", "cross-site", "websocket", "websocket", "host.example")
	f.Add(uint8(6), "", "https://evil.example/page", "cross-site", "no-cors", "script", "host.example")
	f.Add(uint8(6), "", "https://host.example/page", "same-origin", "no-cors", "script", "host.example")
	f.Add(uint8(5), "", "https://other.host.example/", "same-site", "navigate", "iframe", "host.example")
	f.Add(uint8(7), "", "", "cross-site", "navigate", "document", "host.example")
	f.Add(uint8(4), "", "https://friend.example", "cross-site", "no-cors", "image", "host.example")
	f.Add(uint8(3), "https://evil.example", "://", "cross-site", "cors", "empty", "host.example")
	f.Fuzz(func(t *testing.T, technique uint8, origin, referer, site, mode, dest, host string) {
		q := &request{technique: techniques[int(technique)%len(techniques)]}
		h := &Handler{AllowOrigins: []string{"https://friend.example"}}
		r := httptest.NewRequest(http.MethodGet, "/channels/chat", nil)
		r.Host = host
		for name, value := range map[string]string{"Origin": origin, "Referer": referer, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		err := h.checkSite(r, q)
		foreign := func(page string) bool {
			u, err := url.Parse(page)
			return err != nil || !strings.EqualFold(u.Host, host) && !strings.EqualFold(u.Scheme+"://"+u.Host, "https://friend.example")
		}
		switch {
		case q.technique == sse || q.technique == stream || q.technique == poll || q.technique == longpoll:
			if err != nil {
				t.Errorf("%s is for CORS to refuse: %v", q.technique.name, err)
			}
		case q.technique == websocketTechnique:
			if (err != nil) != (origin != "" && foreign(origin)) {
				t.Errorf("a WebSocket of %q on %q: %v", origin, host, err)
			}
		case err == nil && site == "cross-site" && mode == "no-cors" && (referer == "" || foreign(referer)):
			t.Errorf("%s may be read by a page of another site: %q on %q", q.technique.name, referer, host)
		case err != nil && site == "same-origin":
			t.Errorf("%s may not be read by a page of its own: %v", q.technique.name, err)
		}
		h.AllowOrigins = []string{"*"}
		if err := h.checkSite(r, q); err != nil && (q.technique == websocketTechnique || referer != "") && !foreign(referer) {
			t.Errorf("all may, and not %q, %q: %v", origin, referer, err)
		}
	})
}

// An answer is left out only for who has it: where If-None-Match lists its
// very tag, weak or not.
func FuzzIfNoneMatch(f *testing.F) {
	h := fuzzHandler(f)
	ask := func(match string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/channels/chat?via=poll", nil)
		if match != "" {
			r.Header.Set("If-None-Match", match)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	tag := ask("").Header().Get("ETag")
	for _, match := range []string{"TAG", "W/TAG", `"other", TAG`, `"other"`, "*", "TAG x", "", ",", "tag", `W/"a", W/TAG,`, "TAGTAG"} {
		f.Add(match)
	}
	f.Fuzz(func(t *testing.T, match string) {
		list := strings.ReplaceAll(match, "TAG", tag)
		w := ask(list)
		has := false
		for item := range strings.SplitSeq(list, ",") {
			item = strings.ToLower(strings.TrimSpace(item))
			has = has || item == tag || item == "w/"+tag
		}
		if has != (w.Code == http.StatusNotModified) || !has && w.Code != http.StatusOK || w.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match: %s on %s is answered with %d", list, tag, w.Code)
		}
		if (w.Body.Len() > 0) == has {
			t.Errorf("status %d with a body of %d bytes", w.Code, w.Body.Len())
		}
	})
}
