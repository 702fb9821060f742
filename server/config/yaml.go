package config

import (
	"errors"
	"fmt"

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
	at      string // file:line:column of the key
	valueAt string // and of the value
}

// readYAML reads the mapping that content is, or what is wrong with it.
func readYAML(file string, content []byte) (entries []entry, wrong []error) {
	parsed, err := parser.ParseBytes(content, 0)
	if err != nil {
		if e := yaml.Error(nil); errors.As(err, &e) {
			return nil, []error{fmt.Errorf("%s: %s", place(file, e.GetToken()), e.GetMessage())}
		}
		return nil, []error{fmt.Errorf("%s: %w", file, err)}
	}
	documents := 0
	for _, doc := range parsed.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		if documents++; documents > 1 {
			return nil, []error{fmt.Errorf("%s: one document is expected, not several", place(file, doc.Body.GetToken()))}
		}
		values, err := pairs(file, doc.Body)
		if err != nil {
			return nil, []error{err}
		}
		for _, v := range values {
			e, err := readEntry(file, v)
			if err != nil {
				wrong = append(wrong, err)
				continue
			}
			entries = append(entries, e)
		}
	}
	return entries, wrong
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
				return e, fmt.Errorf("%s: %s: each value of the list is one text or number", place(file, v.GetToken()), e.key)
			}
			e.texts = append(e.texts, t)
		}
		return e, nil
	}
	e.valueAt = place(file, n.Value.GetToken())
	t, ok := scalar(n.Value)
	switch {
	case n.Value.Type() == ast.NullType:
		return e, fmt.Errorf("%s: %s has no value; give it one, or remove the line", e.at, e.key)
	case !ok:
		return e, fmt.Errorf("%s: %s: a text, a number, true, false or a list is expected", e.valueAt, e.key)
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

func place(file string, t *token.Token) string {
	if t == nil || t.Position == nil {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, t.Position.Line, t.Position.Column)
}
