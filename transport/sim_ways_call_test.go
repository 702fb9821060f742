package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/internal/sim"
)

// A simCall is something that a person asks.
type simCall struct {
	person  *person
	id, ch  string
	timeout time.Duration
	node    *waysNode // that has said ok last; nil: none has
	acked   time.Time
	maybe   bool // a try has come to nothing
	refused bool
	stopped bool // its cancellation was acknowledged
	ended   bool // and it is known
}

var callChannels = []string{"go/echo", "go/parts", "go/slow", "go/never", "desk", "desk"}

func (p *person) ask(n *waysNode, a sim.Action) {
	if len(slices.DeleteFunc(slices.Clone(p.calls), (*simCall).over)) > 5 {
		return
	}
	c := &simCall{person: p, id: fmt.Sprintf("c%d", len(p.calls)+1), ch: pick(a, 2, callChannels), timeout: time.Duration(1+a.N[3]%9) * time.Second}
	p.calls = append(p.calls, c)
	p.askFor(n, a, c)
}

// askAgain asks again what is not answered, or for no reason.
func (p *person) askAgain(n *waysNode, a sim.Action) {
	if len(p.calls) > 0 {
		if c := pick(a, 2, p.calls); !c.refused {
			p.askFor(n, a, c)
		}
	}
}

func (p *person) askFor(n *waysNode, a sim.Action, c *simCall) {
	command := map[string]any{"command": "call", "channel": c.ch, "call": c.id, "data": map[string]string{"from": p.name + c.id}, "timeout": c.timeout.Seconds()}
	p.command(n, a, command, func(at *waysNode, r *wayReply) {
		switch {
		case r.unknown():
			c.maybe = true
		case r.OK:
			c.node, c.acked, c.refused = at, time.Now(), false
		case r.Error.Status == 429:
			c.refused = !c.maybe && c.node == nil
		default:
			p.world.fail("%s: the call %s is refused: %+v", p.name, c.id, *r.Error)
		}
	})
}

func (p *person) cancel(n *waysNode, a sim.Action) {
	if len(p.calls) == 0 {
		return
	}
	c := pick(a, 2, p.calls)
	p.command(n, a, map[string]any{"command": "cancel", "call": c.id}, func(_ *waysNode, r *wayReply) {
		if r != nil && r.OK {
			c.stopped = true
		}
	})
}

// over reports whether c needs nothing any more.
func (c *simCall) over() bool {
	if !c.ended && !c.refused {
		for _, e := range c.answers() {
			c.ended = c.ended || e.Type != "part"
		}
	}
	return c.ended || c.refused
}

// answers returns what is in the inbox about c.
func (c *simCall) answers() []*pabal.Entry {
	all := c.person.world.entries(c.person.inbox(), pabal.FromAll(), 1<<20)
	return slices.DeleteFunc(all, func(e *pabal.Entry) bool { return e.Key != c.id || e.Type == commandType })
}

// watchCalls fails the world at a call that is not answered in time, where the
// node that was asked lives, and nothing is wrong.
func (p *person) watchCalls() {
	w := p.world
	for _, c := range p.calls {
		if c.ended || c.node == nil || c.node.dead {
			continue
		}
		due := c.acked.Add(c.timeout)
		patience := missing
		if w.trouble.After(c.acked.Add(-mending)) {
			patience = mending
		}
		if late := time.Since(due); late > patience && w.calm(patience) && w.trouble.Before(due.Add(waysIndeed-mending)) && !c.over() {
			w.fail("%s hears nothing of the call %s of %s, %v after its time is over", p.name, c.id, c.ch, late)
		}
	}
}

// checkCalls holds what has come of each call against what may.
func (p *person) checkCalls() {
	for _, c := range p.calls {
		c.check()
	}
	for _, e := range p.world.entries(p.inbox(), pabal.FromAll(), 1<<20) {
		if known := slices.ContainsFunc(p.calls, func(c *simCall) bool { return c.id == e.Key }); e.Key != "" && !known {
			p.world.fail("%s is answered %s, which it has not asked", p.name, e.Key)
		}
	}
}

func (c *simCall) check() {
	fail := func(format string, args ...any) {
		c.person.world.fail("%s: the call %s of %s %s", c.person.name, c.id, c.ch, fmt.Sprintf(format, args...))
	}
	all := c.answers()
	if c.refused && len(all) > 0 {
		fail("was refused, and is answered: %s", all[0].Data)
		return
	}
	if c.refused {
		return
	}
	var parts []int
	for i, e := range all {
		if e.Type != "part" && i < len(all)-1 {
			fail("has %d more entries after its end", len(all)-1-i)
			return
		}
		if e.Type == "part" {
			n, err := strconv.Atoi(strings.Trim(string(e.Data), `"`))
			if err != nil || len(parts) > 0 && n <= parts[len(parts)-1] {
				fail("has the part %s after %v", e.Data, parts)
				return
			}
			parts = append(parts, n)
		}
	}
	if len(all) == 0 || all[len(all)-1].Type == "part" {
		fail("has no end, though its time is over")
		return
	}
	last := all[len(all)-1]
	if c.stopped && !strings.Contains(string(last.Data), "/problems/cancelled") {
		fail("was cancelled, and ends with %s %s", last.Type, last.Data)
	}
	if last.Type != "answer" {
		return
	}
	var said struct{ Parts []int }
	if err := json.Unmarshal(last.Data, &said); err != nil {
		fail("is answered %s: %v", last.Data, err)
	}
	for _, n := range said.Parts {
		if !slices.Contains(parts, n) {
			fail("is answered without the part %d, which was before: %v", n, parts)
			return
		}
	}
	if strings.HasPrefix(c.ch, "go/") && len(parts) != len(said.Parts) {
		fail("has the parts %v, and was given %v", parts, said.Parts)
	}
}

