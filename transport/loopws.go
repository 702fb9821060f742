package transport

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/epoll"
	"github.com/pabal/pabal/internal/websocket"
)

// A loopWS is what a WebSocket on the loop has beside what every connection has.
type loopWS struct {
	reading wsReading // a worker's while the session is lent
	known   []pabal.Channel
	id      string            // of the connection
	client  *client           // nil: it has sent nothing
	parser  *websocket.Parser // nil between messages
	in      []byte            // what was read, and is parsed once a worker is done
	held    int               // bytes that count for an unfinished message
	came    time.Duration     // when something came last
	pinged  time.Duration     // when it was pinged last
	end     *wsEnd            // what the client's side ended with
	echo    *wsEcho           // of a raw client that has published
	busy    bool              // a worker does what the client asked for
	waits   *wsJob            // that needs the session, which is elsewhere
}

// A wsEcho is what a raw client has published and may not have heard.
type wsEcho struct {
	last            pabal.Position // of all that it published
	hear            pabal.Position // it is not read until it has heard up to there; zero: it is
	messages, bytes int            // since it last had to wait
}

// owes reports whether the client is to hear something before it goes on.
func (ws *loopWS) owes() bool { return ws.echo != nil && ws.echo.hear != (pabal.Position{}) }

// paused reports whether the client is not to be read now.
func (c *loopConn) paused() bool {
	return c.ws.busy || c.ws.owes() || c.ws.end != nil || c.phase != phaseOpen || len(c.rest) > writeBytes
}

// readWS takes what the client has sent, up to a bound.
func (l *loop) readWS(c *loopConn) {
	for range readsAtOnce {
		if !c.readable || c.paused() {
			return
		}
		n, err := c.sock.Read(l.in)
		switch {
		case errors.Is(err, epoll.ErrAgain):
			c.readable = false
			return
		case err != nil:
			l.drop(c)
			return
		case n < len(l.in) && !c.gone: // the poller says when there is more
			c.readable = false
		}
		c.ws.came = l.now
		l.parse(c, l.in[:n])
	}
	if c.readable && !c.paused() {
		l.pend(c)
		l.partIf(c, true) // who sends so much is not of one pace with the others
	}
}

// partIf is part, and pend, on a condition.
func (l *loop) partIf(c *loopConn, condition bool) {
	if condition && c.cohort != nil && !c.lent {
		l.part(c)
		l.pend(c)
	}
}

// jobMessages and jobBytes bound what a worker does at once. They are how far
// a raw client may publish ahead of what it has heard.
const (
	jobMessages = echoMessages
	jobBytes    = echoBytes
)

// parse does what in says, or has a worker do it.
func (l *loop) parse(c *loopConn, in []byte) {
	ws := c.ws
	p := ws.parser
	if p == nil {
		f := c.wording().(wsFraming)
		p = &websocket.Parser{MaxMessage: l.handler.longest(f.form), Deflate: f.compress != 0}
	}
	var job wsJob
	var pongs []byte
	size := 0
	for len(in) > 0 && ws.end == nil && c.phase != phaseDropped && len(job.events) < jobMessages && size < jobBytes {
		ev, rest, err := p.Next(in)
		in = rest
		if err != nil {
			end := violation(err)
			ws.end = &end
		}
		switch ev.Op {
		case websocket.OpPing:
			pongs = websocket.AppendFrame(pongs, websocket.OpPong, ev.Payload)
		case websocket.OpClose:
			ws.end = &wsEnd{code: ev.Code}
		case websocket.OpText, websocket.OpBinary:
			job.events = append(job.events, ev)
			size += len(ev.Payload)
		}
	}
	if l.push(c, pongs); c.phase == phaseDropped {
		return
	}
	if ws.in = nil; len(in) > 0 && ws.end == nil {
		ws.in = slices.Clone(in)
	}
	if ws.parser = p; p.Idle() {
		ws.parser = nil
	}
	if !l.hold(c, size) {
		l.handler.logUnfinished(c.name())
		ws.end = &endUnfinished
	}
	switch {
	case len(job.events) > 0:
		l.do(c, &job)
	case ws.end != nil:
		l.endedBy(c)
	}
}

