package transport

import (
	"context"
	"errors"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
	"github.com/pabal/pabal/internal/websocket"
)

// A wsReader reads the frames of one WebSocket and does what they ask, in
// order, one at a time. While it works the socket is not read.
type wsReader struct {
	c      *wsConn
	parser websocket.Parser
	last   pabal.Position // of what a raw client published last
	ahead  int            // bytes that a raw client published since it last waited for its echo
}

// run reads until the connection or ctx ends, and says why.
func (r *wsReader) run(ctx context.Context, early []byte) wsEnd {
	buf := make([]byte, 16<<10)
	in := early
	for {
		for len(in) > 0 {
			ev, rest, err := r.parser.Next(in)
			if err != nil {
				return r.fail(err)
			}
			in = rest
			if end, ended := r.handle(ctx, ev); ended {
				return end
			}
		}
		// A client answers pings, so that of a living one something comes.
		_ = r.c.conn.SetReadDeadline(time.Now().Add(2*r.c.handler.Heartbeat + r.c.handler.WriteTimeout))
		if ctx.Err() != nil {
			return wsEnd{gone: true}
		}
		n, err := r.c.conn.Read(buf)
		if err != nil {
			return wsEnd{gone: true}
		}
		in = buf[:n]
	}
}

func (r *wsReader) fail(err error) wsEnd {
	var violation *websocket.Error
	if errors.As(err, &violation) {
		return wsEnd{code: violation.Code, reason: violation.Reason, last: r.last}
	}
	return wsEnd{code: 1011, reason: "internal error"}
}

func (r *wsReader) handle(ctx context.Context, ev websocket.Event) (wsEnd, bool) {
	switch ev.Op {
	case websocket.OpPing:
		r.send(ctx, websocket.AppendFrame(nil, websocket.OpPong, ev.Payload))
	case websocket.OpClose:
		return wsEnd{code: ev.Code, last: r.last}, true
	case websocket.OpText, websocket.OpBinary:
		if r.c.form == &v1Form {
			r.command(ctx, ev)
			return wsEnd{}, ctx.Err() != nil
		}
		if err := r.publish(ctx, ev); err != nil {
			return r.refused(err), true
		}
	}
	return wsEnd{}, ctx.Err() != nil
}

// send has frame written after all that was sent before.
func (r *wsReader) send(ctx context.Context, frame []byte) {
	select {
	case r.c.frames <- frame:
	case <-ctx.Done():
	}
}

// echoBytes is how far a raw client may publish ahead of what it has heard.
const echoBytes = 1 << 20

// publish appends what a raw client sent to its channel.
func (r *wsReader) publish(ctx context.Context, ev websocket.Event) error {
	m := pabal.Message{Data: ev.Payload, ContentType: "application/octet-stream"}
	if ev.Op == websocket.OpText {
		m.ContentType = ""
	}
	done, err := r.c.handler.Hub.Publish(ctx, r.c.grant, r.c.q.channels[0], pabal.Publish{Messages: []pabal.Message{m}})
	if err != nil {
		return err
	}
	r.last = done.End
	if r.ahead += len(ev.Payload) + 64; r.ahead >= echoBytes {
		r.ahead = 0
		heard := func(context.Context) {}
		select {
		case r.c.tasks <- heard: // taken only when the writer has nothing left to write
		case <-ctx.Done():
		}
	}
	return nil
}

// refused says why a raw client's message was not taken.
func (r *wsReader) refused(err error) wsEnd {
	p := problem.From(err)
	end := wsEnd{code: 1008, reason: p.Detail, last: r.last}
	switch {
	case p.Status == 413:
		end.code = 1009
	case p.Status == 429 || p.Status == 503:
		end.code = 1013
	case p.Status >= 500:
		end.code, end.reason = 1011, "the message was not taken"
	}
	return end
}
