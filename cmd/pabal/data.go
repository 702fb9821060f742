package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/pabal/pabal/server"
)

type dataCmd struct {
	Check   dataCheckCmd   `cmd:"" help:"Read all of it, say what is wrong in it, and change nothing."`
	Export  dataExportCmd  `cmd:"" help:"Write it as lines of JSON, from which import makes the same again."`
	Import  dataImportCmd  `cmd:"" help:"Make a data directory of what export has written, or append messages of another system."`
	Compact dataCompactCmd `cmd:"" help:"Make its files as small as they can be."`
}

// Help is said by pabal data --help.
func (dataCmd) Help() string {
	return "The server must be stopped. Flags, environment and file are those of serve; of them --data names the directory, " +
		"and what is said of namespaces counts too. docs/storage.md has more."
}

// A directory is a data directory, by the configuration.
type directory struct {
	settings `embed:""`
}

// open returns the directory. How far what is done with it is, is said on
// standard error every few seconds.
func (d *directory) open(parsed *kong.Context, given texts) (*server.Data, error) {
	c, _, err := d.load(parsed, given)
	if err != nil {
		return nil, err
	}
	level := slog.LevelWarn // of what a server says as it runs, nothing less is of interest here
	if c.Log.Level == "debug" || c.Log.Level == "error" {
		_ = level.UnmarshalText([]byte(c.Log.Level)) // they are levels
	}
	log := slog.New(slog.NewTextHandler(parsed.Stderr, &slog.HandlerOptions{Level: level}))
	said := time.Now()
	return server.NewData(c, log, func(p server.DataProgress) {
		if time.Since(said) < 3*time.Second {
			return
		}
		said = time.Now()
		of := ""
		if p.Total > 0 {
			of = fmt.Sprintf(" of %d", p.Total)
		}
		_, _ = fmt.Fprintf(parsed.Stderr, "pabal: %d%s %s so far\n", p.Done, of, p.Unit)
	})
}

// problems says what is wrong on w.
func problems(w io.Writer, p *server.DataProblems) {
	for _, text := range p.First {
		_, _ = fmt.Fprintf(w, "pabal: %s\n", text)
	}
	if more := p.N - len(p.First); more > 0 {
		_, _ = fmt.Fprintf(w, "pabal: … and %d more\n", more)
	}
}

type dataCheckCmd struct {
	directory `embed:""`
}

// Run checks.
func (d *dataCheckCmd) Run(ctx context.Context, parsed *kong.Context, given texts, out io.Writer) error {
	data, err := d.open(parsed, given)
	if err != nil {
		return err
	}
	done, err := data.Check(ctx)
	problems(parsed.Stderr, &done.Problems)
	if err != nil {
		return interrupted(ctx, err)
	}
	if done.N > 0 {
		return fmt.Errorf("the data directory is damaged: %d problems, in %d channels with %d entries that can be read\n"+
			"put back a copy of the directory, or save what can be read: pabal data export --output FILE, then\n"+
			"pabal data import --data NEW FILE into a new directory, and start the server with that", done.N, done.Channels, done.Entries)
	}
	_, err = fmt.Fprintf(out, "all is well: %d channels, %d entries, %d known IDs\n", done.Channels, done.Entries, done.IDs)
	return err
}

type dataExportCmd struct {
	directory `embed:""`
	Output    string   `short:"o" placeholder:"FILE" help:"File to make, which must not be there yet; else standard output."`
	Channel   []string `placeholder:"PATTERN" help:"Channels to export, by names in which * may stand, as in namespaces; may be given several times. Else all."`
}

// Run exports.
func (d *dataExportCmd) Run(ctx context.Context, parsed *kong.Context, given texts, out io.Writer) error {
	if err := server.CheckPatterns(d.Channel); err != nil {
		return exitError{exitUsage, fmt.Errorf("--channel: %w", err)}
	}
	data, err := d.open(parsed, given)
	if err != nil {
		return err
	}
	summary := parsed.Stderr
	if d.Output != "" {
		file, err := os.OpenFile(d.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		summary, out = out, file
		defer func() { _ = file.Close() }() // below, if it is whole
	}
	done, err := data.Export(ctx, out, d.Channel)
	if file, ok := out.(*os.File); ok && d.Output != "" {
		if err == nil {
			err = errors.Join(file.Sync(), file.Close())
		}
		if err != nil {
			err = errors.Join(err, os.Remove(d.Output))
		}
	}
	problems(parsed.Stderr, &done.Problems)
	if err != nil {
		return interrupted(ctx, err)
	}
	_, err = fmt.Fprintf(summary, "exported %d channels, %d entries, %d known IDs\n", done.Channels, done.Entries, done.IDs)
	if done.N > 0 {
		err = errors.Join(fmt.Errorf("a part could not be read: %d problems. What was exported is all the rest", done.N), err)
	}
	return err
}

type dataImportCmd struct {
	directory `embed:""`
	File      string `arg:"" optional:"" help:"File to import; else standard input."`
}

// Help is said by pabal data import --help.
func (dataImportCmd) Help() string {
	return "What export has written goes into a directory that is empty or not there, and nothing is left of it if that fails. " +
		`Other lines are messages, as {"channel":"chat","data":"hi"}, with id, type, key, contentType, encoding and time if need be.`
}

// Run imports.
func (d *dataImportCmd) Run(ctx context.Context, parsed *kong.Context, given texts, out io.Writer) error {
	in := os.Stdin
	if d.File != "" && d.File != "-" {
		file, err := os.Open(d.File)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	data, err := d.open(parsed, given)
	if err != nil {
		return err
	}
	lines := interruptible(ctx, in)
	defer func() { _ = lines.Close() }() // it only ends the goroutine
	done, err := data.Import(ctx, lines)
	if err != nil && ctx.Err() != nil {
		return exitError{exitInterrupted, fmt.Errorf("interrupted; %d entries were imported, and %d were there already", done.Entries, done.Repeated)}
	}
	if err != nil {
		return err
	}
	text := fmt.Sprintf("imported %d entries", done.Entries)
	if done.Channels > 0 {
		text += fmt.Sprintf(" of %d channels, and %d known IDs", done.Channels, done.IDs)
	}
	if done.Repeated > 0 {
		text += fmt.Sprintf("; %d were there already", done.Repeated)
	}
	if done.Renewed > 0 {
		text += fmt.Sprintf("; %d channels that were damaged begin anew, as if they had been deleted", done.Renewed)
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// interruptible returns what reads in, and ends with an error when ctx does:
// the goroutine may hang in a read, which nothing but the end of the process
// can end.
func interruptible(ctx context.Context, in io.Reader) *io.PipeReader {
	r, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = w.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer stop()
		_, err := io.Copy(w, bufio.NewReaderSize(in, 256<<10))
		_ = w.CloseWithError(err)
	}()
	return r
}

type dataCompactCmd struct {
	directory `embed:""`
}

// Run compacts.
func (d *dataCompactCmd) Run(ctx context.Context, parsed *kong.Context, given texts, out io.Writer) error {
	data, err := d.open(parsed, given)
	if err != nil {
		return err
	}
	done, err := data.Compact(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	_, err = fmt.Fprintf(out, "compacted: %.1f MiB before, %.1f MiB now\n", float64(done.Before)/(1<<20), float64(done.After)/(1<<20))
	return err
}
