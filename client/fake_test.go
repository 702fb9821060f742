package client_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/internal/wire"
	"github.com/pabal/pabal/vector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A network is of pipes, so that a test in a bubble owns the clock.
type network struct {
	conns chan net.Conn
	done  chan struct{}
}

// serve serves handler until the test ends and returns a client of it. Each
// connection breaks when the server has written as many bytes as cut says; nil
// is never.
func serve(t *testing.T, handler http.Handler, cut func() int) *client.Client {
	t.Helper()
	n := &network{make(chan net.Conn), make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(n) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		if cut != nil {
			far = &brittle{Conn: far, left: cut()}
		}
		select {
		case n.conns <- far:
			return near, nil
		case <-n.done:
			return nil, &net.OpError{Op: "dial", Err: io.ErrClosedPipe}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	t.Cleanup(func() {
		_ = server.Close()
		transport.CloseIdleConnections()
	})
	return &client.Client{URL: "http://fake", HTTP: &http.Client{Transport: transport}}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error   { close(n.done); return nil }
func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// pause lets d go by in a bubble, where that takes no time.
func pause(d time.Duration) { <-time.After(d) }

// A brittle connection breaks after so many bytes.
type brittle struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (b *brittle) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.Conn.Write(p[:min(len(p), b.left)])
	if b.left -= n; err == nil && n < len(p) {
		_ = b.Close()
		err = net.ErrClosed
	}
	return n, err
}

// cuts returns lengths of connections, by seed: some end within the head,
// others after many entries.
func cuts(seed uint64) func() int {
	random := rand.New(rand.NewPCG(seed, 0))
	var mu sync.Mutex
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(20 << random.IntN(10))
	}
}

// A fake speaks the server's side of every technique over a log in memory, and
// misbehaves as a test wishes.
type fake struct {
	hook  func(w http.ResponseWriter, r *http.Request) bool // takes a request over by returning true
	first pabal.Offset                                      // the first offset that is kept: what lies before it is a gap
	cut   func() int                                        // see serve

	mu     sync.Mutex
	logs   map[pabal.Channel][]*pabal.Entry
	closed map[pabal.Channel]bool
	ids    map[string]int // how often an Idempotency-Key came
	via    []string       // the techniques of the requests, in order
	grown  chan struct{}
}

func start(t *testing.T, f *fake) *client.Client {
	t.Helper()
	f.logs, f.closed, f.ids = map[pabal.Channel][]*pabal.Entry{}, map[pabal.Channel]bool{}, map[string]int{}
	f.grown = make(chan struct{})
	return serve(t, f, f.cut)
}

func (f *fake) publish(ch pabal.Channel, data ...string) {
	for _, d := range data {
		f.append(ch, pabal.Message{Data: []byte(d)})
	}
}

func (f *fake) append(ch pabal.Channel, m pabal.Message) *pabal.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := &pabal.Entry{Channel: ch, Epoch: 7, Offset: pabal.Offset(len(f.logs[ch]) + 1), Time: time.Unix(1e9, 0).UTC(), Message: m}
	f.logs[ch] = append(f.logs[ch], e)
	close(f.grown)
	f.grown = make(chan struct{})
	return e
}

func (f *fake) closeChannel(ch pabal.Channel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed[ch] = true
	close(f.grown)
	f.grown = make(chan struct{})
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		f.mu.Lock()
		f.via = append(f.via, r.URL.Query().Get("via"))
		f.mu.Unlock()
	}
	switch {
	case f.hook != nil && f.hook(w, r):
	case r.Method == http.MethodPost:
		f.post(w, r)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		f.read(w, r)
	}
}

func (f *fake) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	ch := pabal.Channel(strings.TrimPrefix(r.URL.Path, "/channels/"))
	q := r.URL.Query()
	messages := []pabal.Message{{ID: q.Get("id"), Type: q.Get("type"), Key: q.Get("key"), ContentType: r.Header.Get("Content-Type"), Data: body}}
	if r.Header.Get("Content-Type") == "application/x-ndjson" {
		if messages, err = wire.ParseMessages(body, 1000); err != nil {
			problem(w, http.StatusBadRequest, err.Error())
			return
		}
	}
	if q.Has("close") {
		defer f.closeChannel(ch)
	}
	key := cmp.Or(r.Header.Get("Idempotency-Key"), messages[0].ID)
	f.mu.Lock()
	f.ids[key]++
	again, end := f.ids[key] > 1, len(f.logs[ch])
	f.mu.Unlock()
	cursors := []string{}
	for i, m := range messages {
		if again {
			cursors = append(cursors, pabal.Position{Epoch: 7, Offset: pabal.Offset(end - len(messages) + i + 1)}.String())
		} else {
			cursors = append(cursors, f.append(ch, m).Position().String())
		}
	}
	_ = json.NewEncoder(w).Encode(client.Receipt{Cursor: cursors[len(cursors)-1], Cursors: cursors, Duplicate: again})
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "detail": detail})
}

