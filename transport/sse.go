package transport

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// sseEncoding is server-sent events (WHATWG HTML, section 9.2). Of one channel
// each event carries the bare data, and the JSON form where that is no text or
// r.form asks for it; of several, the JSON form, with the vector as its id.
// An entry's type is the name of its event, but not with messageForm.
// Notices are events named as they are. A comment is a sign of life.
var sseEncoding = encoding{
	header: func(h http.Header, _ *response) { streamHeader(h, "text/event-stream") },
	open: func(dst []byte, r *response) []byte {
		if r.pad > 0 {
			dst = append(appendPadding(append(dst, ':'), r.pad), '\n')
		}
		return appendSSENotice(appendRetry(dst, r.retry), r, r.opening())
	},
	shared: func(r *response) *pabal.Format {
		switch {
		case r.vector != nil:
			return nil
		case r.form == messageForm:
			return sseMessage
		case r.form == entryForm:
			return sseEntry
		}
		return sseBare
	},
	entry: func(dst []byte, r *response, e *pabal.Entry) []byte {
		switch {
		case r.vector != nil && r.form == messageForm:
			return append(appendSSEID(dst, r), e.Encoded(sseData)...)
		case r.vector != nil:
			return append(appendSSEID(dst, r), e.Encoded(sseWithoutID)...)
		case r.form == messageForm:
			return append(dst, e.Encoded(sseMessage)...)
		case r.form == entryForm:
			return append(dst, e.Encoded(sseEntry)...)
		}
		return append(dst, e.Encoded(sseBare)...)
	},
	notice: func(dst []byte, r *response, n *pabal.Notice) []byte {
		return appendSSENotice(dst, r, wire.NoticeOf(n))
	},
	beat: func(dst []byte, _ *response) []byte { return append(dst, ":\n\n"...) },
	end: func(dst []byte, r *response, closed bool) []byte {
		if closed {
			return dst
		}
		return appendRetry(dst, r.retry)
	},
}

var (
	sseBare = &pabal.Format{Name: "sse", Encode: func(e *pabal.Entry) []byte {
		text, ok := wire.Text(&e.Message)
		if !ok {
			return appendSSEEntry(appendSSEPosition(nil, e), e)
		}
		dst := make([]byte, 0, 64+len(text)+len(e.Type))
		return appendData(appendEvent(appendSSEPosition(dst, e), e), text)
	}}
	sseEntry     = &pabal.Format{Name: "sse entry", Encode: func(e *pabal.Entry) []byte { return appendSSEEntry(appendSSEPosition(nil, e), e) }}
	sseMessage   = &pabal.Format{Name: "sse message", Encode: func(e *pabal.Entry) []byte { return appendData(appendSSEPosition(nil, e), wire.Entry(e)) }}
	sseData      = &pabal.Format{Name: "sse data", Encode: func(e *pabal.Entry) []byte { return appendData(nil, wire.Entry(e)) }}
	sseWithoutID = &pabal.Format{Name: "sse without id", Encode: func(e *pabal.Entry) []byte { return appendSSEEntry(nil, e) }}
)

func appendSSEEntry(dst []byte, e *pabal.Entry) []byte {
	return appendData(appendEvent(dst, e), wire.Entry(e))
}

func appendSSEPosition(dst []byte, e *pabal.Entry) []byte {
	return append(e.Position().Append(append(dst, "id: "...)), '\n')
}

func appendSSEID(dst []byte, r *response) []byte {
	return append(r.appendCursor(append(dst, "id: "...)), '\n')
}

// appendEvent appends the event field. A type that would break the stream, or
// pass for a notice, is left out: it came past Pabal into the log.
func appendEvent(dst []byte, e *pabal.Entry) []byte {
	if e.Type == "" || (&pabal.Message{Type: e.Type}).Check() != nil {
		return dst
	}
	return append(append(append(dst, "event: "...), e.Type...), '\n')
}

// appendData appends text as data fields, one for each of its lines, and ends
// the event. Text that is empty is a field too: an event without one is not
// dispatched.
func appendData(dst, text []byte) []byte {
	for {
		i := bytes.IndexAny(text, "\r\n")
		line := text
		if i >= 0 {
			line = text[:i]
		}
		dst = append(dst, "data:"...)
		if len(line) > 0 {
			dst = append(append(dst, ' '), line...)
		}
		dst = append(dst, '\n')
		if i < 0 {
			return append(dst, '\n')
		}
		if text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
			i++
		}
		text = text[i+1:]
	}
}

func appendSSENotice(dst []byte, r *response, n *wire.Notice) []byte {
	dst = append(appendSSEID(dst, r), "event: "...)
	dst = append(append(dst, n.Kind...), "\ndata: "...)
	return append(wire.AppendNotice(dst, n), '\n', '\n')
}

// appendRetry tells an EventSource to come again after d, once the response
// has ended.
func appendRetry(dst []byte, d time.Duration) []byte {
	if d <= 0 {
		return dst
	}
	dst = strconv.AppendInt(append(dst, "retry: "...), max(1, d.Milliseconds()), 10)
	return append(dst, '\n', '\n')
}
