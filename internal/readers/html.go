package readers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// scan yields body in pieces that end with end. What follows the last is the
// rest, and may be nothing unless the body ended well.
func scan(body io.Reader, end string, yield func(piece string) (bool, error)) (rest string, err error) {
	in := bufio.NewReader(body)
	var piece []byte
	for {
		part, err := in.ReadSlice(end[len(end)-1])
		piece = append(piece, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return string(piece), nil
		}
		if err != nil {
			return "", err
		}
		if bytes.HasSuffix(piece, []byte(end)) {
			on, err := yield(string(piece))
			if !on || err != nil {
				return "", err
			}
			piece = nil
		}
	}
}

var noncePattern = regexp.MustCompile(`script-src 'nonce-([A-Za-z0-9+/_=-]+)'`)

// Iframe reads the scripts of a document without end.
func Iframe(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	query := url.Values{"callback": {"app.got"}}
	return t.body(ctx, "iframe", "text/html", query, func(resp *http.Response, yield func(Item) bool) error {
		nonce := noncePattern.FindStringSubmatch(resp.Header.Get("Content-Security-Policy"))
		if nonce == nil {
			return fmt.Errorf("no nonce in %q", resp.Header.Get("Content-Security-Policy"))
		}
		before := `<script nonce="` + nonce[1] + `">document.currentScript.remove();parent.app.got(`
		on := true
		rest, err := scan(resp.Body, "</script>\n", func(piece string) (bool, error) {
			i := strings.Index(piece, "<script")
			if i < 0 {
				return false, fmt.Errorf("%.200q ends a script that was not begun", piece)
			}
			text, err := called([]byte(piece[i:]), before, ")</script>\n")
			if err != nil {
				return false, err
			}
			if bytes.ContainsAny(text, "<>&\u2028\u2029") {
				return false, fmt.Errorf("%.200q is not safe in a script", text)
			}
			refused := &StatusError{Header: resp.Header, Body: text} // which a frame is told by a call, too
			if p, ok := refused.Problem(); ok && p.Title != "" {
				refused.Status = p.Status
				return false, refused
			}
			it, err := parseForm(text)
			if err != nil {
				return false, err
			}
			on = yield(it)
			return on, nil
		})
		if err == nil && on && !strings.HasSuffix(rest, "</body></html>\n") {
			return io.ErrUnexpectedEOF
		}
		return err
	})
}

var (
	itemPattern = regexp.MustCompile(`(?s)<li( class="notice" data-notice="([^"]*)")? data-cursor="([^"]*)">(.*)</li>\n$`)
	timePattern = regexp.MustCompile(`^<time datetime="[^"]+">[^<]*</time> `)
	partPattern = regexp.MustCompile(`(?s)^<span class="of">([^<]*)</span> (?:<b>([^<]*)</b> )?(?:<i>([^<]*)</i> )?(.*)$`)
	prePattern  = regexp.MustCompile(`(?s)^<pre( class="json")?>([^<]*)</pre>$`)
	imgPattern  = regexp.MustCompile(`^<img alt="" src="data:([^;]+);base64,([^"]*)">$`)
	sizePattern = regexp.MustCompile(`^<span class="bytes">(\d+) bytes of ([^<]*)</span>$`)
)

// Page reads the items of a document that needs no script.
func Page(ctx context.Context, t *Target) iter.Seq2[Item, error] {
	return t.body(ctx, "page", "text/html", nil, func(resp *http.Response, yield func(Item) bool) error {
		on := true
		rest, err := scan(resp.Body, "</li>\n", func(piece string) (bool, error) {
			it, err := parseItem(piece)
			if err != nil {
				return false, err
			}
			if strings.HasPrefix(it.Cursor, "~") {
				it.Cursor, it.Vector = "", it.Cursor
			}
			on = yield(it)
			return on, nil
		})
		if err == nil && on && !strings.HasSuffix(rest, "</main></body></html>\n") {
			return io.ErrUnexpectedEOF
		}
		return err
	})
}

func parseItem(piece string) (Item, error) {
	found := itemPattern.FindStringSubmatch(piece[max(0, strings.Index(piece, "<li")):])
	if found == nil {
		return Item{}, fmt.Errorf("%.200q is no item", piece)
	}
	it := Item{Notice: found[2], Cursor: found[3]}
	inner := timePattern.ReplaceAllString(found[4], "")
	if it.Notice == "" && inner == found[4] {
		return it, fmt.Errorf("%.200q has no time", piece)
	}
	parts := partPattern.FindStringSubmatch(inner)
	if parts == nil {
		if it.Notice == "" {
			return it, fmt.Errorf("%.200q says no channel", piece)
		}
		return it, nil
	}
	it.Channel, it.Type, it.Key = html.UnescapeString(parts[1]), html.UnescapeString(parts[2]), html.UnescapeString(parts[3])
	if it.Notice != "" {
		return it, nil
	}
	return it, it.show(parts[4])
}

// show sets the data to what the markup shows.
func (it *Item) show(markup string) (err error) {
	if pre := prePattern.FindStringSubmatch(markup); pre != nil {
		it.Data = []byte(html.UnescapeString(strings.TrimPrefix(pre[2], "\n")))
		if pre[1] == "" {
			return nil
		}
		it.ContentType = "application/json"
		var compact bytes.Buffer
		err = json.Compact(&compact, it.Data)
		it.Data = compact.Bytes()
		return err
	}
	if img := imgPattern.FindStringSubmatch(markup); img != nil {
		it.ContentType = img[1]
		it.Data, err = base64.StdEncoding.DecodeString(img[2])
		return err
	}
	size := sizePattern.FindStringSubmatch(markup)
	if size == nil {
		return fmt.Errorf("%.200q shows nothing that is known", markup)
	}
	n, err := strconv.Atoi(size[1])
	it.Data, it.Opaque, it.ContentType = make([]byte, n), true, html.UnescapeString(size[2])
	return err
}
