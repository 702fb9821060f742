package client

import (
	"cmp"
	"context"
	"time"
)

// readPoll asks for what is there, at intervals that the caller or
// else the server chooses.
func readPoll(ctx context.Context, c *connection) error {
	for {
		next, err := c.ask(ctx)
		if err != nil {
			return err
		}
		interval := cmp.Or(c.options.Every, next.after, time.Second)
		if !next.more && !c.rest(ctx, interval) {
			return context.Cause(ctx)
		}
	}
}
