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
	ahead  int            // messages that a raw client published since it last waited for its echo,
	bytes  int            // and their bytes
}

// leastRead is the size of a read while little comes.
const leastRead = 4 << 10

// run reads until the connection or ctx ends, and says why.
func (r *wsReader) run(ctx context.Context, early []byte) wsEnd {
	buf := make([]byte, leastRead)
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
		switch in = buf[:n]; {
		case n == len(buf) && n < writeBytes:
			buf = make([]byte, 4*n) // what is in still holds the old one
		case n < len(buf)/8 && len(buf) > leastRead:
			buf = make([]byte, leastRead)
		}
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

// echoMessages and echoBytes are how far a raw client may publish ahead of
// what it has heard, so that its echo is still there when it comes to be read.
const (
	echoMessages = 256
	echoBytes    = 1 << 20
)

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
	r.ahead++
	if r.bytes += len(ev.Payload); r.ahead >= echoMessages || r.bytes >= echoBytes {
		r.ahead, r.bytes = 0, 0
		r.hear(ctx)
	}
	return nil
}

// hear waits until the client was sent all that it published.
func (r *wsReader) hear(ctx context.Context) {
	select {
	case r.c.hear <- r.last:
	case <-ctx.Done():
		return
	}
	select {
	case <-r.c.heard:
	case <-ctx.Done():
	}
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
