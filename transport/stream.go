package transport

import (
	"net/http"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// streamEncoding is NDJSON: each line is an entry or a notice in its JSON
// form. An empty line is a sign of life.
var streamEncoding = encoding{
	header: func(h http.Header, _ *response) { streamHeader(h, "application/x-ndjson") },
	open: func(dst []byte, r *response) []byte {
		if r.pad > 0 {
			dst = append(appendPadding(dst, r.pad), '\n')
		}
		return append(wire.AppendNotice(dst, r.opening()), '\n')
	},
	shared: func(*response) *pabal.Format { return wire.Line },
	entry: func(dst []byte, _ *response, e *pabal.Entry) []byte {
		return append(dst, e.Encoded(wire.Line)...)
	},
	notice: func(dst []byte, _ *response, n *pabal.Notice) []byte {
		return append(wire.AppendNotice(dst, wire.NoticeOf(n)), '\n')
	},
	beat: func(dst []byte, _ *response) []byte { return append(dst, '\n') },
	end:  noEnd,
}
