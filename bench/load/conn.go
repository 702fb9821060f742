package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A conn is the connection of a reader.
type conn struct {
	loop    *loop
	fd      int
	index   int32
	channel int
	state   state
	early   []byte // what was read before the reader was ready
	framing framing
	hold    hold
	reader  reader
}

// state is how far a connection has come.
type state uint8

const (
	dialing state = iota
	asked         // the request was sent, and the head of the response is to come
	greeted       // the head came, and the server's first word is to come
	open          // messages may come
	closed
)

// dialed sends the request.
func (c *conn) dialed() error {
	if code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
		return errors.Join(err, fmt.Errorf("connecting: %w", unix.Errno(code)))
	}
	c.state = asked
	if err := c.ask(nil); err != nil {
		return err
	}
	return c.loop.watch(unix.EPOLL_CTL_MOD, c, unix.EPOLLIN|unix.EPOLLRDHUP)
}

func (c *conn) ask(cursor []byte) error {
	c.loop.out = c.loop.protocol.request(c.loop.out[:0], c.channel, cursor)
	return c.write(c.loop.out)
}

// write writes what is so little that there is always room for it.
func (c *conn) write(p []byte) error {
	n, err := unix.Write(c.fd, p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// took takes what was read.
func (c *conn) took(p []byte) error {
	if c.state != asked || c.loop.protocol.asks != once {
		if c.state == asked { // each answer is framed, the first too
			c.framing = c.loop.protocol.framing()
			c.state = greeted
		}
		return c.framing.feed(p, c)
	}
	c.early = append(c.early, p...)
	end := bytes.Index(c.early, []byte("\r\n\r\n"))
	if end < 0 {
		if len(c.early) > headMost {
			return errors.New("the head of the response is too long")
		}
		return nil
	}
	rest := c.early[end+4:]
	h, err := parseHead(c.early[:end+2])
	if err != nil {
		return err
	}
	switch c.framing = c.loop.protocol.framing(); {
	case c.framing != nil && h.status != 101, c.framing == nil && h.status != 200:
		return fmt.Errorf("the server answers %d: %.200q", h.status, c.early)
	case c.framing == nil && h.chunked:
		c.framing = &chunks{}
	case c.framing == nil:
		c.framing = plain{}
	}
	c.early, c.state = nil, greeted
	if hello := c.loop.protocol.hello; hello != "" {
		if err := c.write(appendFrame(nil, opText, appendNamed(nil, hello, c.channel))); err != nil {
			return err
		}
	}
	if c.loop.protocol.ready == "" {
		c.opened()
	}
	return c.framing.feed(rest, c)
}

func (c *conn) opened() {
	c.state, c.early = open, nil
	c.loop.opened(c)
}

// payload looks for messages.
func (c *conn) payload(p []byte, whole bool) {
	if c.state == greeted && c.loop.protocol.asks == once {
		c.early = append(c.early, p...)
		if bytes.Contains(c.early, []byte(c.loop.protocol.ready)) {
			c.opened()
		}
		return
	}
	if pong := c.loop.protocol.pong; pong != nil {
		if text := pong(p); text != "" {
			c.reply(opText, []byte(text))
		}
	}
	if whole {
		c.hold.n = 0
	}
	c.hold.scan(p, c.found)
}

func (c *conn) found(m mark) { c.loop.ledger.note(&c.reader, m, c.loop.now) }

func (c *conn) control(opcode byte, p []byte) {
	switch opcode {
	case opPing:
		c.reply(opPong, p)
	case opClose:
		c.loop.fail(c, fmt.Errorf("the server closes with %q", p))
	}
}

func (c *conn) reply(opcode byte, p []byte) {
	c.loop.out = appendFrame(c.loop.out[:0], opcode, p)
	if err := c.write(c.loop.out); err != nil {
		c.loop.fail(c, err)
	}
}

// answered asks again, at once or later.
func (c *conn) answered(cursor []byte, again bool) {
	if c.state == greeted {
		c.opened()
	}
	if c.loop.protocol.asks == later && !again {
		c.loop.askLater(c, cursor)
		return
	}
	if err := c.ask(cursor); err != nil {
		c.loop.fail(c, err)
	}
}
