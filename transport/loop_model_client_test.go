package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/vector"
)

// A modelReader is one client of a model.
type modelReader struct {
	*modelAsk
	name    string
	sock    *modelSocket
	begins  map[string]int // the offset, where the server does not say
	refused int            // the status of who was sent away

	sent     []string // messages to publish, or commands
	pinged   int
	answered int // of the server's pings
	left     bool
	mute     bool // it answers no pings
	slow     bool // it was stalled once
	read     int  // bytes that were checked
	last     *parsed
}

// A modelAsk is what a client asks for.
type modelAsk struct {
	via      string // of readers.All, without polls
	channels []string
	query    url.Values
	deflate  bool
	early    string // what comes with the request
}

func (a *modelAsk) websocket() bool {
	return a.via == "websocket" || a.raw()
}

func (a *modelAsk) raw() bool { return a.via == "raw" || a.via == "raw-entry" }

func (a *modelAsk) request(ctx context.Context) *http.Request {
	query := maps.Clone(a.query)
	if query == nil {
		query = url.Values{}
	}
	path := "/channels"
	if len(a.channels) == 1 {
		path += "/" + a.channels[0]
	} else {
		query["channel"] = a.channels
	}
	switch a.via {
	case "raw-entry":
		query.Set("format", "entry")
	case "iframe":
		query.Set("callback", "app.got")
	}
	if !a.websocket() {
		query.Set("via", a.via)
	}
	r := httptest.NewRequestWithContext(ctx, "GET", "http://pabal.test"+path+"?"+query.Encode(), nil)
	if a.websocket() {
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
			r.Header.Set(name, value)
		}
		if a.via == "websocket" {
			r.Header.Set("Sec-WebSocket-Protocol", subprotocol)
		}
		if a.deflate {
			r.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate")
		}
	}
	return r
}

// connect has a client ask for a.
func (m *model) connect(a *modelAsk) *modelReader {
	r := &modelReader{modelAsk: a, name: fmt.Sprintf("%d:%s", len(m.readers), a.via), begins: map[string]int{}}
	r.sock = &modelSocket{poller: m.poller, random: rand.New(rand.NewPCG(m.random.Uint64(), 1)), room: -1}
	for _, ch := range a.channels {
		q := pabal.Query{From: pabal.FromNow(), MaxEntries: 1, MaxBytes: 1}
		if a.query.Get("since") == "all" {
			q.From = pabal.FromAll()
		}
		page, err := m.broker.Broker.Read(context.Background(), pabal.Channel(ch), q)
		if err != nil {
			m.wrong("%v", err)
		}
		r.begins[ch] = int(page.Start.Offset)
		if a.query.Has("cursor") || a.query.Has("only") {
			r.begins[ch] = -1
		}
	}
	at := &modelConn{sock: r.sock, early: a.early}
	w := &modelWriter{conn: at, header: http.Header{}}
	m.h.ServeHTTP(w, a.request(withConn(context.Background(), &conn{Conn: at})))
	if !w.hijacked {
		if r.refused = w.status; r.refused == 0 {
			r.refused = 200
		}
		return r
	}
	m.readers = append(m.readers, r)
	return r
}

// alive reports whether r is served, and wants to be.
func (r *modelReader) alive() bool { return !r.sock.closed && !r.left && r.sock.fail == nil }

// stall has r take n bytes more, and then nothing.
func (r *modelReader) stall(n int) {
	r.slow = true
	r.sock.give(n)
}

// masked appends a frame of a client.
func masked(dst []byte, first byte, payload string) []byte {
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, first, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, first, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, 0x80|127), uint64(n))
	}
	return append(append(dst, 0, 0, 0, 0), payload...)
}

// say returns a message of r as its frames: raw it is published, else a command.
func (r *modelReader) say(command string) []byte {
	r.sent = append(r.sent, command)
	if r.raw() {
		return masked(nil, 0x81, fmt.Sprintf("%s#%d %s", r.name, len(r.sent), command))
	}
	return masked(nil, 0x81, fmt.Sprintf(`{"id":%d,%s}`, len(r.sent), command))
}

