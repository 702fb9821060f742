package line

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The frames of HTTP/2 (RFC 9113, section 6) that are used here.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	frameHead = 9       // bytes before each frame's payload
	frameMost = 1 << 14 // bytes of a payload, as long as nothing else was agreed
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// A frame is one of HTTP/2. Its payload is valid until the next is read.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func (f *frame) has(flag byte) bool { return f.flags&flag != 0 }

// appendFrame appends f.
func appendFrame(dst []byte, f frame) []byte {
	dst = append(dst, byte(len(f.payload)>>16), byte(len(f.payload)>>8), byte(len(f.payload)), f.kind, f.flags)
	return append(binary.BigEndian.AppendUint32(dst, f.stream), f.payload...)
}

// readFrame reads a frame into buf, of frameMost bytes.
func readFrame(in io.Reader, buf []byte) (f frame, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return f, err
	}
	length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
	if length > len(buf) {
		return f, fmt.Errorf("the server sent a frame of %d bytes, which is too long", length)
	}
	f = frame{head[3], head[4], binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), buf[:length]}
	_, err = io.ReadFull(in, f.payload)
	return f, err
}

// content returns the payload of f without padding and priority.
func (f *frame) content() ([]byte, error) {
	p, padding := f.payload, 0
	if f.has(flagPadded) && len(p) > 0 {
		padding, p = int(p[0]), p[1:]
	}
	if f.kind == frameHeaders && f.has(flagPriority) && len(p) >= 5 {
		p = p[5:]
	}
	if padding > len(p) {
		return nil, fmt.Errorf("the server sent a frame with %d bytes of padding, which is more than it has", padding)
	}
	return p[:len(p)-padding], nil
}

// appendSetting appends one setting.
func appendSetting(dst []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(dst, id), value)
}
