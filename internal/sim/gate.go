package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/pabal/pabal"
)

// A Gate is a broker between nodes and the one that keeps the logs. Its calls
// wait until [Gate.Pass]; what tails tell waits until [Line.Tell]. It says that
// its tails are not lossless.
type Gate struct {
	mu      sync.Mutex
	inner   pabal.Broker
	count   int
	waiting []*Call
	lines   []*Line
}

// NewGate returns a gate before inner, which may be exchanged for another by
// [Gate.Restart].
func NewGate(inner pabal.Broker) *Gate { return &Gate{inner: inner} }

// A Call is one that waits. What begins with its node.
type Call struct {
	What   string
	number int
	passed chan Outcome
}

// An Outcome is what becomes of a call.
type Outcome int

// Outcomes of a call.
const (
	Done    Outcome = iota // it is done, and answered
	Refused                // it is not done, and fails
	Unknown                // it is done, and fails
	Late                   // it is done, and its answer waits in its turn
)

// ErrRefused is the error of a call that is refused; ErrUnknown that of one
// which is done, though its answer is lost.
var (
	ErrRefused = &pabal.StorageError{What: "the simulated broker refuses"}
	ErrUnknown = errors.New("the simulated broker's answer is lost")
)

// Waiting returns the calls that wait, in an order that does not depend on
// which goroutine came first.
func (g *Gate) Waiting() []*Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	slices.SortFunc(g.waiting, func(a, b *Call) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.number, b.number))
	})
	return slices.Clone(g.waiting)
}

// Pass lets c pass.
func (g *Gate) Pass(c *Call, o Outcome) {
	g.mu.Lock()
	g.waiting = slices.DeleteFunc(g.waiting, func(other *Call) bool { return other == c })
	g.mu.Unlock()
	c.passed <- o
}

// wait waits until a call may pass. It returns the broker to call, and what is
// to become of the answer.
func (g *Gate) wait(ctx context.Context, what string) (inner pabal.Broker, o Outcome, err error) {
	g.mu.Lock()
	g.count++
	c := &Call{What: what, number: g.count, passed: make(chan Outcome, 1)}
	g.waiting = append(g.waiting, c)
	g.mu.Unlock()
	select {
	case o = <-c.passed:
	case <-ctx.Done():
		g.mu.Lock()
		g.waiting = slices.DeleteFunc(g.waiting, func(other *Call) bool { return other == c })
		g.mu.Unlock()
		return nil, o, ctx.Err()
	}
	if o == Refused {
		return nil, o, ErrRefused
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inner, o, nil
}

// Restart has all calls go to next from now on, and all tails follow it: they
// may have missed something.
func (g *Gate) Restart(next pabal.Broker) error {
	g.mu.Lock()
	g.inner = next
	lines := slices.Clone(g.lines)
	g.mu.Unlock()
	for _, l := range lines {
		if _, err := next.Tail(l.ctx, l.Channel, l.push); err != nil && l.ctx.Err() == nil {
			return fmt.Errorf("following %s after a restart: %w", l.Channel, err)
		}
		l.push(nil)
	}
	return nil
}

// Node returns the gate as the node of that name has it.
func (g *Gate) Node(name string) pabal.Broker { return &node{g, name} }

type node struct {
	gate *Gate
	name string
}

func (n *node) wait(ctx context.Context, format string, args ...any) (pabal.Broker, Outcome, error) {
	return n.gate.wait(ctx, n.name+": "+fmt.Sprintf(format, args...))
}

// answer has the answer of a call that was done come, or be lost, or wait. What
// was done is not undone when the asker gives up.
func (n *node) answer(ctx context.Context, o Outcome, format string, args ...any) error {
	if o == Late {
		var err error
		if _, o, err = n.wait(ctx, "the answer to "+format, args...); err != nil {
			return err
		}
	}
	if o == Unknown {
		return ErrUnknown
	}
	return nil
}

func (n *node) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	what := fmt.Sprintf("append to %s, close %v:", ch, p.Close)
	for i := range p.Messages {
		what += fmt.Sprintf(" %.12q", p.Messages[i].Data)
	}
	inner, o, err := n.wait(ctx, "%s", what)
	if err != nil {
		return pabal.Appended{}, err
	}
	done, err := inner.Append(ctx, ch, p)
	if err == nil {
		err = n.answer(ctx, o, "%s", what)
	}
	return done, err
}

