package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// A framing takes bytes as they come off a socket, cut anywhere, and hands on
// what they carry. It allocates nothing for a message.
type framing interface {
	feed(p []byte, to sink) error
}

// A sink is where what was framed goes.
type sink interface {
	payload(p []byte, whole bool)    // a piece of a message, or a whole frame
	control(opcode byte, p []byte)   // of WebSocket: a ping or a close
	answered(cursor []byte, at bool) // an answer is complete; at: it advises to ask again at once
}

// plain is a body that ends with the connection.
type plain struct{}

func (plain) feed(p []byte, to sink) error {
	to.payload(p, false)
	return nil
}

// frames are those of a WebSocket's server.
type frames struct {
	head   [10]byte
	n      int  // bytes of head
	body   bool // the head is complete
	left   int  // bytes of the payload to come
	gather []byte
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10

	// smallFrame is up to which payload a frame is handed on whole: pings of
	// protocols over WebSocket are that small.
	smallFrame = 3
)

func (f *frames) feed(p []byte, to sink) error {
	for len(p) > 0 {
		if !f.body {
			var err error
			if p, err = f.header(p); err != nil || !f.body {
				return err
			}
			f.left, f.gather = f.length(), f.gather[:0]
		}
		take := min(f.left, len(p))
		piece := p[:take]
		p, f.left = p[take:], f.left-take
		length, control := f.length(), f.head[0]&0x0f >= opClose
		if (control || length <= smallFrame) && take < length {
			f.gather = append(f.gather, piece...)
			piece = f.gather
		}
		switch {
		case control && f.left == 0:
			to.control(f.head[0]&0x0f, piece)
		case control, length <= smallFrame && f.left > 0:
		default:
			to.payload(piece, len(piece) == length)
		}
		if f.left == 0 {
			f.body, f.n = false, 0
		}
	}
	return nil
}

// header takes the head of a frame from p and returns what follows, if it is
// complete.
func (f *frames) header(p []byte) ([]byte, error) {
	for len(p) > 0 && !f.body {
		f.head[f.n] = p[0]
		f.n++
		p = p[1:]
		if f.n < 2 {
			continue
		}
		if f.head[1]&0x80 != 0 {
			return nil, errors.New("the server masks its frames")
		}
		switch f.head[1] {
		case 126:
			f.body = f.n == 4
		case 127:
			f.body = f.n == 10
		default:
			f.body = true
		}
	}
	return p, nil
}

func (f *frames) length() (n int) {
	switch f.head[1] {
	case 126:
		return int(f.head[2])<<8 | int(f.head[3])
	case 127:
		for _, b := range f.head[2:10] {
			n = n<<8 | int(b)
		}
		return n
	}
	return int(f.head[1])
}

// chunks are those of HTTP/1.1.
type chunks struct {
	left int  // bytes of a chunk to come
	size int  // of the next chunk, as far as it was read
	line int  // bytes of its line
	ext  bool // the rest of the line is an extension
	tail int  // bytes of the line break after a chunk to come
	last bool // the last chunk was seen; its line break is to come
}

func (c *chunks) feed(p []byte, to sink) error {
	_, err := c.take(p, to)
	return err
}

// take is feed, and returns what follows the last chunk with io.EOF.
func (c *chunks) take(p []byte, to sink) ([]byte, error) {
	for len(p) > 0 {
		switch {
		case c.left > 0:
			n := min(c.left, len(p))
			to.payload(p[:n], false)
			if c.left, p = c.left-n, p[n:]; c.left == 0 {
				c.tail = 2
			}
		case c.tail > 0:
			n := min(c.tail, len(p))
			if c.tail, p = c.tail-n, p[n:]; c.tail == 0 && c.last {
				*c = chunks{}
				return p, io.EOF
			}
		default:
			if err := c.digit(p[0]); err != nil {
				return nil, err
			}
			p = p[1:]
		}
	}
	return nil, nil
}

// digit takes a byte of the line before a chunk.
func (c *chunks) digit(b byte) error {
	c.line++
	switch {
	case b == '\n':
		c.left, c.last = c.size, c.size == 0
		if c.last {
			c.tail = 2
		}
		c.size, c.line, c.ext = 0, 0, false
	case b == '\r' || c.ext:
	case b == ';' || b == ' ':
		c.ext = true
	case b >= '0' && b <= '9':
		c.size = c.size<<4 | int(b-'0')
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		c.size = c.size<<4 | int(b|0x20-'a'+10)
	default:
		return fmt.Errorf("byte %q in the size of a chunk", b)
	}
	return nil
}

// answers are to requests that follow one another on a connection.
type answers struct {
	head   []byte
	body   bool
	left   int // bytes of the body to come, if it is not in chunks
	chunks *chunks
	cursor []byte
	again  bool
}

const headMost = 8 << 10

func (a *answers) feed(p []byte, to sink) error {
	for len(p) > 0 || a.body && a.chunks == nil && a.left == 0 {
		if !a.body {
			a.head = append(a.head, p...)
			end := bytes.Index(a.head, []byte("\r\n\r\n"))
			if end < 0 {
				if len(a.head) > headMost {
					return errors.New("the head of an answer is too long")
				}
				return nil
			}
			p = p[len(p)-(len(a.head)-end-4):]
			if err := a.begin(a.head[:end+2]); err != nil {
				return err
			}
			a.head, a.body = a.head[:0], true
			continue
		}
		if a.chunks != nil {
			rest, err := a.chunks.take(p, to)
			if err == nil {
				return nil
			} else if !errors.Is(err, io.EOF) {
				return err
			}
			p = rest
		} else {
			n := min(a.left, len(p))
			if n > 0 {
				to.payload(p[:n], false)
			}
			p, a.left = p[n:], a.left-n
			if a.left > 0 {
				return nil
			}
		}
		a.body, a.chunks = false, nil
		to.answered(a.cursor, a.again)
	}
	return nil
}

// begin takes the head of an answer.
func (a *answers) begin(head []byte) error {
	h, err := parseHead(head)
	if err != nil {
		return err
	}
	if h.status >= 300 {
		return fmt.Errorf("the server answers %d", h.status)
	}
	a.left, a.again = h.length, !h.later
	if len(h.cursor) > 0 {
		a.cursor = append(a.cursor[:0], h.cursor...)
	}
	if h.chunked {
		a.chunks, a.left = &chunks{}, 0
	}
	return nil
}

// A head is what matters of that of a response.
type head struct {
	status, length int
	chunked, later bool // later: it advises when to ask again
	cursor         []byte
}

// parseHead takes a head with the line break of its last line.
func parseHead(p []byte) (h head, err error) {
	line, rest, _ := bytes.Cut(p, []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return head{}, fmt.Errorf("no HTTP response: %.40q", line)
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return head{}, fmt.Errorf("no HTTP status: %.40q", line)
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if h.length, err = strconv.Atoi(string(value)); err != nil {
				return head{}, fmt.Errorf("Content-Length: %w", err)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Retry-After")):
			h.later = true
		case bytes.EqualFold(name, []byte("Pabal-Cursor")):
			h.cursor = value
		}
	}
	return h, nil
}
