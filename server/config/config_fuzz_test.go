package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/server/config"
)

// A configuration file is refused with an error that says where, or is what
// it is printed as.
func FuzzFile(f *testing.F) {
	for _, text := range []string{
		"", "# nothing\n", "listen: 127.0.0.1:0\n", "keep-age: 1d12h\nkeep-bytes: 16 MiB\nallow-origin: [https://a.example, \"*\"]\n",
		"namespaces:\n  - match: [sports/*, \"*\"]\n    name: s\n    keep: latest\n  - match: a\n", "trusted-proxies: 10.0.0.0/8, ::1\n",
		"listen:\n", "listen: [a]\n", "nothing: 1\n", "a\n", "- a\n", "listen: &x a\nbase: *x\n", "---\na: 1\n---\nb: 2\n", "listen: {a: 1}\n", "\t", "listen: \"\n",
		"namespaces: 1\n", "namespaces:\n  - 1\n", "namespaces:\n  - keep: latest\n", "keep-age: -1s\n", "listen: a\nlisten: b\n", "allow-origin: *\n", "max-message: 0\n",
	} {
		f.Add([]byte(text))
	}
	file := filepath.Join(f.TempDir(), "pabal.yaml")
	load := func(t *testing.T, text []byte) (config.Config, error) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := config.Load(config.Sources{File: file})
		return c, err
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := load(t, text)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("refused without a reason")
			}
			return
		}
		said := printed(t, c)
		again, err := load(t, said)
		if err != nil {
			t.Fatalf("what was printed is refused: %v\n%s", err, said)
		}
		if got := printed(t, again); !bytes.Equal(got, said) {
			t.Errorf("read again,\n%s\nis\n%s", said, got)
		}
	})
}

func printed(t *testing.T, c config.Config) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := config.Print(&out, c, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A value is refused, or means what it is written back as, and it is the same
// as a flag and in the environment.
func FuzzValue(f *testing.F) {
	for i, s := range config.Settings() {
		c, _, err := config.Load(config.Sources{})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), strings.Join(s.Text(c), ","))
	}
	for _, text := range []string{"", "-1", "0", "1d", "1d-1h", "106752d", "16 mib", "9223372036854775807KiB", "::1", "10.0.0.1/8", "https://a.example/", "*", "a,b", "true", "yes"} {
		for i := range config.Settings() {
			f.Add(uint8(i), text)
		}
	}
	f.Fuzz(func(t *testing.T, setting uint8, text string) {
		s := config.Settings()[int(setting)%len(config.Settings())]
		c, _, err := config.Load(config.Sources{Flags: map[string][]string{s.Name: {text}}})
		_, _, other := config.Load(config.Sources{Env: []string{s.Env + "=" + text}})
		if (err == nil) != (other == nil) {
			t.Fatalf("%s=%q: as a flag %v, in the environment %v", s.Name, text, err, other)
		}
		if err != nil {
			if !strings.Contains(err.Error(), s.Name) {
				t.Errorf("%s=%q: the error does not name it: %v", s.Name, text, err)
			}
			return
		}
		back := s.Text(c)
		again, _, err := config.Load(config.Sources{Flags: map[string][]string{s.Name: back}})
		if err != nil || !slices.Equal(s.Text(again), back) {
			t.Errorf("%s=%q is %q, which is %q, %v", s.Name, text, back, s.Text(again), err)
		}
	})
}

// A pattern matches what a regular expression of the same meaning does.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"*", "a/b"}, {"sports/*", "sports/kbo/x"}, {"sports/*", "sports"}, {"a*c/*b*", "aXc/ab"}, {"$host/*", "$host/cpu"}, {"*", "$host"},
		{"**", "a"}, {"a//b", "a/b"}, {"*a", "ba"}, {"a/*/c", "a/b/c"}, {"*-*-*", "a-b-c"}, {"", "a"}, {"a*b*a", "abaaba"}, {"a b", "a"}, {"a/..", "a"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		var p pattern.Pattern
		ch, err := pabal.ParseChannel(name)
		if err != nil || p.UnmarshalText([]byte(text)) != nil {
			return
		}
		if got, want := p.Match(ch), asRegexp(p).MatchString(name) && (!ch.Own() || text[0] == '$'); got != want {
			t.Errorf("%q matches %q: got %v, want %v", text, name, got, want)
		}
	})
}
