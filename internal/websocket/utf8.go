package websocket

import "unicode/utf8"

var errUTF8 = invalidPayload("text must be valid UTF-8")

// validUTF8 reports whether text can be the beginning of valid UTF-8, and how many of its bytes are whole characters:
// all but the at most three bytes of a last one that may yet be completed (RFC 6455 section 8.1).
func validUTF8(text []byte) (whole int, ok bool) {
	whole = len(text)
	for i := len(text) - 1; i >= 0 && i >= len(text)-3; i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) { // FullRune takes what can never be completed for full
				whole = i
			}
			break
		}
	}
	return whole, utf8.Valid(text[:whole])
}
