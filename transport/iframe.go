package transport

import (
	"crypto/rand"
	"net/http"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/wire"
)

// iframeEncoding is an HTML document without end for a hidden frame. Each
// entry and notice is a script that calls a function of the page around it
// with the JSON form, and leaves nothing behind. When the response ends, the
// frame's load event fires.
var iframeEncoding = encoding{
	header: func(h http.Header, r *response) {
		streamHeader(h, "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+r.nonce+"'; base-uri 'none'; frame-ancestors 'self'")
	},
	open: func(dst []byte, r *response) []byte {
		return appendCall(appendHTMLPadding(append(dst, iframeHead...), r.pad), r, wire.AppendNotice(nil, r.opening()))
	},
	shared: private,
	entry: func(dst []byte, r *response, e *pabal.Entry) []byte {
		return append(append(appendCallStart(dst, r), e.Encoded(script)...), callEnd...)
	},
	notice: func(dst []byte, r *response, n *pabal.Notice) []byte {
		return appendCall(dst, r, wire.AppendNotice(nil, wire.NoticeOf(n)))
	},
	beat: appendHTMLBeat,
	end:  func(dst []byte, _ *response, _ bool) []byte { return append(dst, iframeFoot...) },
}

const (
	iframeHead = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Pabal</title></head><body>\n"
	iframeFoot = "</body></html>\n"
	callEnd    = ")</script>\n"
)

// script is an entry in its JSON form, safe in a script.
var script = &pabal.Format{Name: "script", Encode: func(e *pabal.Entry) []byte { return wire.AppendScript(nil, wire.Entry(e)) }}

// appendCall appends a script that calls r's callback with text, which is JSON.
func appendCall(dst []byte, r *response, text []byte) []byte {
	return append(wire.AppendScript(appendCallStart(dst, r), text), callEnd...)
}

// appendCallStart begins a call. The script removes itself first, so that the
// document does not grow whatever the callback does.
func appendCallStart(dst []byte, r *response) []byte {
	dst = append(append(append(dst, `<script nonce="`...), r.nonce...), `">document.currentScript.remove();parent.`...)
	return append(append(dst, r.callback...), '(')
}

// leastPad is what browsers have been known to gather of a document before
// they show any of it.
const leastPad = 1024

// appendHTMLPadding appends a comment of at least pad bytes.
func appendHTMLPadding(dst []byte, pad int) []byte {
	return append(appendPadding(append(dst, "<!--"...), max(pad, leastPad)), "-->\n"...)
}

func appendHTMLBeat(dst []byte, _ *response) []byte { return append(dst, "<!-- -->\n"...) }

// writeIframeProblem calls callback with p: a page cannot read the status of a
// frame, so it is 200.
func writeIframeProblem(w http.ResponseWriter, callback string, p *problem.Problem) {
	r := &response{nonce: rand.Text(), callback: callback}
	iframeEncoding.header(w.Header(), r)
	body := appendCall([]byte(iframeHead), r, p.Append(nil))
	_, _ = w.Write(append(body, iframeFoot...))
}
