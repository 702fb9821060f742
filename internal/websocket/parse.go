package websocket

import (
	"encoding/binary"
	"slices"

	"github.com/gobwas/ws"
)

// DefaultMaxMessage is the limit of a [Parser] that names none: 1 MiB.
const DefaultMaxMessage = 1 << 20

// firstBuffer is what a message of unproven size gets at its first byte; from there its buffer doubles as bytes arrive.
const firstBuffer = 4096

// A Parser turns the bytes that a client sends into messages and control frames. Its zero value is ready; the exported
// fields may be set before the first [Parser.Next] and not after. Between messages it holds no memory but itself.
//
// It is strict: whatever RFC 6455 or RFC 7692 forbids a client is an [Error], at the first byte that shows it.
type Parser struct {
	MaxMessage int  // the most bytes of payload a message may have, inflated if it was compressed; 0: DefaultMaxMessage
	Deflate    bool // permessage-deflate was negotiated: RSV1 marks a compressed message

	header    [maxHeader]byte
	have      uint8 // bytes of header that have arrived
	want      uint8 // bytes that the header has, as far as is known; 0: none has arrived
	inPayload bool  // the header is complete, the payload is not
	maskAt    uint8 // which byte of the masking key is next
	closed    bool  // a close frame has come: the rest is discarded
	remaining int   // bytes of this frame's payload still to come
	control   []byte

	op         Opcode // of the message in progress; 0: none
	compressed bool   // the message in progress is
	checked    int    // bytes of message known to be whole, valid UTF-8
	message    []byte
	failed     error
}

// An Event is what one call of [Parser.Next] found.
type Event struct {
	Op      Opcode // OpText, OpBinary, OpPing, OpPong, OpClose; 0: nothing is complete yet
	Payload []byte // of all but OpClose; the caller's to keep; may be nil when empty
	Code    Code   // of OpClose: valid, or CodeNoStatus if the frame had none
	Reason  string // of OpClose: valid UTF-8
}

// Next takes bytes from in up to the end of the first event, and returns the event and what it did not take. If nothing
// is complete yet it takes all, and the event's Op is 0. How the bytes are split over calls changes nothing but when an
// event comes. It neither writes to in nor keeps it.
//
// An error is an [*Error]: close with its code. It is final, as is a close frame: after either, no more is parsed, Next
// takes and discards all it is given, and returns the same error or none.
func (p *Parser) Next(in []byte) (ev Event, rest []byte, err error) {
	for len(in) > 0 && p.failed == nil && !p.closed {
		var bad *Error
		if !p.inPayload {
			if in, bad = p.readHeader(in); bad == nil && !p.inPayload {
				break
			}
		}
		if bad == nil {
			in, bad = p.readPayload(in)
		}
		if bad == nil && p.remaining == 0 {
			ev, bad = p.endFrame()
		}
		if bad != nil {
			p.message, p.control = nil, nil
			p.failed = bad
		} else if ev.Op != 0 {
			return ev, in, nil
		}
	}
	return Event{}, nil, p.failed
}

// Buffered returns how many bytes of memory are held for what has not arrived in full: at most MaxMessage (and an
// eighth more for a compressed message) and 125 for a control frame.
func (p *Parser) Buffered() int { return cap(p.message) + cap(p.control) }

// readHeader takes bytes until the header is complete. It checks each part as it arrives.
func (p *Parser) readHeader(in []byte) ([]byte, *Error) {
	for i, b := range in {
		p.header[p.have] = b
		p.have++
		var bad *Error
		switch p.have {
		case 1:
			p.want = maxHeader
			bad = p.checkFirst(b)
		case 2:
			bad = p.checkSecond(b)
		}
		if bad == nil && p.have == p.want-4 { // all but the masking key
			bad = p.checkLength()
		}
		if bad != nil {
			return nil, bad
		}
		if p.have == p.want {
			p.beginPayload()
			return in[i+1:], nil
		}
	}
	return nil, nil
}

func (p *Parser) frameOp() Opcode { return Opcode(p.header[0] & maskOp) }
func (p *Parser) frameFin() bool  { return p.header[0]&bitFin != 0 }

// checkFirst checks FIN, RSV and opcode (RFC 6455 sections 5.2, 5.4, 5.5; RFC 7692 section 6).
func (p *Parser) checkFirst(b byte) *Error {
	op := Opcode(b & maskOp)
	switch {
	case !op.isKnown():
		return protocolError("opcode %#x is reserved", byte(op))
	case b&bitsRSV != 0:
		return protocolError("RSV2 and RSV3 must be 0: no extension that uses them was negotiated")
	case b&bitRSV1 != 0 && !p.Deflate:
		return protocolError("RSV1 must be 0: permessage-deflate was not negotiated")
	case b&bitRSV1 != 0 && op != OpText && op != OpBinary:
		return protocolError("RSV1 must be 0 but on the first frame of a message")
	case op.isControl() && b&bitFin == 0:
		return protocolError("a control frame must not be fragmented")
	case op == opContinuation && p.op == 0:
		return protocolError("continuation frame, but no message was begun")
	case (op == OpText || op == OpBinary) && p.op != 0:
		return protocolError("a new message before the last fragment of the one begun")
	}
	return nil
}

// checkSecond checks the mask bit and the short length, from which the size of the header follows.
func (p *Parser) checkSecond(b byte) *Error {
	n := b & maskLen
	switch {
	case b&bitMask == 0:
		return protocolError("a client must mask its frames")
	case p.frameOp().isControl() && n > maxControl:
		return protocolError("a control frame has at most %d bytes of payload", maxControl)
	case n == length16:
		p.want = 8
	case n == length64:
		p.want = 14
	default:
		p.want = 6
	}
	return nil
}

// checkLength reads the payload's length, which is complete, and refuses what would go over the limit.
func (p *Parser) checkLength() *Error {
	n := uint64(p.header[1] & maskLen)
	switch n {
	case length16:
		if n = uint64(binary.BigEndian.Uint16(p.header[2:])); n < length16 {
			return protocolError("length %d must be encoded in one byte", n)
		}
	case length64:
		n = binary.BigEndian.Uint64(p.header[2:])
		if n>>63 != 0 {
			return protocolError("the highest bit of a 64-bit length must be 0")
		}
		if n <= 0xFFFF {
			return protocolError("length %d must be encoded in fewer bytes", n)
		}
	}
	if !p.frameOp().isControl() {
		compressed := p.compressed || p.header[0]&bitRSV1 != 0
		if room := p.arrivalLimit(compressed) - len(p.message); n > uint64(room) {
			return tooBig(p.limit())
		}
	}
	p.remaining = int(n)
	return nil
}

// beginPayload prepares for the payload of the frame whose header is complete.
func (p *Parser) beginPayload() {
	p.have, p.maskAt, p.inPayload = 0, 0, true
	switch op := p.frameOp(); {
	case op.isControl():
		if p.remaining > 0 {
			p.control = make([]byte, 0, p.remaining)
		}
	case op != opContinuation:
		p.op = op
		p.compressed = p.header[0]&bitRSV1 != 0
	}
}

// readPayload takes what is there of this frame's payload, unmasked, and checks text as it arrives.
func (p *Parser) readPayload(in []byte) ([]byte, *Error) {
	n := min(len(in), p.remaining)
	if n == 0 {
		return in, nil
	}
	if p.frameOp().isControl() {
		p.control = p.appendUnmasked(p.control, in[:n])
	} else {
		p.grow(n)
		p.message = p.appendUnmasked(p.message, in[:n])
	}
	p.remaining -= n
	if p.frameOp().isControl() || p.op != OpText || p.compressed {
		return in[n:], nil
	}
	whole, ok := validUTF8(p.message[p.checked:])
	p.checked += whole
	if !ok {
		return nil, errUTF8
	}
	return in[n:], nil
}

// appendUnmasked appends the next bytes of this frame (RFC 6455 section 5.3).
func (p *Parser) appendUnmasked(dst, masked []byte) []byte {
	at := len(dst)
	dst = append(dst, masked...)
	key := [4]byte(p.header[p.want-4 : p.want])
	ws.Cipher(dst[at:], key, int(p.maskAt))
	p.maskAt = uint8((int(p.maskAt) + len(masked)) & 3)
	return dst
}

// grow makes room for n more bytes of message. It trusts no announced length beyond firstBuffer: a buffer at most
// doubles with what has arrived. It keeps to the announced end where there is one, so most payloads have no slack.
func (p *Parser) grow(n int) {
	need := len(p.message) + n
	if need <= cap(p.message) {
		return
	}
	most := p.arrivalLimit(p.compressed)
	if p.frameFin() {
		most = len(p.message) + p.remaining
	}
	size := min(max(need, 2*cap(p.message), firstBuffer), most)
	p.message = append(make([]byte, 0, size), p.message...)
}

// endFrame ends a frame whose payload is complete. The event is empty if the message goes on.
func (p *Parser) endFrame() (Event, *Error) {
	p.inPayload = false
	op := p.frameOp()
	if op.isControl() {
		payload := p.control
		p.control = nil
		if op != OpClose {
			return Event{Op: op, Payload: payload}, nil
		}
		p.message = nil
		p.closed = true
		return parseClose(payload)
	}
	if !p.frameFin() {
		return Event{}, nil
	}
	return p.endMessage()
}

func (p *Parser) endMessage() (Event, *Error) {
	ev := Event{Op: p.op, Payload: p.message}
	checked, compressed := p.checked, p.compressed
	p.op, p.compressed, p.checked, p.message = 0, false, 0, nil
	var bad *Error
	switch {
	case compressed:
		ev.Payload, bad = inflate(ev.Payload, p.limit(), ev.Op == OpText)
	case ev.Op == OpText && checked < len(ev.Payload):
		bad = errUTF8
	case cap(ev.Payload)-len(ev.Payload) > len(ev.Payload)/4: // grown for fragments that did not come
		ev.Payload = slices.Clone(ev.Payload)
	}
	return ev, bad
}

func (p *Parser) limit() int {
	if p.MaxMessage <= 0 {
		return DefaultMaxMessage
	}
	return p.MaxMessage
}

// arrivalLimit is the most bytes of a message that may arrive. Deflate makes what cannot be compressed a little longer,
// so that a message of just the limit may arrive as more; an eighth is the most that zlib's deflateBound foresees.
func (p *Parser) arrivalLimit(compressed bool) int {
	n := p.limit()
	if compressed {
		return max(n, n+n/8+64) // n where the sum overflows
	}
	return n
}

// Idle reports whether p is between messages and frames, so that another could
// take its place.
func (p *Parser) Idle() bool {
	return p.have == 0 && !p.inPayload && !p.closed && p.op == 0 && p.failed == nil
}
