package transport

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
)

// TestLoopModel has readers of all kinds come, take what they like, stall,
// speak, break and leave, while entries are published, channels closed and
// deleted, and time passes. What each has been sent is at any time a beginning
// of the log from where it began; in the end, all of it. A failure is repeated
// by -rapid.seed or -rapid.failfile, as it says.
func TestLoopModel(t *testing.T) { playModels(t, 60, 100, 0) }

// TestLoopModelOfMany is the same with so many readers of one channel that not
// all are given an entry in one turn.
func TestLoopModelOfMany(t *testing.T) { playModels(t, 40, 10, sliceWrites+30) }

// playModels plays so many models of so many steps, unless flags say otherwise.
func playModels(t *testing.T, steps, checks, readers int) {
	for name, n := range map[string]int{"rapid.steps": steps, "rapid.checks": checks} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			_ = f.Value.Set(strconv.Itoa(n))
			defer func() { _ = f.Value.Set(f.DefValue) }()
		}
	}
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) { playModel(t, readers) }) // which has no deadline: it is one outside the bubble
	})
}

// A play is one run of the model.
type play struct {
	*model
	*rapid.T
	texts   int
	deleted bool
}

var modelChannels = []string{"a", "b/c", "d"}

func playModel(t *rapid.T, readers int) {
	keep := rapid.SampledFrom([]int{-1, -1, 12}).Draw(t, "kept")
	p := &play{T: t, model: newModel(&modelSetup{
		seed:   rapid.Uint64().Draw(t, "seed"),
		keep:   pabal.Retention{Entries: keep, Age: -1},
		limits: pabal.Limits{WindowEntries: rapid.SampledFrom([]int{4, 1000}).Draw(t, "window"), MessageBytes: 300_000, TailLinger: time.Second},
		handler: Handler{
			Heartbeat: 10 * time.Second, WriteTimeout: 15 * time.Second, RotateAfter: time.Minute,
			RotateBytes: rapid.SampledFrom([]int64{8_000, 64 << 20}).Draw(t, "rotate"),
			BodyBytes:   1 << 20,
		},
	})}
	defer p.close()
	p.model.publish("a", "the first")
	p.read(readers, rapid.SampledFrom([]string{"sse", "raw", "websocket"}).Draw(t, "many"), "a")
	t.Repeat(map[string]func(*rapid.T){
		"":          p.look,
		"publish":   p.publish,
		"connect":   p.connect,
		"turn":      p.someTurn,
		"settle":    func(*rapid.T) { p.settle(); p.check() },
		"job":       p.someJob,
		"stall":     p.some(p.stall),
		"free":      p.some(func(_ *rapid.T, r *modelReader) { r.sock.give(-1) }),
		"client":    p.some(p.client),
		"leave":     p.some(p.leave),
		"spurious":  p.some(func(_ *rapid.T, r *modelReader) { p.poller.tell(r.sock) }),
		"stale":     p.some(p.stale),
		"remove":    p.rarely(func(t *rapid.T) { p.deleted = true; p.remove(p.channel(t)) }),
		"fail":      p.rarely(p.unavailable),
		"close":     p.rarely(func(t *rapid.T) { p.closeChannel(p.channel(t)) }),
		"pass":      func(t *rapid.T) { p.pass(time.Duration(rapid.IntRange(1, 12_000).Draw(t, "ms")) * time.Millisecond) },
		"pass long": p.rarely(func(*rapid.T) { p.pass(70 * time.Second) }),
		"drain":     p.rarely(p.rarely(func(*rapid.T) { p.drain() })),
	})
	p.finish(t)
}

// finish frees all readers, then ends all connections, and checks that each
// has had all, and that nothing is left.
func (p *play) finish(t *rapid.T) {
	for _, r := range p.readers {
		r.sock.give(-1)
	}
	p.pass(5 * time.Second)
	p.rested = true
	p.check()
	p.look(t)
	if rapid.Bool().Draw(t, "drained") {
		p.drain()
		p.settle()
		p.check()
	}
	p.counted()
	p.vanish()
	p.settle()
	p.pass(5 * time.Second) // the longest that a client has to take the end
	p.empty()
	p.look(t)
}

// counted checks that what was delivered is counted.
func (p *play) counted() {
	got, cut := 0, false
	for _, r := range p.readers {
		cut = cut || r.sock.fail != nil || r.sock.inEnd != nil || r.slow
		for _, it := range r.last.items {
			if it.Notice == "" {
				got++
			}
		}
	}
	if counted := int(p.h.Hub.Stats().Delivered); counted < got || counted > got && !cut {
		p.wrong("%d entries were delivered, %d are counted", got, counted)
	}
}

