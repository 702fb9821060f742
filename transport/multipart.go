package transport

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
)

// multipartEncoding is multipart/mixed (RFC 2046, section 5.1): each part is
// an entry, with its bare data as the body and the rest in header fields, or a
// notice in JSON. Every part ends with the boundary line, so that the receiver
// need not wait for the next one to know that it is whole. A part that is
// empty and has neither Pabal-Cursor nor Pabal-Notice is nothing: a sign of
// life, or what stands before the last boundary.
//
// For an <img> it is multipart/x-mixed-replace: see [appendPicture].
var multipartEncoding = encoding{
	header: func(h http.Header, r *response) {
		kind := "multipart/mixed; boundary="
		if r.image {
			kind = "multipart/x-mixed-replace; boundary="
		}
		streamHeader(h, kind+boundary)
	},
	open: func(dst []byte, r *response) []byte {
		if r.image {
			return append(appendFirst(dst), pictureHead...)
		}
		if r.pad > 0 {
			dst = append(appendPadding(dst, r.pad), "\r\n"...)
		}
		return appendNoticePart(appendFirst(dst), r, r.opening())
	},
	shared: func(r *response) *pabal.Format {
		if r.image || r.vector != nil {
			return nil
		}
		return part
	},
	entry: func(dst []byte, r *response, e *pabal.Entry) []byte {
		if r.image {
			return appendPicture(dst, r, e)
		}
		return append(appendVector(dst, r), e.Encoded(part)...)
	},
	notice: func(dst []byte, r *response, n *pabal.Notice) []byte {
		if r.image {
			return dst
		}
		return appendNoticePart(dst, r, wire.NoticeOf(n))
	},
	beat: func(dst []byte, r *response) []byte {
		switch {
		case !r.image:
			return appendDelimiter(append(dst, emptyPart...))
		case r.picture != nil:
			return appendPicture(dst, r, r.picture)
		}
		return dst
	},
	end: func(dst []byte, r *response, _ bool) []byte {
		if !r.image {
			dst = append(dst, emptyPart...)
		}
		return append(append(append(dst, "\r\n--"...), boundary...), "--\r\n"...)
	},
}

// boundary divides parts. It is one for the process, so that all readers share
// a part's bytes. A publisher may come to know it: see [newPart].
var boundary = "pabal-" + rand.Text()

const emptyPart = "Content-Length: 0\r\n\r\n"

// appendFirst begins the first part.
func appendFirst(dst []byte) []byte {
	return append(append(append(dst, "--"...), boundary...), "\r\n"...)
}

// appendDelimiter ends a part and begins the next.
func appendDelimiter(dst []byte) []byte {
	return appendFirst(append(dst, "\r\n"...))
}

// part is an entry as a part.
var part = &pabal.Format{Name: "multipart", Encode: newPart}

// formType is the content type of a part that is the JSON form.
const formType = "application/vnd.pabal.entry+json"

// newPart returns e as a part: with its bare data, unless the boundary occurs
// in it, or its type cannot stand in a header. Then the part is the JSON form,
// in which the boundary, that can only be inside a string, is written with an
// escape.
func newPart(e *pabal.Entry) []byte {
	contentType := wire.ContentType(&e.Message)
	dst := make([]byte, 0, 256+len(contentType)+e.Size())
	if !headerType(contentType) || holdsBoundary(e) {
		dst = appendEntryHead(dst, e)
		return appendJSONPart(dst, formType, wire.Entry(e))
	}
	dst = appendEntryHead(dst, e)
	dst = appendHeader(dst, "Pabal-Channel", string(e.Channel))
	if !e.Time.IsZero() {
		dst = append(wire.AppendTime(append(dst, "Pabal-Time: "...), e.Time), "\r\n"...)
	}
	dst = appendHeader(dst, "Pabal-Type", e.Type)
	dst = appendHeader(dst, "Pabal-Id", e.ID)
	dst = appendHeader(dst, "Pabal-Key", e.Key)
	return appendBody(dst, contentType, e.Data)
}

