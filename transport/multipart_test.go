package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	mimemultipart "mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// parts reads body as the standard library does.
func parts(t *testing.T, r *response, body io.Reader) *mimemultipart.Reader {
	t.Helper()
	h := make(http.Header)
	multipartEncoding.header(h, r)
	_, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	return mimemultipart.NewReader(body, params["boundary"])
}

func TestMultipartIsWhatMIMEReads(t *testing.T) {
	for _, n := range []int{1, 2} {
		r := newResponse(t, n)
		r.pad = 100
		all := scenes(n)
		body, _ := compose(t, &multipartEncoding, r, all, false)
		in := parts(t, r, bytes.NewReader(body))
		for _, s := range append([]scene{{notice: &pabal.Notice{Kind: pabal.NoticeOpen}}}, append(all, scene{})...) {
			p, err := in.NextPart()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(p)
			if err != nil {
				t.Fatal(err)
			}
			if length := p.Header.Get("Content-Length"); length != strconv.Itoa(len(data)) {
				t.Errorf("Content-Length %s of %d bytes", length, len(data))
			}
			checkPart(t, s, p, data)
		}
		if _, err := in.NextPart(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last part: got %v, want EOF", err)
		}
	}
}

func checkPart(t *testing.T, s scene, p *mimemultipart.Part, data []byte) {
	t.Helper()
	header := func(name string) string {
		value, err := url.PathUnescape(p.Header.Get(name))
		if err != nil {
			t.Error(err)
		}
		return value
	}
	switch {
	case s.notice != nil:
		n, err := wire.ParseNotice(data)
		if err != nil || n.Kind != s.notice.Kind || header("Pabal-Notice") != string(n.Kind) {
			t.Errorf("notice %s: got %s, %v, %v", s.notice.Kind, data, p.Header, err)
		}
	case s.entry == nil:
		if len(data) > 0 || p.Header.Get("Pabal-Cursor") != "" || p.Header.Get("Pabal-Notice") != "" {
			t.Errorf("a sign of life: got %q, %v", data, p.Header)
		}
	case header("Pabal-Cursor") != s.entry.Position().String() || !bytes.Equal(data, s.entry.Data) ||
		header("Pabal-Channel") != string(s.entry.Channel) || header("Pabal-Type") != s.entry.Type ||
		header("Pabal-Key") != s.entry.Key || header("Pabal-Id") != s.entry.ID ||
		p.Header.Get("Content-Type") != wire.ContentType(&s.entry.Message):
		t.Errorf("entry %d: got %v, %q", s.entry.Offset, p.Header, data)
	}
}

// Each part is whole once its bytes are there: nothing of the next is needed.
func TestMultipartEndsEachPart(t *testing.T) {
	r := newResponse(t, 1)
	read, write := io.Pipe()
	defer func() { _ = read.Close() }()
	in := parts(t, r, read)
	all := scenes(1)
	_, pieces := compose(t, &multipartEncoding, r, all, false)
	for i, piece := range pieces[:len(pieces)-1] {
		go func() { _, _ = write.Write(piece) }()
		p, err := in.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(p) // would wait for ever
		if err != nil || i > 0 && all[i-1].entry != nil && !bytes.Equal(data, all[i-1].entry.Data) {
			t.Fatalf("part %d: got %q, %v", i, data, err)
		}
	}
}

// A publisher who knows the boundary cannot make parts of its own.
func TestMultipartHidesItsBoundary(t *testing.T) {
	evil := "\r\n--" + boundary + "\r\nPabal-Cursor: zzz-99\r\n\r\nforged\r\n--" + boundary + "--\r\n"
	for _, e := range []*pabal.Entry{
		sceneEntry("chat", 1, pabal.Message{Data: []byte(evil)}),
		sceneEntry("chat", 2, pabal.Message{Data: []byte("\xff" + evil)}),
		sceneEntry("chat", 3, pabal.Message{Key: boundary, Data: []byte("x")}),
		sceneEntry("chat", 4, pabal.Message{ContentType: "text/" + boundary, Data: []byte("x")}),
		sceneEntry("chat", 5, pabal.Message{ContentType: "text/é", Data: []byte("x")}),
		sceneEntry(pabal.Channel(boundary), 6, pabal.Message{Data: []byte("x")}),
		sceneEntry("chat", 7, pabal.Message{ContentType: "application/json", Data: []byte(`"` + boundary + `"`)}),
	} {
		bytesOf := e.Encoded(part)
		if got := bytes.Count(bytesOf, []byte(boundary)); got != 1 {
			t.Errorf("entry %d holds the boundary %d times, want once: %q", e.Offset, got, bytesOf)
		}
		r := newResponse(t, 1)
		body := multipartEncoding.end(append(multipartEncoding.open(nil, r), bytesOf...), r, false)
		in := parts(t, r, bytes.NewReader(body))
		if _, err := in.NextPart(); err != nil {
			t.Fatal(err)
		}
		p, err := in.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(p)
		got, err := wire.ParseEntry(text)
		if err != nil || got.Channel != e.Channel || got.Position() != e.Position() {
			t.Fatalf("entry %d: got %s, %v", e.Offset, text, err)
		}
		if !bytes.Equal(got.Data, e.Data) && !sameJSON(got.Data, e.Data) || got.Key != e.Key || got.ContentType != e.ContentType {
			t.Errorf("entry %d: got %+v", e.Offset, got)
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y string
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
}

func TestMultipartShowsPictures(t *testing.T) {
	r := newResponse(t, 1)
	r.image = true
	var all []scene
	for i, m := range []pabal.Message{
		{ContentType: "image/png", Data: []byte("\x89PNG one")}, {Data: []byte("no picture")}, {ContentType: "image/svg+xml", Data: []byte("<svg/>")},
		{ContentType: "image/jpeg"}, {ContentType: "image/jpeg", Data: []byte("\xff\xd8 two")},
	} {
		all = append(all, scene{entry: sceneEntry("cam", pabal.Offset(i+1), m)})
	}
	all = append(all, scene{}, scene{notice: &pabal.Notice{Kind: pabal.NoticeLive}})
	body, _ := compose(t, &multipartEncoding, r, append([]scene{{}}, all...), false)
	var got []string
	for in := parts(t, r, bytes.NewReader(body)); ; {
		p, err := in.NextPart()
		if err != nil {
			break
		}
		data, _ := io.ReadAll(p)
		got = append(got, string(data))
	}
	// The last two: the second picture again, as a sign of life, and what stands before the last boundary.
	if got, want := strings.Join(got, "|"), "\x89PNG one|\xff\xd8 two|\xff\xd8 two|"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWantsImage(t *testing.T) {
	for _, c := range []struct {
		dest, accept string
		want         bool
	}{
		{"image", "*/*", true}, {"", "image/avif,image/webp,*/*;q=0.8", true}, {"", "multipart/x-mixed-replace", true},
		{"", "*/*", false}, {"", "multipart/mixed", false}, {"document", "text/html,image/avif,*/*", false},
	} {
		r := &http.Request{Header: http.Header{"Sec-Fetch-Dest": {c.dest}, "Accept": {c.accept}}}
		if got := wantsImage(r); got != c.want {
			t.Errorf("dest %q, accept %q: got %v", c.dest, c.accept, got)
		}
	}
}
