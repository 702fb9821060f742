package client

import (
	"bufio"
	"context"
)

// readStream reads lines, each an entry or a notice; an empty one is a
// heartbeat.
func readStream(ctx context.Context, c *connection) error {
	resp, err := c.stream(ctx)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := is(resp, "application/x-ndjson"); err != nil {
		return err
	}
	for in := bufio.NewReader(resp.Body); ; {
		line, err := readLine(in)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			continue
		}
		if err := c.line(line); err != nil {
			return err
		}
	}
}
