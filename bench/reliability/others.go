package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os/exec"
	"strconv"
)

// byNode reads with the clients of a script, all in one process of Node.js.
func byNode(script string) func(context.Context, *audience) error {
	return func(ctx context.Context, a *audience) error {
		cmd := exec.Command("node", script, a.url, strconv.Itoa(a.readers), strconv.Itoa(channels))
		cmd.Dir = a.workshop.clients()
		var said tail
		cmd.Stderr = &said
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { _ = in.Close() }) // which ends it
		defer stop()
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if err := a.hear(lines.Bytes()); err != nil {
				a.tally.strange(0, err.Error())
			}
		}
		if err := cmd.Wait(); err != nil || ctx.Err() == nil {
			return fmt.Errorf("%s ended: %w: %s", script, err, said.String())
		}
		return nil
	}
}

// hear takes a line of clients/say.js.
func (a *audience) hear(line []byte) error {
	var l struct {
		Reader     int
		Kind, Text string
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return fmt.Errorf("%.100q: %w", line, err)
	}
	switch l.Kind {
	case "live":
		a.tally.live(l.Reader)
	case "got":
		a.tally.got(l.Reader, l.Text)
	case "told":
		a.tally.told(l.Reader, l.Text)
	case "strange":
		a.tally.strange(l.Reader, l.Text)
	case "trouble": // of a connection: it tries again
	default:
		return fmt.Errorf("a line of an unknown kind: %.100q", line)
	}
	return nil
}

// byNchanPolls reads Nchan by long polls: each asks for what follows the ETag
// and the time of the last answer.
func byNchanPolls(ctx context.Context, a *audience) error {
	a.each(ctx, func(ctx context.Context, r *reader) {
		c := r.client(true)
		defer c.CloseIdleConnections()
		at := http.Header{}
		var again patience
		for ctx.Err() == nil {
			if r.nchanPoll(ctx, c, at) == nil {
				again.reset()
			} else {
				again.pause(ctx, r)
			}
		}
	})
	return nil
}

// nchanPoll polls once. The header at says after what, and is brought on.
func (r *reader) nchanPoll(ctx context.Context, c *http.Client, at http.Header) error {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { r.live() }})
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/sub/"+r.channel, nil)
	if err != nil {
		return err
	}
	ask.Header = at.Clone()
	resp, err := c.Do(ask)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	r.got(string(data))
	at.Set("If-None-Match", resp.Header.Get("ETag"))
	at.Set("If-Modified-Since", resp.Header.Get("Last-Modified"))
	return nil
}
