package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/pattern"
)

// A Namespace is the channels that some patterns match, what is kept of them
// and what they are for. Whatever a file does not say of it is as for the whole
// node.
type Namespace struct {
	Name   string
	Match  []pattern.Pattern
	Keep   Keep
	Policy Policy
}

// Namespaces are in the order in which a file has them.
type Namespaces []Namespace

// Find returns the index of the first namespace that ch is in, or -1.
func (n Namespaces) Find(ch pabal.Channel) int {
	for i := range n {
		for _, p := range n[i].Match {
			if p.Match(ch) {
				return i
			}
		}
	}
	return -1
}

// section is the key in a file under which namespaces are.
const section = "namespaces"

// of returns what [Provenance] calls a key of the i-th namespace.
func of(i int, key string) string { return fmt.Sprintf("%s[%d].%s", section, i, key) }

// nodeWide begins what [Provenance] says of a value that a namespace inherits.
const nodeWide = "node-wide, "

// maxName is how many bytes a namespace's name has at most.
const maxName = 255

// A draft is a namespace as a file has it, before it is known what is kept of
// the others.
type draft struct {
	Namespace
	given map[string][]string // of its settings the texts, by name
	at    Provenance          // by key
	each  []string            // where each pattern is
}

// addNamespaces takes the namespaces of a file.
func (l *loader) addNamespaces(blocks []block) {
	for _, b := range blocks {
		d := &draft{given: map[string][]string{}, at: Provenance{"name": "default"}}
		before := len(l.wrong)
		for _, e := range b.entries {
			l.addTo(d, e)
		}
		if d.at["match"] == "" {
			l.fail(b.at, "this namespace has no match; say which channels it is for, as in match: sports/*")
		}
		if len(l.wrong) > before {
			continue
		}
		if d.Name == "" {
			d.Name = string(d.Match[0])
		}
		l.checkNew(d)
		l.drafts = append(l.drafts, d)
	}
}

// addTo takes one line of a namespace.
func (l *loader) addTo(d *draft, e entry) {
	s, isSetting := find(e.key)
	switch {
	case e.key == "match":
		l.addMatch(d, e)
	case e.key == "name":
		name := strings.Join(e.texts, "")
		if e.list || name == "" || len(name) > maxName {
			l.fail(e.valueAt, "name: a text of 1 to %d bytes is expected", maxName)
		}
		d.Name, d.at["name"] = name, e.valueAt
	case !isSetting:
		l.fail(e.at, "a namespace has no %q%s", e.key, suggest(e.key, namespaceKeys()))
	case !s.ofNamespace():
		l.fail(e.at, "%s is the same for all channels; move it out of %s", e.key, section)
	case e.list && !s.List():
		l.fail(e.valueAt, "%s: one value is expected, not a list", s.Name)
	default:
		texts := e.of(s)
		if _, err := s.parse(texts); err != nil {
			l.fail(e.valueAt, "%s: %w", s.Name, err)
		}
		d.given[s.Name], d.at[s.Name] = texts, e.valueAt
	}
}

func (l *loader) addMatch(d *draft, e entry) {
	d.at["match"] = e.valueAt
	texts, each := e.texts, e.each
	if !e.list {
		texts = split(e.texts[0])
		each = slices.Repeat([]string{e.valueAt}, len(texts))
	}
	if len(texts) == 0 {
		l.fail(e.valueAt, "match: there is no pattern; write a name, one with * for a part of it, or * for all")
	}
	for i, text := range texts {
		var p pattern.Pattern
		if err := p.UnmarshalText([]byte(text)); err != nil {
			l.fail(each[i], "match: %w", err)
			continue
		}
		if slices.Contains(d.Match, p) {
			l.fail(each[i], "match: %q is there twice; remove one", p)
		}
		d.Match, d.each = append(d.Match, p), append(d.each, each[i])
	}
}

func namespaceKeys() []string {
	keys := []string{"match", "name"}
	for _, s := range Settings() {
		if s.ofNamespace() {
			keys = append(keys, s.Name)
		}
	}
	return keys
}

// checkNew says what is wrong with d beside the namespaces before it.
func (l *loader) checkNew(d *draft) {
	for i, p := range d.Match {
		if q, at := l.covering(p); q != "" {
			l.fail(d.each[i], "match: what %q matches is of an earlier namespace already, by %q (%s); put this namespace before that one, or remove the pattern", p, q, at)
		}
	}
	for _, o := range l.drafts {
		if o.Name == d.Name {
			at := d.at["name"]
			if at == "default" {
				at = d.at["match"]
			}
			l.fail(at, "name: another namespace is called %q too; give one of them another name", d.Name)
		}
	}
}

// covering returns a pattern that matches whatever p does, of a namespace that
// is there already, and where it is; or "".
func (l *loader) covering(p pattern.Pattern) (q pattern.Pattern, at string) {
	for _, d := range l.drafts {
		for i, q := range d.Match {
			if q.Covers(p) {
				return q, d.each[i]
			}
		}
	}
	return "", ""
}

// settleNamespaces completes what the file says of namespaces by what c says
// of all channels.
func (l *loader) settleNamespaces(c *Config) error {
	for i, d := range l.drafts {
		mine := Config{Keep: c.Keep, Policy: c.Policy}
		for _, s := range Settings() {
			texts, ok := d.given[s.Name]
			switch {
			case ok:
				if err := s.set(&mine, texts); err != nil {
					return fmt.Errorf("%s: %s: %w", d.at[s.Name], s.Name, err)
				}
				l.from[of(i, s.Name)] = d.at[s.Name]
			case s.Name == anonymous && d.own():
				mine.Policy.Anonymous = []string{"none"}
				l.from[of(i, s.Name)] = ownAnonymous
			case s.ofNamespace():
				l.from[of(i, s.Name)] = nodeWide + l.from[s.Name]
			}
		}
		l.from[of(i, "match")], l.from[of(i, "name")] = d.at["match"], d.at["name"]
		d.Keep, d.Policy = mine.Keep, mine.Policy
		c.Namespaces = append(c.Namespaces, d.Namespace)
	}
	return nil
}

// own reports whether d is for some of Pabal's own channels. It then does not
// inherit what may be done without a token, which could open all inboxes.
func (d *draft) own() bool {
	return slices.ContainsFunc(d.Match, func(p pattern.Pattern) bool { return strings.HasPrefix(string(p), "$") })
}