func (n *node) Read(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
	inner, o, err := n.wait(ctx, "read %s %+v", ch, q)
	if err != nil {
		return pabal.Page{}, err
	}
	page, err := inner.Read(ctx, ch, q)
	if err == nil && o == Late {
		_, _, err = n.wait(ctx, "the answer to read %s %+v", ch, q)
	}
	return page, err
}

func (n *node) Delete(ctx context.Context, ch pabal.Channel) error {
	inner, o, err := n.wait(ctx, "delete %s", ch)
	if err != nil {
		return err
	}
	if err = inner.Delete(ctx, ch); err == nil {
		err = n.answer(ctx, o, "delete %s", ch)
	}
	return err
}

// Channels implements [pabal.Lister], if the broker behind the gate does.
func (n *node) Channels(ctx context.Context, prefix string, after pabal.Channel, limit int) ([]pabal.Channel, error) {
	inner, _, err := n.wait(ctx, "list %s after %s", prefix, after)
	if err != nil {
		return nil, err
	}
	l, ok := inner.(pabal.Lister)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return l.Channels(ctx, prefix, after, limit)
}

func (n *node) Tail(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
	inner, _, err := n.wait(ctx, "tail %s", ch)
	if err != nil {
		return pabal.Position{}, err
	}
	l := &Line{Channel: ch, Node: n.name, gate: n.gate, ctx: ctx, fn: fn}
	end, err := inner.Tail(ctx, ch, l.push)
	if err != nil {
		return end, err
	}
	n.gate.mu.Lock()
	n.gate.lines = append(n.gate.lines, l)
	n.gate.mu.Unlock()
	context.AfterFunc(ctx, func() {
		n.gate.mu.Lock()
		n.gate.lines = slices.DeleteFunc(n.gate.lines, func(other *Line) bool { return other == l })
		n.gate.mu.Unlock()
	})
	return end, nil
}

// A Line is what is under way to one tail.
type Line struct {
	Channel pabal.Channel
	Node    string
	gate    *Gate
	ctx     context.Context
	fn      func(*pabal.Entry)

	mu    sync.Mutex
	queue []*pabal.Entry
}

// A Fate is what becomes of what a tail tells.
type Fate int

// Fates of what a tail tells.
const (
	Told    Fate = iota // it arrives
	Dropped             // it does not, and nobody is told
	Twice               // it arrives, and will again
	Later               // it comes after what follows it
	Missed              // it does not, and the tail is told that it may have missed something
)

// Lines returns the tails to which something is under way, by channel and node.
func (g *Gate) Lines() []*Line {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*Line
	for _, l := range g.lines {
		l.mu.Lock()
		if len(l.queue) > 0 {
			list = append(list, l)
		}
		l.mu.Unlock()
	}
	slices.SortStableFunc(list, func(a, b *Line) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Node, b.Node))
	})
	return list
}

func (l *Line) push(e *pabal.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, e)
}

// Tell has the next of what is under way meet its fate. It reports whether
// there was any.
func (l *Line) Tell(f Fate) bool {
	l.mu.Lock()
	if len(l.queue) == 0 {
		l.mu.Unlock()
		return false
	}
	e := l.queue[0]
	l.queue = l.queue[1:]
	switch {
	case f == Twice:
		l.queue = append(l.queue, e)
	case f == Later && len(l.queue) > 0:
		l.queue[0], e = e, l.queue[0]
	case f == Missed:
		e = nil
	}
	l.mu.Unlock()
	if f != Dropped && l.ctx.Err() == nil {
		l.fn(e)
	}
	return true
}
