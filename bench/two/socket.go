package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A socket is a connection with a server, by HTTP/1.1 or WebSocket.
type socket struct {
	conn *net.TCPConn
	in   *bufio.Reader
	body []byte // of the last frame or answer
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10

	// waitTime is what nothing that is waited for takes.
	waitTime = time.Minute
)

// errTurnedAway is of a server that answers, but not as it was asked to.
var errTurnedAway = errors.New("the server refuses")

// dial connects to a server. Closing resets the connection, so that thousands
// of them leave nothing behind.
func dial(address string, buffer int) (*socket, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	if err := tcp.SetLinger(0); err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return &socket{conn: tcp, in: bufio.NewReaderSize(tcp, buffer)}, nil
}

func (s *socket) close() { _ = s.conn.Close() }

const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// get asks for path, with more lines of the head, and takes the head of the
// answer. The body, as it is framed, is left to who reads on.
func (s *socket) get(path, header string, status int) error {
	_ = s.conn.SetDeadline(time.Now().Add(waitTime))
	if _, err := io.WriteString(s.conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n"+header+"\r\n"); err != nil {
		return err
	}
	got, _, err := s.head()
	if err == nil && got != status {
		text, _ := s.in.Peek(s.in.Buffered())
		err = fmt.Errorf("%w: GET %s: %d: %.300s", errTurnedAway, path, got, text)
	}
	return errors.Join(err, s.conn.SetDeadline(time.Time{}))
}

// upgrade makes s a WebSocket.
func (s *socket) upgrade(path, header string) error {
	return s.get(path, upgrade+header, http.StatusSwitchingProtocols)
}

// frame returns the payload of the next frame with data, until the next call.
// It answers pings.
func (s *socket) frame() ([]byte, error) {
	for {
		op, err := s.readFrame()
		switch {
		case err != nil:
			return nil, err
		case op < opClose:
			return s.body, nil
		case op == opClose:
			return nil, fmt.Errorf("%w: it closes with %q", errTurnedAway, s.body)
		case op == opPing:
			if _, err := s.conn.Write(appendFrame(nil, opPong, s.body)); err != nil {
				return nil, err
			}
		}
	}
}

func (s *socket) readFrame() (op byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(s.in, head[:2]); err != nil {
		return 0, err
	}
	op = head[0] & 0x0f
	size := int(head[1])
	switch size {
	case 126:
		_, err = io.ReadFull(s.in, head[:2])
		size = int(binary.BigEndian.Uint16(head[:2]))
	case 127:
		_, err = io.ReadFull(s.in, head[:8])
		size = int(binary.BigEndian.Uint64(head[:8]))
	}
	if err != nil {
		return 0, err
	}
	if size > cap(s.body) {
		s.body = make([]byte, size, 2*size)
	}
	s.body = s.body[:size]
	_, err = io.ReadFull(s.in, s.body)
	return op, err
}

// answer returns the body of the answer to what was posted, until the next.
func (s *socket) answer() ([]byte, error) {
	status, size, err := s.head()
	if err != nil {
		return nil, err
	}
	if size > cap(s.body) {
		s.body = make([]byte, size, 2*size)
	}
	s.body = s.body[:size]
	if _, err := io.ReadFull(s.in, s.body); err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%w: %d: %.300s", errTurnedAway, status, s.body)
	}
	return s.body, nil
}

// head takes the head of an answer, and returns its status and how long its body
// is, if that says so.
func (s *socket) head() (status, size int, err error) {
	for first := true; ; first = false {
		line, err := s.in.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			return status, size, nil
		}
		name, value, _ := bytes.Cut(line, []byte(" "))
		if first {
			status, err = strconv.Atoi(string(value[:min(3, len(value))]))
		} else if bytes.EqualFold(name, []byte("Content-Length:")) {
			size, err = strconv.Atoi(string(value))
		}
		if err != nil {
			return 0, 0, fmt.Errorf("the answer's head has %q: %w", line, err)
		}
	}
}

// appendFrame appends a frame of a WebSocket's client. (The mask is 0, which
// leaves the payload as it is; servers unmask it like any other.)
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	if len(payload) < 126 {
		dst = append(dst, 0x80|byte(len(payload)))
	} else {
		dst = append(dst, 0x80|126, byte(len(payload)>>8), byte(len(payload)))
	}
	return append(append(dst, 0, 0, 0, 0), payload...)
}
