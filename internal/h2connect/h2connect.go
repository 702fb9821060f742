package h2connect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// A Request is what is asked for.
type Request struct {
	Protocol  string // "websocket", if empty
	Scheme    string // "http", if empty
	Authority string
	Path      string
	Header    []string // "Name: value"
	Unoffered bool     // ask also if the server does not offer it
	Ended     bool     // the stream ends with the request
}

// ErrNotOffered says that the server's settings do not offer the extended
// CONNECT.
var ErrNotOffered = errors.New("the server does not offer the extended CONNECT: SETTINGS_ENABLE_CONNECT_PROTOCOL is not among its settings")

// ErrReset says that the server has reset the stream.
var ErrReset = errors.New("the server has reset the stream")

// A Refused is an answer other than 200.
type Refused struct {
	Status int
	Body   string
}

func (e *Refused) Error() string { return fmt.Sprintf("status %d: %.300s", e.Status, e.Body) }

// A Stream is what an extended CONNECT has opened. It is a [net.Conn].
type Stream struct {
	conn net.Conn
	done chan struct{} // closed when nobody reads conn any more

	writing sync.Mutex // a frame; it is taken before mu

	mu       sync.Mutex
	change   sync.Cond // of what follows
	offered  bool
	status   int
	in       []byte // what has come and was not read
	inEnd    error  // why nothing more will come
	window   int64  // what the server will take on the stream,
	connWind int64  // and on the connection
	first    int64  // what it takes on a stream from its start
}

// Open speaks HTTP/2 on conn, and asks for r. After an error that is not
// [ErrReset] or [Refused], conn is closed; it is closed with the stream.
func Open(conn net.Conn, r Request) (*Stream, error) {
	s := &Stream{conn: conn, done: make(chan struct{}), window: firstWindow, connWind: firstWindow, first: firstWindow}
	s.change.L = &s.mu
	if err := s.greet(r.Unoffered); err != nil {
		_ = conn.Close()
		return nil, err
	}
	go s.run()
	flags := byte(flagEndHeaders)
	if r.Ended {
		flags |= flagEndStream
	}
	err := s.send(frame{frameHeaders, flags, 1, r.block()})
	if err == nil {
		err = s.answer()
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (r Request) block() []byte {
	or := func(value, missing string) string {
		if value == "" {
			return missing
		}
		return value
	}
	block := appendField(nil, ":method", "CONNECT")
	block = appendField(block, ":protocol", or(r.Protocol, "websocket"))
	block = appendField(block, ":scheme", or(r.Scheme, "http"))
	block = appendField(block, ":path", r.Path)
	block = appendField(block, ":authority", r.Authority)
	for _, field := range r.Header {
		name, value, _ := strings.Cut(field, ": ")
		block = appendField(block, name, value)
	}
	return block
}

// greet exchanges what comes before the first request.
func (s *Stream) greet(unoffered bool) error {
	window := binary.BigEndian.AppendUint32([]byte{0, settingWindow}, ourWindow)
	more := binary.BigEndian.AppendUint32(nil, ourWindow-firstWindow)
	hello := appendFrame([]byte(preface), frame{kind: frameSettings, payload: window})
	if _, err := s.conn.Write(appendFrame(hello, frame{kind: frameWindowUpdate, payload: more})); err != nil {
		return err
	}
	f, err := readFrame(s.conn)
	switch {
	case err != nil:
		return fmt.Errorf("no settings came: %w", err)
	case f.kind != frameSettings:
		return fmt.Errorf("the first frame is of type %d, not the settings; is this HTTP/2?", f.kind)
	}
	if err := s.take(f); err != nil {
		return err
	}
	if !s.offered && !unoffered {
		return ErrNotOffered
	}
	return nil
}

// answer waits for the answer.
func (s *Stream) answer() error {
	s.mu.Lock()
	for s.status == 0 && s.inEnd == nil {
		s.change.Wait()
	}
	status, err := s.status, s.inEnd
	s.mu.Unlock()
	switch {
	case status == 0:
		return err
	case status != 200:
		body, err := io.ReadAll(io.LimitReader(s, 64<<10))
		if err != nil {
			body = []byte(err.Error())
		}
		return &Refused{status, string(body)}
	}
	return nil
}

// Offered reports whether the server's settings offer the extended CONNECT.
func (s *Stream) Offered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offered
}

// Buffered returns how many bytes have come that were not read.
func (s *Stream) Buffered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.in)
}