// look fails if anything is wrong. It checks what must be so at any time.
func (p *play) look(t *rapid.T) {
	for _, s := range p.l.seats.taken {
		if c := s.conn; c != nil && len(c.rest) > 2*p.h.Hub.Limits().MessageBytes+writeBytes {
			p.wrong("%x has %d bytes left", c.token, len(c.rest))
		}
	}
	if len(p.failed) > 0 {
		t.Fatal(strings.Join(p.failed, "\n"))
	}
}

func (p *play) rarely(f func(*rapid.T)) func(*rapid.T) {
	return func(t *rapid.T) {
		if rapid.IntRange(0, 5).Draw(t, "rarely") == 5 {
			f(t)
		}
	}
}

func (p *play) channel(t *rapid.T) string { return rapid.SampledFrom(modelChannels).Draw(t, "channel") }

// some returns an action with one of the readers, if there are any.
func (p *play) some(f func(*rapid.T, *modelReader)) func(*rapid.T) {
	return func(t *rapid.T) {
		if len(p.readers) > 0 {
			f(t, p.readers[rapid.IntRange(0, len(p.readers)-1).Draw(t, "reader")])
		}
	}
}

func (p *play) publish(t *rapid.T) {
	size := rapid.SampledFrom([]int{0, 0, 10, 10, 500, 500, 3000, 40_000, 150_000}).Draw(t, "size")
	var texts []string
	for range rapid.SampledFrom([]int{1, 1, 1, 3, 20}).Draw(t, "entries") {
		p.texts++
		texts = append(texts, strconv.Itoa(p.texts)+" "+strings.Repeat("<x>", size/3))
		if size > 10_000 && len(texts) > 2 {
			break
		}
	}
	p.model.publish(p.channel(t), texts...)
}

func (p *play) connect(t *rapid.T) {
	a := &modelAsk{via: rapid.SampledFrom([]string{"sse", "sse", "stream", "stream", "multipart", "iframe", "page", "websocket", "websocket", "raw", "raw", "raw-entry"}).Draw(t, "via")}
	a.channels, a.query = modelChannels[:1], url.Values{}
	if rapid.IntRange(0, 3).Draw(t, "other") == 0 {
		a.channels = []string{p.channel(t)}
	}
	if !a.raw() && a.via != "page" && rapid.IntRange(0, 4).Draw(t, "several") == 0 {
		a.channels = modelChannels[:rapid.IntRange(2, 3).Draw(t, "channels")]
	}
	switch rapid.IntRange(0, 4).Draw(t, "since") {
	case 0, 1:
		a.query.Set("since", "all")
	case 2:
		if log := p.broker.log(pabal.Channel(a.channels[0])); len(log.offsets) > 0 && len(a.channels) == 1 && !a.raw() {
			page, err := p.broker.Broker.Read(t.Context(), pabal.Channel(a.channels[0]), pabal.Query{MaxEntries: 1, MaxBytes: 1})
			if err == nil {
				at := pabal.Position{Epoch: page.End.Epoch, Offset: pabal.Offset(rapid.SampledFrom(log.offsets).Draw(t, "cursor"))}
				a.query.Set("cursor", at.String())
			}
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "latest") == 0 {
		a.query.Set("only", "latest")
	}
	if rapid.IntRange(0, 7).Draw(t, "every") == 0 && !a.query.Has("only") && !a.raw() {
		a.query.Set("every", "2s")
	}
	a.deflate = rapid.Bool().Draw(t, "deflate")
	if rapid.IntRange(0, 19).Draw(t, "refused") == 0 {
		p.turn() // who came before is not meant
		p.poller.refuse = true
	}
	pings := 0
	if a.websocket() && rapid.IntRange(0, 3).Draw(t, "early") == 0 {
		a.early, pings = string(masked(nil, 0x89, "early")), 1
	}
	refuse := p.poller.refuse
	r := p.model.connect(a)
	r.pinged = pings
	if rapid.IntRange(0, 4).Draw(t, "stalled") == 0 {
		r.stall(rapid.IntRange(0, 700).Draw(t, "bytes"))
	}
	if refuse && r.refused == 0 {
		p.panics++
		p.turn()
		r.sock.fail = errors.New("never served")
	}
	p.poller.refuse = false
}

// someTurn takes a turn in which some events come late.
func (p *play) someTurn(t *rapid.T) {
	late := rapid.IntRange(0, 2).Draw(t, "late")
	p.poller.hold = func(*modelSocket) bool { return p.random.IntN(3) < late }
	synctest.Wait()
	p.turn()
	p.poller.hold = nil
}

func (p *play) someJob(t *rapid.T) {
	if len(p.jobs) == 0 {
		return
	}
	p.job(rapid.IntRange(0, len(p.jobs)-1).Draw(t, "job"))
}

func (p *play) stall(t *rapid.T, r *modelReader) {
	bytes := rapid.SampledFrom([]int{0, 1, 30, 100, 1000, 70_000}).Draw(t, "bytes")
	r.stall(bytes)
}

// stale has an event come for somebody who is not there any more.
func (p *play) stale(_ *rapid.T, r *modelReader) {
	if r.sock.closed {
		ev := r.sock.event()
		ev.Gone, ev.Readable = true, true
		p.poller.stale = append(p.poller.stale, ev)
	}
}

func (p *play) leave(t *rapid.T, r *modelReader) {
	r.left = true
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 0:
		r.sock.leave(io.EOF)
	case 1:
		r.sock.leave(errors.New("connection reset by peer"))
	case 2:
		r.sock.fail = errors.New("broken pipe") // no event tells
	case 3:
		r.sock.leave(io.EOF)
		r.sock.fail = errors.New("broken pipe")
	}
}

