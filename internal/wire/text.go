package wire

import (
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/pabal/pabal"
)

// IsJSON reports whether data of contentType is JSON: see [pabal.Message.JSON].
func IsJSON(contentType string) bool {
	if contentType == "" {
		return false
	}
	m := pabal.Message{ContentType: contentType}
	return m.JSON()
}

// KeptType returns the content type that is kept for contentType: none for plain
// text in UTF-8, which is what no type means, so that the same text is the same
// message whether it was posted or came as a command.
func KeptType(contentType string) string {
	const plain = "text/plain"
	if len(contentType) < len(plain) || !strings.EqualFold(contentType[:len(plain)], plain) {
		return contentType
	}
	media, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	if err == nil && media == plain && len(params) <= 1 && (len(params) == 0 || strings.EqualFold(charset, "utf-8")) {
		return ""
	}
	return contentType
}

// IsText reports whether data of contentType is text in UTF-8, if its bytes
// are: text/* that names no other charset, or no content type.
func IsText(contentType string) bool {
	if contentType == "" {
		return true
	}
	if len(contentType) < 5 || !strings.EqualFold(contentType[:5], "text/") {
		return false
	}
	if !strings.Contains(contentType, ";") {
		return true
	}
	_, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	return err == nil && (charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8"))
}

// ContentType returns the content type of m, or what follows from its data if
// it has none.
func ContentType(m *pabal.Message) string {
	switch {
	case m.ContentType != "":
		return m.ContentType
	case utf8.Valid(m.Data):
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// Text returns m's data, if a technique that sends bare data may send it as
// text: it is text or JSON by its type, and UTF-8 by its bytes.
func Text(m *pabal.Message) (text []byte, ok bool) {
	if (IsText(m.ContentType) || m.JSON()) && utf8.Valid(m.Data) {
		return m.Data, true
	}
	return nil, false
}

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string. What is not UTF-8 in it becomes
// U+FFFD.
func AppendString(dst []byte, s string) []byte { return appendString(dst, s) }

func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf:
			i++
			continue
		case c >= utf8.RuneSelf:
			end := min(i+utf8.UTFMax, len(s))
			if r, size := utf8.DecodeRuneInString(string(s[i:end])); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), "\uFFFD"...)
		default:
			dst = appendEscape(append(dst, s[start:i]...), c)
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// AppendScript appends text, which is JSON, so that it means the same where
// JavaScript, or HTML with a script in it, is parsed: <, >, &, U+2028 and
// U+2029 are escaped. In JSON they occur only inside strings, so that this
// needs to know nothing of its structure.
func AppendScript(dst, text []byte) []byte {
	start := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '<', '>', '&':
			dst = append(append(dst, text[start:i]...), '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			start = i + 1
		case 0xE2:
			if i+2 < len(text) && text[i+1] == 0x80 && text[i+2]&^1 == 0xA8 {
				dst = append(append(dst, text[start:i]...), '\\', 'u', '2', '0', '2', hex[text[i+2]&15])
				start, i = i+3, i+2
			}
		}
	}
	return append(dst, text[start:]...)
}
