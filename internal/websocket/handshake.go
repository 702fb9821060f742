package websocket

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"iter"
	"net/http"
	"slices"
	"strings"
)

// A Config says what the server is willing to agree to. Its zero value agrees to plain WebSocket only.
type Config struct {
	Subprotocols []string // those the server speaks, the best first; default: none
	Deflate      bool     // accept permessage-deflate; default: no
}

// A Handshake is what server and client have agreed on.
type Handshake struct {
	Subprotocol string // one of Config.Subprotocols that the client offered, or ""
	Deflate     bool   // the client may compress its messages: set [Parser.Deflate]

	key    string // "" if there is none to answer: of an extended CONNECT
	window deflateWindow
}

// ExtendedConnect returns the protocol that r asks to speak on its own stream, by the method CONNECT with :protocol (RFC
// 8441 over HTTP/2, RFC 9220 over HTTP/3): "websocket", or another. Any other request has "".
func ExtendedConnect(r *http.Request) string {
	switch {
	case r.Method != http.MethodConnect || r.ProtoMajor < 2:
		return ""
	case r.ProtoMajor > 2 && !strings.HasPrefix(r.Proto, "HTTP/"):
		return r.Proto // that is where quic-go has it
	}
	return r.Header.Get(":protocol") // and here net/http
}

// Compress returns what this client may be sent compressed.
func (h Handshake) Compress() Compress {
	if !h.Deflate {
		return 0
	}
	return Compress(h.window.bits())
}

// A Compress is what a client may be sent compressed: nothing if it is 0, else what its window of so many bits allows.
type Compress uint8

// May reports whether the client may be sent a message of size bytes as [Message] compresses it. That is so if
// permessage-deflate was agreed on, and the client's window holds all of the message if it is smaller than the full
// 32 KiB: compress/flate cannot be told to look back less, but never looks back further than a message is long.
func (c Compress) May(size int) bool {
	return c == maxWindowBits || c > 0 && size <= 1<<c
}

// A HandshakeError is a refusal: the response to give.
type HandshakeError struct {
	Status  int
	Header  http.Header // to add to the response; may be nil
	Message string      // what is wrong, and what to send instead
}

func (e *HandshakeError) Error() string { return "websocket handshake: " + e.Message }

// Negotiate checks that r is a WebSocket handshake (RFC 6455 section 4.2.1, or RFC 8441 section 5), and chooses the
// subprotocol and the extension. It chooses only what was offered: of the subprotocols the server's first that is among the client's, of
// the permessage-deflate offers the client's first that can be kept. That none fits is no error.
//
// An error is a [*HandshakeError]. Origin is not looked at: that is the caller's rule.
func Negotiate(r *http.Request, c Config) (Handshake, error) {
	h := Handshake{Subprotocol: chooseSubprotocol(r.Header, c.Subprotocols)}
	var err error
	if ExtendedConnect(r) != "" {
		err = checkConnect(r)
	} else if err = checkRequest(r); err == nil {
		h.key, err = handshakeKey(r.Header)
	}
	if err != nil {
		return Handshake{}, err
	}
	offers, ok := parseExtensions(strings.Join(r.Header["Sec-Websocket-Extensions"], ","))
	if !ok {
		return Handshake{}, badRequest(`malformed Sec-WebSocket-Extensions: send "name; param=value, …" (RFC 6455 section 9.1), or leave it out`)
	}
	if c.Deflate {
		h.window, h.Deflate = chooseDeflate(offers)
	}
	return h, nil
}

func badRequest(message string) *HandshakeError {
	return &HandshakeError{Status: http.StatusBadRequest, Message: message}
}

func upgradeRequired(message string) *HandshakeError {
	return &HandshakeError{Status: http.StatusUpgradeRequired, Message: message, Header: http.Header{
		"Upgrade":               {"websocket"}, // a 426 must say to what (RFC 9110 section 15.5.22)
		"Connection":            {"Upgrade"},
		"Sec-Websocket-Version": {"13"},
	}}
}

// checkRequest checks all but the key.
func checkRequest(r *http.Request) error {
	switch {
	case r.Method != http.MethodGet:
		return &HandshakeError{
			Status:  http.StatusMethodNotAllowed,
			Header:  http.Header{"Allow": {http.MethodGet}},
			Message: "a WebSocket is opened with GET",
		}
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return badRequest("a WebSocket is opened over HTTP/1.1; this is " + r.Proto)
	case !hasToken(r.Header["Upgrade"], "websocket"):
		return upgradeRequired("send Upgrade: websocket and Connection: Upgrade")
	case !hasToken(r.Header["Connection"], "upgrade"):
		return badRequest("send Connection: Upgrade; a proxy on the way may have removed it")
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return badRequest("a handshake has no body: leave out Content-Length and Transfer-Encoding")
	case !slices.Equal(r.Header["Sec-Websocket-Version"], []string{"13"}):
		return upgradeRequired("send Sec-WebSocket-Version: 13, the only version spoken here")
	}
	return nil
}

