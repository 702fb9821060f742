package proxy

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
)

// A framer finds the messages of HTTP/1.1 in what passes in one direction.
type framer struct {
	link *link
	// head is given the head of a message, and returns what it becomes, and how
	// much body follows: so many bytes, or one of the constants below.
	head func(head []byte) (becomes []byte, body int64)
	// first is what a message can begin with.
	first func(byte) bool

	in      part
	left    int64  // of the body, or of a chunk
	partial []byte // of a head or a line
}

type part int

const (
	inHead part = iota
	inBody
	inSize
	inChunk
	inTrailer
)

const (
	chunked  int64 = -1
	endless  int64 = -2 // to the end of the connection
	opaque   int64 = -3 // what follows is not HTTP/1.1, in both directions
	mostHead       = 64 << 10
)

// feed returns what b becomes, and whether a message ended within it. A head is
// held back until it is whole.
func (f *framer) feed(b []byte) (out []byte, ended bool) {
	for len(b) > 0 {
		if f.link.opaque.Load() {
			return append(append(out, f.partialHead()...), b...), ended
		}
		var n int
		var end bool
		switch f.in {
		case inHead:
			var becomes []byte
			n, becomes, end = f.feedHead(b)
			out = append(out, becomes...)
		case inBody, inChunk:
			n = len(b)
			if f.left >= 0 {
				n = int(min(int64(n), f.left))
				f.left -= int64(n)
			}
			out = append(out, b[:n]...)
			if f.left == 0 {
				end = f.in == inBody
				f.in = map[part]part{inBody: inHead, inChunk: inSize}[f.in]
			}
		default:
			n, end = f.feedLine(b)
			out = append(out, b[:n]...)
		}
		ended = ended || end
		b = b[n:]
	}
	return out, ended
}

// partialHead takes the part of a head that was held back.
func (f *framer) partialHead() []byte {
	if f.in != inHead {
		return nil
	}
	held := f.partial
	f.partial = nil
	return held
}

// feedHead takes what of b belongs to a head.
func (f *framer) feedHead(b []byte) (n int, becomes []byte, ended bool) {
	before := len(f.partial)
	f.partial = append(f.partial, b...)
	end := bytes.Index(f.partial, []byte("\r\n\r\n"))
	if !f.first(f.partial[0]) || end < 0 && len(f.partial) > mostHead {
		f.link.opaque.Store(true)
		return len(b), f.partialHead(), false
	}
	if end < 0 {
		return len(b), nil, false
	}
	end += 4
	head := f.partial[:end]
	f.partial = nil
	becomes, body := f.head(head)
	switch body {
	case opaque:
		f.link.opaque.Store(true)
	case chunked:
		f.in = inSize
	case 0:
		ended = true
	default: // endless is negative, and never becomes 0
		f.in, f.left = inBody, body
	}
	return end - before, becomes, ended
}

// feedLine takes what of b belongs to the line of a chunk's size, or to a
// trailer.
func (f *framer) feedLine(b []byte) (n int, ended bool) {
	n = bytes.IndexByte(b, '\n') + 1
	if n == 0 {
		f.partial = append(f.partial, b...)
		return len(b), false
	}
	line := strings.TrimRight(string(append(f.partial, b[:n]...)), "\r\n")
	f.partial = nil
	if f.in == inTrailer {
		if line == "" {
			f.in = inHead
		}
		return n, line == ""
	}
	text, _, _ := strings.Cut(line, ";")
	size, err := strconv.ParseInt(strings.TrimSpace(text), 16, 63)
	switch {
	case err != nil || size < 0:
		f.link.opaque.Store(true)
	case size == 0:
		f.in = inTrailer
	default:
		f.in, f.left = inChunk, size+2 // and its line end
	}
	return n, false
}

// requests are those of one connection: their filter strips what is to be
// stripped, and their methods are remembered for the responses.
type requests struct {
	framer
	strip bool

	mu      sync.Mutex
	methods []string
}

