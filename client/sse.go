package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// readSSE reads server-sent events whose data is an entry's or a notice's
// JSON form. Their names and ids say nothing that the data does not.
func readSSE(ctx context.Context, c *connection) error {
	resp, err := c.stream(ctx)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := is(resp, "text/event-stream"); err != nil {
		return err
	}
	var data []byte
	for in := bufio.NewReader(resp.Body); ; {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) && !c.opened && c.retry > 0 {
			// A status that an EventSource could not read.
			return &Error{Status: http.StatusServiceUnavailable, Title: "come again later", RetryAfter: c.retry}
		}
		if err != nil {
			return err
		}
		if len(line) == 0 {
			event := data
			data = data[:0]
			if len(event) > 0 {
				err = c.line(event)
			}
			if err != nil {
				return err
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			if len(data)+len(value) > maxFrame {
				return garbled("an event of more than %d bytes", maxFrame)
			}
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, value...)
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				c.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}
