package line

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"golang.org/x/net/http2/hpack"

	"github.com/pabal/pabal/bench/cost/browser"
)

// What Chromium says of itself at first: its tables and windows are so large
// that it hardly ever has to give back what it has read.
const (
	tableBytes  = 64 << 10
	streamBytes = 6 << 20
	connBytes   = 15 << 20
	firstWindow = 1<<16 - 1 // of a connection, before anything was said
)

// conn2 is a connection of HTTP/2. A goroutine of its own reads it until it
// ends.
type conn2 struct {
	conn net.Conn

	write   sync.Mutex // over what is written, and its order
	encoder *hpack.Encoder
	block   bytes.Buffer // what encoder writes to
	out     []byte
	next    uint32 // stream's number: odd, of a client

	mu      sync.Mutex // may be taken under write
	streams map[uint32]*line2
	open    int // lines that are not closed
	err     error
}

func newConn2(conn net.Conn) (*conn2, error) {
	c := &conn2{conn: conn, next: 1, streams: map[uint32]*line2{}}
	c.encoder = hpack.NewEncoder(&c.block)
	var settings []byte
	for _, s := range []struct {
		id    uint16
		value uint32
	}{{1, tableBytes}, {2, 0}, {4, streamBytes}, {6, 256 << 10}} { // table, push, window, size of a header
		settings = appendSetting(settings, s.id, s.value)
	}
	first := appendFrame([]byte(preface), frame{kind: frameSettings, payload: settings})
	first = appendFrame(first, frame{kind: frameWindowUpdate, payload: binary.BigEndian.AppendUint32(nil, connBytes-firstWindow)})
	if _, err := conn.Write(first); err != nil {
		return nil, err
	}
	go func() { c.fail(c.read()) }()
	return c, nil
}

// line makes a line. Each of its requests is a stream.
func (c *conn2) line() *line2 {
	l := &line2{c: c}
	l.changed.L = &c.mu
	c.mu.Lock()
	c.open++
	c.mu.Unlock()
	return l
}

// fail ends c and all that waits for it.
func (c *conn2) fail(err error) {
	c.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	for _, l := range c.streams {
		l.changed.Broadcast()
	}
}

// ask begins a stream for l.
func (c *conn2) ask(l *line2, r browser.Request) error {
	c.write.Lock()
	defer c.write.Unlock()
	c.block.Reset()
	for _, f := range r.HTTP2() {
		// Like Chromium, it leaves paths out of the table: each is another.
		field := hpack.HeaderField{Name: f.Name, Value: f.Value, Sensitive: f.Name == ":path"}
		if err := c.encoder.WriteField(field); err != nil {
			return err
		}
	}
	c.mu.Lock()
	delete(c.streams, l.id)
	l.id, l.head, l.body, l.ended, l.err = c.next, nil, l.body[:0], false, c.err
	c.streams[l.id] = l
	c.next += 2
	c.mu.Unlock()
	return c.send(frame{kind: frameHeaders, flags: flagEndHeaders | flagEndStream, stream: l.id, payload: c.block.Bytes()})
}

// send writes f, under c.write.
func (c *conn2) send(f frame) error {
	c.out = appendFrame(c.out[:0], f)
	_, err := c.conn.Write(c.out)
	return err
}

func (c *conn2) sendSoon(f frame) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.send(f)
}

// read reads frames until the connection ends.
func (c *conn2) read() error {
	in, buf := bufio.NewReader(c.conn), make([]byte, frameMost)
	decoder := hpack.NewDecoder(tableBytes, nil)
	var block []byte // of a header that goes on
	var unread window
	for {
		f, err := readFrame(in, buf)
		if err != nil {
			return err
		}
		p, err := f.content()
		if err != nil {
			return err
		}
		switch f.kind {
		case frameHeaders, frameContinuation:
			if block = append(block, p...); f.has(flagEndHeaders) {
				// (A continuation has no flag for the end: none of these answers is that long.)
				if err = c.takeHead(&f, decoder, block); err != nil {
					return err
				}
				block = block[:0]
			}
		case frameData:
			ended := f.has(flagEndStream)
			c.take(f.stream, func(l *line2) { l.body = append(l.body, p...); l.ended = ended })
			if n := unread.add(len(f.payload), connBytes/2); n > 0 {
				err = c.sendSoon(frame{kind: frameWindowUpdate, payload: binary.BigEndian.AppendUint32(nil, n)})
			}
		case frameReset:
			c.take(f.stream, func(l *line2) { l.err = fmt.Errorf("the server reset the stream: code %d", code(p)) })
		case frameSettings:
			if !f.has(flagAck) {
				err = c.sendSoon(frame{kind: frameSettings, flags: flagAck})
			}
		case framePing:
			if !f.has(flagAck) {
				err = c.sendSoon(frame{kind: framePing, flags: flagAck, payload: p})
			}
		case frameGoAway:
			return errors.New("the server said GOAWAY")
		}
		if err != nil {
			return err
		}
	}
}

