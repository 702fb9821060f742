package line

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"

	"github.com/pabal/pabal/bench/cost/browser"
)

// line1 is a line over a connection of HTTP/1.1 that it has for itself.
type line1 struct {
	conn net.Conn
	in   *bufio.Reader
	body io.Reader
}

func newLine1(conn net.Conn) *line1 { return &line1{conn: conn, in: bufio.NewReader(conn)} }

func (l *line1) Ask(r browser.Request) error {
	_, err := io.WriteString(l.conn, r.HTTP1()) // one write, and so one record
	return err
}

func (l *line1) Head() (h Head, err error) {
	line, err := l.in.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	_, status, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(status, []byte(" "))
	if h.Status, err = strconv.Atoi(string(code)); err != nil {
		return h, fmt.Errorf("the server answered %q, which is no HTTP", line)
	}
	length, chunks := int64(0), false
	for {
		if line, err = l.in.ReadSlice('\n'); err != nil {
			return h, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		switch string(name) {
		case "":
			l.body = io.LimitReader(l.in, length)
			if chunks {
				l.body = httputil.NewChunkedReader(l.in)
			}
			if h.Status == 101 {
				l.body = &frames{in: l.in, out: l.conn}
				return h, nil
			}
			return h, check(h, l.body)
		case "Content-Length":
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return h, fmt.Errorf("the server answered with the length %q", value)
			}
		case "Transfer-Encoding":
			chunks = true
		case "Pabal-Cursor":
			h.Cursor = string(value)
		}
	}
}

// check makes an error of what is no success. Its body says why.
func check(h Head, body io.Reader) error {
	if h.Status/100 == 2 {
		return nil
	}
	why, _ := io.ReadAll(io.LimitReader(body, 1<<10))
	return fmt.Errorf("the server answered %d: %s", h.Status, why)
}

func (l *line1) Read(p []byte) (int, error) { return l.body.Read(p) }

func (l *line1) Close() error { return l.conn.Close() }
