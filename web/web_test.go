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

func get(t *testing.T, method, target string, header http.Header) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestPages(t *testing.T) {
	for _, address := range []string{"/", "/demo/monitor", "/demo/monitor?channel=$host/memory"} {
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
	for _, address := range []string{"/", "/demo/monitor", "/nowhere"} {
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
		if res.StatusCode != http.StatusNotFound || !strings.Contains(body, `href="/demo/monitor"`) {
			t.Errorf("GET %s as a browser: got %d, want 404 with a page that leads on", address, res.StatusCode)
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

func TestAFileOfUnknownKindIsRefused(t *testing.T) {
	built := fstest.MapFS{}
	for _, name := range []string{"index.html", "demo/monitor/index.html", "404.html", "favicon.svg", "assets/a.js", "assets/b.exe"} {
		built["dist/"+name] = &fstest.MapFile{Data: []byte("x")}
	}
	if _, err := newSite(built); err == nil || !strings.Contains(err.Error(), "assets/b.exe") {
		t.Fatalf("got %v, want an error that names assets/b.exe", err)
	}
}
