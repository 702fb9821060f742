package transport

import (
	"html"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/wire"
)

var (
	callPattern = regexp.MustCompile(`(?s)<script nonce="n0nce">document\.currentScript\.remove\(\);parent\.app\.got\((.*?)\)</script>\n`)
	itemPattern = regexp.MustCompile(`(?s)<li data-cursor="([^"]*)">.*?<pre[^>]*>(.*?)</pre></li>\n`)
)

func TestIframeCalls(t *testing.T) {
	for _, n := range []int{1, 2} {
		r := newResponse(t, n)
		body, _ := compose(t, &iframeEncoding, r, scenes(n), false)
		if i := strings.Index(string(body), "<script"); i < 1024 {
			t.Errorf("the first script comes after %d bytes, want 1024", i)
		}
		calls := callPattern.FindAllStringSubmatch(string(body), -1)
		if got, want := strings.Count(string(body), "<script"), len(calls); got != want || strings.Count(string(body), "</script") != want {
			t.Errorf("%d scripts, and %d calls", got, want)
		}
		var got []string
		for _, call := range calls {
			e, notice, err := wire.Parse([]byte(call[1]))
			if err != nil {
				t.Fatal(err)
			}
			if e != nil {
				got = append(got, string(e.Channel)+" "+e.Position().String())
			} else {
				got = append(got, string(notice.Kind))
			}
		}
		want := []string{"$open"}
		for _, s := range scenes(n) {
			if s.entry != nil {
				want = append(want, string(s.entry.Channel)+" "+s.entry.Position().String())
			} else if s.notice != nil {
				want = append(want, string(s.notice.Kind))
			}
		}
		if strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
}

// Where a client cannot read a status, the problem is called back.
func TestProblemsAreCalledBack(t *testing.T) {
	p := problem.BadRequest("</script>")
	const call = `({"type":"about:blank","title":"Bad Request","status":400,"detail":"\u003c/script\u003e"})`
	w := httptest.NewRecorder()
	writeJSONPProblem(w, "got", p)
	if got, want := w.Body.String(), "/**/got"+call+";\n"; got != want || w.Code != 200 {
		t.Errorf("jsonp: got %d %q, want 200 %q", w.Code, got, want)
	}
	w = httptest.NewRecorder()
	writeIframeProblem(w, "got", p)
	nonce, ok := strings.CutPrefix(regexp.MustCompile(`'nonce-[^']*`).FindString(w.Header().Get("Content-Security-Policy")), "'nonce-")
	if body := w.Body.String(); !ok || w.Code != 200 || !strings.Contains(body, `<script nonce="`+nonce+`">document.currentScript.remove();parent.got`+call+"</script>") {
		t.Errorf("iframe: got %d %v %q", w.Code, w.Header(), body)
	}
}

func TestPageShowsText(t *testing.T) {
	for _, text := range []string{"plain", "<script>alert(1)</script>&amp;\"'", "\n\nfirst lines empty", "a\r\nb"} {
		e := sceneEntry("chat", 7, pabal.Message{Type: "<i>", Key: "</li>", Data: []byte(text)})
		item := string(pageEncoding.entry(nil, newResponse(t, 1), e))
		found := itemPattern.FindStringSubmatch(item)
		if found == nil {
			t.Fatalf("%q is not an item", item)
		}
		shown := found[2]
		if strings.HasPrefix(text, "\n") {
			shown = strings.TrimPrefix(shown, "\n") // which a parser drops
		}
		if got := html.UnescapeString(shown); got != text || found[1] != "zzz-7" {
			t.Errorf("got %q at %s, want %q", got, found[1], text)
		}
		if strings.Contains(item, "<i>&lt;i&gt;") || strings.Count(item, "<li") != 1 || strings.Contains(item, "<script") {
			t.Errorf("something was not escaped: %s", item)
		}
	}
}

func TestPageGoesOn(t *testing.T) {
	r := newResponse(t, 2)
	r.move(1, pabal.Position{Epoch: 46655, Offset: 12})
	body := string(pageEncoding.end(nil, r, false))
	found := regexp.MustCompile(`<meta http-equiv="refresh" content="3;url=([^"]*)">`).FindStringSubmatch(body)
	if found == nil || !strings.Contains(body, `<a href="`+found[1]+`">`) {
		t.Fatalf("no way on: %s", body)
	}
	if got, want := html.UnescapeString(found[1]), "?cursor="+r.vector.String()+"&only=latest&via=page"; got != want {
		t.Errorf("goes on at %s, want %s", got, want)
	}
	if body := string(pageEncoding.end(nil, r, true)); strings.Contains(body, "refresh") {
		t.Errorf("a page at its end goes on: %s", body)
	}
}
