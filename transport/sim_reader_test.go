package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"

	"github.com/pabal/pabal/internal/ledger"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/internal/sim"
)

// A simReader reads some channels to the end, by one technique after the
// other: it keeps its place, and nothing else, from one connection to the next.
type simReader struct {
	world   *simWorld
	name    string
	query   url.Values // of all its requests
	since   string
	account *readers.Account
	logs    map[string]*ledger.Reader
	crowd   bool // it comes by few techniques, so that it stands with others

	ended map[string]bool // channels of which it was told that they are closed
	conn  *simConn        // that it reads
	next  *simConn        // that is open already; it reads conn still
	count int             // of connections
	dead  []*simConn
}

// A simConn is one connection of a reader, and one request.
type simConn struct {
	reader *simReader
	node   *simNode
	ask    *modelAsk
	mark   readers.Mark
	name   string

	sock   *modelSocket
	writer *modelWriter
	served chan struct{} // closed when the handler has returned
	cancel func()        // of the request
	seen   int           // bytes of what was sent that the client has received
	parsed int           // of them, how many were looked at
	taken  int           // items
	pings  int           // that were answered
	closed bool          // it was told that one of its channels is
	live   map[string]bool
}

// simTechniques are those that a reader comes by.
var simTechniques = []string{"sse", "websocket", "stream", "poll", "longpoll", "raw-entry", "multipart", "jsonp", "iframe"}

func (w *simWorld) newReader(i int) *simReader {
	r := &simReader{world: w, name: fmt.Sprintf("r%d", i+1), query: url.Values{}, since: "all", logs: map[string]*ledger.Reader{}, ended: map[string]bool{}}
	r.crowd = i >= 6
	channels := [][]string{{"all"}, {"few"}, {"all", "lossy"}, {"latest"}, {"aged", "few", "lossy"}, {"lossy"}}[i%6*(1-i/6)]
	switch i {
	case 3:
		r.query.Set("only", "latest")
	case 2:
		r.query.Set("every", "700ms")
	case 5:
		r.since = "now"
	}
	place := readers.NewPlace(channels...)
	place.MayLose, place.Latest = true, i == 3
	r.account = &readers.Account{Place: place, Judges: map[string]readers.Judge{}, Took: r.took}
	for _, ch := range channels {
		log := w.ledger.Log(ch).Reader(r.name)
		log.Anywhere, log.Latest = r.since != "all", place.Latest
		r.logs[ch], r.account.Judges[ch] = log, log
	}
	return r
}

func (r *simReader) took(it readers.Item) error {
	e := simEntry(it.Cursor, it.Data)
	r.world.say("  %s takes %s at %s of %s", r.name, e.Token, it.Cursor, it.Channel)
	return r.logs[it.Channel].Took(e)
}

// connect has r come, unless it is there.
func (r *simReader) connect(n *simNode, a sim.Action) {
	if r.conn == nil {
		r.conn = r.open(n, a)
		r.account.Begin(r.conn.mark)
	}
}

// hop has r come by another way, and then leave the one by which it reads; or
// the other way round.
func (r *simReader) hop(n *simNode, a sim.Action) {
	if r.conn == nil || r.next != nil {
		return
	}
	if a.N[3]%2 == 0 || r.account.Latest {
		r.look(-1)
		r.drop("hops")
		r.connect(n, a)
		return
	}
	r.next = r.open(n, a)
}

// change has r leave the connection that it reads for the one that is open.
func (r *simReader) change() {
	old := r.conn
	if r.conn, r.next = r.next, nil; r.account.Broken(r.conn.mark) {
		r.world.say("%s leaves %s, which it opened in another epoch", r.name, r.conn.name)
		r.conn.end()
		r.conn = old
		return
	}
	r.world.say("%s goes on by %s", r.name, r.conn.name)
	old.end()
	r.account.Begin(r.conn.mark)
}

