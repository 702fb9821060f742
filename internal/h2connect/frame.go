package h2connect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Types of frames (RFC 9113 section 6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9
)

// Flags of frames.
const (
	flagAck        = 0x1 // of SETTINGS and PING
	flagEndStream  = 0x1 // of DATA and HEADERS
	flagEndHeaders = 0x4
	flagPadded     = 0x8
)

const (
	preface       = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	settingWindow = 0x4 // INITIAL_WINDOW_SIZE
	settingOffer  = 0x8 // ENABLE_CONNECT_PROTOCOL
	codeCancel    = 0x8
	firstWindow   = 65535   // of both directions, until somebody says otherwise
	ourWindow     = 4 << 20 // for what the server sends before it is read
	pieceBytes    = 16384   // of a frame, at most
	mostFrame     = 1 << 20 // of the server's frames: more than it may send
)

type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func appendFrame(dst []byte, f frame) []byte {
	n := len(f.payload)
	dst = append(dst, byte(n>>16), byte(n>>8), byte(n), f.kind, f.flags)
	return append(binary.BigEndian.AppendUint32(dst, f.stream), f.payload...)
}

func readFrame(r io.Reader) (f frame, err error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return f, err
	}
	n := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	if n > mostFrame {
		return f, fmt.Errorf("a frame of %d bytes; is this HTTP/2?", n)
	}
	f = frame{head[3], head[4], binary.BigEndian.Uint32(head[5:]) & (1<<31 - 1), make([]byte, n)}
	if _, err := io.ReadFull(r, f.payload); err != nil {
		return f, err
	}
	if f.flags&flagPadded != 0 && (f.kind == frameData || f.kind == frameHeaders) {
		return f, errors.New("a padded frame, which this client does not read")
	}
	return f, nil
}

// settings yields the settings in payload.
func settings(payload []byte) func(yield func(id uint16, value uint32) bool) {
	return func(yield func(uint16, uint32) bool) {
		for ; len(payload) >= 6; payload = payload[6:] {
			if !yield(binary.BigEndian.Uint16(payload), binary.BigEndian.Uint32(payload[2:])) {
				return
			}
		}
	}
}

// appendField appends a header field as HPACK's literal without an index and
// without Huffman's code (RFC 7541 section 6.2.2).
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, 0)
	for _, text := range []string{strings.ToLower(name), value} {
		if n := len(text); n < 127 {
			dst = append(dst, byte(n))
		} else {
			for dst, n = append(dst, 127), n-127; n >= 128; n >>= 7 {
				dst = append(dst, byte(n)|128)
			}
			dst = append(dst, byte(n))
		}
		dst = append(dst, text...)
	}
	return dst
}

// statuses are those of HPACK's static table, from index 8.
var statuses = [...]int{200, 204, 206, 304, 400, 404, 500}

var errNoStatus = errors.New("a response that does not begin with a status")

// parseStatus returns the status with which a header block begins (RFC 9113
// section 8.3: what has a colon comes first, and a response has nothing else of
// the kind).
func parseStatus(block []byte) (int, error) {
	for len(block) > 0 && block[0]&0xe0 == 0x20 { // the table changes its size
		block = block[1:]
	}
	if len(block) == 0 {
		return 0, errNoStatus
	}
	switch b := block[0]; {
	case b >= 0x88 && b < 0x88+byte(len(statuses)): // a field of the static table
		return statuses[b-0x88], nil
	case b&0xc0 == 0x40 && b&0x3f >= 8 && b&0x3f <= 14, b&0xe0 == 0 && b&0x0f >= 8 && b&0x0f <= 14: // the name alone is from it
	default:
		return 0, errNoStatus
	}
	status := 0
	for _, digit := range digits(block[1:]) {
		status = 10*status + digit
	}
	if status < 100 || status > 999 {
		return 0, errNoStatus
	}
	return status, nil
}

// digits returns the digits of one string of HPACK: in Huffman's code 0 to 2
// have 5 bits, 00000 to 00010, and 3 to 9 have 6, 011001 to 011111.
func digits(text []byte) (list []int) {
	if len(text) == 0 || len(text) <= int(text[0]&0x7f) || text[0]&0x7f > 3 {
		return nil
	}
	n := int(text[0] & 0x7f)
	if text[0]&0x80 == 0 {
		for _, c := range text[1 : 1+n] {
			list = append(list, int(c-'0'))
		}
		return list
	}
	var bits uint32
	for _, c := range text[1 : 1+n] {
		bits = bits<<8 | uint32(c)
	}
	bits <<= 32 - 8*n
	for left := 8 * n; left >= 5 && len(list) < 3; {
		if five := bits >> 27; five <= 2 {
			list, bits, left = append(list, int(five)), bits<<5, left-5
			continue
		}
		six := bits >> 26
		if six < 0x19 || six > 0x1f || left < 6 {
			return nil
		}
		list, bits, left = append(list, int(six-0x16)), bits<<6, left-6
	}
	return list
}
