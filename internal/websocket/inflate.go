package websocket

import (
	"compress/flate"
	"io"
	"sync"
)

var errDeflate = invalidPayload("a compressed message must be one DEFLATE stream (RFC 7692 section 7.2.2)")

// deflateEnd is what the sender has cut off (00 00 ff ff) and an empty final block, at which the inflater stops.
var deflateEnd = []byte{0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF}

// An inflater is the 40 KiB that inflating takes; it is held only for as long as one call of inflate.
type inflater struct {
	source  deflateSource
	reader  io.ReadCloser // a flate reader of source
	scratch [4096]byte
}

var inflaters = sync.Pool{New: func() any {
	f := new(inflater)
	f.reader = flate.NewReader(&f.source)
	return f
}}

// inflate returns the message that data is compressed from, in memory of its own. It stops as soon as there is more than
// limit, or where text is not UTF-8. It keeps no context from message to message (RFC 7692 section 7.1.1.2).
func inflate(data []byte, limit int, text bool) ([]byte, *Error) {
	if len(data) == 0 { // what zlib makes of no input; zlib takes it too
		return nil, nil
	}
	f := inflaters.Get().(*inflater)
	defer f.release()
	f.source = deflateSource{data: data, end: deflateEnd}
	if err := f.reader.(flate.Resetter).Reset(&f.source, nil); err != nil {
		return nil, errDeflate
	}
	var out []byte
	checked := 0
	for {
		n, err := f.reader.Read(f.scratch[:])
		if len(out)+n > limit {
			return nil, tooBig(limit)
		}
		out = append(out, f.scratch[:n]...)
		if text {
			whole, ok := validUTF8(out[checked:])
			if checked += whole; !ok {
				return nil, errUTF8
			}
		}
		switch {
		case err == io.EOF && !f.source.complete(), err != nil && err != io.EOF:
			return nil, errDeflate
		case err == io.EOF && text && checked < len(out):
			return nil, errUTF8
		case err == io.EOF:
			return out, nil
		}
	}
}

func (f *inflater) release() {
	f.source = deflateSource{}
	inflaters.Put(f)
}

// A deflateSource reads data, then end. It is an io.ByteReader, so that flate reads no further than it must.
type deflateSource struct{ data, end []byte }

func (s *deflateSource) Read(p []byte) (int, error) {
	from := &s.data
	if len(s.data) == 0 {
		from = &s.end
	}
	if len(*from) == 0 {
		return 0, io.EOF
	}
	n := copy(p, *from)
	*from = (*from)[n:]
	return n, nil
}

func (s *deflateSource) ReadByte() (byte, error) {
	var b [1]byte
	_, err := s.Read(b[:])
	return b[0], err
}

// complete reports whether the stream ended where it may: at our own final block, or at one of the sender's, of which
// nothing but the header of the flushing block may follow (RFC 7692 section 7.2.3.4).
func (s *deflateSource) complete() bool {
	if len(s.end) < len(deflateEnd) {
		return len(s.end) == 0
	}
	return len(s.data) == 0 || len(s.data) == 1 && s.data[0] == 0
}
