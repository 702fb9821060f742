package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/pabal/pabal/server"
	"github.com/pabal/pabal/server/config"
)

// settings are the flags of whatever reads a configuration.
type settings struct {
	File     string        `name:"config" placeholder:"FILE" help:"YAML file with settings, each under its flag's name ($$PABAL_CONFIG). The environment goes over it, and flags over both."`
	Settings config.Config `embed:""`
}

// load returns the configuration of which given, the flags, are a part.
func (s *settings) load(parsed *kong.Context, given texts) (config.Config, config.Provenance, error) {
	c, from, err := config.Load(config.Sources{File: s.File, Env: os.Environ(), Others: variables(parsed.Model), Flags: given})
	if err != nil {
		return c, from, exitError{exitUsage, err}
	}
	return c, from, nil
}

// texts are what was given as flags for settings, by their names. It is the
// kong.Mapper of these: what a text means is for package config to say, which
// says it of the file and the environment too.
type texts map[string][]string

// Decode takes one value, and leaves the field of target as it is.
func (t texts) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	text := "true"
	if !ctx.Value.IsBool() || ctx.Scan.Peek().Type == kong.FlagValueToken {
		if ctx.Scan.Peek().IsEOL() {
			return errors.New("its value is missing")
		}
		token, err := ctx.Scan.PopValue(ctx.Value.Name)
		if err != nil {
			return err
		}
		text = fmt.Sprint(token.Value)
	}
	if target.Addr().Pointer() != ctx.Value.Target.Addr().Pointer() { // else it is the default
		t[ctx.Value.Name] = append(t[ctx.Value.Name], text)
	}
	return nil
}

// take makes t the mapper of all settings of k.
func (t texts) take(k *kong.Kong) error {
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && isSetting(flag.Name) {
			flag.Mapper, flag.Enum = t, ""
		}
		return next(nil)
	})
}

func isSetting(name string) bool {
	return slices.ContainsFunc(config.Settings(), func(s config.Setting) bool { return s.Name == name })
}

// variables returns those that the commands read beside the settings.
func variables(app *kong.Application) (names []string) {
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error { // none of it fails
		if flag, ok := node.(*kong.Flag); ok {
			names = append(names, flag.Envs...)
		}
		return next(nil)
	})
	return names
}

// formatHelp adds to the help of a setting what 0 means, its default and its
// variable.
func formatHelp(value *kong.Value) string {
	help := kong.DefaultHelpValueFormatter(value)
	if value.Flag == nil || !isSetting(value.Name) {
		return help
	}
	var notes []string
	if value.Tag.Has("zero") {
		notes = append(notes, "0: "+value.Tag.Get("zero"))
	}
	switch {
	case value.HasDefault:
		notes = append(notes, "default "+value.Default)
	case value.Target.Kind() == reflect.Bool:
		notes = append(notes, "default false")
	default:
		notes = append(notes, "default none")
	}
	notes = append(notes, "$"+config.EnvName(value.Name))
	return help + " (" + strings.Join(notes, "; ") + ")"
}

type serveCmd struct {
	settings `embed:""`
}

// Help is said by pabal serve --help.
func (serveCmd) Help() string {
	return "Each setting is a flag, a variable of the environment and a line of the file, under one name: " +
		"--max-message=2MiB, PABAL_MAX_MESSAGE=2MiB, max-message: 2MiB. Lists are divided by commas. " +
		"SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the TLS certificate anew."
}

// Run serves until ctx ends.
func (s *serveCmd) Run(ctx context.Context, parsed *kong.Context, given texts, out io.Writer) error {
	c, _, err := s.load(parsed, given)
	if err != nil {
		return err
	}
	log := server.NewLog(c.Log, parsed.Stderr)
	node, err := server.New(c, log)
	if err != nil {
		return err
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-hangups:
				node.ReloadCertificate()
			case <-done:
				return
			}
		}
	}()
	return node.Run(ctx, out)
}

type configCmd struct {
	Check checkCmd `cmd:"" help:"Say what serve would run with under the same flags, environment and file, as a file, and where each value is from."`
}

type checkCmd struct {
	settings `embed:""`
}

// Run prints the configuration.
func (c *checkCmd) Run(parsed *kong.Context, given texts, out io.Writer) error {
	effective, from, err := c.load(parsed, given)
	if err != nil {
		return err
	}
	return config.Print(out, effective, from)
}