// A reading is one request to read.
type reading struct {
	f        *fake
	channels []pabal.Channel
	at       []pabal.Position
	closed   []bool // and said
	out      sink
}

// A sink is a technique: where entries and notices go.
type sink interface {
	entry(e *pabal.Entry) error
	notice(n *wire.Notice) error
	beat() error
}

// step gives what there is. It returns a channel to wait on for more, nil if
// all is closed and said.
func (r *reading) step() (<-chan struct{}, error) {
	r.f.mu.Lock()
	grown := r.f.grown
	logs, closed := map[pabal.Channel][]*pabal.Entry{}, map[pabal.Channel]bool{}
	for _, ch := range r.channels {
		logs[ch], closed[ch] = r.f.logs[ch], r.f.closed[ch]
	}
	r.f.mu.Unlock()
	open := 0
	for i, ch := range r.channels {
		if from := r.at[i]; from.Offset+1 < r.f.first {
			r.at[i].Offset = r.f.first - 1
			if err := r.out.notice(&wire.Notice{Kind: pabal.NoticeGap, Channel: ch, Cursor: r.at[i].String(), From: from.String(), To: r.at[i].String(), Reason: pabal.Trimmed}); err != nil {
				return nil, err
			}
		}
		for _, e := range logs[ch][min(int(r.at[i].Offset), len(logs[ch])):] {
			if err := r.out.entry(e); err != nil {
				return nil, err
			}
			r.at[i] = e.Position()
		}
		if !closed[ch] {
			open++
		} else if !r.closed[i] {
			r.closed[i] = true
			if err := r.out.notice(&wire.Notice{Kind: pabal.NoticeClosed, Channel: ch, Cursor: r.at[i].String(), Reason: pabal.ClosedByPublisher}); err != nil {
				return nil, err
			}
		}
	}
	if open == 0 {
		return nil, nil
	}
	return grown, nil
}

func (r *reading) cursor() string {
	if len(r.channels) == 1 {
		return r.at[0].String()
	}
	v, _ := vector.New(r.channels)
	for i, at := range r.at {
		v.Set(i, at)
	}
	return v.String()
}

// begin makes a reading of a request.
func (f *fake) begin(q map[string][]string, path string) (*reading, error) {
	r := &reading{f: f}
	if name, ok := strings.CutPrefix(path, "/channels/"); ok {
		q["channel"] = []string{name}
	}
	var v *vector.Vector
	cursor := strings.Join(q["cursor"], "")
	var err error
	if vector.Is(cursor) {
		if v, err = vector.Parse(cursor); err != nil {
			return nil, err
		}
	}
	for _, name := range q["channel"] {
		ch := pabal.Channel(name)
		at, ok := pabal.Position{}, false
		if v != nil {
			at, ok = v.Of(ch)
		} else if cursor != "" {
			if at, err = pabal.ParsePosition(cursor); err != nil {
				return nil, err
			}
			ok = true
		}
		if !ok {
			at.Epoch = 7
			f.mu.Lock()
			end := len(f.logs[ch])
			f.mu.Unlock()
			n, err := strconv.Atoi(strings.Join(q["since"], ""))
			switch {
			case err == nil:
				at.Offset = pabal.Offset(max(0, end-n))
			case q["since"][0] == "now":
				at.Offset = pabal.Offset(end)
			}
		}
		r.channels, r.at, r.closed = append(r.channels, ch), append(r.at, at), append(r.closed, false)
	}
	return r, nil
}

func (f *fake) read(w http.ResponseWriter, req *http.Request) {
	q := req.URL.Query()
	r, err := f.begin(q, req.URL.Path)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	switch via := q.Get("via"); via {
	case "poll", "longpoll":
		r.answer(w, req, via == "longpoll")
	case "websocket":
		conn, err := websocket.Accept(w, req, &websocket.AcceptOptions{Subprotocols: []string{"pabal.v1"}})
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		ctx := conn.CloseRead(req.Context()) // the request's own does not end with a hijacked connection
		r.out = wsSink{ctx, conn}
		r.follow(ctx)
	default:
		body := body{w, http.NewResponseController(w)}
		r.out = map[string]sink{"sse": sseSink{body}, "stream": streamSink{body}, "multipart": multipartSink{body}}[via]
		w.Header().Set("Content-Type", map[string]string{
			"sse": "text/event-stream", "stream": "application/x-ndjson", "multipart": "multipart/mixed; boundary=b",
		}[via])
		r.follow(req.Context())
	}
}

