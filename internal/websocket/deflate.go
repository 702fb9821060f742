package websocket

import (
	"compress/flate"
	"sync"
)

// MinCompress is the size from which [Message] tries to compress: below it, a frame hardly gets smaller.
const MinCompress = 512

// keepScratch is the most memory that a deflater keeps for its next message.
const keepScratch = 1 << 20

// A deflater is the memory that compressing takes, most of a megabyte; it is held only for as long as one call.
type deflater struct {
	writer *flate.Writer
	out    []byte
}

func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

var deflaters = sync.Pool{New: func() any {
	d := new(deflater)
	d.writer, _ = flate.NewWriter(d, flate.BestSpeed) // fails only for a level that does not exist
	return d
}}

// compressedFrame returns the frame of payload compressed, without context from any other message (RFC 7692 section
// 7.2.1), or false if that is not smaller. A Write to memory does not fail, so errors of the writer cannot happen.
func compressedFrame(op Opcode, payload []byte) ([]byte, bool) {
	d := deflaters.Get().(*deflater)
	defer d.release()
	d.writer.Reset(d)
	_, err := d.writer.Write(payload)
	if flushErr := d.writer.Flush(); err != nil || flushErr != nil {
		return nil, false
	}
	data := d.out[:len(d.out)-4] // 00 00 ff ff, which the receiver adds
	if len(data) >= len(payload) {
		return nil, false
	}
	frame := make([]byte, 0, headerSize(len(data))+len(data))
	return append(appendHeader(frame, bitFin|bitRSV1|byte(op), len(data)), data...), true
}

func (d *deflater) release() {
	if d.out = d.out[:0]; cap(d.out) > keepScratch {
		d.out = nil
	}
	deflaters.Put(d)
}
