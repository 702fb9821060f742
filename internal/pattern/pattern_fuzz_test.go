package pattern

import (
	"testing"

	"github.com/pabal/pabal"
)

// Where a pattern covers another, so that a namespace of the other would never
// be asked, it matches whatever the other does.
func FuzzCovers(f *testing.F) {
	for _, seed := range [][3]string{
		{"*", "a/*", "a/b"}, {"sports/*", "sports/*/x", "sports/kbo/x"}, {"a*", "ab*", "abc"}, {"*a", "*", "b"}, {"a/*/c", "a/*", "a/b"},
		{"*", "$host", "$host"}, {"$*", "$host/*", "$host/cpu"}, {"a*b", "a*b*", "ab"}, {"*/*", "*", "a"}, {"*", "*/a", "b/a"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, one, other, name string) {
		var p, q Pattern
		ch, err := pabal.ParseChannel(name)
		if err != nil || p.UnmarshalText([]byte(one)) != nil || q.UnmarshalText([]byte(other)) != nil {
			return
		}
		if p.Covers(q) && q.Match(ch) && !p.Match(ch) {
			t.Errorf("%q covers %q, and only the other matches %q", one, other, name)
		}
		if !p.Covers(p) {
			t.Errorf("%q does not cover itself", one)
		}
		if len(name) < p.Shortest() && p.Match(ch) {
			t.Errorf("%q matches %q, and what it matches has %d bytes at least", one, name, p.Shortest())
		}
	})
}
