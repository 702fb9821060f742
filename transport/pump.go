package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/pabal/pabal"
)

// encodings of the techniques whose response goes on.
var encodings = map[*technique]*encoding{
	sse: &sseEncoding, stream: &streamEncoding, multipart: &multipartEncoding, iframe: &iframeEncoding, page: &pageEncoding,
}

// stream answers r with a response that goes on, from a goroutine of its own.
// The error is of a request to which nothing was written.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, q *request) error {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	s, err := h.openSession(ctx, r, q, pabal.NewSignal())
	if err != nil {
		return err
	}
	defer s.Close()
	resp, err := h.response(r, q, s)
	if err != nil {
		return err
	}
	p := &pump{handler: h, enc: encodings[q.technique], resp: resp, w: w, rc: http.NewResponseController(w), closed: map[int]bool{}}
	var first pabal.Batch
	state := s.Step(&first, 256)
	if q.technique == sse && q.cursor != "" && state == pabal.Done && onlyClosed(&first) {
		w.Header().Set("Pabal-Cursor", q.cursor)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent) // ends an EventSource for good
		return nil
	}
	defer context.AfterFunc(h.draining, func() { cancel(errDraining) })()
	rotate := time.AfterFunc(h.RotateAfter-h.RotateAfter/10+mathrand.N(h.RotateAfter/5+1), func() { cancel(errRotated) })
	defer rotate.Stop()
	p.enc.header(w.Header(), resp)
	if !q.named {
		w.Header().Add("Vary", negotiated)
	}
	w.WriteHeader(http.StatusOK)
	err = p.run(ctx, s, &first)
	p.finish(ctx, r, err)
	return nil
}

func onlyClosed(b *pabal.Batch) bool {
	for _, item := range b.Items {
		if item.Notice == nil || item.Notice.Kind != pabal.NoticeClosed {
			return false
		}
	}
	return true
}

func (h *Handler) response(r *http.Request, q *request, s *pabal.Session) (*response, error) {
	resp := &response{
		channels: q.channels, connection: rand.Text(), heartbeat: h.Heartbeat, nonce: rand.Text(), callback: q.callback,
		pad: q.pad, retry: jitter(h.Retry), entries: q.entries, url: *r.URL,
		image: q.technique == multipart && wantsImage(r),
	}
	for i := range q.channels {
		resp.start = append(resp.start, s.Position(i))
	}
	if len(q.channels) > 1 {
		var err error
		if resp.vector, err = pabal.NewVector(q.channels); err != nil {
			return nil, err
		}
		for i, at := range resp.start {
			resp.vector.Set(i, at)
		}
	}
	return resp, nil
}

// A pump drives one streamed response from one goroutine.
type pump struct {
	handler *Handler
	enc     *encoding
	resp    *response
	w       io.Writer
	rc      *http.ResponseController
	buf     []byte
	written int64
	closed  map[int]bool // the places of which $closed was said
}

// run writes what s yields until the response is to end, and says why.
func (p *pump) run(ctx context.Context, s *pabal.Session, first *pabal.Batch) error {
	p.buf = p.enc.open(p.buf, p.resp)
	if err := p.write(first); err != nil {
		return err
	}
	for b, err := range s.Batches(ctx, p.handler.Heartbeat) {
		if err != nil {
			return err
		}
		if len(b.Items) == 0 {
			p.buf = p.enc.beat(p.buf, p.resp)
		}
		if err := p.write(b); err != nil {
			return err
		}
		if p.written >= p.handler.RotateBytes {
			return errRotated
		}
	}
	return nil
}

// write writes b, and what was buffered before, at once.
func (p *pump) write(b *pabal.Batch) error {
	for _, item := range b.Items {
		if item.Entry != nil {
			p.resp.move(item.Place, item.Entry.Position())
			p.buf = p.enc.entry(p.buf, p.resp, item.Entry)
		} else {
			p.resp.move(item.Place, item.Notice.Cursor)
			p.buf = p.enc.notice(p.buf, p.resp, item.Notice)
			if item.Notice.Kind == pabal.NoticeClosed {
				p.closed[item.Place] = true
			}
		}
		if len(p.buf) >= writeBytes {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	return p.flush()
}

// writeBytes is about the most that one write carries.
const writeBytes = 64 << 10

func (p *pump) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	begun := time.Now()
	err := writePieces(p.w, p.rc.SetWriteDeadline, p.handler.WriteTimeout, p.buf)
	if err == nil {
		err = p.rc.Flush()
	}
	p.written += int64(len(p.buf))
	if p.buf = p.buf[:0]; cap(p.buf) > 2*writeBytes {
		p.buf = nil
	}
	switch {
	case err == nil:
		_ = p.rc.SetWriteDeadline(time.Time{}) // over HTTP/2 it ends a stream also while nothing is written
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded), time.Since(begun) >= p.handler.WriteTimeout: // HTTP/2 does not tell
		return errSlow
	}
	return errLeft
}

// finish ends the response well, where that is still possible.
func (p *pump) finish(ctx context.Context, r *http.Request, why error) {
	if cause := context.Cause(ctx); cause != nil && why != nil && !errors.Is(why, errSlow) {
		why = cause
	}
	switch {
	case why == nil || errors.Is(why, errRotated):
	case errors.Is(why, errDraining):
		p.sayClosed("draining")
	case errors.Is(why, errSlow):
		p.handler.Log.Info("reader closed", "path", r.URL.Path, "client", r.RemoteAddr, "reason", why)
		return
	case errors.Is(why, errLeft), r.Context().Err() != nil:
		return
	default:
		p.handler.Log.Warn("reader closed", "path", r.URL.Path, "client", r.RemoteAddr, "reason", why)
		p.sayClosed("unavailable")
	}
	p.buf = p.enc.end(p.buf, p.resp, why == nil)
	_ = p.flush()
}

func (p *pump) sayClosed(reason pabal.Reason) {
	for i, ch := range p.resp.channels {
		if p.closed[i] {
			continue
		}
		p.buf = p.enc.notice(p.buf, p.resp, &pabal.Notice{Kind: pabal.NoticeClosed, Channel: ch, Cursor: p.resp.start[i], Reason: reason})
	}
}
