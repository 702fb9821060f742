package eventsource

import "unicode/utf8"

// decode decodes UTF-8 as the Encoding standard does: each longest beginning
// of a character that is not one becomes one U+FFFD.
func decode(line []byte) []byte {
	if utf8.Valid(line) {
		return line
	}
	var text []byte
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		if r == utf8.RuneError && n == 1 {
			n = beginning(line)
		}
		text = utf8.AppendRune(text, r)
		line = line[n:]
	}
	return text
}

// beginning returns how many of the first bytes of b, which begins with no
// whole character, could begin one; 1 if none can.
func beginning(b []byte) int {
	low, high := byte(0x80), byte(0xbf) // what the second byte may be
	more := 0                           // bytes after the first
	switch first := b[0]; {
	case first >= 0xc2 && first <= 0xdf:
		more = 1
	case first == 0xe0:
		more, low = 2, 0xa0
	case first == 0xed:
		more, high = 2, 0x9f
	case first >= 0xe1 && first <= 0xef:
		more = 2
	case first == 0xf0:
		more, low = 3, 0x90
	case first == 0xf4:
		more, high = 3, 0x8f
	case first >= 0xf1 && first <= 0xf3:
		more = 3
	}
	n := 1
	for n <= more && n < len(b) && b[n] >= low && b[n] <= high {
		n++
		low, high = 0x80, 0xbf
	}
	return n
}
