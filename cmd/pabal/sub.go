package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/alecthomas/kong"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
	"github.com/pabal/pabal/vector"
)

type subCmd struct {
	remote  `embed:""`
	Channel []pabal.Channel `arg:"" help:"Channels to read."`
	Via     string          `help:"Technique: ${enum}. auto takes the best that the way to the server allows for." enum:"auto,websocket,sse,stream,multipart,longpoll,poll" default:"auto"`
	Since   string          `help:"Where to begin: all, now, a number of entries (20), a duration back (10m), or a time as in RFC 3339." default:"now"`
	Cursor  []string        `help:"Where to begin: after this cursor. Once for each channel, in their order, or the one of all of them."`
	JSON    bool            `name:"json" help:"Print entries in their JSON form, one a line, instead of their bare data."`
	Limit   int             `help:"Stop after so many entries; 0 does not stop." default:"0"`
	Latest  bool            `help:"Of entries with the same key that are waiting, print only the last."`
	Every   time.Duration   `help:"Print what there is at most this often. When polling, the interval."`
	Verbose bool            `short:"v" help:"Tell about connections on stderr, and the cursors at the end."`

	stderr io.Writer
}

// Run prints entries until its channels are closed or the limit is reached.
func (s *subCmd) Run(ctx context.Context, parsed *kong.Context, out io.Writer) error {
	s.stderr = parsed.Stderr
	cursors, err := s.cursors()
	if err != nil {
		return exitError{exitUsage, err}
	}
	c, err := s.client(s.stderr)
	if err != nil {
		return err
	}
	sub := c.Subscribe(client.Options{
		Channels: s.Channel, Via: s.Via, Since: s.Since, Cursors: cursors,
		Latest: s.Latest, Every: s.Every, GiveUp: s.ConnectTimeout,
	})
	err = s.print(ctx, sub, out)
	if s.Verbose {
		at := sub.Cursors()
		for _, ch := range s.Channel {
			s.say(ch, "read up to "+at[ch])
		}
	}
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
		return exitError{exitUsage, err}
	}
	return interrupted(ctx, s.explain(err, ""))
}

// print writes each entry with one write, so that nothing waits in a buffer.
func (s *subCmd) print(ctx context.Context, sub *client.Subscription, out io.Writer) error {
	var line []byte
	count := 0
	for event, err := range sub.Events(ctx) {
		if err != nil {
			return err
		}
		if event.Notice != nil {
			s.tell(event.Notice)
			continue
		}
		if s.JSON {
			line = event.AppendJSON(line[:0])
		} else {
			line = append(line[:0], event.Entry.Data...)
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
		if count++; count == s.Limit {
			return nil
		}
	}
	return nil
}

// cursors returns where to begin in each channel, and reports what is wrong
// with the arguments.
func (s *subCmd) cursors() (map[pabal.Channel]string, error) {
	for _, ch := range s.Channel {
		if _, err := pabal.ParseChannel(string(ch)); err != nil {
			return nil, err
		}
	}
	cursors := map[pabal.Channel]string{}
	if len(s.Cursor) == 1 && vector.Is(s.Cursor[0]) {
		vector, err := vector.Parse(s.Cursor[0])
		if err != nil {
			return nil, err
		}
		for _, ch := range s.Channel {
			if at, ok := vector.Of(ch); ok {
				cursors[ch] = at.String()
			}
		}
		return cursors, nil
	}
	if len(s.Cursor) > 0 && len(s.Cursor) != len(s.Channel) {
		return nil, fmt.Errorf("%d cursors for %d channels: give --cursor once for each channel, in their order", len(s.Cursor), len(s.Channel))
	}
	for i, cursor := range s.Cursor {
		if _, err := pabal.ParsePosition(cursor); err != nil {
			return nil, err
		}
		cursors[s.Channel[i]] = cursor
	}
	return cursors, nil
}

// tell says in plain words what a notice means, if that matters to the user.
func (s *subCmd) tell(n *client.Notice) {
	var text string
	switch n.Kind {
	case pabal.NoticeGap:
		text = fmt.Sprintf("entries after %s up to %s are missing (%s)", n.From, n.To, why(n.Reason))
	case pabal.NoticeReset:
		text = fmt.Sprintf("the log is not the one that was read: it broke off after %s and goes on after %s (%s)", n.From, n.To, why(n.Reason))
	case pabal.NoticeOpen:
		s.connected(n)
		return
	case pabal.NoticeSkipped, pabal.NoticeLive, pabal.NoticeClosed:
		if !s.Verbose {
			return
		}
		text = map[pabal.NoticeKind]string{
			pabal.NoticeSkipped: fmt.Sprintf("%d entries were passed over for later ones of the same key", n.Count),
			pabal.NoticeLive:    "caught up, at " + n.Cursor,
			pabal.NoticeClosed:  "the channel is closed",
		}[n.Kind]
	default:
		return
	}
	s.say(n.Channel, text)
}

// connected tells where reading begins in each channel.
func (s *subCmd) connected(n *client.Notice) {
	if !s.Verbose {
		return
	}
	if n.Channel != "" {
		s.say(n.Channel, "connected, at "+n.Cursor)
	}
	for i, ch := range n.Channels {
		s.say(ch, "connected, at "+n.Cursors[i])
	}
}

func (s *subCmd) say(ch pabal.Channel, text string) {
	_, _ = fmt.Fprintf(s.stderr, "pabal: %s: %s\n", ch, text)
}

// why says a reason in words.
func why(r pabal.Reason) string {
	words, ok := map[pabal.Reason]string{
		pabal.Trimmed: "trimmed: the channel keeps only so many",
		pabal.Expired: "expired: the channel keeps them only for so long",
		pabal.Evicted: "evicted: the server needed room",
		pabal.Damaged: "damaged: the server's store cannot read them any more",
		pabal.Deleted: "the channel was deleted",
		pabal.Lost:    "the server came back without them",
		pabal.Unknown: "the server does not know this history",
		pabal.Ahead:   "the cursor was ahead of the log",
	}[r]
	if !ok {
		return string(r)
	}
	return words
}

const (
	exitUsage       = 2
	exitInterrupted = 130
)

// An exitError ends the process with its code.
type exitError struct {
	code int
	error
}

func (e exitError) ExitCode() int { return e.code }
func (e exitError) Unwrap() error { return e.error }

// interrupted returns err, or, if ctx has ended, that the user ended it.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return exitError{exitInterrupted, errors.New("interrupted")}
	}
	return err
}