// open has r ask a node for what follows its place.
func (r *simReader) open(n *simNode, a sim.Action) *simConn {
	r.count++
	cursors, mark := r.account.Cursors(a.N[3]&2 == 0)
	if r.account.Stale(mark) {
		cursors, mark = r.account.Cursors(false)
	}
	c := &simConn{reader: r, node: n, mark: mark, served: make(chan struct{}), live: map[string]bool{}}
	techniques := simTechniques
	if r.crowd {
		techniques = techniques[:2]
	}
	c.ask = &modelAsk{via: pick(a, 2, techniques), channels: r.account.Channels, query: url.Values{}, deflate: a.N[3]&4 == 0 && !r.crowd}
	if c.ask.raw() && len(c.ask.channels) > 1 {
		c.ask.via = "websocket"
	}
	polls := readers.Named(c.ask.via).Answers
	for name, values := range r.query {
		if name != "every" || !polls {
			c.ask.query[name] = values
		}
	}
	if cursors != nil {
		c.ask.query["cursor"] = cursors
	} else {
		c.ask.query.Set("since", r.since)
	}
	switch c.ask.via {
	case "poll", "longpoll":
		c.ask.query.Set("limit", fmt.Sprint(1+a.Of(3, 6)))
	case "jsonp":
		c.ask.query.Set("callback", "app.got")
		c.ask.query.Set("wait", "20")
	}
	c.name = fmt.Sprintf("%s.%d (%s, %s)", r.name, r.count, c.ask.via, n.name)
	from := "since " + r.since
	if cursors != nil {
		from = "after " + strings.Join(cursors, ", ")
	}
	r.world.say("%s asks for the channels %s, %s", c.name, strings.Join(c.ask.channels, ", "), from)
	seed := fnv.New64()
	fmt.Fprintf(seed, "%d %s %d", r.world.seed, r.name, r.count)
	c.sock = &modelSocket{poller: n.model, random: rand.New(rand.NewPCG(seed.Sum64(), 0)), room: -1}
	at := &modelConn{sock: c.sock}
	c.writer = &modelWriter{conn: at, header: http.Header{}}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	if !polls {
		ctx = withConn(ctx, &conn{Conn: at})
	}
	request := c.ask.request(ctx)
	go func() {
		n.h.ServeHTTP(c.writer, request)
		close(c.served)
	}()
	return c
}

// receive has r receive a part of what was sent to it, or all.
func (r *simReader) receive(a sim.Action) {
	if r.next != nil && a.N[3]%3 == 0 {
		r.change()
	}
	if a.N[2]%3 == 0 {
		r.look(int(a.N[1] % 300))
	} else {
		r.look(-1)
	}
}

// cut has the connection of r break where it is.
func (r *simReader) cut(a sim.Action) {
	r.look(int(a.N[1] % 200))
	r.drop("is cut off")
}

// silence has r's connection go silent: r sees that some time, and the node
// does not.
func (r *simReader) silence() {
	if c := r.conn; c != nil && c.sock != nil {
		r.world.say("%s hears nothing any more, and leaves without a word", c.name)
		c.sock.give(0)
		r.dead = append(r.dead, c)
		r.conn = nil
		r.inherit()
	}
}

// inherit has r go on by the connection that it has opened besides, if any.
func (r *simReader) inherit() {
	c := r.next
	if r.next = nil; c == nil {
		return
	}
	if r.account.Broken(c.mark) {
		c.end()
		return
	}
	r.conn = c
	r.account.Begin(c.mark)
}

func (r *simReader) stall(bytes int) {
	if r.conn != nil {
		r.world.say("%s has room for %d bytes", r.conn.name, bytes)
		r.conn.sock.give(bytes)
	}
}

// drop ends all connections of r.
func (r *simReader) drop(why string) {
	for _, c := range append(r.dead, r.conn, r.next) {
		if c != nil {
			if why != "" && c == r.conn {
				r.world.say("%s %s, after %d of %d bytes", c.name, why, c.seen, len(c.sock.got))
			}
			c.end()
		}
	}
	r.conn, r.next, r.dead = nil, nil, nil
}

// end ends c: the node sees a broken connection.
func (c *simConn) end() {
	c.reader.world.written += len(c.sock.got) + c.writer.body.Len() // the bytes themselves have names drawn at random
	c.reader.world.writes += c.sock.writes
	c.sock.leave(errors.New("connection reset by peer"))
	c.cancel()
}

