package main

import "bytes"

// A mark is how a message shows its stream, its number in it and when it should
// have been published, in whatever it is wrapped in: no server escapes these
// bytes, and nothing else that servers send holds a '^'.
//
//	^0000012.00000345.1700000000000000;
type mark struct {
	stream, number int
	due            int64 // microseconds since 1970
}

const (
	markStart    = '^'
	streamDigits = 7
	numberDigits = 8
	dueDigits    = 16
	markLen      = 1 + streamDigits + 1 + numberDigits + 1 + dueDigits + 1
)

// appendPayload appends the data of a message, of size bytes.
func appendPayload(dst []byte, m mark, size int) []byte {
	end := len(dst) + size
	dst = append(dst, markStart)
	dst = append(appendNumber(dst, int64(m.stream), streamDigits), '.')
	dst = append(appendNumber(dst, int64(m.number), numberDigits), '.')
	dst = append(appendNumber(dst, m.due, dueDigits), ';')
	for len(dst) < end {
		dst = append(dst, "pabal-"[len(dst)%6])
	}
	return dst
}

func appendNumber(dst []byte, n int64, digits int) []byte {
	at := len(dst) + digits
	for range digits {
		dst = append(dst, '0')
	}
	for ; n > 0; n /= 10 {
		at--
		dst[at] = byte('0' + n%10)
	}
	return dst
}

// A hold keeps the beginning of a mark whose end has not come yet.
type hold struct {
	bytes [markLen]byte
	n     int
}

// scan calls found with each mark in what was held and p, and holds what may be
// the beginning of another.
func (h *hold) scan(p []byte, found func(mark)) {
	if h.n > 0 {
		held := h.n
		h.n += copy(h.bytes[h.n:], p)
		if h.n < markLen {
			return
		}
		h.n = 0
		if m, ok := parseMark(h.bytes[:]); ok {
			found(m)
			p = p[markLen-held:]
		} // else it was no mark; and what servers send holds no '^' by itself
	}
	for {
		i := bytes.IndexByte(p, markStart)
		if i < 0 {
			return
		}
		if p = p[i:]; len(p) < markLen {
			h.n = copy(h.bytes[:], p)
			return
		}
		m, ok := parseMark(p)
		if !ok {
			p = p[1:]
			continue
		}
		found(m)
		p = p[markLen:]
	}
}

func parseMark(p []byte) (m mark, ok bool) {
	const number = 1 + streamDigits + 1
	const due = number + numberDigits + 1
	if p[number-1] != '.' || p[due-1] != '.' || p[markLen-1] != ';' {
		return mark{}, false
	}
	stream, ok1 := parseNumber(p[1 : number-1])
	n, ok2 := parseNumber(p[number : due-1])
	at, ok3 := parseNumber(p[due : markLen-1])
	return mark{int(stream), int(n), at}, ok1 && ok2 && ok3
}

func parseNumber(p []byte) (n int64, ok bool) {
	for _, c := range p {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
