package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/server/config"
)

const sports = `
keep-entries: 500
namespaces:
  - match: sports/live
    keep: latest
    keep-keys: 7
  - match:
      - sports/*
      - news
    name: slow
    keep-entries: 10000
    keep-bytes: 0
    keep-age: 30d
    id-window: 1h
    ids: 5
    sync: interval
    close-after: 1d12h
    presence: counts
  - match: "*"
    keep-age: 1h
`

func TestNamespaces(t *testing.T) {
	file := write(t, sports)
	c, from, err := config.Load(config.Sources{File: file, Flags: map[string][]string{"keep-bytes": {"1MiB"}}})
	if err != nil {
		t.Fatal(err)
	}
	live, slow, rest := c.Keep, c.Keep, c.Keep
	live.Keep, live.KeepKeys = "latest", 7
	slow.KeepEntries, slow.KeepBytes, slow.KeepAge = 10000, 0, 720*time.Hour
	slow.IDWindow, slow.IDs, slow.Sync, slow.CloseAfter = time.Hour, 5, "interval", 36*time.Hour
	rest.KeepAge = time.Hour
	counts := c.Policy
	counts.Presence = "counts"
	for i, want := range []config.Namespace{
		{Name: "sports/live", Match: []pattern.Pattern{"sports/live"}, Keep: live, Policy: c.Policy},
		{Name: "slow", Match: []pattern.Pattern{"sports/*", "news"}, Keep: slow, Policy: counts},
		{Name: "*", Match: []pattern.Pattern{"*"}, Keep: rest, Policy: c.Policy},
	} {
		if got := c.Namespaces[i]; !reflect.DeepEqual(got, want) {
			t.Errorf("namespace %d: got %+v, want %+v", i, got, want)
		}
	}
	if c.Keep.KeepEntries != 500 || c.Keep.KeepBytes != 1<<20 || c.Keep.KeepAge != 24*time.Hour {
		t.Errorf("node-wide: got %+v", c.Keep)
	}
	for key, want := range map[string]string{
		"namespaces[0].match": file + ":4:12", "namespaces[0].name": "default", "namespaces[0].keep-keys": file + ":6:16",
		"namespaces[0].keep-entries": "node-wide, " + file + ":2:15", "namespaces[0].keep-bytes": "node-wide, --keep-bytes",
		"namespaces[0].ids": "node-wide, default", "namespaces[1].match": file + ":8:7", "namespaces[1].name": file + ":10:11",
	} {
		if from[key] != want {
			t.Errorf("%s: got it from %q, want %q", key, from[key], want)
		}
	}
	for ch, want := range map[pabal.Channel]int{
		"sports/live": 0, "sports/live/a": 1, "sports/a": 1, "news": 1, "news/a": 2, "sports": 2, "$host/cpu": -1,
	} {
		if got := c.Namespaces.Find(ch); got != want {
			t.Errorf("%s: got the namespace %d, want %d", ch, got, want)
		}
	}
	printed := readAgain(t, c, from)
	for _, want := range []string{"\nnamespaces:\n  - match: [sports/live] ", "\n    name: slow ", "\n    close-after: 36h0m0s ", "# node-wide, --keep-bytes\n"} {
		if !strings.Contains(printed, want) {
			t.Errorf("what is printed lacks %q:\n%s", want, printed)
		}
	}
}

// Names that YAML takes for something else, and other forms.
func TestNamespacesPrinted(t *testing.T) {
	for _, content := range []string{
		"namespaces: []\n",
		"namespaces: [{match: a}, {match: 'b, c', name: \"null\"}]\n",
		"namespaces:\n- match: ['true', 1, $host/*]\n  name: '# no: \"comment\"\\é'\n- {match: '*', name: true}\n",
	} {
		c, from, err := config.Load(config.Sources{File: write(t, content)})
		if err != nil {
			t.Errorf("%s: %v", content, err)
		}
		readAgain(t, c, from)
	}
}