// look has r receive so many bytes more, below 0 all, and take what they say.
// It reports whether there was anything new.
func (r *simReader) look(bytes int) (news bool) {
	c := r.conn
	if c == nil {
		return false
	}
	items, ended, err := c.read(bytes)
	if err != nil {
		r.world.fail("%s: %v", c.name, err)
		return false
	}
	for _, it := range items[min(c.taken, len(items)):] {
		news = true
		if it.Notice != "" && it.Notice != readers.At {
			r.world.say("  %s is told %s", r.name, noticed(it))
		}
		if err := c.take(it); err != nil {
			r.world.fail("%s: %v", c.name, err)
			return news
		}
	}
	c.taken = max(c.taken, len(items))
	if ended {
		r.world.say("%s comes to its end", c.name)
		c.end()
		r.conn = nil
		r.inherit()
		return true
	}
	return news
}

// noticed says what a notice says.
func noticed(it readers.Item) string {
	text := it.Notice
	if it.Channel != "" {
		text += " of " + it.Channel + " at " + it.Cursor
	} else if len(it.Channels) > 0 {
		text += " of " + strings.Join(it.Channels, ", ") + " at " + strings.Join(it.Cursors, ", ")
	}
	if it.From != "" {
		text += ", from " + it.From
	}
	if it.Reason != "" {
		text += " (" + it.Reason + ")"
	}
	return text
}

func (c *simConn) take(it readers.Item) error {
	switch it.Notice {
	case readers.Gone: // all of its channels are
		for _, ch := range c.reader.account.Channels {
			c.reader.ended[ch] = true
		}
		return nil
	case "reply":
		return nil
	case "$closed":
		if it.Reason != "closed" && it.Reason != "" {
			return nil // the node has trouble, and says so
		}
		c.closed, c.reader.ended[it.Channel] = true, true
	case "$live":
		if c.live[it.Channel] {
			return fmt.Errorf("%+v is said again", it)
		}
		c.live[it.Channel] = true
	}
	return c.reader.account.Take(it)
}

// read returns all items of what has arrived, and whether it has ended.
func (c *simConn) read(bytes int) (items []readers.Item, ended bool, err error) {
	select {
	case <-c.served:
		if !c.writer.hijacked {
			return c.answer()
		}
	default:
	}
	if c.seen = len(c.sock.got); bytes >= 0 {
		c.seen = min(c.seen, c.parsed+bytes)
	}
	end := (c.sock.closed || c.sock.shut) && c.seen == len(c.sock.got)
	if c.seen == c.parsed && !end {
		return nil, false, nil
	}
	c.parsed = c.seen
	raw := c.sock.got[:c.seen]
	if c.ask.websocket() {
		return c.frames(raw, end)
	}
	items, whole, err := parseTorn(raw, c.ask)
	return items, end || whole, err
}

// hijacked reports whether a loop serves c.
func (c *simConn) hijacked() bool {
	select {
	case <-c.served:
		return c.writer.hijacked && !c.closed
	default:
		return false
	}
}

// answer returns what a request was answered with that no loop has taken.
func (c *simConn) answer() (items []readers.Item, ended bool, err error) {
	if c.writer.status >= 400 {
		c.reader.world.say("%s is refused: %d %.100s", c.name, c.writer.status, c.writer.body.String())
		if c.writer.status == http.StatusServiceUnavailable {
			return nil, true, nil
		}
		return nil, true, fmt.Errorf("status %d: %s", c.writer.status, c.writer.body.String())
	}
	t := &readers.Target{URL: "http://pabal.test", Client: &http.Client{Transport: c}, Channels: c.ask.channels}
	for it, err := range readers.Named(c.ask.via).Read(context.Background(), t) {
		var status *readers.StatusError
		if errors.As(err, &status) && c.ask.via == "jsonp" && bytes.Contains(status.Body, []byte(`"status":503`)) {
			c.reader.world.say("%s is refused: %.100s", c.name, status.Body)
			return items, true, nil
		}
		if err != nil && c.ask.via == "iframe" && strings.Contains(err.Error(), "the simulated broker") {
			return items, true, nil
		}
		if err != nil {
			return nil, true, err
		}
		if items = append(items, it); it.Notice == readers.At {
			break
		}
	}
	return items, true, nil
}

