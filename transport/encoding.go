package transport

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/wire"
	"github.com/pabal/pabal/vector"
)

// An encoding is how a technique whose response goes on writes down what a
// session yields. Its functions are pure: what they append to dst follows from
// the response and their argument alone. (An image's response keeps the picture
// it shows.) A body is open, then entries, notices and beats in any order, each
// complete in itself, then end.
type encoding struct {
	// header sets the header fields of the response's head.
	header func(h http.Header, r *response)

	// open begins the body: padding, and $open where the technique can carry it.
	open func(dst []byte, r *response) []byte

	// shared returns the format whose bytes are all that entry would append, the
	// same for each response that shared returns it for; or nil.
	shared func(r *response) *pabal.Format

	// entry appends e, to which r has moved.
	entry func(dst []byte, r *response, e *pabal.Entry) []byte

	// notice appends n, to which r has moved.
	notice func(dst []byte, r *response, n *pabal.Notice) []byte

	// beat appends a sign of life. It may append nothing, where nothing can be
	// said without being taken for an entry.
	beat func(dst []byte, r *response) []byte

	// end ends the body well. The channels are closed and read to their ends, or
	// the client is to come again.
	end func(dst []byte, r *response, closed bool) []byte
}

// begin begins the body, and says what there is to say of how it does.
func (enc *encoding) begin(dst []byte, r *response) []byte {
	dst = enc.open(dst, r)
	for _, n := range r.past {
		dst = enc.notice(dst, r, n)
	}
	return dst
}

// appendClosed appends that each channel which s has not read to its end is
// closed to this reader, and why.
func (enc *encoding) appendClosed(dst []byte, r *response, s *pabal.Session, why pabal.Reason) []byte {
	for i, ch := range r.channels {
		if !s.Ended(i) {
			dst = enc.notice(dst, r, &pabal.Notice{Kind: pabal.NoticeClosed, Channel: ch, Cursor: r.start[i], Reason: why})
		}
	}
	return dst
}

// A form is that of entries, where a technique has several.
type form uint8

const (
	bareForm    form = iota // bare data, where it would do
	entryForm               // ?format=entry: JSON
	messageForm             // ?format=message: JSON, and no event of another name for a type
)

// A response is what an encoding needs to know of the response it writes.
type response struct {
	channels   []pabal.Channel
	start      []pabal.Position // where the reader stands in each of channels; at first, where it begins
	vector     *vector.Vector   // the same, over several channels; nil over one
	connection string           // its id
	heartbeat  time.Duration
	nonce      string          // for Content-Security-Policy
	callback   string          // of iframe
	pad        int             // bytes before the first entry, to get past buffers
	retry      time.Duration   // how long the client waits before it comes again
	form       form            // of entries
	image      bool            // for an <img>: multipart/x-mixed-replace
	picture    *pabal.Entry    // of an image: what it shows
	past       []*pabal.Notice // to be said at once
	url        url.URL         // that was asked for
}

// move notes that the reader stands at p in the channel that is place-th.
func (r *response) move(place int, p pabal.Position) {
	r.start[place] = p
	if r.vector != nil {
		r.vector.Set(place, p)
	}
}

// noted is move for a notice that is of a place.
func (r *response) noted(it *pabal.Item) {
	if it.Place >= 0 {
		r.move(it.Place, it.Notice.Cursor)
	}
}

// follow makes r that of a response over channels, of which the reader stands at
// places.
func (r *response) follow(channels []pabal.Channel, places []pabal.Position) error {
	v, err := vector.New(channels)
	if err != nil {
		return err
	}
	r.channels, r.vector, r.start = channels, v, places
	for i, at := range places {
		v.Set(i, at)
	}
	return nil
}

// reread makes r that of a response over channels, which are not what they were
// before o was obeyed. Where the reader stood it stands.
func (r *response) reread(channels []pabal.Channel, o *order) error {
	places := make([]pabal.Position, len(channels))
	for i, ch := range channels {
		if was := slices.Index(r.channels, ch); was >= 0 {
			places[i] = r.start[was]
		} else if at, err := pabal.ParsePosition(o.Cursor); err == nil {
			places[i] = at
		}
	}
	return r.follow(channels, places)
}

// meet does what the entry of it asks for, if it does, before it is written: so
// its cursor is that of a reader for whom it was done. Where the places are not
// what they were when it was given, it is put in its place; left says that its
// channel is not read any more.
func (m *more) meet(r *response, it *pabal.Item) (refused *pabal.Notice, left bool) {
	if m == nil || m.inbox == "" {
		return nil, false
	}
	var ch pabal.Channel
	if it.Entry != nil {
		ch = it.Entry.Channel
	} else {
		ch = it.Notice.Channel
	}
	if it.Place = slices.Index(r.channels, ch); it.Place < 0 {
		return nil, true
	}
	o, ok := m.order(it.Entry)
	if !ok {
		return nil, false
	}
	r.move(it.Place, it.Entry.Position())
	channels := r.channels
	refused = m.obey(&o, &channels)
	if len(channels) != len(r.channels) {
		if err := r.reread(channels, &o); err != nil { // the session has refused what would be too many
			m.handler.Log.Error("a response cannot go on as it was asked to", "error", err)
		}
		it.Place = slices.Index(r.channels, ch)
	}
	return refused, false
}

// appendCursor appends the one cursor from which all goes on.
func (r *response) appendCursor(dst []byte) []byte {
	if r.vector != nil {
		return r.vector.Append(dst)
	}
	return r.start[0].Append(dst)
}

// opening returns the $open of r.
func (r *response) opening() *wire.Notice {
	n := &wire.Notice{Kind: pabal.NoticeOpen, Cursor: string(r.appendCursor(nil)), Heartbeat: r.heartbeat, Connection: r.connection}
	if r.vector == nil {
		n.Channel = r.channels[0]
		return n
	}
	n.Channels = r.channels
	for _, p := range r.start {
		n.Cursors = append(n.Cursors, p.String())
	}
	return n
}

// streamHeader sets what every response that goes on says: its type, and that
// nobody on the way is to keep, change or gather it (RFC 9111, section 5.2.2;
// RFC 10036).
func streamHeader(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Incremental", "?1")
}

// appendPadding appends n spaces.
func appendPadding(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, ' ')
	}
	return dst
}

// private is the shared of an encoding whose entries differ from response to
// response.
func private(*response) *pabal.Format { return nil }

// noEnd is the end of an encoding whose body needs none.
func noEnd(dst []byte, _ *response, _ bool) []byte { return dst }
