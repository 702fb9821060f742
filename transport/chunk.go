package transport

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
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
	for _, f := range []*pabal.Format{sseBare, sseEntry, sseMessage, wire.Line, part, pageItem} {
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
// connection ends, with fields beside its own.
func appendHead(dst, fields []byte, now time.Time) []byte {
	dst = append(dst, "HTTP/1.1 200 OK\r\nDate: "...)
	dst = append(now.UTC().AppendFormat(dst, http.TimeFormat), "\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"...)
	return append(append(dst, fields...), "\r\n"...)
}

// fieldsOf returns the fields of header, but for those of appendHead.
func fieldsOf(header http.Header) []byte {
	var fields bytes.Buffer
	_ = header.WriteSubset(&fields, ofHead) // to memory
	return fields.Bytes()
}

// fields returns the fields of the response's header, in which others may have
// set some before. Most often nobody has, and they are the same for all.
func (b *beginning) fields(header http.Header) []byte {
	kind := headKind{b.enc, b.resp.image, b.named}
	same := len(header) == 0 && b.enc != &iframeEncoding
	if known, ok := heads.Load(kind); same && ok {
		return known.([]byte)
	}
	b.header(header)
	fields := fieldsOf(header)
	if same {
		heads.Store(kind, fields)
	}
	return fields
}

// heads are the fields of each [headKind].
var heads sync.Map

type headKind struct {
	enc          *encoding
	image, named bool
}

// ofHead are the fields that appendHead gives.
var ofHead = map[string]bool{"Date": true, "Connection": true, "Transfer-Encoding": true, "Content-Length": true}