// A tally counts.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (t *tally) add(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n[key]++
}

// waysHandler answers the channels below go.
type waysHandler struct{ asked *tally }

func (h waysHandler) Find(ch pabal.Channel) call.Func {
	kind, ok := strings.CutPrefix(string(ch), "go/")
	if !ok {
		return nil
	}
	return func(ctx context.Context, r *call.Request) iter.Seq2[pabal.Message, error] {
		return func(yield func(pabal.Message, error) bool) {
			h.asked.add(r.Ref)
			wait := func(d time.Duration) bool {
				select {
				case <-ctx.Done():
					_ = yield(pabal.Message{}, ctx.Err())
					return false
				case <-time.After(d):
					return true
				}
			}
			var parts []int
			switch kind {
			case "parts":
				for n := 1; n <= 3; n++ {
					if !wait(150*time.Millisecond) || !yield(pabal.Message{Type: "part", Data: []byte(strconv.Itoa(n))}, nil) {
						return
					}
					parts = append(parts, n)
				}
			case "slow":
				if !wait(5 * time.Second) {
					return
				}
			case "never":
				if !wait(time.Hour) {
					return
				}
			}
			yield(finalOf("answer", parts), nil)
		}
	}
}

func finalOf(kind string, parts []int) pabal.Message {
	data, err := json.Marshal(map[string]any{"parts": parts})
	if err != nil {
		panic(err)
	}
	return pabal.Message{Type: kind, ContentType: "application/json", Data: data}
}

// A desk reads $calls/desk, by polling, and answers.
type desk struct {
	world *waysWorld
	at    string
	busy  bool
	asks  []*deskAsk
}

// A deskAsk is a call that the desk knows.
type deskAsk struct {
	ref   string
	n     int   // parts that were given
	sure  []int // of them, those that were acknowledged
	busy  bool
	done  bool
	final string // the command that ends it, to be repeated
}

func (w *waysWorld) newDesk() *desk {
	return &desk{world: w, at: w.beginning("$calls/desk")["$calls/desk"]}
}

// work has the desk read, or answer.
func (d *desk) work(n *waysNode, a sim.Action) {
	open := slices.DeleteFunc(slices.Clone(d.asks), func(k *deskAsk) bool { return k.done || k.busy })
	if a.N[3]%3 == 0 || len(open) == 0 {
		d.read(n)
		return
	}
	k := pick(a, 2, open)
	k.busy = true
	kind := []string{"part", "part", "answer", "failed"}[a.N[0]%4]
	text := k.final
	if text != "" {
		kind = "answer"
	} else {
		command := map[string]any{"id": 1, "command": "answer", "channel": "desk", "ref": k.ref, "type": kind}
		switch kind {
		case "part":
			k.n++
			command["data"] = strconv.Itoa(k.n)
		case "answer":
			command["data"] = map[string]any{"parts": k.sure}
		case "failed":
			command["data"] = "sold out"
		}
		made, err := json.Marshal(command)
		d.world.check(err)
		if text = string(made); kind != "part" {
			k.final = text
		}
	}
	part := k.n
	d.world.send(n, "the desk tells "+n.name+" "+text, "clerk", "POST", "/commands", "application/json", text, func(status int, body []byte) {
		k.busy = false
		switch {
		case status == 200 && kind == "part":
			k.sure = append(k.sure, part)
		case status == 200, status == 409:
			k.done = true
		case status != 0 && status < 500:
			d.world.fail("the desk is refused: %d %s", status, body)
		}
	})
}

// read has the desk read what is asked of it.
func (d *desk) read(n *waysNode) {
	if d.busy {
		return
	}
	d.busy = true
	path := "/channels/$calls/desk?" + url.Values{"via": {"poll"}, "cursor": {d.at}}.Encode()
	d.world.send(n, "the desk reads by "+n.name, "clerk", "GET", path, "", "", func(status int, body []byte) {
		d.busy = false
		var got struct {
			Entries []struct {
				Cursor string
				Data   struct{ Ref string }
			}
			Cursor string
		}
		if status != 200 {
			return
		}
		if err := json.Unmarshal(body, &got); err != nil {
			d.world.fail("the desk reads %q: %v", body, err)
			return
		}
		for _, e := range got.Entries {
			if slices.ContainsFunc(d.asks, func(k *deskAsk) bool { return k.ref == e.Data.Ref }) {
				d.world.fail("the desk is asked %s again", e.Data.Ref)
			}
			d.asks = append(d.asks, &deskAsk{ref: e.Data.Ref})
		}
		d.at = got.Cursor
	})
}
