package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/sim"
)

// A person is one connection, by its id, of one user.
type person struct {
	world *waysWorld
	name  string
	user  string
	id    string
	conn  *wayConn
	count int // of connections

	waysReading
	waysPresence
	calls []*simCall
}

// waysPresence is where a person is present.
type waysPresence struct {
	joins bool                 // by ?join on all it reads by
	data  map[string]string    // what it gave last, by channel; "?" if that is not known
	until map[string]staying   // it is present, though it does not hold on
	last  map[string]time.Time // when it may have been present last
	mixed map[string]bool      // it has said so on a WebSocket

	posted map[string]bool // and by POST
	said   int
}

// A staying is until when somebody is present by way of a node, if that lives.
type staying struct {
	at   time.Time
	node *waysNode
}

func (w *waysWorld) newPerson(i int) *person {
	p := &person{world: w, name: fmt.Sprintf("p%d", i+1), user: []string{"kim", "kim", "lee", "", "park", "choi"}[i]}
	p.id = fmt.Sprintf("%032d", i+1)
	p.urls = [][]string{{"hall"}, {"hall", "lobby"}, {"lobby"}, {"hall"}, {"lobby", "hall"}, {"attic"}}[i]
	p.reads, p.joins = p.urls, i%2 == 0
	p.at, p.left = w.beginning(append(slices.Clone(waysChannels), p.inbox())...), map[string]bool{}
	p.data, p.until, p.last = map[string]string{}, map[string]staying{}, map[string]time.Time{}
	p.mixed, p.posted = map[string]bool{}, map[string]bool{}
	return p
}

// key is what others see of p.
func (p *person) key() string {
	sum := sha256.Sum256([]byte("presence/" + p.id))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:16]
}

// A wayReply is the reply to a command.
type wayReply struct {
	ID              json.RawMessage
	OK              bool
	Channel, Cursor string
	Error           *struct {
		Status       int
		Type, Detail string
	}
}

// unknown reports whether r leaves open whether it was done.
func (r *wayReply) unknown() bool { return r == nil || r.Error != nil && r.Error.Status >= 500 }

// A wayPost is a request on its way to a node.
type wayPost struct {
	node   *waysNode
	what   string
	writer *httptest.ResponseRecorder
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // of a request that is under way
	served chan struct{}
	then   func(status int, body []byte) // status 0: nobody knows
}

// send sends a request to n.
func (w *waysWorld) send(n *waysNode, what, user, method, path, contentType, body string, then func(int, []byte)) {
	p := &wayPost{node: n, what: what, writer: httptest.NewRecorder(), served: make(chan struct{}), then: then}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(p.ctx, method, "http://pabal.test"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+user)
	w.posts = append(w.posts, p)
	go func() {
		if method == "POST" {
			n.h.ServeCommands(p.writer, r)
		} else {
			n.h.ServeHTTP(p.writer, r)
		}
		close(p.served)
	}()
}

// hear takes the answers that have come. It reports whether there were any.
func (w *waysWorld) hear() (news bool) {
	for _, p := range slices.Clone(w.posts) {
		select {
		case <-p.served:
		default:
			continue
		}
		news = true
		w.posts = slices.DeleteFunc(w.posts, func(other *wayPost) bool { return other == p })
		cut := p.ctx.Err() != nil
		p.cancel()
		if cut {
			w.say("%s: nobody knows what became of it", p.what)
			p.then(0, nil)
			continue
		}
		w.say("%s: %d %.160s", p.what, p.writer.Code, strings.TrimSpace(p.writer.Body.String()))
		p.then(p.writer.Code, p.writer.Body.Bytes())
	}
	return news
}

// giveUp has somebody leave who waits for an answer.
func (w *waysWorld) giveUp(a sim.Action) {
	if len(w.posts) > 0 {
		p := pick(a, 0, w.posts)
		w.say("%s: it is cut off", p.what)
		p.cancel()
	}
}