// hold counts what is held of c's messages, of which so many bytes are with a
// worker. It reports false if the node has no room for more.
func (l *loop) hold(c *loopConn, working int) bool {
	ws := c.ws
	held := working + len(ws.in)
	if ws.parser != nil {
		held += ws.parser.Buffered()
	}
	ok := l.handler.unfinished.take(int64(held-ws.held), l.handler.BodyBytes)
	if ok {
		ws.held = held
	}
	return ok
}

// endUnfinished is the end of a client whose message the node has no room for.
var endUnfinished = wsEnd{code: websocket.CodeTryLater, reason: "too many messages are arriving at once; try again later"}

func (h *Handler) logUnfinished(client string) {
	h.Log.Warn("reader closed", "client", client, "reason", "the limit body-bytes is reached by WebSocket messages that have begun to arrive", "max", h.BodyBytes)
}

// A wsJob is messages of a client that a worker deals with, in order.
type wsJob struct {
	events   []websocket.Event
	frames   []byte         // what is replied
	last     pabal.Position // of what was published
	bytes    int
	refused  *wsEnd // the client is closed
	needs    bool   // the next message needs the session
	messages int    // dealt with
}

var errNeedsSession = errors.New("the session is not here")

// do has a worker deal with job.
func (l *loop) do(c *loopConn, job *wsJob) {
	c.ws.busy = true
	l.lent++ // the loop lives until the worker comes back
	raw := c.wording().(wsFraming).raw()
	channel := c.ws.known
	w := l.commander(c)
	w.via = &wsVia{func(context.Context, func(context.Context, *wsReading) []byte) error { return errNeedsSession }}
	l.commands(func() {
		err := safely(func() error {
			if raw {
				job.publish(&w, channel[0])
			} else {
				job.command(&w, len(job.events))
			}
			return nil
		})
		l.post(func() {
			l.lent--
			l.guard(c, func() { l.did(c, job, err) })
		})
	})
}

// commander returns what does what c's client asks for.
func (l *loop) commander(c *loopConn) commander {
	g := c.session.Grant()
	g.Connection = cmp.Or(g.Connection, c.ws.id)
	if c.ws.client == nil {
		c.ws.client = l.handler.newClient(g, c.more.attendance())
	}
	return commander{handler: l.handler, grant: g, client: c.ws.client}
}

func (j *wsJob) publish(w *commander, ch pabal.Channel) {
	for _, ev := range j.events {
		done, err := w.publishRaw(context.Background(), ch, ev)
		if err != nil {
			end := refused(err, j.last)
			j.refused = &end
			return
		}
		j.last = done.End
		j.bytes += len(ev.Payload)
		j.messages++
	}
}

// command does at most so many commands, up to the first that needs a session
// which is not here.
func (j *wsJob) command(w *commander, most int) {
	rest := j.events[j.messages:]
	for _, ev := range rest[:min(most, len(rest))] {
		frame, err := w.command(context.Background(), ev)
		if err != nil {
			j.needs = errors.Is(err, errNeedsSession)
			return
		}
		j.frames = append(j.frames, frame...)
		j.messages++
	}
}

// did does what follows when a worker comes back with job.
func (l *loop) did(c *loopConn, job *wsJob, err error) {
	ws := c.ws
	if c.phase == phaseDropped {
		return
	}
	if err != nil {
		panic(err)
	}
	if c.phase < phaseEnding {
		l.push(c, job.frames) // before anything that is read from where they say
		job.frames = nil
	}
	switch {
	case c.phase != phaseOpen:
	case job.needs:
		l.withSession(c, job)
		return
	case job.refused == nil && job.messages < len(job.events):
		l.do(c, job)
		return
	}
	if ws.busy, ws.came = false, l.now; c.phase >= phaseEnding {
		return
	}
	if job.last != (pabal.Position{}) {
		if ws.echo == nil {
			ws.echo = new(wsEcho)
		}
		e := ws.echo
		e.last = job.last
		e.messages += job.messages
		if e.bytes += job.bytes; e.messages >= echoMessages || e.bytes >= echoBytes {
			e.messages, e.bytes, e.hear = 0, 0, job.last
		}
	}
	if job.refused != nil {
		ws.end = job.refused
	}
	if c.phase != phaseOpen {
		return
	}
	l.hold(c, 0)
	l.partIf(c, ws.owes())
	l.pend(c)
	l.goOn(c)
}

