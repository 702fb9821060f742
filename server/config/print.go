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
	if err := c.Namespaces.print(columns, from); err != nil {
		return err
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	_, err := w.Write(table.Bytes())
	return err
}

// print writes all that is to be said of n.
func (n Namespaces) print(w io.Writer, from Provenance) error {
	var text strings.Builder
	if len(n) > 0 {
		text.WriteString(section + ":\n")
	}
	for i := range n {
		match := make([]string, 0, len(n[i].Match))
		for _, p := range n[i].Match {
			match = append(match, quoted(string(p)))
		}
		line := func(indent, key, value string) {
			fmt.Fprintf(&text, "%s%s: %s\t# %s\n", indent, key, value, from[of(i, key)])
		}
		line("  - ", "match", "["+strings.Join(match, ", ")+"]")
		line("    ", "name", quoted(n[i].Name))
		for _, s := range Settings() {
			if s.ofNamespace() {
				line("    ", s.Name, s.yaml(Config{Keep: n[i].Keep, Policy: n[i].Policy}))
			}
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// quoted returns t as YAML takes it for a text.
func quoted(t string) string {
	if plain.MatchString(t) && !strings.EqualFold(t, "null") {
		return t
	}
	return strconv.Quote(t)
}

// plain matches a text that YAML takes for itself without quotes.
var plain = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9/_.:-]*[A-Za-z0-9/_.-]$|^[A-Za-z0-9]$`)

// yaml returns what c has for s on one line of YAML.
func (s Setting) yaml(c Config) string {
	texts := s.Text(c)
	for i, t := range texts {
		texts[i] = quoted(t)
	}
	if s.List() {
		return "[" + strings.Join(texts, ", ") + "]"
	}
	return texts[0]
}
