package web

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

var allPages = []string{"/", "/lab", "/demo/chat", "/demo/match", "/demo/monitor", "/demo/duel"}

func get(t *testing.T, method, target string, header http.Header) (*http.Response, string) {
	t.Helper()
	return ask(t, Handler(), method, target, header)
}

func ask(t *testing.T, handler http.Handler, method, target string, header http.Header) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestPages(t *testing.T) {
	for _, address := range append(allPages, "/demo/monitor?channel=$host/memory", "/?lang=ko") {
		res, body := get(t, "GET", address, nil)
		if res.StatusCode != http.StatusOK {
			t.Errorf("GET %s: got %d, want 200", address, res.StatusCode)
		}
		for name, want := range map[string]string{
			"Content-Type":            "text/html; charset=utf-8",
			"Cache-Control":           "no-cache",
			"Content-Security-Policy": policy,
			"X-Content-Type-Options":  "nosniff",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("GET %s: %s: got %q, want %q", address, name, got, want)
			}
		}
		if regexp.MustCompile(`<script[^>]*>[^<]|<style|style=|\son\w+=|src="https?:|href="https?:`).MatchString(body) {
			t.Errorf("GET %s: has inline script, inline style or something of another host, which its policy forbids", address)
		}
		res, body = get(t, "GET", address, http.Header{"If-None-Match": {res.Header.Get("ETag")}})
		if res.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("GET %s with its ETag: got %d and %d bytes, want 304 and none", address, res.StatusCode, len(body))
		}
		res, body = get(t, "HEAD", address, nil)
		if res.StatusCode != http.StatusOK || body != "" || res.Header.Get("Content-Length") == "" {
			t.Errorf("HEAD %s: got %d, %d bytes, Content-Length %q, want 200, none and a length", address, res.StatusCode,
				len(body), res.Header.Get("Content-Length"))
		}
	}
}

func TestAssetsOfEveryPageAreServedForEver(t *testing.T) {
	asset := regexp.MustCompile(`"(/assets/[^"]+)"`)
	for _, address := range append(allPages, "/nowhere") {
		_, page := get(t, "GET", address, http.Header{"Accept": {"text/html"}})
		found := asset.FindAllStringSubmatch(page, -1)
		if len(found) < 1 {
			t.Errorf("GET %s: got %d assets, want a stylesheet at least", address, len(found))
		}
		for _, match := range found {
			res, body := get(t, "GET", match[1], nil)
			if res.StatusCode != http.StatusOK || body == "" {
				t.Errorf("GET %s, which %s needs: got %d and %d bytes", match[1], address, res.StatusCode, len(body))
			}
			if got, want := res.Header.Get("Cache-Control"), "public, max-age=31536000, immutable"; got != want {
				t.Errorf("GET %s: Cache-Control: got %q, want %q", match[1], got, want)
			}
			if got := res.Header.Get("Content-Type"); strings.HasPrefix(got, "text/plain") || got == "" {
				t.Errorf("GET %s: Content-Type: got %q", match[1], got)
			}
		}
	}
}

func TestIconIsThereForAnswersThatNameNone(t *testing.T) {
	for _, address := range []string{"/favicon.ico", "/favicon.svg"} {
		res, body := get(t, "GET", address, nil)
		if got, want := res.Header.Get("Content-Type"), "image/svg+xml"; res.StatusCode != http.StatusOK || got != want || body == "" {
			t.Errorf("GET %s: got %d and %q, want 200 and %q", address, res.StatusCode, got, want)
		}
	}
}

func TestElsewhere(t *testing.T) {
	for _, address := range []string{"/nowhere", "/demo", "/demo/monitor/x", "/assets/", "/assets/none.js", "/index.html", "//"} {
		res, body := get(t, "GET", address, http.Header{"Accept": {"text/html,*/*;q=0.8"}})
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s as a browser: got %d, want 404", address, res.StatusCode)
		}
		for _, page := range allPages {
			if !strings.Contains(body, `href="`+page+`"`) {
				t.Errorf("GET %s as a browser: the page does not lead to %s", address, page)
			}
		}
		res, body = get(t, "GET", address, nil)
		var said struct{ Detail string }
		if err := json.Unmarshal([]byte(body), &said); err != nil || !strings.Contains(said.Detail, "/channels/{name}") {
			t.Errorf("GET %s as a program: got %q, want a problem object that leads on", address, body)
		}
		if got, want := res.Header.Get("Content-Type"), "application/problem+json"; got != want {
			t.Errorf("GET %s as a program: Content-Type: got %q, want %q", address, got, want)
		}
	}
}

