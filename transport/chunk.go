package transport

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// A response of the loop is written by hand: its head, and then each entry,
// notice and beat as one chunk (RFC 9112, section 7.1). The chunk is a part of
// what all readers share.

// chunked is what shared formats are as one chunk.
var chunked = func() map[*pabal.Format]*pabal.Format {
	all := map[*pabal.Format]*pabal.Format{}
	for _, f := range []*pabal.Format{sseBare, sseEntry, wire.Line, part, pageItem} {
		all[f] = &pabal.Format{Name: f.Name + " chunk", Encode: func(e *pabal.Entry) []byte {
			data := f.Encode(e)
			return appendChunk(make([]byte, 0, len(data)+12), data)
		}}
	}
	return all
}()

// appendChunk appends data as one chunk, or nothing: an empty chunk would be
// the last.
func appendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = append(strconv.AppendInt(dst, int64(len(data)), 16), "\r\n"...)
	return append(append(dst, data...), "\r\n"...)
}

const lastChunk = "0\r\n\r\n"

// appendHead appends the head of a response of chunks, after which the
// connection ends, with the fields that are in header.
func appendHead(dst []byte, header http.Header, now time.Time) []byte {
	var fields bytes.Buffer
	_ = header.WriteSubset(&fields, ofHead) // to memory
	dst = append(dst, "HTTP/1.1 200 OK\r\nDate: "...)
	dst = append(now.UTC().AppendFormat(dst, http.TimeFormat), "\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"...)
	return append(append(dst, fields.Bytes()...), "\r\n"...)
}

// ofHead are the fields that appendHead gives.
var ofHead = map[string]bool{"Date": true, "Connection": true, "Transfer-Encoding": true, "Content-Length": true}
