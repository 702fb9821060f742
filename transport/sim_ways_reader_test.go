package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/internal/sim"
)

// waysReading is what a person reads, as its inbox says, and where it stands.
type waysReading struct {
	urls   []string // of the first URL
	reads  []string
	at     map[string]string // cursors, the inbox's among them
	vector string            // if that is where it stands
	left   map[string]bool   // of which a few may come still
}

// A wayConn is one connection of a person, and one request.
type wayConn struct {
	simConn
	person *person
	number int
	node   *waysNode
	join   []string     // the channels of ?join
	names  []string     // those of the URL
	begun  pabal.Offset // of the inbox; orders up to there were dealt with when it began
	open   bool
	in     map[string]bool // there it is present by this connection
	maybe  map[string]bool // there it may be
	sent   []func(*wayReply)
	heard  int // replies
}

var waysTechniques = []string{"sse", "websocket", "stream", "multipart", "iframe", "sse", "websocket", "poll", "longpoll", "jsonp"}

// streaming are how many of them stay.
const streaming = 7

func (p *person) inbox() string { return pabal.Inbox + p.id }

// connect has p come, unless it is there.
func (p *person) connect(n *waysNode, a sim.Action) {
	if p.conn != nil || n.dead {
		return
	}
	p.count++
	via := pick(a, 2, waysTechniques)
	c := &wayConn{person: p, node: n, in: map[string]bool{}, maybe: map[string]bool{}}
	c.served = make(chan struct{})
	query := url.Values{"connection": {p.id}}
	names, from := p.reads, []string{}
	if vector := p.vector; vector != "" && a.N[3]%2 == 0 && !readers.Named(via).Answers { // who polls names all channels
		names, from = p.urls, []string{vector}
	} else {
		for _, ch := range append(slices.Clone(p.reads), p.inbox()) {
			from = append(from, p.at[ch])
		}
	}
	query["cursor"] = from
	switch via {
	case "jsonp":
		query.Set("wait", "5")
		query.Set("callback", "app.got")
	case "longpoll":
		query.Set("wait", "5")
	}
	if p.joins {
		p.comes(c, names, query)
	}
	c.name = fmt.Sprintf("%s.%d (%s, %s)", p.name, p.count, via, n.name)
	p.world.say("%s reads %s, after %s%s", c.name, strings.Join(names, ", "), strings.Join(from, ", "), map[bool]string{true: ", and joins"}[p.joins])
	c.ask = &modelAsk{via: via, channels: append(slices.Clone(names), p.inbox())}
	p.conn, c.names, c.number = c, names, p.count
	c.begin(names, query)
}

// begin sends the request.
func (c *wayConn) begin(names []string, query url.Values) {
	p := c.person
	seed := fnv.New64()
	fmt.Fprintf(seed, "%d %s %d", p.world.seed, p.name, p.count)
	c.sock = &modelSocket{poller: c.node.model, random: rand.New(rand.NewPCG(seed.Sum64(), 0)), room: -1}
	at := &modelConn{sock: c.sock}
	c.writer = &modelWriter{conn: at, header: http.Header{}}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	if !c.polls() {
		ctx = withConn(ctx, &conn{Conn: at})
	}
	r := (&modelAsk{via: c.ask.via, channels: names, query: query}).request(ctx)
	r.Header.Set("Authorization", "Bearer "+p.user)
	h := c.node.h
	go func() {
		h.ServeHTTP(c.writer, r)
		close(c.served)
	}()
}

func (c *wayConn) polls() bool { return readers.Named(c.ask.via).Answers }

// stall has the connection of p take so many bytes, and no more; below 0: all.
func (p *person) stall(bytes int) {
	if p.conn != nil {
		p.world.say("%s has room for %d bytes", p.conn.name, bytes)
		p.conn.sock.give(bytes)
	}
}

// drop ends the connection of p, which may have received a part of what was
// sent last.
func (p *person) drop(why string, a sim.Action) {
	c := p.conn
	if c == nil {
		return
	}
	if why != "" && a.N[3]%2 == 0 {
		p.look(int(a.N[2] % 400))
	}
	if p.conn != c {
		return
	}
	if why != "" {
		p.world.say("%s %s", c.name, why)
	}
	p.end()
}