// unavailable has the broker fail for a while. Who needs it then is sent away.
func (p *play) unavailable(t *rapid.T) {
	fail := func(err error) {
		p.broker.mu.Lock()
		p.broker.fail = err
		p.broker.mu.Unlock()
	}
	fail(errors.New("the disk is on fire"))
	for range rapid.IntRange(1, 5).Draw(t, "turns") {
		p.turn()
		for len(p.jobs) > 0 {
			p.job(0)
		}
	}
	fail(nil)
	p.pass(10 * time.Second) // in which tails mend themselves
}

// client has a WebSocket's client speak, in pieces.
func (p *play) client(t *rapid.T, r *modelReader) {
	if !r.websocket() || !r.alive() || r.sock.shut {
		return
	}
	var out []byte
	for range rapid.SampledFrom([]int{1, 1, 2, 5, 20}).Draw(t, "frames") {
		switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
		case what < 2:
			out = masked(out, 0x89, "ping")
			r.pinged++
		case what == 9 && len(out) > 0 && rapid.Bool().Draw(t, "closes"):
			out = masked(out, 0x88, "\x03\xe8bye")
			r.left = true
		case what == 8 && rapid.IntRange(0, 9).Draw(t, "breaks") == 0:
			out = append(out, 0x81, 1, 'x') // it must be masked
			r.left = true
		default:
			out = append(out, p.speech(t, r)...)
		}
		if r.left {
			break
		}
	}
	for len(out) > 0 {
		n := len(out)
		if rapid.Bool().Draw(t, "in pieces") {
			n = rapid.IntRange(1, n).Draw(t, "piece")
		}
		r.sock.send(out[:n])
		if out = out[n:]; rapid.Bool().Draw(t, "between") {
			p.turn()
		}
	}
}

// speech is a message that r publishes, or a command, or many of them.
func (p *play) speech(t *rapid.T, r *modelReader) (out []byte) {
	text := strings.Repeat("m", rapid.SampledFrom([]int{1, 10, 200, 5000}).Draw(t, "size"))
	times := rapid.SampledFrom([]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 400}).Draw(t, "times")
	if times > 1 && len(p.readers) > 50 {
		text = "m" // all of them are to be checked
	}
	for range times {
		if r.via == "websocket" {
			text = `"command":"ping"`
		}
		out = append(out, r.say(text)...)
	}
	if r.via == "websocket" {
		out = append(out, r.say(p.command(t))...)
	}
	return out
}

func (p *play) command(t *rapid.T) string {
	ch := p.channel(t)
	switch rapid.IntRange(0, 4).Draw(t, "command") {
	case 0:
		return `"command":"ping"`
	case 1:
		return fmt.Sprintf(`"command":"unsubscribe","channel":%q`, ch)
	case 2:
		p.texts++
		return fmt.Sprintf(`"command":"publish","channel":%q,"data":"%d by command"`, ch, p.texts)
	}
	return fmt.Sprintf(`"command":"subscribe","channel":%q,"since":%q`, ch, rapid.SampledFrom([]string{"all", "now", "1"}).Draw(t, "since"))
}
