package main

import (
	"bytes"
	"fmt"
)

// payloadBytes is the size of each message's data.
const payloadBytes = 128

// A mark is how a message shows its number in whatever it is wrapped in: no
// technique escapes these bytes, and no header or notice holds them.
const (
	markStart = '^'
	markEnd   = ';'
	markLen   = 10
)

// appendPayload appends the data of the n-th message.
func appendPayload(dst []byte, n int) []byte {
	dst = fmt.Appendf(dst, "%c%08d%c", markStart, n, markEnd)
	for i := markLen; i < payloadBytes; i++ {
		dst = append(dst, "pabal-"[i%6])
	}
	return dst
}

// scanMarks calls found with the number of each mark in p. It returns how many
// bytes at p's end may begin another.
func scanMarks(p []byte, found func(n int) error) (rest int, err error) {
	for {
		i := bytes.IndexByte(p, markStart)
		if i < 0 {
			return 0, nil
		}
		if p = p[i:]; len(p) < markLen {
			return len(p), nil
		}
		n, ok := parseMark(p)
		if !ok {
			p = p[1:]
			continue
		}
		if err := found(n); err != nil {
			return 0, err
		}
		p = p[markLen:]
	}
}

func parseMark(p []byte) (n int, ok bool) {
	for _, c := range p[1 : markLen-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, p[markLen-1] == markEnd
}
