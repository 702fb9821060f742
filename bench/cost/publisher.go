package main

import (
	"bufio"
	"fmt"
	"net"
	"time"
)

// A poster publishes to one channel by POST, over one connection that it
// keeps.
type poster struct {
	conn  net.Conn
	in    *bufio.Reader
	head  string // of a request, up to the length of its body
	first int    // the number of its first message
	sent  int
	last  string // the cursor of its last message
	buf   []byte
	body  []byte
}

// newPoster returns the i-th poster to channel.
func newPoster(s *server, channel, contentType string, i int) (*poster, error) {
	conn, err := s.dial()
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(connTime))
	head := "POST /channels/" + channel + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + contentType + "\r\nContent-Length: "
	return &poster{conn: conn, in: bufio.NewReader(conn), head: head, first: i * perPublisher}, nil
}

// one publishes one message and waits for the answer.
func (p *poster) one() error {
	p.body = appendPayload(p.body[:0], p.first+p.sent)
	p.sent++
	return p.post()
}

// batch publishes n messages at once and waits for the answer.
func (p *poster) batch(n int) error {
	p.body = p.body[:0]
	for range n {
		p.body = append(appendPayload(append(p.body, `{"data":"`...), p.first+p.sent), "\"}\n"...)
		p.sent++
	}
	return p.post()
}

func (p *poster) post() error {
	p.buf = fmt.Appendf(append(p.buf[:0], p.head...), "%d\r\n\r\n", len(p.body))
	if _, err := p.conn.Write(append(p.buf, p.body...)); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	h, err := readHead(p.in)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	p.last = h.cursor
	return discardBody(p.in, h)
}

// mask is what the frames of this client are masked with: any four bytes do.
var mask = [4]byte{0x9A, 0x35, 0xC7, 0x5E}

// appendFrame appends a text message of payloadBytes bytes as a client sends it
// (RFC 6455, section 5.2).
func appendFrame(dst, payload []byte) []byte {
	const final, text, masked, length16 = 0x80, 0x1, 0x80, 126
	dst = append(dst, final|text, masked|length16, byte(len(payload)>>8), byte(len(payload)))
	dst = append(dst, mask[:]...)
	for i, c := range payload {
		dst = append(dst, c^mask[i%4])
	}
	return dst
}