// end ends the connection of p: the node sees a broken one.
func (p *person) end() {
	c := p.conn
	p.conn = nil
	p.left = map[string]bool{}
	c.sock.leave(errors.New("connection reset by peer"))
	c.cancel()
	for ; c.heard < len(c.sent); c.heard++ {
		c.sent[c.heard](nil)
	}
}

// look has p receive so many bytes more, below 0 all, and take what they say.
func (p *person) look(bytes int) (news bool) {
	c := p.conn
	if c == nil {
		return false
	}
	items, ended, err := c.receive(bytes)
	if err != nil {
		p.world.fail("%s: %v", c.name, err)
		return false
	}
	for _, it := range items[min(c.taken, len(items)):] {
		c.taken++
		news = true
		if err := p.take(c, it); err != nil {
			p.world.fail("%s: %v", c.name, err)
			return news
		}
	}
	if ended && p.conn == c {
		p.world.say("%s comes to its end", c.name)
		p.end()
		return true
	}
	return news
}

// receive returns all items of what has arrived, and whether it has ended.
func (c *wayConn) receive(most int) (items []readers.Item, ended bool, err error) {
	select {
	case <-c.served:
		if !c.writer.hijacked {
			return c.answered()
		}
	default:
	}
	if c.seen = len(c.sock.got); most >= 0 {
		c.seen = min(c.seen, c.parsed+most)
	}
	end := (c.sock.closed || c.sock.shut) && c.seen == len(c.sock.got)
	if c.seen == c.parsed && !end {
		return nil, false, nil
	}
	c.parsed = c.seen
	if !c.ask.websocket() {
		items, whole, err := parseTorn(c.sock.got[:c.seen], c.ask)
		return items, end || whole, err
	}
	f, err := parseWays(c.sock.got[:c.seen])
	for ; c.pings < f.pings; c.pings++ {
		c.sock.send(masked(nil, 0x8a, ""))
	}
	for ; c.heard < len(f.replies); c.heard++ {
		c.sent[c.heard](f.replies[c.heard])
	}
	return f.items, end || f.ended, err
}

// answered returns what a request was answered with that no loop has taken.
func (c *wayConn) answered() (items []readers.Item, ended bool, err error) {
	if c.writer.status == http.StatusServiceUnavailable || bytes.Contains(c.writer.body.Bytes(), []byte("the simulated broker")) {
		c.person.world.say("%s is refused: %d %.100s", c.name, c.writer.status, c.writer.body.String())
		return nil, true, nil
	}
	if c.writer.status >= 400 {
		if strings.Contains(c.writer.body.String(), "Internal Server Error") { // the broker's answer was lost
			return nil, true, nil
		}
		return nil, true, fmt.Errorf("status %d: %s", c.writer.status, c.writer.body.String())
	}
	if !c.polls() {
		return nil, true, nil // an end that is none of a response
	}
	t := &readers.Target{URL: "http://pabal.test", Client: &http.Client{Transport: &c.simConn}, Channels: c.ask.channels}
	for it, err := range readers.Named(c.ask.via).Read(context.Background(), t) {
		if status := (*readers.StatusError)(nil); errors.As(err, &status) {
			return items, true, nil // a problem, called back
		}
		if err != nil {
			return nil, true, err
		}
		if items = append(items, it); it.Notice == readers.At {
			break
		}
	}
	c.person.polled(c)
	return items, true, nil
}

// take takes one item.
func (p *person) take(c *wayConn, it readers.Item) error {
	switch it.Notice {
	case "":
		if it.Vector != "" {
			p.vector = it.Vector
		} else {
			p.vector = ""
		}
		return p.entry(c, it)
	case "$open":
		p.opened(c)
		return p.begins(c, it)
	case readers.At:
		if p.vector = it.Vector; len(c.ask.channels) != len(p.reads)+1 { // it was told of others meanwhile
			p.vector = ""
		}
	case "$gap", "$reset", "$skipped":
		return fmt.Errorf("it is told %s, and nothing is missing", noticed(it))
	case "$closed":
		p.world.say("  %s is told %s", p.name, noticed(it))
		if it.Reason == string(reasonRefused) && p.world.calm(0) {
			return fmt.Errorf("it is told %s, and asked for nothing that is not allowed", noticed(it))
		}
	}
	return nil
}

