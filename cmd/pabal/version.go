package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, thisVersion())
	return err
}

// thisVersion says what runs.
func thisVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: "an unknown Go", Main: debug.Module{Version: "(devel)"}}
	}
	return version(info)
}

// version says in one line what was built, of which commit, and by what.
func version(info *debug.BuildInfo) string {
	words := []string{"pabal", info.Main.Version}
	if info.Main.Version == "" {
		words[1] = "(devel)"
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if commit := settings["vcs.revision"]; commit != "" {
		words = append(words, "commit", commit)
		if settings["vcs.modified"] == "true" {
			words = append(words, "with changes")
		}
	}
	return strings.Join(append(words, "built with", info.GoVersion), " ")
}
