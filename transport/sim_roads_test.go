package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing/synctest"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/internal/wire"
)

// simRoads are the ways to publish, of which a repeat may take another. What
// has no ID of its own, on a raw WebSocket, is not repeated.
var simRoads = []string{"the hub", "POST /channels", "POST /commands", "POST /commands, a line", "a WebSocket", "a raw WebSocket"}

var errNobodyKnows = errors.New("nobody knows")

// road returns by which way s goes, if it is to go by the one wanted.
func (s *simSending) road(wanted string) string {
	many := s.remove || s.publish.Close || len(s.publish.Messages) != 1
	socket := strings.Contains(wanted, "WebSocket")
	switch {
	case many && wanted != "the hub":
		return "POST /channels"
	case socket && s.channel == "aged", wanted == "a raw WebSocket" && (s.tries > 0 || s.channel == "latest"):
		return "POST /commands" // what is left on a socket may come to the log after it was forgotten there; and a raw one gives neither key nor ID
	}
	return wanted
}

// command is s as a command.
func (s *simSending) command(id int) string {
	m := &s.publish.Messages[0]
	text, err := json.Marshal(map[string]any{
		"id": id, "command": "publish", "channel": s.channel, "messageId": m.ID, "key": m.Key, "data": string(m.Data),
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// request is s as a request by that road, which is one of POST.
func (s *simSending) request(ctx context.Context, road string) *http.Request {
	post := func(method, path, contentType, body string) *http.Request {
		r := httptest.NewRequestWithContext(ctx, method, "http://pabal.test"+path, strings.NewReader(body))
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		return r
	}
	path := "/channels/" + s.channel
	switch {
	case s.remove:
		return post("DELETE", path, "", "")
	case s.publish.Close:
		return post("POST", path+"?close", "", "")
	case road == "POST /commands":
		return post("POST", "/commands", "application/json", s.command(1))
	case road == "POST /commands, a line":
		return post("POST", "/commands", "application/x-ndjson", `{"id":0,"command":"ping"}`+"\n"+s.command(1)+"\n")
	case len(s.publish.Messages) == 1:
		m := &s.publish.Messages[0]
		query := url.Values{"id": {m.ID}}
		if m.Key != "" {
			query.Set("key", m.Key)
		}
		return post("POST", path+"?"+query.Encode(), "text/plain", string(m.Data))
	}
	var lines []byte
	for i := range s.publish.Messages {
		lines = append(wire.AppendMessage(lines, &s.publish.Messages[i]), '\n')
	}
	return post("POST", path, "application/x-ndjson", string(lines))
}

// A simReceipt is what a publisher is answered, by whichever way.
type simReceipt struct {
	OK        *bool
	Cursor    string
	Cursors   []string
	Duplicate bool
	Error     *struct {
		Status       int
		Type, Detail string
	}
	Type   string // of a problem
	Detail string
}

// take has s answered with text, of that status.
func (s *simSending) take(status int, text []byte) {
	var got simReceipt
	if err := json.Unmarshal(text, &got); err != nil && len(text) > 0 {
		s.err = fmt.Errorf("%w, since the answer is %q", errWrongAnswer, text)
		return
	}
	if got.Error != nil {
		status, got.Type, got.Detail = got.Error.Status, got.Error.Type, got.Error.Detail
	}
	switch {
	case got.Type == "/problems/closed":
		s.err = pabal.ErrClosed
		return
	case status >= 500 || status == 0:
		s.err = fmt.Errorf("%w: %d %s", errNobodyKnows, status, got.Detail)
		return
	case status >= 400 || got.OK != nil && !*got.OK:
		s.err = fmt.Errorf("%w: %d %s", errWrongAnswer, status, text)
		return
	case s.remove:
		return
	}
	cursors := got.Cursors
	if cursors == nil && !s.publish.Close {
		cursors = []string{got.Cursor}
	}
	if s.done.Duplicate = got.Duplicate; s.publish.Close && got.Cursor == "" {
		return
	}
	if s.done.End, s.err = pabal.ParsePosition(got.Cursor); s.err != nil {
		s.err = fmt.Errorf("%w: %w", errWrongAnswer, s.err)
	}
	for _, c := range cursors {
		at, err := pabal.ParsePosition(c)
		if err != nil {
			s.err = fmt.Errorf("%w: %w", errWrongAnswer, err)
		}
		s.done.Positions = append(s.done.Positions, at)
	}
}

var errWrongAnswer = errors.New("that is no answer")

// post has s go to n by a request.
func (s *simSending) post(ctx context.Context, n *simNode, road string) {
	w := httptest.NewRecorder()
	r := s.request(ctx, road)
	if r.URL.Path == "/commands" {
		n.h.ServeCommands(w, r)
	} else {
		(&api.Handler{Hub: n.h.Hub, Log: n.h.Log}).ServeHTTP(w, r)
	}
	if ctx.Err() != nil {
		s.err = errNobodyKnows
		return
	}
	body := bytes.TrimSpace(w.Body.Bytes())
	if road == "POST /commands, a line" && w.Code == 200 {
		_, body, _ = bytes.Cut(body, []byte("\n"))
	}
	s.take(w.Code, body)
}

// A simLine is a WebSocket by which somebody publishes.
type simLine struct {
	node  *simNode
	ask   *modelAsk
	conn  *modelWriter
	sock  *modelSocket
	over  chan struct{}
	sent  int
	pings int
}

// line returns the WebSocket of p to n for s, which it opens unless there is one.
func (p *simWriter) line(n *simNode, road string, s *simSending) *simLine {
	ask := &modelAsk{via: "websocket"}
	if road == "a raw WebSocket" {
		ask.via, ask.channels, ask.query = "raw-entry", []string{s.channel}, url.Values{"since": {"now"}}
	}
	if l := p.socket; l != nil && !l.ended() && l.node == n && l.ask.via == ask.via && slices.Equal(l.ask.channels, ask.channels) {
		return l
	}
	p.hangUp()
	p.lines++
	seed := fnv.New64()
	fmt.Fprintf(seed, "%d %s %d", p.world.seed, p.name, p.lines)
	l := &simLine{node: n, ask: ask, over: make(chan struct{})}
	l.sock = &modelSocket{poller: n.model, random: rand.New(rand.NewPCG(seed.Sum64(), 2)), room: -1}
	at := &modelConn{sock: l.sock}
	l.conn = &modelWriter{conn: at, header: http.Header{}}
	r := ask.request(withConn(context.Background(), &conn{Conn: at}))
	go func() {
		n.h.ServeHTTP(l.conn, r)
		close(l.over)
	}()
	synctest.Wait()
	p.socket = l
	return l
}

// say has s go by l.
func (l *simLine) say(s *simSending) {
	l.sent++
	text := s.command(l.sent)
	if l.ask.raw() {
		text = string(s.publish.Messages[0].Data)
	}
	l.sock.send(masked(nil, 0x81, text))
}

// ended reports whether nothing will come by l any more.
func (l *simLine) ended() bool {
	select {
	case <-l.over:
		return !l.conn.hijacked || l.sock.closed || l.sock.shut
	default:
		return false
	}
}

// hear looks for the answer to the last that was said. It reports whether s is
// answered, or will not be.
func (l *simLine) hear(s *simSending) bool {
	_, frames, _ := bytes.Cut(l.sock.got, []byte("\r\n\r\n"))
	for pings := 0; len(frames) > 0; {
		first, payload, rest, ok := cutFrame(frames)
		if !ok {
			break
		}
		frames = rest
		if first == 0x89 {
			if pings++; pings > l.pings {
				l.pings++
				l.sock.send(masked(nil, 0x8a, ""))
			}
		}
		if first == 0x81 && s != nil && l.answers(s, payload) {
			return true
		}
	}
	if s != nil && l.ended() {
		s.err = errNobodyKnows
		return true
	}
	return false
}

// answers reports whether payload is the answer to s: a reply, or its echo.
func (l *simLine) answers(s *simSending, payload []byte) bool {
	var m struct {
		ID     json.RawMessage
		Cursor string
		Data   any
	}
	switch err := json.Unmarshal(payload, &m); {
	case err != nil:
		return false
	case l.ask.raw() && m.Data == string(s.publish.Messages[0].Data):
		s.take(200, fmt.Appendf(nil, `{"cursor":%q,"duplicate":false}`, m.Cursor))
		return true
	case !l.ask.raw() && string(m.ID) == fmt.Sprint(l.sent) && m.Data == nil:
		s.take(200, payload)
		return true
	}
	return false
}

// hangUp ends the WebSocket of p.
func (p *simWriter) hangUp() {
	if l := p.socket; l != nil {
		p.socket = nil
		l.sock.leave(errors.New("connection reset by peer"))
	}
}
