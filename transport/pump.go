package transport

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/pabal/pabal"
)

// encodings of the techniques whose response goes on.
var encodings = map[*technique]*encoding{
	sse: &sseEncoding, stream: &streamEncoding, multipart: &multipartEncoding, iframe: &iframeEncoding, page: &pageEncoding,
}

// stream answers r with a response that goes on, from a loop or from a
// goroutine of its own. The error is of a request to which nothing was
// written.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, q *request) error {
	if l := h.loopFor(w, r, q); l != nil {
		return h.streamOnLoop(w, r, q, l)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	s, err := h.openSession(ctx, q, pabal.NewSignal())
	if err != nil {
		return err
	}
	defer s.Close()
	begun, err := h.begin(w, r, q, s)
	if err != nil || begun == nil {
		return err
	}
	more, err := h.more(ctx, q, s)
	if err != nil {
		return err
	}
	defer more.end(h, q.grant)
	p := &pump{handler: h, enc: begun.enc, resp: begun.resp, w: w, rc: http.NewResponseController(w), more: more}
	defer context.AfterFunc(h.draining, func() { cancel(errDraining) })()
	rotate := time.AfterFunc(h.lifetime(), func() { cancel(errRotated) })
	defer rotate.Stop()
	if more != nil {
		p.expire = time.AfterFunc(more.left(), func() { cancel(errExpired) })
		defer p.expire.Stop()
	}
	begun.header(w.Header())
	w.WriteHeader(http.StatusOK)
	err = p.run(ctx, s, &begun.first)
	p.finish(ctx, r, s, err)
	return nil
}

// A beginning is how a response that goes on begins.
type beginning struct {
	enc   *encoding
	resp  *response
	named bool        // the technique was named, and not negotiated
	first pabal.Batch // what s was stepped to, if it was
}

// header sets the header of the response.
func (b *beginning) header(header http.Header) {
	b.enc.header(header, b.resp)
	if !b.named {
		header.Add("Vary", negotiated)
	}
}

// begin begins a response that goes on. It returns nil if the response is
// over: an EventSource that comes again and has read all its channels, which
// are closed, is told to stop.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, q *request, s *pabal.Session) (*beginning, error) {
	resp, err := h.response(r, q, s)
	if err != nil {
		return nil, err
	}
	begun := &beginning{enc: encodings[q.technique], resp: resp, named: q.named}
	if q.technique == sse && q.cursor != "" && s.Step(&begun.first, 256) == pabal.Done && onlyClosed(&begun.first) {
		w.Header().Set("Pabal-Cursor", q.cursor)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent) // ends an EventSource for good
		return nil, nil
	}
	return begun, nil
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
		channels: q.channels, connection: cmp.Or(q.grant.Connection, rand.Text()), past: q.past.notices, heartbeat: h.Heartbeat, callback: q.callback,
		pad: q.pad, retry: jitter(h.Retry), form: q.form, url: *r.URL,
		image: q.technique == multipart && wantsImage(r),
	}
	if q.technique == iframe {
		resp.nonce = rand.Text()
	}
	if q.inbox || len(q.channels) > 1 { // with an inbox it may come to be several
		places := make([]pabal.Position, len(q.channels))
		for i := range places {
			places[i] = s.Position(i)
		}
		return resp, resp.follow(q.channels, places)
	}
	resp.start = []pabal.Position{s.Position(0)}
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
	more    *more       // nil: there is nothing
	expire  *time.Timer // of more: ends the response with its token
}

// run writes what s yields until the response is to end, and says why.
func (p *pump) run(ctx context.Context, s *pabal.Session, first *pabal.Batch) error {
	p.buf = p.enc.begin(p.buf, p.resp)
	if err := p.write(first); err != nil {
		return err
	}
	for b, err := range s.Batches(ctx, p.beat()) {
		if err != nil {
			return err
		}
		if len(b.Items) == 0 {
			p.buf = p.enc.beat(p.buf, p.resp)
		}
		if err := p.write(b); err != nil {
			return err
		}
		if err := p.expiring(s); err != nil {
			return err
		}
		if p.written >= p.handler.RotateBytes {
			return errRotated
		}
	}
	return nil
}

// expiring says that the token expires soon, once it does.
func (p *pump) expiring(s *pabal.Session) error {
	if p.more == nil {
		return nil
	}
	p.expire.Reset(p.more.left()) // it may be another one
	n := p.more.soon(s, p.resp.channels)
	if n == nil {
		return nil
	}
	p.buf = p.enc.notice(p.buf, p.resp, n)
	return p.flush()
}

// beat is how often there is something to do though nothing comes: to say that
// the token expires must not wait for long.
func (p *pump) beat() time.Duration {
	if p.more != nil {
		return min(p.handler.Heartbeat, warning/4)
	}
	return p.handler.Heartbeat
}

// write writes b, and what was buffered before, at once.
func (p *pump) write(b *pabal.Batch) error {
	for _, item := range b.Items {
		refused, left := p.more.meet(p.resp, &item)
		if left {
			continue
		}
		if item.Entry != nil {
			p.resp.move(item.Place, item.Entry.Position())
			p.buf = p.enc.entry(p.buf, p.resp, item.Entry)
		} else {
			p.resp.noted(&item)
			p.buf = p.enc.notice(p.buf, p.resp, item.Notice)
		}
		if refused != nil {
			p.buf = p.enc.notice(p.buf, p.resp, refused)
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
func (p *pump) finish(ctx context.Context, r *http.Request, s *pabal.Session, why error) {
	if cause := context.Cause(ctx); cause != nil && why != nil && !errors.Is(why, errSlow) {
		why = cause
	}
	switch {
	case why == nil || errors.Is(why, errRotated):
	case errors.Is(why, errDraining):
		p.buf = p.enc.appendClosed(p.buf, p.resp, s, reasonDraining)
	case errors.Is(why, errExpired):
		p.buf = p.enc.appendClosed(p.buf, p.resp, s, pabal.Expired)
	case errors.Is(why, errSlow):
		p.handler.Log.Info("reader closed", "channels", p.resp.channels, "client", r.RemoteAddr, "reason", why)
		return
	case errors.Is(why, errLeft), r.Context().Err() != nil:
		return
	default:
		p.handler.Log.Warn("reader closed", "channels", p.resp.channels, "client", r.RemoteAddr, "reason", why)
		p.buf = p.enc.appendClosed(p.buf, p.resp, s, reasonUnavailable)
	}
	p.buf = p.enc.end(p.buf, p.resp, why == nil)
	_ = p.flush()
}