// answerPings has all clients answer what they were asked since.
func (m *model) answerPings() {
	for _, r := range m.readers {
		if !r.websocket() || !r.alive() || r.mute || r.sock.shut {
			continue
		}
		p, err := r.parse()
		if err != nil {
			m.wrong("%s: %v", r.name, err)
			continue
		}
		if n := p.pings - r.answered; n > 0 {
			r.answered += n
			r.sock.send(masked(nil, 0x8a, ""))
		}
	}
}

// parse parses what r has.
func (r *modelReader) parse() (*parsed, error) {
	if r.last != nil && r.read == len(r.sock.got) {
		return r.last, nil
	}
	var p *parsed
	var err error
	if r.websocket() {
		p, err = parseWS(r.sock.got, r.raw(), r.via == "raw-entry")
	} else {
		p, err = parseHTTP(r.sock.got, readers.Named(r.via), r.channels, r.query)
	}
	r.read, r.last = len(r.sock.got), p
	return p, err
}

// places returns where r stands by what it was sent.
func (m *model) places(r *modelReader, p *parsed) (map[string]*modelPlace, error) {
	at := map[string]*modelPlace{}
	begin := func(ch string, offset int) { at[ch] = &modelPlace{at: offset, latest: r.query.Get("only") == "latest"} }
	for _, ch := range r.channels {
		begin(ch, r.begins[ch])
	}
	for i := range p.items {
		it := &p.items[i]
		ch := it.Channel
		if ch == "" && len(r.channels) == 1 {
			ch = r.channels[0]
		}
		switch {
		case it.Notice == "$open":
			if err := r.opened(it, at); err != nil {
				return at, err
			}
			continue
		case it.Notice == "reply":
			if err := r.replied(it, begin, func(ch string) { delete(at, ch) }); err != nil {
				return at, err
			}
			continue
		case at[ch] == nil:
			return at, fmt.Errorf("%+v is of a channel that is not read: %q", it, r.sock.got)
		}
		if r.via == "page" && strings.HasPrefix(it.Notice, "$") && it.Notice != "$gap" && it.Notice != "$reset" {
			continue
		}
		if err := at[ch].take(it, m.broker.log(pabal.Channel(ch))); err != nil {
			return at, fmt.Errorf("item %d of %d, channel %s: %w", i, len(p.items), ch, err)
		}
		if err := r.checkVector(it, at); err != nil {
			return at, fmt.Errorf("item %d of %d: %w", i, len(p.items), err)
		}
	}
	return at, nil
}

// checkVector checks that the cursor over all channels is where r stands.
func (r *modelReader) checkVector(it *readers.Item, at map[string]*modelPlace) error {
	if it.Vector == "" {
		return nil
	}
	v, err := vector.Parse(it.Vector)
	if err != nil {
		return err
	}
	for ch, place := range at {
		if p, ok := v.Of(pabal.Channel(ch)); !ok || place.at >= 0 && int(p.Offset) != place.at {
			return fmt.Errorf("the vector says %v of %s, want %d", p, ch, place.at)
		}
	}
	return nil
}

// replied takes a reply: what it names is read from there on, or not any more.
func (r *modelReader) replied(it *readers.Item, begin func(string, int), end func(string)) error {
	n, err := strconv.Atoi(it.ID)
	if err != nil || n != it.Count || n > len(r.sent) {
		return fmt.Errorf("reply %d is to %q, of %d commands", it.Count, it.ID, len(r.sent))
	}
	switch command := r.sent[n-1]; {
	case it.Channel == "" || strings.Contains(command, `"publish"`):
	case strings.Contains(command, `"unsubscribe"`):
		end(it.Channel)
	default:
		begin(it.Channel, offsetOf(it.Cursor))
	}
	return nil
}