// RoundTrip answers with what the handler has written.
func (c *simConn) RoundTrip(r *http.Request) (*http.Response, error) {
	status := c.writer.status
	if status == 0 {
		status = http.StatusOK
	}
	body := io.NopCloser(bytes.NewReader(c.writer.body.Bytes()))
	return &http.Response{StatusCode: status, Header: c.writer.header, Body: body, Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// frames returns what a WebSocket has received, and answers pings.
func (c *simConn) frames(raw []byte, end bool) ([]readers.Item, bool, error) {
	p, err := parseWS(raw, c.ask.raw(), true)
	if err != nil {
		return nil, false, err
	}
	for ; c.pings < p.pings; c.pings++ {
		c.sock.send(masked(nil, 0x8a, ""))
	}
	for i := range p.items {
		if it := &p.items[i]; it.Notice == "" && it.Channel == "" {
			return nil, false, fmt.Errorf("an entry without its channel: %+v", it)
		}
	}
	if p.ended && p.code == 1000 && p.reason == "closed" {
		p.items = append(p.items, readers.Item{Notice: "$closed", Channel: c.ask.channels[0], Detail: readers.Detail{Reason: "closed"}})
	}
	return p.items, end || p.ended, nil
}

// parseTorn returns what is whole in a response that may be torn anywhere, and
// whether it is whole itself.
func parseTorn(raw []byte, ask *modelAsk) (items []readers.Item, whole bool, err error) {
	if !bytes.Contains(raw, []byte("\r\n\r\n")) {
		return nil, false, nil
	}
	t := &readers.Target{URL: "http://pabal.test", Client: &http.Client{Transport: canned{raw}}, Channels: ask.channels, Query: ask.query}
	for it, err := range readers.Named(ask.via).Read(context.Background(), t) {
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), err != nil && strings.HasSuffix(err.Error(), "unexpected EOF reading trailer"), err != nil && strings.Contains(err.Error(), "malformed MIME header") && !bytes.HasSuffix(raw, []byte("\r\n0\r\n\r\n")):
			return items, false, nil
		case err != nil && ask.via == "iframe" && strings.Contains(err.Error(), "the simulated broker"):
			return items, true, nil
		case err != nil:
			return items, false, err
		}
		items = append(items, it)
	}
	return items, true, nil
}

// mend has r be there, and take all.
func (r *simReader) mend() { r.mendBy(uint32(r.count)) }

func (r *simReader) mendBy(technique uint32) {
	if r.next != nil {
		r.change()
	}
	if r.conn != nil && r.conn.closed {
		r.drop("is left: it was told of an end, which may be lost since")
	}
	if r.conn == nil {
		r.connect(r.world.nodes[0], sim.Action{N: [4]uint32{0, 0, technique, 0}})
	}
	r.conn.sock.give(-1)
}

// stay has r be there by a technique that stays.
func (r *simReader) stay() {
	if r.conn != nil && readers.Named(r.conn.ask.via).Answers {
		r.drop("is left for one that stays")
	}
	clear(r.ended)
	r.mendBy(uint32(r.count) % 3)
}

// checkClosed fails the world if r was not told that its channels are closed.
func (r *simReader) checkClosed() {
	for _, ch := range r.account.Channels {
		if !r.ended[ch] {
			r.world.fail("%s was not told at once that %s is closed, though nothing is wrong any more", r.name, ch)
		}
	}
}

// checkLive fails the world if r has not come to the end of all it reads.
func (r *simReader) checkLive() {
	for _, ch := range r.account.Channels {
		log := r.logs[ch]
		if log.Anywhere && r.account.Cursor(ch) == "" {
			continue // it has begun where it was not told
		}
		if last, behind := log.Behind(); behind {
			r.world.fail("%s has not got %s of %s, the last that is there, though nothing is wrong any more", r.name, last, ch)
		}
	}
}

// checkOwed fails the world if r, which reads the latest of each key, and has
// been judged, did not get one.
func (r *simReader) checkOwed() {
	for _, ch := range r.account.Channels {
		if key := r.logs[ch].Owed(); key != "" {
			r.world.fail("%s was told that entries of the key %q were left out, and did not get the last of them", r.name, key)
		}
	}
}
