package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/doctor"
)

// exitNothing is how doctor ends where no technique passes.
const exitNothing = 3

type doctorCmd struct {
	remote   `embed:""`
	URL      string        `arg:"" name:"url" optional:"" help:"Address of the server, instead of --server."`
	Channel  pabal.Channel `help:"Channel to read and publish to. A few small messages stay in it; without, it is one of its own, which is deleted."`
	For      time.Duration `help:"How long to say nothing, so that it shows what cuts idle connections; 0 does not." default:"35s"`
	Patience time.Duration `help:"How long what should come at once may take, beside what the network takes." default:"3s"`
	JSON     bool          `name:"json" help:"Print the report as JSON, as docs/doctor.md describes it."`
}

// Help is said by pabal doctor --help.
func (doctorCmd) Help() string {
	return "Reads a channel by each technique at once, publishes to it, and sees what comes, what is held back and what is cut on the way. --connect-timeout is for the first answer. " +
		"Ends with 0 if all techniques pass, 1 if some do, 3 if none does or the server is not reached, 2 if it was asked for what it does not know, 130 if it was interrupted."
}

// Run examines the server and prints the report.
func (d *doctorCmd) Run(ctx context.Context, parsed *kong.Context, out io.Writer) error {
	options, err := d.options(parsed.Stderr)
	if err != nil {
		return exitError{exitUsage, err}
	}
	report, err := doctor.Examine(ctx, options)
	if terminal(parsed.Stderr) {
		_, _ = fmt.Fprint(parsed.Stderr, "\r\x1b[K")
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	if err := d.print(out, report); err != nil {
		return err
	}
	switch report.Verdict {
	case doctor.Nothing:
		return exitError{exitNothing, errors.New("nothing passes: " + cmp.Or(report.Problem, "no technique is of use here"))}
	case doctor.Degraded:
		return exitError{exitFailed, errors.New("not all passes: use " + strings.Join(report.Order, ", "))}
	}
	return nil
}

// options returns what to examine; an error is one of usage.
func (d *doctorCmd) options(stderr io.Writer) (doctor.Options, error) {
	if d.URL != "" {
		server, err := parseServer(d.URL)
		if err != nil {
			return doctor.Options{}, errors.New(strings.TrimPrefix(err.Error(), "--server: "))
		}
		d.Server = server
	}
	if d.Channel != "" {
		if _, err := pabal.ParseChannel(string(d.Channel)); err != nil {
			return doctor.Options{}, fmt.Errorf("--channel: %w", err)
		}
	}
	if d.For < 0 || d.Patience <= 0 || d.ConnectTimeout < 0 {
		return doctor.Options{}, errors.New("--for, --connect-timeout: a duration is not below 0; --patience: it is above 0")
	}
	c, err := d.client(stderr)
	if err != nil {
		return doctor.Options{}, err
	}
	options := doctor.Options{
		URL: d.Server, Header: c.Header, Channel: d.Channel, Watch: d.For, Patience: d.Patience,
		Reach: cmp.Or(d.ConnectTimeout, 24*time.Hour), Words: plain,
	}
	if c.HTTP != nil {
		if transport, ok := c.HTTP.Transport.(*http.Transport); ok {
			options.TLS = transport.TLSClientConfig
		}
	}
	if terminal(stderr) {
		options.Progress = func(text string) { _, _ = fmt.Fprintf(stderr, "\r\x1b[K%s …", text) }
	}
	return options, nil
}

func (d *doctorCmd) print(out io.Writer, report *doctor.Report) error {
	if !d.JSON {
		_, err := io.WriteString(out, report.Text())
		return err
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	_, err = out.Write(append(text, '\n'))
	return err
}

// terminal reports whether w is read by a person as it is written.
func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