// opened takes an $open.
func (r *modelReader) opened(it *readers.Item, at map[string]*modelPlace) error {
	channels, cursors := it.Channels, it.Cursors
	if it.Channel != "" {
		channels, cursors = []string{it.Channel}, []string{it.Cursor}
	}
	if !slices.Equal(channels, r.channels) {
		return fmt.Errorf("$open of %q, want %q", channels, r.channels)
	}
	for i, ch := range channels {
		offset := offsetOf(cursors[i])
		if at[ch].at >= 0 && at[ch].at != offset {
			return fmt.Errorf("opens at %d of %s, want %d", offset, ch, at[ch].at)
		}
		at[ch].at = offset
	}
	return nil
}

// check holds what each reader has against the log. All that can happen
// without time has happened.
func (m *model) check() {
	for _, r := range m.readers {
		if err := m.checkReader(r); err != nil {
			m.wrong("%s (%d bytes): %v", r.name, len(r.sock.got), err)
		}
	}
	if got, want := m.h.Hub.Stats().Sessions, m.l.seats.count; got != want {
		m.wrong("%d sessions of %d connections", got, want)
	}
}

func (m *model) checkReader(r *modelReader) error {
	p, err := r.parse()
	if err != nil {
		return err
	}
	at, err := m.places(r, p)
	if err != nil {
		return err
	}
	if r.sock.closed || r.sock.shut {
		return m.checkEnd(r, p, at)
	}
	if !r.alive() || r.sock.room >= 0 || r.query.Has("every") && !m.rested {
		return nil
	}
	if !p.whole || r.sock.stuck {
		return errors.New("what it was sent breaks off, though it takes all")
	}
	for ch, place := range at {
		log := m.broker.log(pabal.Channel(ch))
		if next := log.next(place.at); next > 0 && !place.closed && place.at >= 0 {
			return fmt.Errorf("stands at %d of %s and was not given %d", place.at, ch, next)
		}
		if place.live == 0 && !place.closed && !r.raw() && r.via != "page" {
			return fmt.Errorf("was not told that it has read all of %s", ch)
		}
	}
	if said := m.broker.said[r.name]; r.raw() && said != len(r.sent) {
		return fmt.Errorf("published %d messages of %d", said, len(r.sent))
	}
	if p.pongs != r.pinged {
		return fmt.Errorf("%d pongs for %d pings", p.pongs, r.pinged)
	}
	if r.via == "websocket" && p.replies != len(r.sent) {
		return fmt.Errorf("%d replies to %d commands", p.replies, len(r.sent))
	}
	return nil
}

// checkEnd checks that r, which has come to an end, was not cut off.
func (m *model) checkEnd(r *modelReader, p *parsed, at map[string]*modelPlace) error {
	switch {
	case r.sock.fail != nil || r.sock.inEnd != nil || r.mute:
		return nil
	case r.slow && r.sock.stuck && time.Since(r.sock.took) >= m.h.WriteTimeout:
		return nil
	case r.sock.shut && r.sock.stuck:
		return errors.New("the end was written past what was left")
	case !p.ended:
		return fmt.Errorf("was cut off, after %.200q", r.sock.got[max(0, len(r.sock.got)-200):])
	case r.raw() && p.code == 1000 && p.reason == "closed":
		log := m.broker.log(pabal.Channel(r.channels[0]))
		if next := log.next(at[r.channels[0]].at); next > 0 && log.closed && !log.removed && at[r.channels[0]].at >= 0 {
			return fmt.Errorf("is told that the channel is closed before %d", next)
		}
	}
	return nil
}

// vanish ends all clients, some of them without a word.
func (m *model) vanish() {
	for i, r := range m.readers {
		if r.left = true; i%2 == 0 {
			r.sock.leave(io.EOF)
		} else {
			r.sock.leave(errors.New("connection reset by peer"))
		}
	}
}
