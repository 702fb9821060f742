// Command pabal is a real-time server for the web, and the tools to use it.
//
//	pabal serve           run a node
//	pabal pub CHANNEL …   publish
//	pabal sub CHANNEL …   read
//	pabal doctor URL      say which techniques pass between here and a server
//	pabal config check    say what serve would run with, and where that is from
//	pabal data …          check, export, import, compact the data directory
//	pabal token …         make a token, explain one, make a key
//	pabal version         say what this is
//
// It ends with 0 if all went well, 1 if something failed, 2 if it was asked for
// what it does not know, 3 if no technique passes that doctor tries, and 130 if
// pub, sub, doctor or data were interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	_ "github.com/pabal/pabal/server/xconnect" // for WebSocket over HTTP/2
)

// How the command ends; see also [exitUsage].
const (
	exitOK     = 0
	exitFailed = 1
)

const description = `A real-time server for the web: one log, every technique.

Ends with 0 if all went well, 1 if something failed, 2 if it was asked for what it does not know, 3 if no technique passes that doctor tries, 130 if pub, sub, doctor or data were interrupted.`

type commands struct {
	Serve   serveCmd   `cmd:"" help:"Run a node."`
	Pub     pubCmd     `cmd:"" help:"Publish to a channel."`
	Sub     subCmd     `cmd:"" help:"Read channels, by any technique, and go on after a break."`
	Doctor  doctorCmd  `cmd:"" help:"Measure which techniques pass between here and a server, and say which to use."`
	Config  configCmd  `cmd:"" help:"Look at the configuration."`
	Data    dataCmd    `cmd:"" help:"Check, export, import and compact the data directory of a stopped server."`
	Token   tokenCmd   `cmd:"" help:"Make a token, explain one, make a key for them."`
	Version versionCmd `cmd:"" help:"Say what this is."`

	ShowVersion kong.VersionFlag `name:"version" help:"Say what this is."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run does what args say and returns how the command ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if r := recover(); r != nil && r != any(helped{}) {
			panic(r)
		}
	}()
	given := make(texts)
	parser, err := kong.New(new(commands),
		kong.Name("pabal"), kong.Description(description), kong.Writers(stdout, stderr),
		kong.Exit(func(int) { panic(helped{}) }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ValueFormatter(formatHelp), kong.PostBuild(given.take), kong.Vars{"version": thisVersion()},
		kong.Bind(given), kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(stdout, (*io.Writer)(nil)))
	if err != nil {
		return report(stderr, err, "")
	}
	if len(args) == 0 {
		args = []string{"--help"}
		code = exitUsage
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return report(stderr, exitError{exitUsage, err}, helpFor(err))
	}
	return report(stderr, parsed.Run(parsed), "")
}

// helped ends [run] once kong has printed help, in the middle of its work.
type helped struct{}

// report says on w what went wrong, if anything did, and returns how the
// command ends.
func report(w io.Writer, err error, hint string) int {
	if err == nil {
		return exitOK
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, _ = fmt.Fprintf(w, "pabal: %s\n", line)
	}
	if hint != "" {
		_, _ = fmt.Fprintln(w, hint)
	}
	var coder kong.ExitCoder
	if errors.As(err, &coder) {
		return coder.ExitCode()
	}
	return exitFailed
}

// helpFor says which help would help with err.
func helpFor(err error) string {
	command := ""
	if e, ok := errors.AsType[*kong.ParseError](err); ok && e.Context != nil {
		command = strings.TrimSuffix(e.Context.Command(), " ")
		command, _, _ = strings.Cut(command, " <")
	}
	return "Try: " + strings.Join(strings.Fields("pabal "+command+" --help"), " ")
}
