package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// AppendFrame appends one whole, unmasked, uncompressed frame: a message, or a control frame. It panics if a control
// frame has more than 125 bytes of payload; one that answers a ping never has. For close frames use [AppendClose].
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	if op.isControl() && len(payload) > maxControl {
		panic(fmt.Sprintf("websocket: control frame of %d bytes: at most %d are allowed", len(payload), maxControl))
	}
	return append(appendHeader(dst, bitFin|byte(op), len(payload)), payload...)
}

// Message returns the bytes of one message, to be shared by all connections that want it in this form. With compress it
// is compressed if payload has at least [MinCompress] bytes and becomes smaller; such bytes may go only to clients whose
// [Compress.May] allows it.
func Message(op Opcode, payload []byte, compress bool) []byte {
	if compress && len(payload) >= MinCompress {
		if frame, ok := compressedFrame(op, payload); ok {
			return frame
		}
	}
	return AppendFrame(make([]byte, 0, headerSize(len(payload))+len(payload)), op, payload)
}

// AppendClose appends a close frame (RFC 6455 section 5.5.1). The reason is made valid UTF-8 and cut to the 123 bytes that
// fit, at the end of a character. CodeNoStatus and 0 give a frame without code and reason, which answers one that had
// none; any other code that may not be sent (see [Code.Valid]) becomes CodeInternal.
func AppendClose(dst []byte, code Code, reason string) []byte {
	if code == 0 || code == CodeNoStatus {
		return appendHeader(dst, bitFin|byte(OpClose), 0)
	}
	if !code.Valid() {
		code = CodeInternal
	}
	reason = cutReason(reason)
	dst = appendHeader(dst, bitFin|byte(OpClose), 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// AppendError appends the close frame that err asks for: the code and reason of an [*Error], else CodeInternal and no
// reason, since what goes wrong inside is not the client's to read.
func AppendError(dst []byte, err error) []byte {
	var e *Error
	if errors.As(err, &e) {
		return AppendClose(dst, e.Code, e.Reason)
	}
	return AppendClose(dst, CodeInternal, "")
}

func cutReason(reason string) string {
	const most = maxControl - 2
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if len(reason) <= most {
		return reason
	}
	end := most
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}

// parseClose reads the payload of a close frame (RFC 6455 sections 5.5.1 and 7.4).
func parseClose(payload []byte) (Event, *Error) {
	switch len(payload) {
	case 0:
		return Event{Op: OpClose, Code: CodeNoStatus}, nil
	case 1:
		return Event{}, protocolError("a close frame's payload is empty or begins with a code of two bytes")
	}
	code := Code(binary.BigEndian.Uint16(payload))
	if !code.Valid() {
		return Event{}, protocolError("close code %d must not be sent", code)
	}
	if !utf8.Valid(payload[2:]) {
		return Event{}, invalidPayload("a close reason must be valid UTF-8")
	}
	return Event{Op: OpClose, Code: code, Reason: string(payload[2:])}, nil
}
