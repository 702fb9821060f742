package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A connection speaks HTTP/1.1 with a server, one request after the other.
type connection struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	body []byte // of the last answer
}

const requestTime = time.Minute // what no answer takes

func dial(address string) (*connection, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// get returns the body of the answer, until the next request.
func (c *connection) get(path string) ([]byte, error) { return c.ask("GET", path, "", nil) }

// ask sends a request and returns the body of its answer, which must be 200.
func (c *connection) ask(method, path, contentType string, body []byte) ([]byte, error) {
	c.out = append(append(append(append(c.out[:0], method...), ' '), path...), " HTTP/1.1\r\nHost: localhost\r\n"...)
	if contentType != "" {
		c.out = append(append(append(c.out, "Content-Type: "...), contentType...), "\r\nContent-Length: "...)
		c.out = append(strconv.AppendInt(c.out, int64(len(body)), 10), "\r\n"...)
	}
	c.out = append(append(c.out, "\r\n"...), body...)
	_ = c.conn.SetDeadline(time.Now().Add(requestTime))
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	c.body = c.body[:0]
	if n := int(resp.ContentLength); n > cap(c.body) {
		c.body = make([]byte, 0, n)
	}
	for {
		if len(c.body) == cap(c.body) {
			c.body = append(c.body, 0)[:len(c.body)]
		}
		n, err := resp.Body.Read(c.body[len(c.body):cap(c.body)])
		c.body = c.body[:len(c.body)+n]
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, c.body)
	}
	return c.body, nil
}

func (c *connection) close() { _ = c.conn.Close() }

// each calls do for all numbers below n, on so many connections to s.
func (s *server) each(ctx context.Context, connections, n int, do func(c *connection, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var working sync.WaitGroup
	for range connections {
		working.Go(func() {
			c, err := dial(s.address)
			if err != nil {
				cancel(err)
				return
			}
			defer c.close()
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := do(c, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	working.Wait()
	return context.Cause(ctx)
}
