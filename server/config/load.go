package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
)

// Sources are what [Load] reads beside the defaults, the later over the
// earlier.
type Sources struct {
	File   string              // a YAML file; empty means the one that PABAL_CONFIG names, if it does
	Env    []string            // as of os.Environ
	Others []string            // variables that begin with PABAL_ and belong to somebody else
	Flags  map[string][]string // by the setting's name: what was given, as it was written
}

// Provenance says where the value of each setting came from, by its name:
// "default", a file with line and column, a variable, or a flag. What the
// first namespace has for keep-age is namespaces[0].keep-age.
type Provenance map[string]string

// Load returns the configuration that s amounts to, checked, and where each of
// its values came from. The error lists all that is wrong, a line each.
func Load(s Sources) (Config, Provenance, error) {
	l := loader{from: make(Provenance), values: koanf.New(".")}
	for _, setting := range Settings() {
		if err := l.take(setting, setting.defaults(), byDefault); err != nil {
			l.fail(byDefault, "%s: %w", setting.Name, err)
		}
	}
	l.push()
	file := s.File
	if file == "" {
		file = lookup(s.Env, fileEnv)
	}
	if file != "" {
		l.file(file)
		l.push()
	}
	l.environment(s.Env, s.Others)
	l.push()
	l.flags(s.Flags)
	l.push()
	c, err := l.config()
	return c, l.from, err
}

// byDefault is where a value comes from that nobody gave.
const byDefault = "default"

// fileEnv names the configuration file, as --config does.
const fileEnv = "PABAL_CONFIG"

// loader collects layer on layer.
type loader struct {
	from   Provenance
	values *koanf.Koanf
	layer  layer
	drafts []*draft
	wrong  []error
}

// A layer has the texts of some settings, by name. It is a koanf.Provider.
type layer map[string]any

func (l layer) Read() (map[string]any, error) { return l, nil }
func (l layer) ReadBytes() ([]byte, error)    { return nil, errors.New("a layer is not bytes") }

// take notes that at says texts for s, or returns what is wrong with that.
func (l *loader) take(s Setting, texts []string, at string) error {
	if _, err := s.parse(texts); err != nil {
		return err
	}
	if l.layer == nil {
		l.layer = make(layer)
	}
	l.layer[s.Name] = texts
	l.from[s.Name] = at
	return nil
}

func (l *loader) fail(at, format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Errorf("%s: %w", at, fmt.Errorf(format, args...)))
}

// push puts the layer on those before it.
func (l *loader) push() {
	if err := l.values.Load(l.layer, nil); err != nil {
		l.wrong = append(l.wrong, err)
	}
	l.layer = nil
}

func (l *loader) file(name string) {
	content, err := os.ReadFile(name)
	if err != nil {
		l.wrong = append(l.wrong, fmt.Errorf("the configuration file cannot be read: %w", err))
		return
	}
	d, wrong := readYAML(name, content)
	l.wrong = append(l.wrong, wrong...)
	for _, e := range d.entries {
		s, ok := find(e.key)
		switch {
		case !ok:
			l.fail(e.at, "there is no setting %q%s", e.key, suggest(e.key, append(names(func(s Setting) string { return s.Name }), section)))
		case e.list && !s.List():
			l.fail(e.valueAt, "%s: one value is expected, not a list", s.Name)
		default:
			if err := l.take(s, e.of(s), e.valueAt); err != nil {
				l.fail(e.valueAt, "%s: %w", s.Name, err)
			}
		}
	}
	l.addNamespaces(d.namespaces)
}

// linked matches what Kubernetes sets where a service has the name pabal.
var linked = regexp.MustCompile(`^PABAL_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

func (l *loader) environment(env, others []string) {
	for _, pair := range slices.Sorted(slices.Values(env)) {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "PABAL_") || name == fileEnv || linked.MatchString(name) || slices.Contains(others, name) {
			continue
		}
		if name == EnvName(section) {
			l.fail(name, "namespaces are said in a file only, which --config or %s names", fileEnv)
			continue
		}
		variables := names(func(s Setting) string { return s.Env })
		i := slices.Index(variables, name)
		if i < 0 {
			l.fail(name, "there is no setting of this name%s", suggest(name, append(variables, fileEnv)))
			continue
		}
		texts := []string{value}
		if s := Settings()[i]; s.List() {
			texts = split(value)
		}
		if err := l.take(Settings()[i], texts, name); err != nil {
			l.fail(name, "%w", err)
		}
	}
}

// flags takes what was given, of lists all of it, and otherwise what was given
// last.
func (l *loader) flags(flags map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		s, ok := find(name)
		if !ok {
			l.fail("--"+name, "there is no such setting")
			continue
		}
		texts := flags[name]
		if s.List() {
			texts = split(strings.Join(texts, ","))
		} else {
			texts = texts[max(0, len(texts)-1):]
		}
		if err := l.take(s, texts, "--"+name); err != nil {
			l.fail("--"+name, "%w", err)
		}
	}
}

// config makes a Config of all layers.
func (l *loader) config() (c Config, err error) {
	if len(l.wrong) > 0 {
		return Config{}, errors.Join(l.wrong...)
	}
	for _, s := range Settings() {
		if err := s.set(&c, l.values.Strings(s.Name)); err != nil {
			return Config{}, fmt.Errorf("%s: %s: %w", l.from[s.Name], s.Name, err)
		}
	}
	if err := l.settleNamespaces(&c); err != nil {
		return Config{}, err
	}
	c.settle(l.from)
	return c, c.check(l.from)
}

func names(of func(Setting) string) (all []string) {
	for _, s := range Settings() {
		all = append(all, of(s))
	}
	return all
}

// split divides a list that is written as one text.
func split(list string) (texts []string) {
	for t := range strings.SplitSeq(list, ",") {
		if t = strings.TrimSpace(t); t != "" {
			texts = append(texts, t)
		}
	}
	return texts
}

func lookup(env []string, name string) string {
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}