// entry takes an entry, which must be the next of its channel.
func (p *person) entry(c *wayConn, it readers.Item) error {
	if !slices.Contains(p.reads, it.Channel) && it.Channel != p.inbox() && !p.left[it.Channel] {
		return fmt.Errorf("it gets %s of %s, which it does not read", it.Cursor, it.Channel)
	}
	stood, err := pabal.ParsePosition(p.at[it.Channel])
	if err != nil {
		return err
	}
	next := p.world.entries(it.Channel, pabal.After(stood), 1)
	if len(next) == 0 || next[0].Position().String() != it.Cursor {
		return fmt.Errorf("it stands at %s of %s, and gets %s (%.40q)", p.at[it.Channel], it.Channel, it.Cursor, it.Data)
	}
	if got, want := string(it.Data), string(next[0].Data); got != want {
		return fmt.Errorf("%s of %s is %.60q, and it gets %.60q", it.Cursor, it.Channel, want, got)
	}
	p.at[it.Channel] = it.Cursor
	if it.Channel != p.inbox() {
		return nil
	}
	p.world.say("  %s finds %s %s in its inbox, at %s: %.120s", p.name, it.Type, it.Key, it.Cursor, it.Data)
	if it.Type == commandType {
		return p.ordered(c, it)
	}
	return nil
}

// An inboxOrder is what an entry of an inbox orders.
type inboxOrder struct {
	Command, Channel, Cursor string
	Data                     json.RawMessage
	Leave                    bool
}

// begins takes what c says of where it begins: its channels are those of the
// URL, and those that were subscribed to before.
func (p *person) begins(c *wayConn, it readers.Item) error {
	stood, err := pabal.ParsePosition(p.at[p.inbox()])
	if err != nil {
		return err
	}
	c.begun = ^pabal.Offset(0)
	for _, s := range c.node.l.seats.taken {
		if s.conn != nil && s.conn.sock == socket(c.sock) && s.conn.more != nil {
			c.begun = s.conn.more.begun.Offset
		}
	}
	want, said := slices.Clone(c.names), map[string]inboxOrder{}
	anew := map[string][]string{} // where subscriptions begin of which it has not heard
	for _, e := range p.world.entries(p.inbox(), pabal.FromAll(), 1<<20) {
		var o inboxOrder
		if e.Type != commandType || e.Offset > c.begun {
			continue
		}
		if err := json.Unmarshal(e.Data, &o); err != nil {
			return err
		}
		if o.Command == "presence" {
			p.joinedBefore(c, &o)
			continue
		}
		if said[o.Channel] = o; o.Command == "subscribe" && e.Offset > stood.Offset {
			anew[o.Channel] = append(anew[o.Channel], o.Cursor)
		}
		delete(c.in, o.Channel) // whether it is present is not said again
	}
	for ch, o := range said {
		if o.Command == "subscribe" && !slices.Contains(want, ch) {
			want = append(want, ch)
		}
	}
	got := slices.DeleteFunc(slices.Clone(it.Channels), func(ch string) bool { return ch == p.inbox() })
	if slices.Sort(want); !slices.Equal(want, slices.Sorted(slices.Values(got))) && c.begun != ^pabal.Offset(0) {
		return fmt.Errorf("it reads %v, and should read %v", got, want)
	}
	for i, ch := range it.Channels {
		at := it.Cursors[i]
		if old := p.at[ch]; old != at && !slices.Contains(anew[ch], at) {
			return fmt.Errorf("%s opens at %s, and it stood at %s", ch, at, old)
		}
		p.at[ch] = at
	}
	p.reads = got
	clear(p.left)
	return nil
}

// joinedBefore says that c is present by what was ordered before it began, as
// the last order in a channel says; where commands of a WebSocket said something
// else meanwhile, that is not known.
func (p *person) joinedBefore(c *wayConn, o *inboxOrder) {
	delete(c.in, o.Channel)
	delete(c.maybe, o.Channel)
	if slices.Contains(c.join, o.Channel) {
		c.maybe[o.Channel] = true
		c.in[o.Channel] = true
	}
	if o.Leave {
		return
	}
	p.joinedBy(c, o)
	if slices.Contains(c.join, o.Channel) {
		p.data[o.Channel] = "?"
	}
}

