package transport

import (
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/websocket"
)

// A framing is how a connection of the loop writes down what its session
// yields, whole frames or chunks at a time.
type framing interface {
	// item appends it. What a batch goes on with after an item that ends the
	// connection is not written.
	item(dst []byte, it *pabal.Item) (out []byte, ends bool)

	// shared returns the bytes that item appends for e, if all who have the same
	// crowd get the same; or nil.
	shared(e *pabal.Entry) []byte

	// beat appends a sign of life. It may append nothing.
	beat(dst []byte) []byte

	// alike is equal for all to whom the same bytes can be given; nil: for none.
	alike() any
}

// An httpFraming is that of a response of chunks.
type httpFraming struct {
	enc   *encoding
	resp  *response
	whole *pabal.Format // an entry as a chunk that all share; or nil
	chunk []byte        // scratch
}

func newHTTPFraming(enc *encoding, resp *response) *httpFraming {
	f := &httpFraming{enc: enc, resp: resp}
	if shared := enc.shared(resp); shared != nil {
		f.whole = chunked[shared]
	}
	return f
}

func (f *httpFraming) item(dst []byte, it *pabal.Item) ([]byte, bool) {
	if it.Entry == nil {
		f.resp.noted(it)
		return f.append(dst, f.enc.notice(f.chunk[:0], f.resp, it.Notice)), false
	}
	f.resp.move(it.Place, it.Entry.Position())
	if f.whole != nil {
		return append(dst, it.Entry.Encoded(f.whole)...), false
	}
	return f.append(dst, f.enc.entry(f.chunk[:0], f.resp, it.Entry)), false
}

func (f *httpFraming) append(dst, data []byte) []byte {
	dst = appendChunk(dst, data)
	if f.chunk = data[:0]; cap(data) > keptScratch {
		f.chunk = nil
	}
	return dst
}

// keptScratch is the most memory that a framing of its own keeps between items.
const keptScratch = 256

func (f *httpFraming) shared(e *pabal.Entry) []byte {
	if f.whole == nil {
		return nil
	}
	return e.Encoded(f.whole)
}

func (f *httpFraming) beat(dst []byte) []byte { return f.append(dst, f.enc.beat(f.chunk[:0], f.resp)) }

// alike is the format alone: what else such an encoding needs to know of its
// response is where the reader stands.
func (f *httpFraming) alike() any {
	if f.whole == nil || f.enc == &pageEncoding { // a page says at its end what was asked for
		return nil
	}
	return f.whole
}

// at returns the framing of one who leaves a cohort and stands at p.
func (f *httpFraming) at(p pabal.Position) *httpFraming {
	resp := *f.resp
	resp.start = []pabal.Position{p}
	return &httpFraming{enc: f.enc, resp: &resp, whole: f.whole}
}

// end appends how a response ends: with why, if the channels do not.
func (f *httpFraming) end(dst []byte, s *pabal.Session, why why, retry time.Duration) []byte {
	f.resync(s)
	f.resp.retry = retry
	data := f.chunk[:0]
	switch why {
	case whyDraining:
		data = f.enc.appendClosed(data, f.resp, s, reasonDraining)
	case whyUnavailable:
		data = f.enc.appendClosed(data, f.resp, s, reasonUnavailable)
	case whyExpired:
		data = f.enc.appendClosed(data, f.resp, s, pabal.Expired)
	}
	return append(f.append(dst, f.enc.end(data, f.resp, why == whyClosed)), lastChunk...)
}

// resync moves the response to where s stands.
func (f *httpFraming) resync(s *pabal.Session) {
	for i := range f.resp.channels {
		f.resp.move(i, s.Position(i))
	}
}

// Why a connection ends before its channels do.
const (
	reasonDraining    pabal.Reason = "draining"
	reasonUnavailable pabal.Reason = "unavailable"
	reasonRefused     pabal.Reason = "refused"   // of a channel that a command asked for
	reasonForgotten   pabal.Reason = "forgotten" // of one that a command before asked for
)

// A wsFraming is that of a WebSocket.
type wsFraming struct {
	form     *wsForm
	compress websocket.Compress
}

// item appends it. A raw WebSocket cannot carry a notice: one that matters
// closes it.
func (f wsFraming) item(dst []byte, it *pabal.Item) (out []byte, ends bool) {
	switch n := it.Notice; {
	case it.Entry != nil:
		return append(dst, f.shared(it.Entry)...), false
	case f.form.notice != nil:
		return f.form.notice(dst, n), false
	case n.Kind == pabal.NoticeGap:
		return websocket.AppendClose(dst, closeGap, n.Cursor.String()), true
	case n.Kind == pabal.NoticeReset:
		return websocket.AppendClose(dst, closeReset, n.Cursor.String()), true
	}
	return dst, false
}

func (f wsFraming) shared(e *pabal.Entry) []byte { return f.form.frame(e, f.compress) }

func (f wsFraming) beat(dst []byte) []byte {
	return append(websocket.AppendFrame(dst, websocket.OpPing, nil), f.form.beat...)
}

func (f wsFraming) alike() any { return f }

// raw reports whether it carries nothing but entries, and so ends with its channel.
func (f wsFraming) raw() bool { return f.form.notice == nil }

// appendClosed appends why all channels are closed, where that can be said.
func (f wsFraming) appendClosed(dst []byte, r *wsReading, why pabal.Reason) []byte {
	if f.raw() {
		return dst
	}
	for i, ch := range r.channels {
		dst = f.form.notice(dst, &pabal.Notice{Kind: pabal.NoticeClosed, Channel: ch, Cursor: r.session.Position(i), Reason: why})
	}
	return dst
}