func TestSlashTooManyIsRedirected(t *testing.T) {
	res, _ := get(t, "GET", "/demo/monitor/?channel=$host/load", nil)
	if got, want := res.Header.Get("Location"), "/demo/monitor?channel=$host/load"; res.StatusCode != 308 || got != want {
		t.Fatalf("got %d to %q, want 308 to %q", res.StatusCode, got, want)
	}
}

func TestPostToAPageSaysWhereToPublish(t *testing.T) {
	res, body := get(t, "POST", "/", nil)
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" || !strings.Contains(body, "/channels/{name}") {
		t.Fatalf("got %d, Allow %q, %q", res.StatusCode, res.Header.Get("Allow"), body)
	}
}

func TestThemeIsSetBeforeAnythingIsDrawn(t *testing.T) {
	_, page := get(t, "GET", "/", nil)
	res, body := get(t, "GET", "/theme.js", nil)
	if !strings.Contains(page, `<script src="/theme.js"></script>`) || res.StatusCode != http.StatusOK || body == "" {
		t.Fatalf("got %d and %d bytes of /theme.js, want a script that the page names", res.StatusCode, len(body))
	}
}

// builtWith is a build of the pages that has files beside them.
func builtWith(names ...string) fstest.MapFS {
	built := fstest.MapFS{}
	for _, name := range pages {
		names = append(names, name)
	}
	for _, name := range append(names, missingPage, "assets/a.js") {
		built["dist/"+name] = &fstest.MapFile{Data: []byte(name)}
	}
	return built
}

func TestAFileOfUnknownKindIsRefused(t *testing.T) {
	for _, name := range []string{"assets/b.exe", "client/b.exe"} {
		if _, err := newSite(builtWith(name)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error that names %s", err, name)
		}
	}
}

func TestTheClientIsForPagesOfAnyOrigin(t *testing.T) {
	s, err := newSite(builtWith("client/pabal.js", "client/pabal.mjs", "client/pabal-worker.js", "client/client/poll-ZJO2MIJM.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	for address, cache := range map[string]string{
		"/pabal.js":                 "no-cache",
		"/pabal.mjs":                "no-cache",
		"/pabal-worker.js":          "no-cache",
		"/client/poll-ZJO2MIJM.mjs": "public, max-age=31536000, immutable",
	} {
		res, body := ask(t, s, "GET", address, nil)
		if want := "client" + address; res.StatusCode != http.StatusOK || body != want {
			t.Errorf("GET %s: got %d and %q, want 200 and %q", address, res.StatusCode, body, want)
		}
		for name, want := range map[string]string{
			"Content-Type":                 "text/javascript; charset=utf-8",
			"Cache-Control":                cache,
			"Access-Control-Allow-Origin":  "*",
			"Cross-Origin-Resource-Policy": "cross-origin",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("GET %s: %s: got %q, want %q", address, name, got, want)
			}
		}
		res, body = ask(t, s, "GET", address, http.Header{"If-None-Match": {res.Header.Get("ETag")}})
		if res.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("GET %s with its ETag: got %d and %d bytes, want 304 and none", address, res.StatusCode, len(body))
		}
	}
	res, _ := ask(t, s, "GET", "/", nil)
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("GET /: Access-Control-Allow-Origin: got %q, want none: pages are for nobody else's script", got)
	}
}

func TestAnOriginThatIsAllowedByNameStaysNamed(t *testing.T) {
	s, err := newSite(builtWith("client/pabal.js"))
	if err != nil {
		t.Fatal(err)
	}
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
		s.ServeHTTP(w, r)
	})
	res, _ := ask(t, guarded, "GET", "/pabal.js", nil)
	if got, want := res.Header.Get("Access-Control-Allow-Origin"), "https://app.example"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestWithoutABuildOfTheClientThereIsNone(t *testing.T) {
	s, err := newSite(builtWith())
	if err != nil {
		t.Fatal(err)
	}
	if res, _ := ask(t, s, "GET", "/pabal.js", nil); res.StatusCode != http.StatusNotFound {
		t.Fatalf("got %d, want 404", res.StatusCode)
	}
}

func TestTheClientDoesNotTakeTheAddressOfAPage(t *testing.T) {
	if _, err := newSite(builtWith("client/theme.js")); err == nil || !strings.Contains(err.Error(), "/theme.js") {
		t.Fatalf("got %v, want an error that names /theme.js", err)
	}
}