// goOn reads c on, where it is not paused.
func (l *loop) goOn(c *loopConn) {
	c.ws.came = l.now // it was not read meanwhile
	switch ws := c.ws; {
	case ws.busy || ws.owes() || c.phase != phaseOpen:
	case len(ws.in) > 0 && ws.end == nil:
		in := ws.in
		ws.in = nil
		l.parse(c, in)
		if c.readable && !c.paused() {
			l.partOrPend(c)
		}
	case ws.end != nil:
		l.endedBy(c)
	case c.readable:
		l.readWS(c)
	}
}

// partOrPend has c, that is not read to the end, read in its next slice.
func (l *loop) partOrPend(c *loopConn) {
	l.partIf(c, true)
	l.pend(c)
}

// withSession has a worker go on with job, whose next message needs the
// session: nothing is read until it is done.
func (l *loop) withSession(c *loopConn, job *wsJob) {
	if c.lent {
		c.ws.waits = job
		return
	}
	l.part(c)
	w := l.commander(c)
	w.via = &wsVia{func(ctx context.Context, f func(context.Context, *wsReading) []byte) error {
		job.frames = append(job.frames, f(ctx, &c.ws.reading)...)
		return nil
	}}
	l.lend(c, func(*pabal.Session) error {
		job.needs = false
		job.command(&w, 1)
		return nil
	}, func(err error) {
		l.unregister(c)
		l.register(c, slices.Clone(c.ws.reading.channels))
		l.renew(c)
		l.did(c, job, err)
	})
}

// heard lets c be read on once it has heard what it had to. It reports whether
// c has ended.
func (l *loop) heard(c *loopConn) bool {
	e := c.ws.echo
	if e == nil {
		return false
	}
	at := c.session.Position(0)
	said := func(p pabal.Position) bool { return at.Epoch != p.Epoch || at.Offset >= p.Offset }
	if c.phase == phaseOwing && said(e.last) {
		l.closeWS(c)
		return true
	}
	if c.ws.owes() && said(e.hear) {
		e.hear = pabal.Position{}
		l.goOn(c)
	}
	return c.phase >= phaseEnding
}

// endedBy ends c, whose client's side has: once a raw client has heard all that
// it published, as far as it takes that.
func (l *loop) endedBy(c *loopConn) {
	if c.phase != phaseOpen {
		return
	}
	if c.lent {
		c.leaving = whyClient
		return
	}
	if c.ws.echo == nil {
		l.closeWS(c)
		return
	}
	l.part(c)
	c.phase = phaseOwing
	c.until = l.now + l.handler.WriteTimeout + max(0, time.Until(c.session.Due()))
	l.watch(c)
	if !l.heard(c) {
		l.pend(c)
	}
}

// closeWS sends the close frame that c's end asks for.
func (l *loop) closeWS(c *loopConn) {
	l.part(c)
	l.push(c, websocket.AppendClose(nil, c.ws.end.code, c.ws.end.reason))
	l.hangUp(c)
}

// appendWSEnd appends how c ends when it is not the client that ends it.
func appendWSEnd(dst []byte, c *loopConn, why why) []byte {
	f := c.framing.(wsFraming)
	switch why {
	case whyClosed:
		return websocket.AppendClose(dst, websocket.CodeNormal, string(pabal.ClosedByPublisher))
	case whyDraining:
		return websocket.AppendClose(f.appendClosed(dst, &c.ws.reading, reasonDraining), websocket.CodeGoingAway, string(reasonDraining))
	case whyExpired:
		return websocket.AppendClose(f.appendClosed(dst, &c.ws.reading, pabal.Expired), closeExpired, string(pabal.Expired))
	}
	return websocket.AppendClose(dst, websocket.CodeTryLater, string(reasonUnavailable))
}
