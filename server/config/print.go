package config

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Print writes c to w as a configuration file that says the same, with where
// each value came from as a comment.
func Print(w io.Writer, c Config, from Provenance) error {
	var table bytes.Buffer
	columns := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, s := range Settings() {
		if _, err := fmt.Fprintf(columns, "%s: %s\t# %s\n", s.Name, s.yaml(c), from[s.Name]); err != nil {
			return err
		}
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	_, err := w.Write(table.Bytes())
	return err
}

// plain matches a text that YAML takes for itself without quotes.
var plain = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9/_.:-]*[A-Za-z0-9/_.-]$|^[A-Za-z0-9]$`)

// yaml returns what c has for s on one line of YAML.
func (s Setting) yaml(c Config) string {
	texts := s.Text(c)
	for i, t := range texts {
		if !plain.MatchString(t) {
			texts[i] = strconv.Quote(t)
		}
	}
	if s.List() {
		return "[" + strings.Join(texts, ", ") + "]"
	}
	return texts[0]
}