func (c *conn2) takeHead(f *frame, decoder *hpack.Decoder, block []byte) error {
	fields, err := decoder.DecodeFull(block)
	if err != nil {
		return err
	}
	var h Head
	for _, field := range fields {
		switch field.Name {
		case ":status":
			if h.Status, err = strconv.Atoi(field.Value); err != nil {
				return err
			}
		case "pabal-cursor":
			h.Cursor = field.Value
		}
	}
	ended := f.has(flagEndStream)
	c.take(f.stream, func(l *line2) { l.head, l.ended = &h, ended })
	return nil
}

// take lets f change the line whose stream it is, and wakes it. What comes for
// a stream that was given up is nobody's.
func (c *conn2) take(stream uint32, f func(*line2)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.streams[stream]; l != nil {
		f(l)
		l.changed.Signal()
	}
}

func code(p []byte) uint32 {
	if len(p) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(p)
}

// A window counts what was read and not yet given back.
type window int

// add counts n bytes. It returns what to give back, once that is enough.
func (w *window) add(n, enough int) uint32 {
	if *w += window(n); int(*w) < enough {
		return 0
	}
	back := uint32(*w)
	*w = 0
	return back
}

// line2 is a line whose requests are streams of a connection of HTTP/2. Its
// fields belong to c.mu, but for what only its goroutine uses.
type line2 struct {
	c       *conn2
	id      uint32 // of the stream; 0: none yet
	changed sync.Cond
	head    *Head
	body    []byte
	ended   bool
	err     error
	closed  bool
	unread  window
}

func (l *line2) Ask(r browser.Request) error {
	l.unread = 0
	return l.c.ask(l, r)
}

func (l *line2) Head() (Head, error) {
	l.c.mu.Lock()
	for l.head == nil && l.failure() == nil {
		l.changed.Wait()
	}
	head, err := l.head, l.failure()
	l.c.mu.Unlock()
	if head == nil {
		return Head{}, err
	}
	return *head, check(*head, l)
}

// failure says why nothing more can come, under l.c.mu.
func (l *line2) failure() error {
	switch {
	case l.err != nil:
		return l.err
	case l.c.err != nil:
		return l.c.err
	case l.closed:
		return net.ErrClosed
	}
	return nil
}

func (l *line2) Read(p []byte) (int, error) {
	l.c.mu.Lock()
	for len(l.body) == 0 && !l.ended && l.failure() == nil {
		l.changed.Wait()
	}
	n := copy(p, l.body)
	l.body = l.body[:copy(l.body, l.body[n:])]
	ended, err := l.ended, l.failure()
	l.c.mu.Unlock()
	switch {
	case n > 0:
		if back := l.unread.add(n, streamBytes/2); back > 0 && !ended {
			update := frame{kind: frameWindowUpdate, stream: l.id, payload: binary.BigEndian.AppendUint32(nil, back)}
			return n, l.c.sendSoon(update)
		}
		return n, nil
	case ended:
		return 0, io.EOF
	}
	return 0, err
}

// Close gives up the request. The connection ends with its last line.
func (l *line2) Close() error {
	l.c.mu.Lock()
	if l.closed {
		l.c.mu.Unlock()
		return nil
	}
	l.closed = true
	l.c.open--
	last := l.c.open == 0
	l.changed.Broadcast()
	l.c.mu.Unlock()
	if last {
		return l.c.conn.Close()
	}
	return nil
}
