package transport

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// pageEncoding is an HTML document without end that needs no script: each
// entry is an item of a list, the newest below. When the response ends before
// its channels do, the document says where it goes on, and goes there.
var pageEncoding = encoding{
	header: func(h http.Header, _ *response) {
		streamHeader(h, "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+pageStyleHash+"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
	},
	open:   appendPageOpen,
	shared: func(*response) *pabal.Format { return pageItem },
	entry: func(dst []byte, _ *response, e *pabal.Entry) []byte {
		return append(dst, e.Encoded(pageItem)...)
	},
	notice: func(dst []byte, _ *response, n *pabal.Notice) []byte {
		return appendPageNotice(dst, wire.NoticeOf(n), noticeInWords(n))
	},
	beat: appendHTMLBeat,
	end:  appendPageEnd,
}

// pageStyle keeps the document at its end while it grows: its one column is
// laid out from below.
const pageStyle = `:root{color-scheme:light dark}
body{margin:0;height:100vh;height:100dvh;overflow:auto;display:flex;flex-direction:column-reverse;font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:60rem;margin:0 auto auto;padding:1rem;box-sizing:border-box}
h1{font-size:1.25rem;overflow-wrap:anywhere}
ol{list-style:none;margin:0;padding:0}
li{padding:.375rem 0;border-top:1px solid #8883}
time,.of,.notice,.bytes{color:#767676;color:light-dark(#666,#aaa);font-size:.875rem}
.one .of{display:none}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:inherit}
pre.json{font:.875rem/1.4 ui-monospace,monospace}
img{max-width:100%;display:block}
`

var pageStyleHash = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}()

func appendPageOpen(dst []byte, r *response) []byte {
	names := make([]string, len(r.channels))
	for i, ch := range r.channels {
		names[i] = string(ch)
	}
	title := html.EscapeString(strings.Join(names, ", "))
	class := ""
	if len(names) == 1 {
		class = ` class="one"`
	}
	dst = fmt.Appendf(dst, `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%s · Pabal</title>
<style>%s</style></head>
<body><main%s><h1>%s</h1>
`, title, pageStyle, class, title)
	dst = append(appendHTMLPadding(dst, r.pad), "<ol>\n"...)
	return appendPageNotice(dst, r.opening(), "new entries appear here as they come")
}

// pageItem is an entry as an item of the list.
var pageItem = &pabal.Format{Name: "page", Encode: func(e *pabal.Entry) []byte {
	dst := make([]byte, 0, 256+2*e.Size())
	dst = e.Position().Append(append(dst, `<li data-cursor="`...))
	dst = append(dst, `">`...)
	if !e.Time.IsZero() {
		dst = wire.AppendTime(append(dst, `<time datetime="`...), e.Time)
		dst = e.Time.UTC().AppendFormat(append(dst, `">`...), "2006-01-02 15:04:05Z")
		dst = append(dst, "</time> "...)
	}
	dst = appendElement(dst, `<span class="of">`, string(e.Channel), "</span> ")
	if e.Type != "" {
		dst = appendElement(dst, "<b>", e.Type, "</b> ")
	}
	if e.Key != "" {
		dst = appendElement(dst, "<i>", e.Key, "</i> ")
	}
	return append(appendPageData(dst, &e.Message), "</li>\n"...)
}}

// appendPageData shows m's data as what it is: text, JSON spread out, a
// picture, or so many bytes.
func appendPageData(dst []byte, m *pabal.Message) []byte {
	text, ok := wire.Text(m)
	switch {
	case ok && m.JSON():
		var spread bytes.Buffer
		if json.Indent(&spread, text, "", "  ") == nil {
			text = spread.Bytes()
		}
		return appendElement(dst, `<pre class="json">`, string(text), "</pre>")
	case ok:
		return appendElement(dst, "<pre>", string(text), "</pre>")
	case pictures[m.ContentType]:
		dst = append(append(append(dst, `<img alt="" src="data:`...), m.ContentType...), ";base64,"...)
		return append(base64.StdEncoding.AppendEncode(dst, m.Data), `">`...)
	}
	dst = strconv.AppendInt(append(dst, `<span class="bytes">`...), int64(len(m.Data)), 10)
	return appendElement(dst, " bytes of ", wire.ContentType(m), "</span>")
}

// appendElement appends text between tags. A line feed first in a <pre> would
// be dropped by the parser, so that it gets one that may be.
func appendElement(dst []byte, open, text, end string) []byte {
	dst = append(dst, open...)
	if strings.HasPrefix(open, "<pre") && (strings.HasPrefix(text, "\n") || strings.HasPrefix(text, "\r")) {
		dst = append(dst, '\n')
	}
	return append(append(dst, html.EscapeString(text)...), end...)
}

func appendPageNotice(dst []byte, n *wire.Notice, words string) []byte {
	dst = append(append(append(dst, `<li class="notice" data-notice="`...), n.Kind...), `" data-cursor="`...)
	dst = append(append(dst, n.Cursor...), `">`...)
	if n.Channel != "" {
		dst = appendElement(dst, `<span class="of">`, string(n.Channel), "</span> ")
	}
	return append(append(dst, html.EscapeString(words)...), "</li>\n"...)
}

func noticeInWords(n *pabal.Notice) string {
	switch n.Kind {
	case pabal.NoticeLive:
		return "all there is so far"
	case pabal.NoticeGap:
		return fmt.Sprintf("entries between %v and %v are missing (%s)", n.From, n.To, n.Reason)
	case pabal.NoticeReset:
		return fmt.Sprintf("what stood here is gone (%s); it goes on at %v", n.Reason, n.To)
	case pabal.NoticeSkipped:
		return fmt.Sprintf("%d older values left out", n.Count)
	case pabal.NoticeClosed:
		return fmt.Sprintf("the end (%s)", n.Reason)
	}
	return string(n.Kind)
}

// appendPageEnd ends the document. A reader whose channels go on is taken to
// where they do, by a refresh that browsers honour in a body too, or by a
// link. Both name the query alone: the path may be another one outside.
func appendPageEnd(dst []byte, r *response, closed bool) []byte {
	dst = append(dst, "</ol>\n"...)
	if !closed {
		query := r.url.Query()
		query.Del("since")
		query.Set("cursor", string(r.appendCursor(nil)))
		where := html.EscapeString("?" + query.Encode())
		after := max(1, (r.retry+time.Second-1)/time.Second)
		dst = fmt.Appendf(dst, `<p><a href="%s">Go on</a></p><meta http-equiv="refresh" content="%d;url=%s">`+"\n", where, after, where)
	}
	return append(dst, "</main></body></html>\n"...)
}