// headerType reports whether contentType comes back from a header as it is,
// and does not say that the part is the JSON form.
func headerType(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return printable(contentType) && strings.TrimSpace(contentType) == contentType && !strings.EqualFold(strings.TrimSpace(media), formType)
}

func holdsBoundary(e *pabal.Entry) bool {
	return bytes.Contains(e.Data, []byte(boundary)) || strings.Contains(e.Type, boundary) || strings.Contains(e.ID, boundary) ||
		strings.Contains(e.Key, boundary) || strings.Contains(e.ContentType, boundary) || strings.Contains(string(e.Channel), boundary)
}

func appendEntryHead(dst []byte, e *pabal.Entry) []byte {
	return append(e.Position().Append(append(dst, "Pabal-Cursor: "...)), "\r\n"...)
}

// appendVector appends the cursor over several channels, to a part that has
// the cursor in its own channel.
func appendVector(dst []byte, r *response) []byte {
	if r.vector == nil {
		return dst
	}
	return append(r.vector.Append(append(dst, "Pabal-Vector: "...)), "\r\n"...)
}

func appendNoticePart(dst []byte, r *response, n *wire.Notice) []byte {
	dst = appendHeader(appendVector(dst, r), "Pabal-Notice", string(n.Kind))
	if n.Channel != "" {
		dst = appendHeader(dst, "Pabal-Cursor", n.Cursor)
	}
	return appendJSONPart(dst, "application/json", wire.AppendNotice(nil, n))
}

func appendJSONPart(dst []byte, contentType string, text []byte) []byte {
	escaped := append([]byte(`\u00`), strconv.FormatInt(int64(boundary[0]), 16)+boundary[1:]...)
	return appendBody(dst, contentType, bytes.ReplaceAll(text, []byte(boundary), escaped))
}

// appendBody appends the rest of a part's header, its body, and what ends it.
func appendBody(dst []byte, contentType string, body []byte) []byte {
	dst = append(append(dst, "Content-Type: "...), contentType...)
	dst = strconv.AppendInt(append(dst, "\r\nContent-Length: "...), int64(len(body)), 10)
	return appendDelimiter(append(append(dst, "\r\n\r\n"...), body...))
}

// appendHeader appends a header field, unless its value is empty. Of the value
// all but visible ASCII, and %, is percent-encoded (RFC 3986, section 2.1).
func appendHeader(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(dst, name...), ':', ' ')
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c >= 0x7F || c == '%' {
			dst = append(dst, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '\r', '\n')
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7F {
			return false
		}
	}
	return true
}

// appendPicture appends e, if it is a picture that a browser knows by its
// bytes; what an <img> cannot show is left out, notices included.
//
// The picture is followed by the boundary and by the whole header of the next
// part, of which only the type can be known, and is a guess: Chromium shows a
// picture not before the next part's header has ended, and never again once a
// part was empty. (So there is no empty part here, SVG, which goes by its type,
// cannot be shown, and a sign of life is the same picture again.)
func appendPicture(dst []byte, r *response, e *pabal.Entry) []byte {
	if !pictures[e.ContentType] || len(e.Data) == 0 || bytes.Contains(e.Data, []byte(boundary)) {
		return dst
	}
	r.picture = e
	return append(appendDelimiter(append(dst, e.Data...)), pictureHead...)
}

const pictureHead = "Content-Type: image/jpeg\r\n\r\n"

// pictures are the types that browsers know by their first bytes.
var pictures = map[string]bool{
	"image/jpeg": true, "image/png": true, "image/gif": true, "image/webp": true, "image/avif": true, "image/bmp": true,
}

// wantsImage reports whether r was made by an <img>, or asks as one would.
func wantsImage(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return r.Header.Get("Sec-Fetch-Dest") == "image" ||
		strings.HasPrefix(accept, "image/") || strings.Contains(accept, "multipart/x-mixed-replace")
}
