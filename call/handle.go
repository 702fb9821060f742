package call

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/internal/problem"
)

// A Request is a call as who answers sees it.
type Request struct {
	Channel    pabal.Channel
	Ref        string        // names the call; the same if the same is asked again
	User       string        // who asks; empty: nobody knows
	UserData   []byte        // JSON, which the grant has of the user
	Connection string        // the asker's, as others see it: not its name, which is a secret
	Message    pabal.Message // what is asked: data and content type
	Until      time.Time     // when the call has failed
}

// A Func answers a call. It yields messages of type "part", each of which the
// asker gets at once, and then one of type "answer", which may be left empty,
// or "failed": see [Service.Answer]. After that it is not asked on. If it ends
// without one, the answer is empty. An error, too, has the call failed: the
// asker is told what a *[pabal.InvalidError] or a *[pabal.ForbiddenError] says,
// and of any other, which is logged, only that the server failed.
//
// The context ends when the call does, be it by time-out or cancel, and when
// the service is closed. A Func must return then. It may panic: the call has
// failed then.
type Func func(ctx context.Context, r *Request) iter.Seq2[pabal.Message, error]

// Answer returns a Func that answers with what f returns.
func Answer(f func(ctx context.Context, r *Request) (pabal.Message, error)) Func {
	return func(ctx context.Context, r *Request) iter.Seq2[pabal.Message, error] {
		return func(yield func(pabal.Message, error) bool) { yield(f(ctx, r)) }
	}
}

// A Handler answers calls in this process.
type Handler interface {
	// Find returns what answers calls of ch; nil if it is not for this handler.
	// It must not block.
	Find(ch pabal.Channel) Func
}

// A Mux is a [Handler] that knows who answers by the channel's name. Its zero
// value answers nothing. It must not be changed once it is used.
type Mux struct{ routes []route }

type route struct {
	pattern pattern.Pattern
	answer  Func
}

// Handle has f answer calls of the channels that pattern names: a name, in
// which * stands for a part of a segment, or at the end for all that is below,
// as in shop/*. Of several that match, the first one that was given answers.
func (m *Mux) Handle(pattern string, f Func) error {
	r := route{answer: f}
	if err := r.pattern.UnmarshalText([]byte(pattern)); err != nil {
		return err
	}
	m.routes = append(m.routes, r)
	return nil
}

// Find implements [Handler].
func (m *Mux) Find(ch pabal.Channel) Func {
	for i := range m.routes {
		if m.routes[i].pattern.Match(ch) {
			return m.routes[i].answer
		}
	}
	return nil
}

// route returns what answers calls of ch on this node: the handler, or the
// hook; nil if that is left to responders.
func (s *Service) route(ch pabal.Channel) Func {
	if s.config.Handler != nil {
		if f := s.config.Handler.Find(ch); f != nil {
			return f
		}
	}
	if s.config.Hook != nil {
		if h, ok := s.config.Hook(ch); ok {
			return func(ctx context.Context, r *Request) iter.Seq2[pabal.Message, error] { return s.post(ctx, h, r) }
		}
	}
	return nil
}

// dispatch asks who answers.
func (c *running) dispatch(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	f := c.service.route(c.ask.Channel)
	if f == nil {
		if err := c.service.append(ctx, pabal.Calls+c.ask.Channel, c.ask.offer(), false); err != nil {
			c.warn(ctx, "a call could not be offered", err)
		}
		return
	}
	if !c.claim(ctx) {
		return
	}
	err := c.answers(ctx, f)
	if err == nil || errors.Is(err, ErrAnswered) || ctx.Err() != nil {
		return
	}
	p := problem.From(err)
	if _, said := errors.AsType[*problem.Problem](err); !said && p.Status >= http.StatusInternalServerError {
		c.warn(ctx, "a call could not be answered", err)
	}
	c.finish(ctx, failed(p))
}

// claim reports whether it is for this node to ask the handler or the hook. Of
// all that claim it, whatever fails in between, it is one.
func (c *running) claim(ctx context.Context) bool {
	m := pabal.Message{ID: "taken", Type: "taken", Data: []byte(rand.Text())}
	err := c.service.append(ctx, logOf(c.ref), m, false)
	c.claimed.Store(err == nil)
	return err == nil
}

// worked is how the IDs of parts begin that were made on the asking node.
const worked = "worked/"

// answers appends what f answers to the log.
func (c *running) answers(ctx context.Context, f Func) (err error) {
	defer func() {
		if v := recover(); v != nil {
			c.service.log.Error("a handler of calls panicked", "channel", c.ask.Channel, "call", c.ref, "panic", v, "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	r := &Request{
		Channel: c.ask.Channel, Ref: c.ref, User: c.ask.User, UserData: c.ask.UserData,
		Connection: seenAs(c.connection), Message: c.ask.Message, Until: c.ask.Until,
	}
	n := 0
	for m, err := range f(ctx, r) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if m.Type != "part" {
			return c.last(ctx, m)
		}
		select {
		case c.window <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		m, err = asLogged(&m)
		m.ID = worked + strconv.Itoa(n)
		n++
		if err := c.give(ctx, m, err); err != nil {
			return err
		}
	}
	return c.last(ctx, pabal.Message{})
}

var errPanicked = errors.New("the handler panicked")

// last appends what ends the call, unless it has ended.
func (c *running) last(ctx context.Context, m pabal.Message) error {
	if m.Type == "" {
		m.Type = "answer"
	}
	m, err := asLogged(&m)
	return c.give(ctx, m, err)
}

// give appends m to the log, unless the call has ended or err is not nil: then
// the error says what to tell the asker.
func (c *running) give(ctx context.Context, m pabal.Message, err error) error {
	if err == nil {
		err = c.service.append(ctx, logOf(c.ref), m, m.ID == final)
	}
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, pabal.ErrClosed), errors.Is(err, pabal.ErrConflict):
		return ErrAnswered
	}
	c.warn(ctx, "an answer could not be passed on", err)
	return badGateway("the application gave an answer that cannot be passed on")
}

func badGateway(format string, args ...any) *problem.Problem {
	return &problem.Problem{Status: http.StatusBadGateway, Detail: fmt.Sprintf(format, args...)}
}
