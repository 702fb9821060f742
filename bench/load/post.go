package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"
)

// A form is how a server is asked to publish messages to a channel: the rest of
// the head after POST, and the body.
type form struct {
	path, header string // %d in the path is the number of the channel
	body         func(dst []byte, channel int, messages [][]byte) []byte
	batch        *form // for more than one message; nil: the server has none
}

// mercureToken lets its bearer publish anything to Mercure: a JWT of
// {"mercure":{"publish":["*"]}} under the key that bench/peers/mercure has.
const mercureToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdfX0." +
	"QIuIVSc1wSRGMf-tJVYaVlzpUjOquoTd8Esz6d9O8lo"

// forms by the name of the server.
var forms = map[string]form{
	"pabal": {path: "/channels/c%d", header: "Content-Type: text/plain\r\n", body: bare,
		batch: &form{path: "/channels/c%d", header: "Content-Type: application/x-ndjson\r\n", body: lines}},
	"nchan": {path: "/pub/c%d", header: "Content-Type: text/plain\r\n", body: bare},
	"centrifuge": {path: "/api/publish", header: "Content-Type: application/json\r\n", body: centrifugePublish,
		batch: &form{path: "/api/batch", header: "Content-Type: application/json\r\n", body: centrifugeBatch}},
	"mercure": {path: "/.well-known/mercure", header: "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer " + mercureToken + "\r\n",
		body: mercurePublish},
	"gorilla":  {path: "/publish/c%d", header: "Content-Type: text/plain\r\n", body: bare},
	"socketio": {path: "/publish/c%d", header: "Content-Type: text/plain\r\n", body: bare},
	"limit": {path: "/publish", header: "Content-Type: text/plain\r\n", body: bare,
		batch: &form{path: "/publish", header: "Content-Type: text/plain\r\n", body: bare}},
}

// bare is the messages themselves.
func bare(dst []byte, _ int, messages [][]byte) []byte {
	for _, m := range messages {
		dst = append(dst, m...)
	}
	return dst
}

func lines(dst []byte, _ int, messages [][]byte) []byte {
	for _, m := range messages {
		dst = fmt.Appendf(dst, "{\"data\":\"%s\"}\n", m)
	}
	return dst
}

func centrifugePublish(dst []byte, channel int, messages [][]byte) []byte {
	return fmt.Appendf(dst, `{"channel":"c%d","data":"%s"}`, channel, messages[0])
}

func centrifugeBatch(dst []byte, channel int, messages [][]byte) []byte {
	dst = append(dst, `{"commands":[`...)
	for i, m := range messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"publish":`...)
		dst = append(centrifugePublish(dst, channel, [][]byte{m}), '}')
	}
	return append(dst, "]}"...)
}

func mercurePublish(dst []byte, channel int, messages [][]byte) []byte {
	dst = fmt.Appendf(dst, "topic=c%d&data=", channel)
	for _, b := range messages[0] {
		if b == '^' || b == ';' {
			dst = fmt.Appendf(dst, "%%%02X", b)
		} else {
			dst = append(dst, b)
		}
	}
	return dst
}

// A poster is a connection that publishes.
type poster struct {
	conn     net.Conn
	in       *bufio.Reader
	out, tmp []byte
	form     form

	messages [][]byte // of the next request
	data     []byte   // of all of them
}

const postTime = time.Minute // what no answer takes

func dialPoster(address string, f form) (*poster, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &poster{conn: conn, in: bufio.NewReader(conn), form: f}, nil
}

// post publishes messages to a channel and waits for the answer.
func (p *poster) post(channel int, messages [][]byte) error {
	f := &p.form
	if len(messages) > 1 {
		if f = p.form.batch; f == nil {
			return fmt.Errorf("this server takes one message a request")
		}
	}
	p.tmp = f.body(p.tmp[:0], channel, messages)
	p.out = append(p.out[:0], "POST "...)
	p.out = appendNamed(p.out, f.path, channel)
	p.out = append(p.out, " HTTP/1.1\r\nHost: localhost\r\nContent-Length: "...)
	p.out = append(strconv.AppendInt(p.out, int64(len(p.tmp)), 10), "\r\n"...)
	p.out = append(append(p.out, f.header...), "\r\n"...)
	p.out = append(p.out, p.tmp...)
	_ = p.conn.SetDeadline(time.Now().Add(postTime))
	if _, err := p.conn.Write(p.out); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	if err := p.answer(); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}

// answer reads the answer to a request.
func (p *poster) answer() error {
	p.tmp = p.tmp[:0]
	for !bytes.HasSuffix(p.tmp, []byte("\r\n\r\n")) {
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		p.tmp = append(p.tmp, line...)
	}
	h, err := parseHead(p.tmp[:len(p.tmp)-2])
	if err != nil {
		return err
	}
	if h.status < 200 || h.status > 299 {
		text, _ := p.in.Peek(min(h.length, 200))
		return fmt.Errorf("the server answers %d: %s", h.status, text)
	}
	if h.chunked {
		return p.skipChunks()
	}
	if h.status == 204 {
		return nil
	}
	_, err = p.in.Discard(h.length)
	return err
}

func (p *poster) skipChunks() error {
	for {
		line, err := p.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return err
		}
		if _, err := p.in.Discard(int(size) + len("\r\n")); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}