func newRequests(l *link) *requests {
	r := &requests{strip: l.faults.StripUpgrade}
	r.framer = framer{link: l, head: r.take, first: func(b byte) bool { return b >= 'A' && b <= 'Z' }}
	return r
}

func (r *requests) pass(b []byte) []byte {
	out, _ := r.feed(b)
	return out
}

func (r *requests) rest() []byte { return r.partialHead() }

// take takes the head of a request.
func (r *requests) take(head []byte) (becomes []byte, body int64) {
	line, fields := split(head)
	if words := strings.Split(line, " "); len(words) != 3 || !strings.HasPrefix(words[2], "HTTP/1.") {
		return head, opaque
	}
	method, _, _ := strings.Cut(line, " ")
	if r.link.faults.Buffer > 0 {
		r.mu.Lock()
		r.methods = append(r.methods, method)
		r.mu.Unlock()
	}
	if body = length(fields); body == endless {
		body = 0
	}
	if r.strip {
		head = stripped(line, fields)
	}
	return head, body
}

// method is that of the next request that is to be answered.
func (r *requests) method() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.methods) == 0 {
		return ""
	}
	method := r.methods[0]
	r.methods = r.methods[1:]
	return method
}

// responses are those of one connection. Their filter holds them back.
type responses struct {
	framer
	requests *requests
	size     int
	held     []byte
}

func newResponses(l *link, asked *requests) *responses {
	r := &responses{requests: asked, size: l.faults.Buffer}
	r.framer = framer{link: l, head: r.take, first: func(b byte) bool { return b == 'H' }}
	return r
}

func (r *responses) pass(b []byte) []byte {
	out, ended := r.feed(b)
	r.held = append(r.held, out...)
	if !ended && !r.link.opaque.Load() && len(r.held) < r.size {
		return nil
	}
	out, r.held = r.held, nil
	return out
}

func (r *responses) rest() []byte { return append(r.held, r.partialHead()...) }

// take takes the head of a response.
func (r *responses) take(head []byte) (becomes []byte, body int64) {
	line, fields := split(head)
	version, status, _ := strings.Cut(line, " ")
	switch {
	case !strings.HasPrefix(version, "HTTP/1.") || strings.HasPrefix(status, "101"):
		return head, opaque
	case strings.HasPrefix(status, "1"):
		return head, 0 // another follows
	}
	method := r.requests.method()
	if method == "HEAD" || strings.HasPrefix(status, "204") || strings.HasPrefix(status, "304") {
		return head, 0
	}
	return head, length(fields)
}

// split returns the first line of a head, and the others.
func split(head []byte) (line string, fields []string) {
	lines := strings.Split(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n")
	return lines[0], lines[1:]
}

// length is how much body a head announces.
func length(fields []string) int64 {
	length := endless
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "Transfer-Encoding") && strings.HasSuffix(strings.ToLower(value), "chunked"):
			return chunked
		case strings.EqualFold(name, "Content-Length"):
			if n, err := strconv.ParseInt(value, 10, 63); err == nil && n >= 0 {
				length = n
			}
		}
	}
	return length
}

// stripped is a head without what asks for another protocol.
func stripped(line string, fields []string) []byte {
	out := []byte(line + "\r\n")
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ":")
		switch name = strings.ToLower(name); {
		case name == "upgrade" || strings.HasPrefix(name, "sec-websocket-"):
			continue
		case name == "connection":
			var kept []string
			for option := range strings.SplitSeq(value, ",") {
				if option = strings.TrimSpace(option); !strings.EqualFold(option, "upgrade") {
					kept = append(kept, option)
				}
			}
			if len(kept) == 0 {
				continue
			}
			field = "Connection: " + strings.Join(kept, ", ")
		}
		out = append(out, field+"\r\n"...)
	}
	return append(out, "\r\n"...)
}