// joinedBy says that c was told to be present.
func (p *person) joinedBy(c *wayConn, o *inboxOrder) {
	c.maybe[o.Channel] = true
	if p.data[o.Channel] = "?"; !p.mixed[o.Channel] {
		p.data[o.Channel] = string(o.Data)
		c.in[o.Channel] = true
	}
}

// ordered does what an order in the inbox says.
func (p *person) ordered(c *wayConn, it readers.Item) error {
	at, err := pabal.ParsePosition(it.Cursor)
	if err != nil || !c.polls() && at.Offset <= c.begun {
		return err
	}
	var o inboxOrder
	if err := json.Unmarshal(it.Data, &o); err != nil {
		return err
	}
	i := slices.Index(p.reads, o.Channel)
	switch {
	case o.Command == "subscribe" && i < 0:
		p.reads = append(slices.Clone(p.reads), o.Channel)
		p.at[o.Channel] = o.Cursor
		delete(p.left, o.Channel)
	case o.Command == "unsubscribe" && i >= 0:
		p.reads = slices.Delete(slices.Clone(p.reads), i, i+1)
		p.left[o.Channel] = true
		delete(c.in, o.Channel)
		if !c.polls() {
			delete(c.maybe, o.Channel)
		}
	case o.Command == "presence" && o.Leave:
		delete(c.in, o.Channel)
		delete(c.maybe, o.Channel)
	case o.Command == "presence" && !c.polls():
		p.joinedBy(c, &o)
		delete(p.until, o.Channel)
	}
	return nil
}

// checkRead checks that p stands at the end of all that it reads.
func (p *person) checkRead() {
	for _, ch := range append(slices.Clone(p.reads), p.inbox()) {
		at, err := pabal.ParsePosition(p.at[ch])
		p.world.check(err)
		if rest := p.world.entries(ch, pabal.After(at), 1); len(rest) > 0 {
			p.world.fail("%s stands at %s of %s, and has not got %s, though nothing is wrong any more", p.name, p.at[ch], ch, rest[0].Position())
		}
	}
}

// waysFrames is what a WebSocket has received.
type waysFrames struct {
	items   []readers.Item
	replies []*wayReply
	pings   int
	ended   bool
}

func parseWays(raw []byte) (f waysFrames, err error) {
	_, rest, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for len(rest) > 0 {
		first, payload, after, ok := cutFrame(rest)
		if !ok {
			break
		}
		rest = after
		switch first {
		case 0x88:
			f.ended = true
		case 0x89:
			f.pings++
		case 0x81:
			err = f.message(payload)
		default:
			err = fmt.Errorf("a frame begins with %x", first)
		}
		if err != nil {
			break
		}
	}
	return f, err
}

func (f *waysFrames) message(payload []byte) error {
	if len(payload) == 0 {
		return nil
	}
	var m struct {
		wayReply
		Notice, Type, Key, Reason string
		Data                      json.RawMessage
		Channels, Cursors         []string
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return fmt.Errorf("%.200q: %w", payload, err)
	}
	if m.OK || m.Error != nil {
		f.replies = append(f.replies, &m.wayReply)
		return nil
	}
	it := readers.Item{Notice: m.Notice, Channel: m.Channel, Cursor: m.Cursor, Type: m.Type, Key: m.Key, Data: m.Data}
	it.Reason, it.Channels, it.Cursors = m.Reason, m.Channels, m.Cursors
	if text := ""; json.Unmarshal(m.Data, &text) == nil && m.Data != nil {
		it.Data = []byte(text)
	}
	f.items = append(f.items, it)
	return nil
}

// openedAt returns where p begins to read: at the beginning of everything.
func (w *waysWorld) beginning(channels ...string) map[string]string {
	at := map[string]string{}
	for _, ch := range channels {
		page, err := w.broker.Read(context.Background(), pabal.Channel(ch), pabal.Query{From: pabal.FromAll(), MaxEntries: 1, MaxBytes: 1})
		w.check(err)
		at[ch] = page.Start.String()
	}
	return maps.Clone(at)
}
