package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// entry is a line of a YAML file: a key with one text or a list of them.
type entry struct {
	key     string
	texts   []string
	list    bool
	at      string   // file:line:column of the key
	valueAt string   // and of the value,
	each    []string // and of each value of a list
}

// of returns what e says of s: a list may be written as one text.
func (e entry) of(s Setting) []string {
	if s.List() && !e.list {
		return split(e.texts[0])
	}
	return e.texts
}

// A block is a mapping in a list.
type block struct {
	entries []entry
	at      string // file:line:column
}

// A document is what a file holds.
type document struct {
	entries    []entry
	namespaces []block
}

// readYAML reads the mapping that content is, or what is wrong with it.
func readYAML(file string, content []byte) (d document, wrong []error) {
	parsed, err := parser.ParseBytes(content, 0)
	if err != nil {
		if e := yaml.Error(nil); errors.As(err, &e) {
			return d, []error{fmt.Errorf("%s: %s%s", place(file, e.GetToken()), e.GetMessage(), quoteAt(content, e.GetToken()))}
		}
		return d, []error{fmt.Errorf("%s: %w", file, err)}
	}
	documents := 0
	for _, doc := range parsed.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		if documents++; documents > 1 {
			return d, []error{fmt.Errorf("%s: one document is expected, not several", place(file, doc.Body.GetToken()))}
		}
		values, err := pairs(file, doc.Body)
		if err != nil {
			return d, []error{err}
		}
		var all []*ast.MappingValueNode
		for _, v := range values {
			if v.Key.GetToken().Value != section {
				all = append(all, v)
				continue
			}
			blocks, failed := readBlocks(file, v)
			d.namespaces, wrong = append(d.namespaces, blocks...), append(wrong, failed...)
		}
		entries, failed := readEntries(file, all)
		d.entries, wrong = append(d.entries, entries...), append(wrong, failed...)
	}
	return d, wrong
}

func readEntries(file string, values []*ast.MappingValueNode) (entries []entry, wrong []error) {
	for _, v := range values {
		e, err := readEntry(file, v)
		if err != nil && isKey(e.key) { // else the key is what is wrong
			wrong = append(wrong, err)
			continue
		}
		entries = append(entries, e)
	}
	return entries, wrong
}

// isKey reports whether there is such a key.
func isKey(key string) bool {
	_, ok := find(key)
	return ok || slices.Contains(namespaceKeys(), key)
}

// readBlocks reads the list of mappings that n's value is.
func readBlocks(file string, n *ast.MappingValueNode) (blocks []block, wrong []error) {
	list, ok := n.Value.(*ast.SequenceNode)
	if !ok {
		return nil, []error{fmt.Errorf("%s: %s: a list is expected, of which each begins as - match: sports/*", place(file, n.Key.GetToken()), section)}
	}
	for _, v := range list.Values {
		values, err := pairs(file, v)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		entries, failed := readEntries(file, values)
		wrong = append(wrong, failed...)
		b := block{entries: entries, at: place(file, v.GetToken())}
		if len(values) > 0 {
			b.at = place(file, values[0].Key.GetToken())
		}
		if len(failed) == 0 {
			blocks = append(blocks, b)
		}
	}
	return blocks, wrong
}

func pairs(file string, body ast.Node) ([]*ast.MappingValueNode, error) {
	switch n := body.(type) {
	case *ast.MappingNode:
		return n.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, nil
	}
	return nil, fmt.Errorf("%s: settings are expected, each as name: value", place(file, body.GetToken()))
}

func readEntry(file string, n *ast.MappingValueNode) (e entry, err error) {
	key := n.Key.GetToken()
	e = entry{key: key.Value, at: place(file, key)}
	if n.Value == nil {
		return e, fmt.Errorf("%s: %s has no value; give it one, or remove the line", e.at, e.key)
	}
	if list, ok := n.Value.(*ast.SequenceNode); ok {
		e.list, e.valueAt = true, place(file, list.Start)
		for _, v := range list.Values {
			t, ok := scalar(v)
			if !ok {
				return e, fmt.Errorf("%s: %s: each value of the list is one text or number%s", place(file, v.GetToken()), e.key, quote(v))
			}
			e.texts, e.each = append(e.texts, t), append(e.each, place(file, v.GetToken()))
		}
		return e, nil
	}
	e.valueAt = place(file, n.Value.GetToken())
	t, ok := scalar(n.Value)
	switch {
	case n.Value.Type() == ast.NullType:
		return e, fmt.Errorf("%s: %s has no value; give it one, or remove the line", e.at, e.key)
	case !ok:
		return e, fmt.Errorf("%s: %s: a text, a number, true, false or a list is expected%s", e.valueAt, e.key, quote(n.Value))
	}
	e.texts = []string{t}
	return e, nil
}

// scalar returns the text of a value as it is written, less its quotes.
func scalar(n ast.Node) (text string, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// quote says what to do if n is a text to which YAML gives another meaning.
func quote(n ast.Node) string {
	if n.Type() == ast.AliasType {
		return quoteStar
	}
	return ""
}

const quoteStar = `; put what begins with * in quotes, as in "*"`

// alias matches a * that YAML takes for the name of something else.
var alias = regexp.MustCompile(`(^|[:,[-])\s*\*`)

// quoteAt is quote for what has failed the parser.
func quoteAt(content []byte, t *token.Token) string {
	if t == nil || t.Position == nil {
		return ""
	}
	if lines := bytes.Split(content, []byte("\n")); t.Position.Line <= len(lines) && alias.Match(lines[t.Position.Line-1]) {
		return quoteStar
	}
	return ""
}

func place(file string, t *token.Token) string {
	if t == nil || t.Position == nil {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, t.Position.Line, t.Position.Column)
}
