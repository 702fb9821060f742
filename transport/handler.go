package transport

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/problem"
)

// A Handler answers GET /channels/{name} and GET /channels?channel=…, by
// whichever technique the request asks for. Its zero fields mean their
// defaults. It must not be changed once it serves.
type Handler struct {
	Hub          *pabal.Hub
	Log          *slog.Logger  // nil: slog.Default()
	AllowOrigins []string      // of other sites whose pages may read: "https://example.com", or "*"
	Heartbeat    time.Duration // without an entry, before a sign of life; 15 s
	WriteTimeout time.Duration // for which a reader may take nothing; 15 s
	RotateAfter  time.Duration // after which a response ends, for the client to come again; 1 h, give or take a tenth
	RotateBytes  int64         // the same, by bytes; 64 MiB
	LongPollMax  time.Duration // the longest that a long poll waits; 30 s
	ParkAfter    time.Duration // after which a long poll that waits is kept by a loop; 1 s. See [Listener]
	Retry        time.Duration // about how long a client waits before it comes again; 2 s
	SendBuffer   int           // bytes that the kernel may keep for a reader on a loop that takes nothing; 64 KiB
	BodyBytes    int64         // of WebSocket messages that have not arrived in full, all together; 256 MiB
	Goroutines   bool          // a goroutine for each connection, also where a loop can serve it; see [ConnContext]

	Services

	handlerState
}

// Services are what a handler asks beside the hub.
type Services struct {
	Access      Authenticator // says who asks; nil: everybody may do everything
	Presence    Presence      // nil: nobody is ever present
	Calls       Calls         // nil: there is nobody to ask
	CommandRate int           // of commands a second of one WebSocket, with bursts of twice that; 1,000. Not counted on this machine

	NoHTTP2WebSocket bool // WebSocket over HTTP/1.1 alone: an extended CONNECT is answered with 501
}

// handlerState is what a handler is in the middle of.
type handlerState struct {
	once     sync.Once
	draining context.Context
	drain    context.CancelCauseFunc
	open     openCount

	loops      loops
	unfinished quota // of BodyBytes: WebSocket messages,
	bodies     quota // and as much again of bodies
	owners     owners
	failures   problem.Failures
}

// openCount counts the requests that are being answered.
type openCount struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // closed when n is 0, for who waits
}

func (c *openCount) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n += n; c.n == 0 && c.zero != nil {
		close(c.zero)
		c.zero = nil
	}
}

// none returns a channel that is closed once no request is being answered.
func (c *openCount) none() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if c.zero == nil {
		c.zero = make(chan struct{})
	}
	return c.zero
}

// Why a response ends before its channels do.
var (
	errDraining = errors.New("draining")
	errRotated  = errors.New("rotated")
	errSlow     = errors.New("the reader took nothing for the write timeout")
	errLeft     = errors.New("the reader left")
	errExpired  = errors.New("the token has expired")
	errSilent   = errors.New("nothing came from the client, no answer to a ping either")
)

func (h *Handler) init() {
	h.once.Do(func() {
		h.draining, h.drain = context.WithCancelCause(context.Background())
		set := func(d *time.Duration, value time.Duration) {
			if *d == 0 {
				*d = value
			}
		}
		set(&h.Heartbeat, 15*time.Second)
		set(&h.WriteTimeout, 15*time.Second)
		set(&h.RotateAfter, time.Hour)
		set(&h.LongPollMax, 30*time.Second)
		set(&h.ParkAfter, time.Second)
		set(&h.Retry, 2*time.Second)
		h.RotateBytes = cmp.Or(h.RotateBytes, 64<<20)
		h.SendBuffer = cmp.Or(h.SendBuffer, 64<<10)
		h.BodyBytes = cmp.Or(h.BodyBytes, 256<<20)
		h.loops.handler = h
		h.CommandRate = cmp.Or(h.CommandRate, 1000)
		if h.Access == nil {
			h.Access = anyone{}
		}
		if h.Log == nil {
			h.Log = slog.Default()
		}
	})
}

// Drain tells every reader that the server is stopping, ends its response and
// refuses new ones. It returns when all have ended, or with ctx's error: then
// those that loops serve are cut off.
func (h *Handler) Drain(ctx context.Context) error {
	h.init()
	h.drain(errDraining)
	h.loops.drain()
	select {
	case <-h.open.none():
		return nil
	case <-ctx.Done():
		h.loops.cut()
		return ctx.Err()
	}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.init()
	h.open.add(1)
	defer h.open.add(-1)
	q, err := h.parse(r)
	if c := connOf(r.Context()); c != nil {
		q.parked = c.take(r.RequestURI)
	}
	if err == nil && h.draining.Err() != nil && q.parked == nil {
		err = problem.Unavailable(jitter(h.Retry), "this server is stopping; connect again")
	}
	if err == nil {
		err = h.checkSite(r, q)
	}
	if err == nil {
		err = h.identify(r, q)
	}
	if err == nil {
		switch {
		case q.technique.answer:
			err = h.answer(w, r, q)
		case q.technique == websocketTechnique:
			err = h.websocket(w, r, q)
		default:
			err = h.stream(w, r, q)
		}
	}
	if err != nil {
		h.refuse(w, r, q, unknown(&q.grant, err))
	}
}

// openSession opens a session that reads what q asks for, and fixes where it
// begins.
func (h *Handler) openSession(ctx context.Context, q *request, w pabal.Waker) (*pabal.Session, error) {
	s, err := h.Hub.Open(q.grant, w, q.options)
	if err != nil {
		return nil, err
	}
	from := q.begins()
	for i, ch := range q.channels {
		if err := s.Subscribe(ch, from[i]); err != nil {
			s.Close()
			return nil, err
		}
	}
	if err := s.CatchUp(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// refuse answers r with err, in a form that the technique's clients can read.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, q *request, err error) {
	if r.Context().Err() != nil || errors.Is(err, errTaken) {
		return // nobody is there to read it
	}
	p := problem.From(err)
	h.failures.Log(h.Log, err, "method", r.Method, "path", r.URL.Path)
	passing := p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests
	if passing && p.RetryAfter == 0 {
		p.RetryAfter = h.Retry
	}
	switch {
	case q.technique == sse && passing:
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(appendRetry(nil, jitter(max(h.Retry, p.RetryAfter))))
	case q.technique == jsonp && q.callback != "":
		writeJSONPProblem(w, q.callback, p)
	case q.technique == iframe && q.callback != "":
		writeIframeProblem(w, q.callback, p)
	default:
		problem.Write(w, p)
	}
}
