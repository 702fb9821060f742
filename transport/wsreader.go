package transport

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/websocket"
)

// A wsReader reads the frames of one WebSocket and does what they ask, in
// order, one at a time. While it works the socket is not read.
type wsReader struct {
	c        *wsConn
	parser   websocket.Parser
	commands commander
	last     pabal.Position // of what a raw client published last
	ahead    int            // messages that a raw client published since it last waited for its echo,
	bytes    int            // and their bytes
}

// leastRead is the size of a read while little comes.
const leastRead = 4 << 10

// run reads until the connection or ctx ends, and says why.
func (r *wsReader) run(ctx context.Context, early []byte) wsEnd {
	buf := make([]byte, leastRead)
	in := early
	held := 0
	defer func() { r.c.handler.unfinished.give(int64(held)) }()
	for {
		for len(in) > 0 {
			ev, rest, err := r.parser.Next(in)
			if err != nil {
				end := violation(err)
				end.last = r.last
				return end
			}
			in = rest
			if end, ended := r.handle(ctx, ev); ended {
				return end
			}
		}
		now := r.parser.Buffered()
		if h := r.c.handler; !h.unfinished.take(int64(now-held), h.BodyBytes) {
			h.logUnfinished(r.c.request.RemoteAddr)
			return endUnfinished
		}
		held = now
		// A client answers pings, so that of a living one something comes.
		_ = r.c.conn.SetReadDeadline(time.Now().Add(2*r.c.handler.Heartbeat + r.c.handler.WriteTimeout))
		if ctx.Err() != nil {
			return wsEnd{gone: true}
		}
		n, err := r.c.conn.Read(buf)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
				r.c.handler.Log.Info("reader closed", "channels", r.c.channels, "client", r.c.request.RemoteAddr, "reason", errSilent)
			}
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

// violation is the end of a client that broke the protocol.
func violation(err error) wsEnd {
	var v *websocket.Error
	if errors.As(err, &v) {
		return wsEnd{code: v.Code, reason: v.Reason}
	}
	return wsEnd{code: websocket.CodeInternal, reason: "internal error"}
}

func (r *wsReader) handle(ctx context.Context, ev websocket.Event) (wsEnd, bool) {
	switch ev.Op {
	case websocket.OpPing:
		r.send(ctx, websocket.AppendFrame(nil, websocket.OpPong, ev.Payload))
	case websocket.OpClose:
		return wsEnd{code: ev.Code, last: r.last}, true
	case websocket.OpText, websocket.OpBinary:
		if g := r.c.granted.Swap(nil); g != nil {
			connection := r.commands.grant.Connection
			r.commands.grant = *g
			r.commands.grant.Connection = connection
		}
		if !r.c.framing.raw() {
			if frame, err := r.commands.command(ctx, ev); err == nil && frame != nil {
				r.send(ctx, frame)
			}
			return wsEnd{}, ctx.Err() != nil
		}
		if err := r.publish(ctx, ev); err != nil {
			return refused(err, r.last), true
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
	done, err := r.commands.publishRaw(ctx, r.c.channels[0], ev)
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

// withSession runs f where the session belongs.
func (r *wsReader) withSession(ctx context.Context, f func(context.Context, *wsReading) []byte) error {
	done := make(chan struct{})
	select {
	case r.c.tasks <- func(ctx context.Context) { r.c.buf = append(r.c.buf, f(ctx, &r.c.wsReading)...); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
