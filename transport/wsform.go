package transport

import (
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/websocket"
	"github.com/pabal/pabal/internal/wire"
)

// A wsForm is what is said on a WebSocket.
type wsForm struct {
	plain, small *pabal.Format                                                                     // an entry's frame, and the same compressed
	open         func(dst []byte, r *wsReading, heartbeat time.Duration, connection string) []byte // before anything else; nil: nothing
	notice       func(dst []byte, n *pabal.Notice) []byte                                          // nil: notices cannot be said
	beat         []byte                                                                            // beside each ping
}

// The forms: raw carries bare data, or with ?format=entry the JSON form; the
// subprotocol carries the JSON form and notices. An empty text message is its
// sign of life, since a browser shows no pings.
var (
	rawForm      = newForm("websocket raw", barePayload)
	rawEntryForm = newForm("websocket entry", entryPayload)
	v1Form       = func() wsForm {
		f := rawEntryForm
		f.open, f.notice, f.beat = appendWSOpen, appendWSNotice, websocket.Message(websocket.OpText, nil, false)
		return f
	}()
)

func newForm(name string, payload func(*pabal.Entry) (websocket.Opcode, []byte)) wsForm {
	plain := &pabal.Format{Name: name, Encode: func(e *pabal.Entry) []byte {
		op, data := payload(e)
		return websocket.Message(op, data, false)
	}}
	small := &pabal.Format{Name: name + " compressed", Encode: func(e *pabal.Entry) []byte {
		op, data := payload(e)
		if frame := websocket.Message(op, data, true); len(frame) < len(e.Encoded(plain)) {
			return frame
		}
		return e.Encoded(plain)
	}}
	return wsForm{plain: plain, small: small}
}

func formOf(hs websocket.Handshake, q *request) *wsForm {
	switch {
	case hs.Subprotocol == subprotocol:
		return &v1Form
	case q.form != bareForm:
		return &rawEntryForm
	}
	return &rawForm
}

// frame returns e as a frame that is shared by all who get the same.
func (f *wsForm) frame(e *pabal.Entry, compress websocket.Compress) []byte {
	plain := e.Encoded(f.plain)
	if compress.May(len(plain)) { // a little more than the payload, which is what it asks
		return e.Encoded(f.small)
	}
	return plain
}

func barePayload(e *pabal.Entry) (websocket.Opcode, []byte) {
	if text, ok := wire.Text(&e.Message); ok {
		return websocket.OpText, text
	}
	return websocket.OpBinary, e.Data
}

// appendWSOpen says where r begins in the channel of its URL, if that names one.
func appendWSOpen(dst []byte, r *wsReading, heartbeat time.Duration, connection string) []byte {
	open := &wire.Notice{Kind: pabal.NoticeOpen, Heartbeat: heartbeat, Connection: connection}
	for i, ch := range r.channels {
		open.Channels = append(open.Channels, ch)
		open.Cursors = append(open.Cursors, r.session.Position(i).String())
	}
	if len(open.Channels) == 1 {
		open.Channel, open.Cursor, open.Channels, open.Cursors = open.Channels[0], open.Cursors[0], nil, nil
	}
	return append(dst, websocket.Message(websocket.OpText, wire.AppendNotice(nil, open), false)...)
}

func appendWSNotice(dst []byte, n *pabal.Notice) []byte {
	return append(dst, websocket.Message(websocket.OpText, wire.AppendNotice(nil, wire.NoticeOf(n)), false)...)
}

func entryPayload(e *pabal.Entry) (websocket.Opcode, []byte) {
	return websocket.OpText, wire.Entry(e)
}