// follow gives what there is and what comes.
func (r *reading) follow(ctx context.Context) {
	open := &wire.Notice{Kind: pabal.NoticeOpen, Cursor: r.cursor(), Heartbeat: 15 * time.Second, Connection: "c"}
	if len(r.channels) > 1 {
		open.Channels = r.channels
		for _, at := range r.at {
			open.Cursors = append(open.Cursors, at.String())
		}
	} else {
		open.Channel = r.channels[0]
	}
	if r.out.notice(open) != nil {
		return
	}
	for {
		grown, err := r.step()
		if grown == nil || err != nil {
			return
		}
		select {
		case <-grown:
		case <-time.After(15 * time.Second):
			if r.out.beat() != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

var errFull = errors.New("the answer is full")

// A gathering sink keeps what an answer holds.
type gathering struct{ wire.Answer }

func (g *gathering) entry(e *pabal.Entry) error {
	if g.More = len(g.Entries) == 20; g.More {
		return errFull
	}
	g.Entries = append(g.Entries, e)
	return nil
}
func (g *gathering) notice(n *wire.Notice) error { g.Notices = append(g.Notices, n); return nil }
func (g *gathering) beat() error                 { return nil }

func (r *reading) answer(w http.ResponseWriter, req *http.Request, wait bool) {
	g := &gathering{}
	r.out = g
	timeout := time.After(25 * time.Second)
	for {
		grown, _ := r.step()
		if g.Cursor = r.cursor(); len(g.Entries)+len(g.Notices) > 0 {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(wire.AppendAnswer(nil, &g.Answer))
			return
		}
		select {
		case <-grown:
			if wait {
				continue
			}
		case <-timeout:
		case <-req.Context().Done():
			return
		case <-map[bool]chan struct{}{false: alwaysReady}[wait]:
		}
		w.Header().Set("Pabal-Cursor", g.Cursor)
		w.WriteHeader(http.StatusNoContent)
		return
	}
}

var alwaysReady = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// A body writes and flushes.
type body struct {
	w  io.Writer
	rc *http.ResponseController
}

func (b body) write(format string, args ...any) error {
	if _, err := fmt.Fprintf(b.w, format, args...); err != nil {
		return err
	}
	return b.rc.Flush()
}

type streamSink struct{ body }

func (s streamSink) entry(e *pabal.Entry) error  { return s.write("%s\n", wire.Entry(e)) }
func (s streamSink) notice(n *wire.Notice) error { return s.write("%s\n", wire.AppendNotice(nil, n)) }
func (s streamSink) beat() error                 { return s.write("\n") }

type sseSink struct{ body }

func (s sseSink) entry(e *pabal.Entry) error {
	return s.write("id: %s\nevent: %s\ndata: %s\n\n", e.Position(), e.Type, wire.Entry(e))
}
func (s sseSink) notice(n *wire.Notice) error {
	return s.write("retry: 5\nevent: %s\ndata: %s\n\n", n.Kind, wire.AppendNotice(nil, n))
}
func (s sseSink) beat() error { return s.write(":\n\n") }

type multipartSink struct{ body }

func (s multipartSink) part(head, body string) error {
	if strings.HasPrefix(head, "Pabal-Notice: $open") {
		if err := s.write("--b"); err != nil {
			return err
		}
	}
	return s.write("\r\n%sContent-Length: %d\r\n\r\n%s\r\n--b", head, len(body), body)
}
func (s multipartSink) entry(e *pabal.Entry) error {
	head := fmt.Sprintf("Pabal-Cursor: %s\r\nPabal-Channel: %s\r\nPabal-Time: %s\r\n", e.Position(), e.Channel, wire.AppendTime(nil, e.Time))
	for name, value := range map[string]string{"Content-Type": e.ContentType, "Pabal-Type": e.Type, "Pabal-Key": e.Key, "Pabal-Id": e.ID} {
		if value != "" {
			head += name + ": " + value + "\r\n"
		}
	}
	return s.part(head, string(e.Data))
}
func (s multipartSink) notice(n *wire.Notice) error {
	return s.part(fmt.Sprintf("Pabal-Notice: %s\r\n", n.Kind), string(wire.AppendNotice(nil, n)))
}
func (s multipartSink) beat() error { return s.part("", "") }

type wsSink struct {
	ctx  context.Context
	conn *websocket.Conn
}

func (s wsSink) write(text []byte) error { return s.conn.Write(s.ctx, websocket.MessageText, text) }
func (s wsSink) entry(e *pabal.Entry) error {
	return s.write(bytes.TrimSpace(wire.AppendEntry(nil, e)))
}
func (s wsSink) notice(n *wire.Notice) error { return s.write(wire.AppendNotice(nil, n)) }
func (s wsSink) beat() error                 { return s.write(nil) }
