// Package web is the pages of Pabal: the first page, the lab and the demonstrations; and the client for pages of one's
// own. They are built from the sources in this folder and in js (npm ci && npm run build); the result, dist, is
// committed, so that a build with Go alone has them.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// policy lets a page use what came from this server and nothing else: no inline script, no other host. Under 'self'
// fall the WebSocket of this origin, the client's SharedWorker, the scripts of JSONP and the frames of the iframe lane,
// whose responses have policies of their own.
const policy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"worker-src 'self'; frame-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// pages names the file in dist behind each address of a page.
var pages = map[string]string{
	"/":             "index.html",
	"/lab":          "lab/index.html",
	"/demo/chat":    "demo/chat/index.html",
	"/demo/match":   "demo/match/index.html",
	"/demo/monitor": "demo/monitor/index.html",
	"/demo/duel":    "demo/duel/index.html",
	"/theme.js":     "theme.js",
	"/favicon.svg":  "favicon.svg",
	"/favicon.ico":  "favicon.svg", // what a browser asks for where there is no page to name another: a channel's answer
}

const missingPage = "404.html"

// contentTypes has every kind of file that the build makes. The operating system's table is not asked: it differs.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".mjs":  "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
}

type file struct {
	name        string
	contentType string
	etag        string
	data        []byte
	forEver     bool // the name has a hash of the content
	forAll      bool // pages of any origin may use it
}

type site struct {
	files   map[string]file // by address
	missing file
}

// Handler serves the pages of Pabal, what they need below /assets/, and the client at /pabal.js and /pabal.mjs, its parts
// below /client/, for pages of any origin. Whatever else it is asked for is answered with 404 and a page, or for programs
// a problem object, that says where things are.
func Handler() http.Handler {
	s, err := newSite(dist)
	if err != nil {
		panic("web: the embedded pages are damaged, build them anew with npm run build: " + err.Error())
	}
	return s
}

func newSite(built fs.FS) (*site, error) {
	s := &site{files: map[string]file{}}
	var err error
	for address, name := range pages {
		if s.files[address], err = readFile(built, name); err != nil {
			return nil, err
		}
	}
	if s.missing, err = readFile(built, missingPage); err != nil {
		return nil, err
	}
	if err := s.addAssets(built); err != nil {
		return nil, err
	}
	return s, s.addClient(built)
}

func (s *site) addAssets(built fs.FS) error {
	assets, err := fs.ReadDir(built, "dist/assets")
	if err != nil {
		return err
	}
	for _, asset := range assets {
		f, err := readFile(built, path.Join("assets", asset.Name()))
		if err != nil {
			return err
		}
		f.forEver = true
		s.files["/"+f.name] = f
	}
	return nil
}

// hashed is the name of a part of the client: it has a hash of the content.
var hashed = regexp.MustCompile(`-[A-Z0-9]{8}\.m?js$`)

// addClient adds the builds of the client, if the build of the pages had them: what dist/client has is at the same place
// below /, so that pabal.mjs finds its parts in client/ beside it.
func (s *site) addClient(built fs.FS) error {
	const folder = "dist/client"
	return fs.WalkDir(built, folder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name == folder:
			return nil
		case err != nil || entry.IsDir():
			return err
		}
		address := strings.TrimPrefix(name, folder)
		if _, taken := s.files[address]; taken {
			return fmt.Errorf("%s: something else is at %s already", name, address)
		}
		f, err := readFile(built, strings.TrimPrefix(name, "dist/"))
		if err != nil {
			return err
		}
		f.forEver, f.forAll = hashed.MatchString(name), true
		s.files[address] = f
		return nil
	})
}

func readFile(built fs.FS, name string) (file, error) {
	data, err := fs.ReadFile(built, path.Join("dist", name))
	if err != nil {
		return file{}, err
	}
	contentType, known := contentTypes[path.Ext(name)]
	if !known {
		return file{}, fmt.Errorf("%s: no Content-Type is known for its ending", name)
	}
	sum := sha256.Sum256(data)
	return file{name: name, contentType: contentType, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, data: data}, nil
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	address := r.URL.Path
	f, found := s.files[address]
	if !found {
		s.serveElsewhere(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		problem(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("%s is a file: GET and HEAD read it. To publish, POST to /channels/{name}.", address))
		return
	}
	header := w.Header()
	setCommon(header, f)
	header.Set("ETag", f.etag)
	if f.forEver {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		header.Set("Cache-Control", "no-cache")
	}
	if f.forAll {
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if header.Get("Access-Control-Allow-Origin") == "" { // where the origin is allowed by name, that is said already
			header.Set("Access-Control-Allow-Origin", "*")
		}
	}
	// ServeContent answers conditions, ranges and HEAD.
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.data))
}

// serveElsewhere answers an address that is none of a page: with a redirect if only a slash is too many, else with 404.
func (s *site) serveElsewhere(w http.ResponseWriter, r *http.Request) {
	address := r.URL.Path
	if trimmed := strings.TrimRight(address, "/"); trimmed != address {
		if _, isPage := pages[trimmed]; isPage {
			target := trimmed
			if r.URL.RawQuery != "" {
				target += "?" + r.URL.RawQuery
			}
			http.Redirect(w, r, target, http.StatusPermanentRedirect)
			return
		}
	}
	header := w.Header()
	header.Add("Vary", "Accept")
	header.Set("Cache-Control", "no-store")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		problem(w, r, http.StatusNotFound, fmt.Sprintf("There is nothing at %q. Pages are /, /lab, /demo/chat, /demo/match, "+
			"/demo/monitor and /demo/duel; a channel is read with GET /channels/{name}, and published to with POST.", address))
		return
	}
	setCommon(header, s.missing)
	header.Set("Content-Length", strconv.Itoa(len(s.missing.data)))
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = w.Write(s.missing.data)
	}
}

func setCommon(header http.Header, f file) {
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// problem answers a program with an error as RFC 9457 has it.
func problem(w http.ResponseWriter, r *http.Request, status int, detail string) {
	body, err := json.Marshal(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail,
	})
	if err != nil {
		http.Error(w, detail, status)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(body, '\n'))
	}
}
