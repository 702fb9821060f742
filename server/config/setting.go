package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// A Setting is one field of [Config], as it is written down.
type Setting struct {
	Name string // in the file; on the command line after --
	Env  string // in the environment

	field reflect.StructField
	path  []int
}

// Settings returns all settings, in the order of [Config].
func Settings() []Setting { return settings() }

var settings = sync.OnceValue(func() (all []Setting) {
	groups := reflect.TypeFor[Config]()
	for g := range groups.NumField() {
		group := groups.Field(g).Type
		for f := 0; group.Kind() == reflect.Struct && f < group.NumField(); f++ { // Namespaces is none
			field := group.Field(f)
			name := field.Tag.Get("name")
			all = append(all, Setting{Name: name, Env: EnvName(name), field: field, path: []int{g, f}})
		}
	}
	return all
})

// find returns the setting of that name.
func find(name string) (s Setting, ok bool) {
	for _, s := range settings() {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}

// ofNamespace reports whether a namespace may have a value of its own for s.
func (s Setting) ofNamespace() bool {
	group := reflect.TypeFor[Config]().Field(s.path[0]).Type
	return group == reflect.TypeFor[Keep]() || group == reflect.TypeFor[Policy]()
}

// EnvName returns the environment variable of the setting of that name.
func EnvName(name string) string {
	return "PABAL_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// List reports whether s holds several values.
func (s Setting) List() bool { return s.field.Type.Kind() == reflect.Slice }

// Text returns what c has for s, as it can be written in a file: one text, or
// several if s is a list.
func (s Setting) Text(c Config) []string {
	return text(reflect.ValueOf(c).FieldByIndex(s.path))
}

// set parses texts into the field of c that s is.
func (s Setting) set(c *Config, texts []string) error {
	v, err := s.parse(texts)
	if err != nil {
		return err
	}
	reflect.ValueOf(c).Elem().FieldByIndex(s.path).Set(v)
	return nil
}

func (s Setting) defaults() []string {
	d := s.field.Tag.Get("default")
	switch {
	case d == "" && s.List():
		return nil
	case d == "" && s.field.Type.Kind() == reflect.Bool:
		return []string{"false"}
	}
	return []string{d}
}

// parse returns texts as a value of s's type, within its bounds.
func (s Setting) parse(texts []string) (reflect.Value, error) {
	if !s.List() {
		if len(texts) != 1 {
			return reflect.Value{}, fmt.Errorf("one value is expected, not %d", len(texts))
		}
		return s.parseOne(s.field.Type, texts[0])
	}
	list := reflect.MakeSlice(s.field.Type, 0, len(texts))
	for _, t := range texts {
		v, err := s.parseOne(s.field.Type.Elem(), t)
		if err != nil {
			return reflect.Value{}, err
		}
		list = reflect.Append(list, v)
	}
	return list, nil
}

func (s Setting) parseOne(t reflect.Type, value string) (reflect.Value, error) {
	if enum, ok := s.field.Tag.Lookup("enum"); ok {
		if words := strings.Split(enum, ","); !slices.Contains(words, value) {
			return reflect.Value{}, fmt.Errorf("%q is not allowed here; write %s%s", value, strings.Join(words, " or "), suggestWord(value, words))
		}
	}
	v, err := parse(t, value)
	if err != nil || !v.CanInt() {
		return v, err
	}
	switch meaning, zero := s.field.Tag.Lookup("zero"); {
	case v.Int() < 0 && zero:
		return v, fmt.Errorf("%s is negative; write a value above 0, or 0: %s", value, meaning)
	case v.Int() < 0:
		return v, fmt.Errorf("%s is negative; write a value above 0", value)
	case v.Int() == 0 && !zero:
		return v, fmt.Errorf("%s is not allowed here; write a value above 0", value)
	}
	return v, nil
}

// suggest returns ", did you mean x?" for the name that is nearest to the one
// given, or "" if none is near.
func suggest(name string, names []string) string {
	best, least := "", 1+max(1, len(name)/3)
	for _, candidate := range names {
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// suggestWord is suggest, for which a word that begins like another is near it
// too: warning is warn.
func suggestWord(word string, words []string) string {
	for _, w := range words {
		if len(word) > 2 && (strings.HasPrefix(word, w) || strings.HasPrefix(w, word)) {
			return fmt.Sprintf(", did you mean %s?", w)
		}
	}
	return suggest(word, words)
}

// distance counts the letters to insert, remove or replace, or pairs to swap,
// until a is b.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