// run reads the connection until it ends.
func (s *Stream) run() {
	defer close(s.done)
	for {
		f, err := readFrame(s.conn)
		if err == nil {
			err = s.take(f)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// end says why nothing more will come.
func (s *Stream) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inEnd == nil {
		s.inEnd = why
	}
	s.change.Broadcast()
}

// take does what f asks for.
func (s *Stream) take(f frame) error {
	switch f.kind {
	case frameSettings:
		if f.flags&flagAck != 0 {
			return nil
		}
		s.takeSettings(f.payload)
		return s.send(frame{kind: frameSettings, flags: flagAck})
	case framePing:
		if f.flags&flagAck == 0 {
			return s.send(frame{kind: framePing, flags: flagAck, payload: f.payload})
		}
	case frameGoAway:
		if len(f.payload) >= 8 && binary.BigEndian.Uint32(f.payload[4:]) != 0 {
			return fmt.Errorf("the server says GOAWAY: error %d, %.80q", binary.BigEndian.Uint32(f.payload[4:]), f.payload[8:])
		}
	case frameContinuation:
		return errors.New("a header in several frames, which this client does not read")
	case frameHeaders, frameData, frameReset, frameWindowUpdate:
		return s.takeStream(f)
	}
	return nil
}

func (s *Stream) takeSettings(payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, value := range settings(payload) {
		switch id {
		case settingOffer:
			s.offered = value == 1
		case settingWindow:
			s.window += int64(value) - s.first
			s.first = int64(value)
		}
	}
	s.change.Broadcast()
}

func (s *Stream) takeStream(f frame) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.change.Broadcast()
	switch {
	case f.kind == frameWindowUpdate && len(f.payload) == 4:
		by := int64(binary.BigEndian.Uint32(f.payload))
		if f.stream == 0 {
			s.connWind += by
		} else {
			s.window += by
		}
		return nil
	case f.stream != 1 || s.inEnd != nil:
		return nil
	case f.kind == frameReset && len(f.payload) == 4:
		s.inEnd = fmt.Errorf("%w: error %d", ErrReset, binary.BigEndian.Uint32(f.payload))
		return nil
	case f.kind == frameHeaders:
		s.status, err = parseStatus(f.payload)
	case f.kind == frameData:
		s.in = append(s.in, f.payload...)
	}
	if f.flags&flagEndStream != 0 && err == nil {
		s.inEnd = io.EOF
	}
	return err
}

func (s *Stream) send(f frame) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.conn.Write(appendFrame(nil, f))
	return err
}

// Read reads what the server sends. The error is [io.EOF] once it has ended the
// stream, and wraps [ErrReset] once it has reset it. What is not read, the
// server is not told that it may send anew.
func (s *Stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	for len(s.in) == 0 && s.inEnd == nil {
		s.change.Wait()
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	err := s.inEnd
	s.mu.Unlock()
	if n == 0 {
		return 0, err
	}
	if err == nil {
		more := binary.BigEndian.AppendUint32(nil, uint32(n))
		_ = errors.Join(s.send(frame{kind: frameWindowUpdate, payload: more}), s.send(frame{kind: frameWindowUpdate, stream: 1, payload: more}))
	}
	return n, nil
}

// Write writes p in as many frames as it needs, as the server takes them. Once
// the server has ended the stream, p is dropped: there is still to be read what
// came before.
func (s *Stream) Write(p []byte) (n int, err error) {
	for n < len(p) {
		some, err := s.reserve(len(p) - n)
		if errors.Is(err, io.EOF) {
			return len(p), nil
		}
		if err == nil {
			err = s.send(frame{kind: frameData, stream: 1, payload: p[n : n+some]})
		}
		if err != nil {
			return n, err
		}
		n += some
	}
	return n, nil
}

// reserve waits until the server takes some of n bytes, and returns how many.
func (s *Stream) reserve(n int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for min(s.window, s.connWind) <= 0 && s.inEnd == nil {
		s.change.Wait()
	}
	if s.inEnd != nil {
		return 0, fmt.Errorf("nobody takes what is written: %w", s.inEnd)
	}
	some := min(n, pieceBytes, int(min(s.window, s.connWind)))
	s.window -= int64(some)
	s.connWind -= int64(some)
	return some, nil
}

// CloseWrite ends what is written. The server may still send.
func (s *Stream) CloseWrite() error {
	return s.send(frame{kind: frameData, flags: flagEndStream, stream: 1})
}

// Reset says that the stream is of no use any more (CANCEL).
func (s *Stream) Reset() error {
	s.end(os.ErrClosed)
	return s.send(frame{kind: frameReset, stream: 1, payload: binary.BigEndian.AppendUint32(nil, codeCancel)})
}

// Close closes the connection.
func (s *Stream) Close() error {
	s.end(net.ErrClosed)
	err := s.conn.Close()
	<-s.done
	return err
}

// SetDeadline is that of the connection: after it, the stream is of no use.
func (s *Stream) SetDeadline(t time.Time) error { return s.conn.SetDeadline(t) }

// SetReadDeadline is that of the connection, as for [Stream.SetDeadline].
func (s *Stream) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// SetWriteDeadline is that of the connection, as for [Stream.SetDeadline].
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }

// LocalAddr is that of the connection.
func (s *Stream) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// RemoteAddr is that of the connection.
func (s *Stream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }
