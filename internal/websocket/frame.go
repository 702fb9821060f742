package websocket

import (
	"encoding/binary"
	"fmt"
)

// An Opcode says what a frame carries (RFC 6455 section 5.2).
type Opcode byte

// The opcodes that RFC 6455 defines, but for continuation (0), which no caller sees.
const (
	OpText   Opcode = 0x1
	OpBinary Opcode = 0x2
	OpClose  Opcode = 0x8
	OpPing   Opcode = 0x9
	OpPong   Opcode = 0xA
)

const opContinuation Opcode = 0x0

func (o Opcode) isControl() bool { return o&0x8 != 0 }

func (o Opcode) isKnown() bool { return o <= OpBinary || o >= OpClose && o <= OpPong }

// The bits of a frame's first two bytes (RFC 6455 section 5.2).
const (
	bitFin   = 0x80
	bitRSV1  = 0x40 // this message is compressed (RFC 7692 section 6)
	bitsRSV  = 0x30 // RSV2 and RSV3, which no extension here uses
	bitMask  = 0x80
	maskOp   = 0x0F
	maskLen  = 0x7F
	length16 = 126 // two bytes of length follow
	length64 = 127 // eight bytes of length follow

	maxControl = 125 // bytes of payload that a control frame may have (section 5.5)
	maxHeader  = 14  // bytes of the longest header: 2, 8 of length, 4 of masking key
)

// A Code says why a connection is closed (RFC 6455 section 7.4).
type Code uint16

// The codes that a server has use for. CodeNoStatus is never on the wire: it stands for a close frame without a code.
const (
	CodeNormal         Code = 1000
	CodeGoingAway      Code = 1001
	CodeProtocol       Code = 1002
	CodeUnsupported    Code = 1003
	CodeNoStatus       Code = 1005
	CodeInvalidPayload Code = 1007
	CodePolicy         Code = 1008
	CodeTooBig         Code = 1009
	CodeInternal       Code = 1011
	CodeRestart        Code = 1012
	CodeTryLater       Code = 1013
)

// Valid reports whether c may stand in a close frame: 1000-1003, 1007-1014 (IANA's registry) and 3000-4999.
func (c Code) Valid() bool {
	return c >= 1000 && c <= 1003 || c >= 1007 && c <= 1014 || c >= 3000 && c <= 4999
}

// An Error is what a client did wrong, with the code and reason to close the connection with.
type Error struct {
	Code   Code
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("websocket: close %d: %s", e.Code, e.Reason) }

func protocolError(format string, args ...any) *Error {
	return &Error{Code: CodeProtocol, Reason: fmt.Sprintf(format, args...)}
}

func invalidPayload(reason string) *Error { return &Error{Code: CodeInvalidPayload, Reason: reason} }

func tooBig(limit int) *Error {
	return &Error{Code: CodeTooBig, Reason: fmt.Sprintf("message is over the limit of %d bytes: send smaller ones", limit)}
}

// appendHeader appends the header of an unmasked frame of n bytes, its length in as few bytes as can be.
func appendHeader(dst []byte, first byte, n int) []byte {
	switch {
	case n < length16:
		return append(dst, first, byte(n))
	case n <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, first, length16), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, first, length64), uint64(n))
	}
}

func headerSize(n int) int {
	switch {
	case n < length16:
		return 2
	case n <= 0xFFFF:
		return 4
	default:
		return 10
	}
}
