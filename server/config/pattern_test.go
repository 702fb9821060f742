package config_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/pattern"
	"github.com/pabal/pabal/server/config"
)

func parsePattern(t *testing.T, text string) pattern.Pattern {
	t.Helper()
	var p pattern.Pattern
	if err := p.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return p
}

// What the documentation says of patterns is so.
func TestDocumentedPatterns(t *testing.T) {
	row := regexp.MustCompile("^\\| `([^`]+)` \\| (.*) \\| (.*) \\|$")
	names := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for _, line := range section(t, "## Settings", "| pattern | matches | does not match |") {
		cells := row.FindStringSubmatch(line)
		if cells == nil {
			continue
		}
		rows++
		p := parsePattern(t, cells[1])
		for i, want := range []bool{true, false} {
			for _, name := range names.FindAllStringSubmatch(cells[2+i], -1) {
				ch, err := pabal.ParseChannel(name[1])
				if err != nil {
					t.Errorf("%s: %v", p, err)
				}
				if got := p.Match(ch); got != want {
					t.Errorf("%s matches %s: got %v, want %v", p, ch, got, want)
				}
			}
		}
	}
	if rows < 6 {
		t.Errorf("the documentation has %d examples of patterns, want at least 6", rows)
	}
}

func TestPatternErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":          "an empty pattern matches no channel; write a name, one with * for a part of it, or * for all",
		"a b/*":     `"a b/*" matches no channel: channel "a b/x": byte ' ' is not allowed `,
		"/a":        `"/a" matches no channel: channel "/a": a segment is empty `,
		"a//*":      `"a//*" matches no channel: `,
		"a/":        `"a/" matches no channel: `,
		"a/../*":    `"a/../*" matches no channel: channel "a/../x": a segment may not be ".."`,
		"*$":        `"*$" matches no channel: `,
		"sports/**": `"sports/**" has two * in a row, and one says it all: at the end, as in sports/*, for whatever is below`,
		"a[bc]":     `"a[bc]" matches no channel: channel "a[bc]": byte '[' is not allowed `,
	} {
		var p pattern.Pattern
		err := p.UnmarshalText([]byte(text))
		wantError(t, err, want)
		if p != "" {
			t.Errorf("%q: got the pattern %q, want none", text, p)
		}
	}
}

// asRegexp says the same as p in another language.
func asRegexp(p pattern.Pattern) *regexp.Regexp {
	segments := strings.Split(string(p), "/")
	for i, s := range segments {
		switch {
		case s == "*" && i == len(segments)-1:
			segments[i] = ".+"
		case s == "*":
			segments[i] = "[^/]+"
		default:
			segments[i] = strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, "[^/]*")
		}
	}
	return regexp.MustCompile("^" + strings.Join(segments, "/") + "$")
}

// drawName draws a text of few letters, so that many match.
func drawName(t *rapid.T, letters, what string) string {
	segment := rapid.StringOfN(rapid.SampledFrom([]rune(letters)), 1, 4, -1)
	name := strings.Join(rapid.SliceOfN(segment, 1, 3).Draw(t, what), "/")
	if rapid.IntRange(0, 4).Draw(t, "own") == 0 {
		name = "$" + name
	}
	return name
}

func TestPatternAgainstRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pattern.Pattern
		if p.UnmarshalText([]byte(drawName(t, "ab*", "pattern"))) != nil {
			return
		}
		ch := pabal.Channel(drawName(t, "ab", "name"))
		want := asRegexp(p).MatchString(string(ch)) && (!ch.Own() || p[0] == '$')
		if got := p.Match(ch); got != want {
			t.Fatalf("%s matches %s: got %v, want %v", p, ch, got, want)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	names := config.Namespaces{
		{Match: []pattern.Pattern{"sports/*/scores", "sports/live"}}, {Match: []pattern.Pattern{"room-*"}},
		{Match: []pattern.Pattern{"chat/*"}}, {Match: []pattern.Pattern{"users/*/inbox"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if names.Find("users/8d6a7f/inbox") != 3 {
			b.Fatal("not found")
		}
	}
}