// command has p ask n for something: on the WebSocket that it has, or by POST,
// alone or after another.
func (p *person) command(n *waysNode, a sim.Action, command map[string]any, then func(n *waysNode, r *wayReply)) {
	p.said++
	command["id"] = p.said
	text, err := json.Marshal(command)
	p.world.check(err)
	if c := p.conn; c != nil && c.ask.websocket() && c.open && a.N[3]%2 == 0 && command["command"] != "subscribe" && command["command"] != "unsubscribe" {
		p.world.say("%s says %s", c.name, text)
		c.sent = append(c.sent, func(r *wayReply) { then(c.node, r) })
		c.sock.send(masked(nil, 0x81, string(text)))
		return
	}
	what := fmt.Sprintf("%s posts to %s %s", p.name, n.name, text)
	p.world.say("%s", what)
	contentType, body, at := "application/json", string(text), 0
	if a.N[3]%3 == 0 {
		contentType, body, at = "application/x-ndjson", `{"id":0,"command":"ping"}`+"\n"+body+"\n", 1
	}
	p.world.send(n, what, p.user, "POST", "/commands?connection="+p.id, contentType, body, func(status int, body []byte) {
		lines := bytes.Split(bytes.TrimSpace(body), []byte("\n"))
		if status == 0 {
			then(n, nil)
			return
		}
		r := &wayReply{}
		if len(lines) != at+1 || json.Unmarshal(lines[at], r) != nil || r.OK == (r.Error != nil) {
			if status < 500 {
				p.world.fail("%s: status %d, %q", what, status, body)
			}
			r = nil
		}
		then(n, r)
	})
}

// order has p subscribe to a channel beside those of its URL, or unsubscribe
// from it, by POST.
func (p *person) order(n *waysNode, a sim.Action) {
	ch := waysChannels[a.Of(2, len(waysChannels))]
	if slices.Contains(p.urls, ch) {
		return
	}
	command := map[string]any{"command": a.Kind, "channel": ch}
	if slices.Contains(p.reads, ch) != (a.Kind == "unsubscribe") {
		return
	}
	if a.Kind == "subscribe" {
		command["since"] = []string{"now", "all", "3"}[a.N[3]/7%3]
	}
	p.command(n, a, command, func(_ *waysNode, r *wayReply) {
		if !r.unknown() && !r.OK {
			p.world.fail("%s: %s of %s is refused: %+v", p.name, command["command"], ch, *r.Error)
		}
	})
}

// settled reports whether all that p asked for is in its inbox, and has been
// read there.
func (p *person) settled() bool {
	at, err := pabal.ParsePosition(p.at[p.inbox()])
	p.world.check(err)
	waits := slices.ContainsFunc(p.world.posts, func(o *wayPost) bool { return strings.HasPrefix(o.what, p.name+" ") })
	return !waits && len(p.world.entries(p.inbox(), pabal.After(at), 1)) == 0 && (p.conn == nil || p.conn.heard == len(p.conn.sent))
}

// present has p join a channel, or change what it shows, or leave it.
func (p *person) present(n *waysNode, a sim.Action, leave bool) {
	ch := waysChannels[a.Of(2, len(waysChannels))]
	if !p.settled() {
		return
	}
	c := p.conn
	command := map[string]any{"command": "presence", "channel": ch}
	data := fmt.Sprintf(`{"n":%d}`, p.said)
	if leave {
		command["leave"] = true
		delete(p.until, ch)
		if c != nil {
			delete(c.in, ch)
		}
	} else {
		command["data"] = json.RawMessage(data)
	}
	if c != nil {
		c.maybe[ch] = c.maybe[ch] || !leave
	}
	onSocket := false
	posts := len(p.world.posts)
	asked := time.Now()
	p.last[ch] = asked
	p.command(n, a, command, func(_ *waysNode, r *wayReply) {
		p.last[ch] = time.Now()
		switch same := c != nil && p.conn == c; {
		case r == nil || !r.OK:
			p.data[ch] = "?"
			if r != nil && !r.unknown() && r.Error.Status != 429 {
				p.world.fail("%s: presence in %s is refused: %+v", p.name, ch, *r.Error)
			}
		case leave && onSocket && same && !p.posted[ch]: // else what was posted may be done after this
			delete(c.maybe, ch)
		case leave:
		case onSocket && same:
			if c.in[ch], p.data[ch] = true, data; p.posted[ch] {
				p.data[ch] = "?"
			}
		case !onSocket && (p.conn == nil || p.conn.polls()):
			p.until[ch], p.data[ch] = staying{asked.Add(pollStay - time.Second), n}, data
		case !onSocket && !same:
			p.data[ch] = "?"
		}
	})
	onSocket = len(p.world.posts) == posts
	p.mixed[ch], p.posted[ch] = p.mixed[ch] || onSocket, p.posted[ch] || !onSocket
}