func TestNamespaceErrors(t *testing.T) {
	const head = "namespaces:\n"
	for _, test := range []struct{ name, file, want string }{
		{"typo", "  - match: a\n    keep-enties: 5\n", `FILE:3:5: a namespace has no "keep-enties", did you mean keep-entries?`},
		{"typo in match", "  - mach: a\n", "FILE:2:5: a namespace has no \"mach\", did you mean match?\nFILE:2:5: this namespace has no match; "},
		{"node-wide", "  - match: a\n    memory-bytes: 5MiB\n", `FILE:3:5: memory-bytes is the same for all channels; move it out of namespaces`},
		{"value", "  - match: a\n    keep-age: 5\n", `FILE:3:15: keep-age: "5" is not a duration; `},
		{"word", "  - match: a\n    sync: allways\n", `FILE:3:11: sync: "allways" is not allowed here; write always or interval or never, did you mean always?`},
		{"zero", "  - match: a\n    ids: 0\n", `FILE:3:10: ids: 0 is not allowed here; write a value above 0`},
		{"list", "  - match: a\n    ids: [1]\n", `FILE:3:10: ids: one value is expected, not a list`},
		{"twice", "  - match: a\n    ids: 1\n    ids: 2\n", `FILE:4:5: mapping key "ids" already defined at [3:5]`},
		{"no match", "  - keep-age: 1h\n", `FILE:2:5: this namespace has no match; say which channels it is for, as in match: sports/*`},
		{"empty match", "  - match: []\n", `FILE:2:12: match: there is no pattern; write a name, `},
		{"nothing", "  -\n", `FILE:2:5: settings are expected, each as name: value`},
		{"bare name", "  - sports/*\n", `FILE:2:5: settings are expected, each as name: value`},
		{"no list", "  sports/*:\n    keep-age: 1h\n", `FILE:1:1: namespaces: a list is expected, of which each begins as - match: sports/*`},
		{"no value", "", `FILE:1:1: namespaces: a list is expected, `},
		{"bad pattern", "  - match: [a, b c]\n", `FILE:2:16: match: "b c" matches no channel: channel "b c": byte ' ' is not allowed `},
		{"star alone", "  - match: *\n    ids: 1\n", `FILE:2:12: mapping value is not allowed in this context; put what begins with * in quotes, as in "*"`},
		{"star first", "  - match: */a\n", `FILE:2:12: match: a text, a number, true, false or a list is expected; put what begins with * in quotes, as in "*"`},
		{"star in a list", "  - match:\n    - *\n", `FILE:3:7: `},
		{"same pattern", "  - match: a/*\n    name: x\n  - match:\n      - b\n      - a/*\n", `FILE:6:9: match: what "a/*" matches is of an earlier namespace already, by "a/*" (FILE:2:12); put this namespace before that one, or remove the pattern`},
		{"wider pattern", "  - match: a/*\n  - match: a/b*/c\n", `FILE:3:12: match: what "a/b*/c" matches is of an earlier namespace already, by "a/*" (FILE:2:12); `},
		{"pattern twice", "  - match: [a, b, a]\n", `FILE:2:19: match: "a" is there twice; remove one`},
		{"same name", "  - match: a\n    name: x\n  - match: b\n    name: x\n", `FILE:5:11: name: another namespace is called "x" too; give one of them another name`},
		{"name by default", "  - match: a\n    name: b\n  - match: b\n", `FILE:4:12: name: another namespace is called "b" too; `},
		{"no name", "  - match: a\n    name: ''\n", `FILE:3:11: name: a text of 1 to 255 bytes is expected`},
		{"long name", "  - match: a\n    name: " + strings.Repeat("x", 256) + "\n", `FILE:3:11: name: a text of 1 to 255 bytes is expected`},
		{"long pattern", "  - match: [a, " + strings.Repeat("x/", 128) + "*]\n", `namespaces[0].match (FILE:2:12): "` + strings.Repeat("x/", 128) + `*" matches no channel, as a name has 255 bytes at most; shorten it or raise channel-bytes`},
		{"several", "  - match: a\n    b: 1\n  - match: c\n    d: 1\n", "FILE:3:5: a namespace has no \"b\"\nFILE:5:5: a namespace has no \"d\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := write(t, head+test.file)
			_, _, err := config.Load(config.Sources{File: file})
			wantError(t, err, strings.ReplaceAll(test.want, "FILE", file))
		})
	}
	file := write(t, "namespace:\n  - match: a\n")
	_, _, err := config.Load(config.Sources{File: file})
	wantError(t, err, file+`:1:1: there is no setting "namespace", did you mean namespaces?`)
}

// A pattern is refused only if no channel would come to it, and among these
// all that another pattern alone takes.
func TestUnreachable(t *testing.T) {
	for _, pair := range [][2]string{{"*", "a"}, {"*", "*/b"}, {"a/*", "a/*/c"}, {"a*", "a*b"}, {"a*", "ab"}, {"*/x", "y*/x"}, {"$*/*", "$host/*"}, {"*a*", "a"}} {
		if err := two(t, pair[0], pair[1]); err == nil {
			t.Errorf("%s after %s: got no error, want that it is of no use", pair[1], pair[0])
		}
	}
	for _, pair := range [][2]string{{"*", "$host/*"}, {"a/*", "a"}, {"a/*", "a*"}, {"*/x", "*"}, {"a/b*", "a/*"}, {"a*", "*a"}, {"a/*/*", "a/*"}} {
		if err := two(t, pair[0], pair[1]); err != nil {
			t.Errorf("%s after %s: got %v, want no error", pair[1], pair[0], err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		first, second := drawName(rt, "ab*", "first"), drawName(rt, "ab*", "second")
		var p, q pattern.Pattern
		if p.UnmarshalText([]byte(first)) != nil || q.UnmarshalText([]byte(second)) != nil {
			return
		}
		ch := pabal.Channel(drawName(rt, "abc", "name"))
		if q.Match(ch) && !p.Match(ch) && two(t, first, second) != nil {
			rt.Fatalf("%s after %s is refused, and yet %s would come to it", q, p, ch)
		}
	})
}

// two returns what is wrong with a namespace for second after one for first.
func two(t *testing.T, first, second string) error {
	_, _, err := config.Load(config.Sources{File: write(t, "namespaces:\n- match: '"+first+"'\n- match: '"+second+"'\n")})
	return err
}