// checkConnect checks an extended CONNECT. The fields that only HTTP/1.1 needs are not looked at, the key among them.
func checkConnect(r *http.Request) error {
	switch {
	case ExtendedConnect(r) != "websocket":
		return &HandshakeError{Status: http.StatusNotImplemented, Message: "the :protocol is not known here: send websocket"}
	case len(r.Header["Content-Length"]) > 0:
		return badRequest("a WebSocket has no length: leave out Content-Length")
	case r.ContentLength == 0:
		return badRequest("the stream ends with its head (END_STREAM): a WebSocket's goes on")
	case !slices.Equal(r.Header["Sec-Websocket-Version"], []string{"13"}):
		return &HandshakeError{
			Status:  http.StatusBadRequest, // 426 needs the field Upgrade, which only HTTP/1.1 has
			Header:  http.Header{"Sec-Websocket-Version": {"13"}},
			Message: "send Sec-WebSocket-Version: 13, the only version spoken here",
		}
	}
	return nil
}

func handshakeKey(header http.Header) (string, error) {
	keys := header["Sec-Websocket-Key"]
	if len(keys) != 1 {
		return "", badRequest("send Sec-WebSocket-Key exactly once")
	}
	if raw, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(raw) != 16 || len(keys[0]) != 24 {
		return "", badRequest("Sec-WebSocket-Key must be 16 random bytes in base64")
	}
	return keys[0], nil
}

func chooseSubprotocol(header http.Header, ours []string) string {
	offered := slices.Collect(tokens(header["Sec-Websocket-Protocol"]))
	for _, name := range ours {
		if slices.Contains(offered, name) {
			return name
		}
	}
	return ""
}

// tokens yields the elements of a comma-separated header, however many lines it has.
func tokens(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for element := range strings.SplitSeq(line, ",") {
				if element = strings.Trim(element, " \t"); element != "" && !yield(element) {
					return
				}
			}
		}
	}
}

// hasToken reports whether token, which is ASCII, is among the elements, in whatever case. A longer encoding that folds to
// the same letters (the Kelvin sign for k) is not.
func hasToken(lines []string, token string) bool {
	for element := range tokens(lines) {
		if len(element) == len(token) && strings.EqualFold(element, token) {
			return true
		}
	}
	return false
}

// notInResponse are the headers of a 101, or of the 200 to an extended CONNECT, that are not the caller's to add.
var notInResponse = map[string]bool{
	"Upgrade": true, "Connection": true, "Content-Length": true, "Transfer-Encoding": true,
	"Sec-Websocket-Accept": true, "Sec-Websocket-Protocol": true, "Sec-Websocket-Extensions": true,
}

// AppendResponse appends the whole head of the 101 response, and the caller's own headers sorted by name (RFC 6455
// section 4.2.2). Headers that would contradict the handshake are left out, line breaks in values become spaces.
func (h Handshake) AppendResponse(dst []byte, extra http.Header) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = append(dst, acceptKey(h.key)...)
	if h.Subprotocol != "" {
		dst = append(append(dst, "\r\nSec-WebSocket-Protocol: "...), h.Subprotocol...)
	}
	if h.Deflate {
		dst = append(append(dst, "\r\nSec-WebSocket-Extensions: "...), h.window.response()...)
	}
	dst = append(dst, "\r\n"...)
	if len(extra) > 0 {
		var b bytes.Buffer
		_ = extra.WriteSubset(&b, notInResponse) // a write to memory does not fail
		dst = append(dst, b.Bytes()...)
	}
	return append(dst, "\r\n"...)
}

// SetResponse makes header that of the 200 that answers an extended CONNECT (RFC 8441 section 5.1). What would contradict
// the handshake is taken out of it.
func (h Handshake) SetResponse(header http.Header) {
	for name := range notInResponse {
		delete(header, name)
	}
	if h.Subprotocol != "" {
		header["Sec-Websocket-Protocol"] = []string{h.Subprotocol}
	}
	if h.Deflate {
		header["Sec-Websocket-Extensions"] = []string{h.window.response()}
	}
}

// acceptKey proves that the server has understood the handshake (RFC 6455 section 4.2.2, item 5.4).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
