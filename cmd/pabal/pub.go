package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/alecthomas/kong"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/client"
)

type pubCmd struct {
	remote      `embed:""`
	Channel     pabal.Channel `arg:"" help:"Channel to publish to."`
	Message     []string      `arg:"" optional:"" help:"Messages, one each. Without any, and without --file, each line of standard input is one, as it comes."`
	File        string        `help:"Publish a whole file as one message; - is standard input." placeholder:"PATH"`
	Type        string        `help:"Type of the messages."`
	Key         string        `help:"Key of the messages: what they are the latest value of."`
	ContentType string        `help:"Media type of the messages. That of a file follows from its name."`
	ID          string        `name:"id" help:"ID of the message, so that it is kept once however often it is published."`
	IfMatch     string        `help:"Publish only if the channel ends at this cursor, and each further batch only where the one before it ended." placeholder:"CURSOR"`
	Verbose     bool          `short:"v" help:"Print the cursor of each message."`
}

// Run publishes in order and returns when all is acknowledged.
func (p *pubCmd) Run(ctx context.Context, parsed *kong.Context, out io.Writer) error {
	if err := p.check(); err != nil {
		return err
	}
	c, err := p.client(parsed.Stderr)
	if err != nil {
		return err
	}
	to := &publisher{client: c, cmd: p, cursors: out, patience: p.ConnectTimeout, end: p.IfMatch}
	switch {
	case p.File != "":
		err = p.file(ctx, to)
	case len(p.Message) > 0:
		messages := make([]pabal.Message, len(p.Message))
		for i, text := range p.Message {
			messages[i] = p.message([]byte(text))
			messages[i].ID = p.ID
		}
		err = to.publish(ctx, messages)
	default:
		err = p.lines(ctx, os.Stdin, to)
	}
	return interrupted(ctx, p.explain(err, "nothing was published"))
}

func (p *pubCmd) check() error {
	switch _, err := pabal.ParseChannel(string(p.Channel)); {
	case err != nil:
		return exitError{exitUsage, err}
	case p.File != "" && len(p.Message) > 0:
		return exitError{exitUsage, errors.New("give messages or --file, not both")}
	case p.ID != "" && p.File == "" && len(p.Message) != 1:
		return exitError{exitUsage, errors.New("--id names one message: give one message, or --file")}
	}
	if p.IfMatch != "" {
		if _, err := pabal.ParsePosition(p.IfMatch); err != nil {
			return exitError{exitUsage, fmt.Errorf("--if-match: %w", err)}
		}
	}
	m := pabal.Message{ID: p.ID, Type: p.Type, Key: p.Key} // whether the data is what --content-type says, the server checks
	if err := m.Check(); err != nil {
		return exitError{exitUsage, err}
	}
	return nil
}

func (p *pubCmd) message(data []byte) pabal.Message {
	return pabal.Message{Type: p.Type, Key: p.Key, ContentType: p.ContentType, Data: data}
}

func (p *pubCmd) file(ctx context.Context, to *publisher) error {
	in := os.Stdin
	if p.File != "-" {
		file, err := os.Open(p.File)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	m := p.message(data)
	m.ID = p.ID
	if m.ContentType == "" {
		m.ContentType = mime.TypeByExtension(filepath.Ext(p.File))
	}
	return to.publish(ctx, []pabal.Message{m})
}

const (
	batchLines = 500
	batchBytes = 256 << 10
)

// lines publishes each line of in. Those that are waiting already go together;
// while they are on their way, whoever writes to in waits.
func (p *pubCmd) lines(ctx context.Context, in io.Reader, to *publisher) error {
	done := make(chan error, 1)
	go func() { done <- p.copyLines(ctx, bufio.NewReaderSize(in, batchBytes), to) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done(): // the goroutine may hang in a read, which nothing but the end of the process can end
		return context.Cause(ctx)
	}
}

func (p *pubCmd) copyLines(ctx context.Context, in *bufio.Reader, to *publisher) error {
	for {
		var batch []pabal.Message
		size := 0
		for len(batch) == 0 || len(batch) < batchLines && size < batchBytes && lineWaits(in) {
			line, err := in.ReadBytes('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("standard input: %w", err)
			}
			if len(line) > 0 {
				line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
				batch = append(batch, p.message(line))
				size += len(line)
			}
			if err != nil {
				if len(batch) == 0 {
					return nil
				}
				return to.publish(ctx, batch)
			}
		}
		if err := to.publish(ctx, batch); err != nil {
			return err
		}
	}
}

// lineWaits reports whether in holds a whole line already.
func lineWaits(in *bufio.Reader) bool {
	waiting, _ := in.Peek(in.Buffered())
	return bytes.IndexByte(waiting, '\n') >= 0
}

// A publisher publishes batches one after the other.
type publisher struct {
	client   *client.Client
	cmd      *pubCmd
	cursors  io.Writer
	patience time.Duration // for the first acknowledgement; 0 has no end
	count    int           // messages acknowledged
	end      string        // where the channel must end; empty: anywhere
}

// publish returns when the server has batch. If it refuses batch, it may be
// for the sake of one message: those before it are published then.
func (p *publisher) publish(ctx context.Context, batch []pabal.Message) error {
	err := p.send(ctx, batch)
	var refused *client.Error
	if len(batch) == 1 || !errors.As(err, &refused) || refused.Status != http.StatusRequestEntityTooLarge && refused.Status != http.StatusBadRequest {
		return p.explain(err)
	}
	for i := range batch {
		if err := p.send(ctx, batch[i:i+1]); err != nil {
			return p.explain(err)
		}
	}
	return nil
}

func (p *publisher) explain(err error) error {
	var refused *client.Error
	if errors.Is(err, pabal.ErrMoved) && errors.As(err, &refused) && refused.Cursor != "" {
		err = fmt.Errorf("%w; it ends at %s", err, refused.Cursor)
	}
	if err == nil || p.count == 0 {
		return err
	}
	return fmt.Errorf("message %d: %w", p.count+1, err)
}

func (p *publisher) send(ctx context.Context, batch []pabal.Message) error {
	if p.patience > 0 && p.count == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, p.patience, client.ErrNotReached)
		defer cancel()
	}
	receipt, err := p.post(ctx, batch)
	if err != nil {
		return err
	}
	p.count += len(batch)
	if !p.cmd.Verbose {
		return nil
	}
	cursors := receipt.Cursors
	if len(cursors) == 0 {
		cursors = []string{receipt.Cursor}
	}
	for _, cursor := range cursors {
		if _, err := fmt.Fprintln(p.cursors, cursor); err != nil {
			return err
		}
	}
	return nil
}

func (p *publisher) post(ctx context.Context, batch []pabal.Message) (client.Receipt, error) {
	if p.end == "" {
		return p.client.Publish(ctx, p.cmd.Channel, batch...)
	}
	receipt, err := p.client.PublishIf(ctx, p.cmd.Channel, p.end, batch...)
	if err == nil {
		p.end = receipt.Cursor
	}
	return receipt, err
}