// comes has p join the channels that it names in a URL.
func (p *person) comes(c *wayConn, channels []string, query url.Values) {
	p.said++
	data := fmt.Sprintf(`{"n":%d}`, p.said)
	query.Set("join", data)
	c.join = channels
	for _, ch := range channels {
		c.maybe[ch] = true
		p.data[ch] = data
	}
}

// opened says that c is answered.
func (p *person) opened(c *wayConn) {
	c.open = true
	clear(p.until)
	for _, ch := range c.join {
		c.in[ch] = true
	}
}

// polled says that a poll was answered.
func (p *person) polled(c *wayConn) {
	for _, ch := range c.join {
		if p.last[ch] = time.Now(); c.maybe[ch] {
			p.until[ch] = staying{time.Now().Add(pollStay - 6*time.Second), c.node} // it may have waited for 5 s
		}
	}
}

// here reports whether p is present in ch, surely.
func (p *person) here(ch string) bool {
	c := p.conn
	stay := p.until[ch]
	return c != nil && c.open && c.in[ch] || time.Now().Before(stay.at) && !stay.node.dead
}

// maybe reports whether p may be present in ch: it has asked for that, or has
// not heard that it has left.
func (p *person) maybe(ch string) bool { return p.conn != nil && p.conn.maybe[ch] }

// watch holds who is present against who is to be, as far as that is known
// while things happen, and calls against their time.
func (w *waysWorld) watch() {
	for _, ch := range waysChannels {
		set := w.members(ch)
		for _, p := range w.people {
			w.watchOne(p, ch, set)
		}
	}
	for _, p := range w.people {
		p.watchCalls()
	}
}

func (w *waysWorld) watchOne(p *person, ch string, set map[string]string) {
	now, name := time.Now(), p.name+" in "+ch
	here := p.here(ch)
	if here || p.maybe(ch) {
		p.last[ch] = now
	}
	_, there := set[p.key()]
	if !here || there {
		delete(w.missing, name)
	} else if _, known := w.missing[name]; !known {
		w.missing[name] = now
	}
	since, gone := w.missing[name]
	if gone && now.Sub(since) > missing && w.calm(mending) {
		w.fail("%s is not among those in %s, for %v, though it holds on", p.name, ch, now.Sub(since))
	}
	if there && now.Sub(p.last[ch]) > ghostly && w.calm(mending) {
		w.fail("%s is among those in %s, %v after it was gone", p.name, ch, now.Sub(p.last[ch]))
	}
}

// mend has p be there, and ask again what was not answered.
func (p *person) mend() {
	p.stay()
	p.conn.sock.give(-1)
	for _, c := range p.calls {
		if !c.over() {
			p.askFor(p.world.spans[0], sim.Action{}, c)
		}
	}
}

// stay has p be there by a technique that stays.
func (p *person) stay() {
	if p.conn != nil && p.conn.polls() {
		p.drop("is left for one that stays", sim.Action{})
	}
	if p.conn == nil {
		p.connect(p.world.spans[1], sim.Action{N: [4]uint32{0, 0, uint32(p.count % streaming), 1}})
	}
}
