// Package websocket is the server side of RFC 6455 (WebSocket) and RFC 7692 (permessage-deflate), as pure functions and
// one state machine. It has no goroutine, no socket and no timer: whoever owns the connection, a goroutine or a
// non-blocking loop, reads and writes the bytes.
//
// Answer the handshake:
//
//	h, err := websocket.Negotiate(r, websocket.Config{Subprotocols: []string{"pabal.v1"}, Deflate: true})
//	var refused *websocket.HandshakeError
//	if errors.As(err, &refused) { … } // write refused.Status, refused.Header and refused.Message
//	out = h.AppendResponse(out, nil)  // then hijack, and write out
//
// Over HTTP/2 and HTTP/3 a request with [ExtendedConnect] is negotiated alike; then call h.SetResponse(w.Header()), answer
// 200, and the bytes are those of the request's body and the response's.
//
// Then feed whatever arrives, in pieces of any size:
//
//	p := websocket.Parser{MaxMessage: 1 << 20, Deflate: h.Deflate}
//	for in := buf[:n]; len(in) > 0; {
//		var ev websocket.Event
//		if ev, in, err = p.Next(in); err != nil {
//			// Write websocket.AppendError(out, err), then close as below.
//		}
//		switch ev.Op {
//		case 0: // all of in is taken: read more
//		case websocket.OpText, websocket.OpBinary: // ev.Payload is yours
//		case websocket.OpPing: // write websocket.AppendFrame(out, websocket.OpPong, ev.Payload)
//		case websocket.OpClose: // write websocket.AppendClose(out, ev.Code, ""), then close as below
//		}
//	}
//
// And write frames, each made once for however many connections:
//
//	plain := websocket.Message(websocket.OpText, payload, false)
//	small := websocket.Message(websocket.OpText, payload, true) // only for those whose h.Compress().May(len(payload))
//
// After a close frame is written: shut down the writing half, read and discard until EOF or a deadline, then close. A
// socket that is closed while it still holds unread bytes resets the connection, and the client may never see why.
//
// Left to the caller: Origin (403), authentication, write deadlines, pings of its own, and that nothing follows a
// close frame.
//
// # Concurrency
//
// All functions may be called from any goroutine at once. A [Parser] may be used by one goroutine at a time; it locks
// nothing. A [Handshake] is a value that nobody changes. What [Parser.Next] yields belongs to the caller; what
// [Message] returns may be shared as long as nobody writes to it.
package websocket
