package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"
)

// Techniques, as a URL names them.
const (
	websocket = "websocket"
	sse       = "sse"
	stream    = "stream"
	multipart = "multipart"
	longpoll  = "longpoll"
	poll      = "poll"
	post      = "post"
)

// techniques are in the order in which they are preferred.
var techniques = []string{websocket, sse, stream, multipart, longpoll, poll}

// streaming are those whose response goes on.
var streaming = []string{sse, stream, multipart}

// A reader reads the channel by one technique over one version of HTTP. Its
// record is the exam's, under its lock.
type reader struct {
	exam            *exam
	technique, http string
	client          *http.Client
	more            url.Values    // asked for beside
	kick            chan struct{} // poll: ask now
	record
}

// A record is what was seen of a reader.
type record struct {
	moments
	entries
	heartbeat time.Duration // promised by $open
	silence   time.Duration // the longest
	tardy     bool          // it did not open in time
	released  bool          // it had not opened when the channel was closed
	closed    bool          // $closed came
	failure   *failure      // why it did not open
	err       error         // with which it ended; nil is an end as it should be
}

// moments are zero until they have come. At mute something was published that
// did not come, though nothing had broken.
type moments struct{ began, asked, first, body, opened, last, mute, ended time.Time }

// entries are what came of what was published.
type entries struct {
	arrived   map[int]time.Time
	delivered []time.Duration // how long each of those took that came at once
	late      int             // those that did not
	held      int             // see [Row]
}

func (x *exam) newReader(technique, version string) *reader {
	r := &reader{exam: x, technique: technique, http: version, kick: make(chan struct{}, 1), record: record{entries: entries{arrived: map[int]time.Time{}}}}
	if technique == websocket && version == "2" {
		r.client = clientOf(&socketRoad{x.roads})
	} else {
		r.client = x.roads.client(version)
	}
	return r
}

// settled reports whether it is known if r opens.
func (r *reader) settled() bool { return !r.opened.IsZero() || r.failure != nil || !r.ended.IsZero() }

// live reports whether r reads.
func (r *reader) live() bool { return !r.opened.IsZero() && r.ended.IsZero() }

// quiet notes how long nothing has come.
func (r *reader) quiet() {
	if !r.last.IsZero() {
		r.silence = max(r.silence, time.Since(r.last))
	}
}

// run reads until ctx ends, the response does, or there is none.
func (r *reader) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errOver)
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: r.begun})
	r.exam.note(func() { r.began = time.Now() })
	var err error
	switch r.technique {
	case websocket:
		err = r.readSocket(traced)
	case longpoll:
		err = r.readLongPoll(traced)
	case poll:
		err = r.readPoll(traced)
	default:
		err = r.readStream(traced)
	}
	if ctx.Err() != nil {
		return
	}
	r.exam.note(func() { r.end(err) })
}

// end notes that r reads no more.
func (r *reader) end(err error) {
	var refused refusal
	switch {
	case errors.As(err, &refused):
		r.failure = refused.failure
	case r.opened.IsZero() && err == nil:
		r.failure = &failure{err: errors.New("the response ended before anything was said")}
	case r.opened.IsZero():
		r.failure = &failure{err: err}
	default:
		r.err = err
	}
	r.quiet()
	r.ended = time.Now()
}

// A refusal is an answer that is not what was asked for.
type refusal struct{ *failure }

func (r refusal) Error() string { return r.text() }

func (r *reader) begun() {
	r.exam.note(func() {
		r.last = time.Now()
		if r.first.IsZero() {
			r.first = r.last
		}
	})
}

// watched notes when bytes come.
type watched struct {
	io.ReadCloser
	reader *reader
}

// Read implements [io.Reader].
func (w watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.reader.exam.note(func() {
			w.reader.quiet()
			w.reader.last = time.Now()
			if w.reader.body.IsZero() {
				w.reader.body = w.reader.last
			}
			if w.reader.first.IsZero() { // what there is of an answer to an extended CONNECT
				w.reader.first = w.reader.last
			}
		})
	}
	return n, err
}

// said is what can stand in a line: a notice, an entry of ours in its JSON form,
// or its bare data.
type said struct {
	Notice    string          `json:"notice"`
	Heartbeat float64         `json:"heartbeat"` // in seconds
	Reason    string          `json:"reason"`
	Data      json.RawMessage `json:"data"`
	message
}

// A message is what is published.
type message struct {
	Doctor string `json:"doctor"` // the nonce
	Number int    `json:"number"`
	Fill   string `json:"fill,omitempty"`
}

// take notes what a line of JSON says. What is not of interest is passed over.
func (r *reader) take(text []byte) {
	var s said
	if json.Unmarshal(text, &s) != nil {
		return
	}
	if m := (message{}); s.Doctor == "" && len(s.Data) > 0 && json.Unmarshal(s.Data, &m) == nil {
		s.message = m
	}
	now := time.Now()
	r.exam.note(func() {
		switch {
		case s.Notice == "$open" && r.opened.IsZero():
			r.opened = now
			r.heartbeat = time.Duration(s.Heartbeat * float64(time.Second))
		case s.Notice == "$closed":
			r.closed = true
		case s.Doctor == r.exam.nonce && r.arrived[s.Number].IsZero():
			r.arrived[s.Number] = now
		}
	})
}
