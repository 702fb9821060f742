// Package pattern is how a file and a token name channels.
package pattern

import (
	"fmt"
	"strings"

	"github.com/pabal/pabal"
)

// A Pattern is a channel's name in which * may stand: in a segment for any
// part of it, even none; alone for a whole segment; and alone at the end for
// all that lies below, however deep. Pabal's own channels are matched only by
// what begins with $.
type Pattern string

// UnmarshalText parses a pattern. It refuses one that no channel matches.
func (p *Pattern) UnmarshalText(text []byte) error {
	name := string(text)
	if name == "" {
		return fmt.Errorf("an empty pattern matches no channel; write a name, one with * for a part of it, or * for all")
	}
	if strings.Contains(name, "**") {
		return fmt.Errorf("%q has two * in a row, and one says it all: at the end, as in sports/*, for whatever is below", name)
	}
	if _, err := pabal.ParseChannel(strings.ReplaceAll(name, "*", "x")); err != nil {
		return fmt.Errorf("%q matches no channel: %w", name, err)
	}
	*p = Pattern(name)
	return nil
}

// Match reports whether ch is one of the channels that p names.
func (p Pattern) Match(ch pabal.Channel) bool {
	if ch.Own() && !strings.HasPrefix(string(p), "$") {
		return false
	}
	for pattern, name := string(p), string(ch); ; {
		want, wanted, moreWanted := strings.Cut(pattern, "/")
		if want == "*" && !moreWanted {
			return true
		}
		segment, rest, more := strings.Cut(name, "/")
		if more != moreWanted || !matchSegment(want, segment) {
			return false
		}
		if !more {
			return true
		}
		pattern, name = wanted, rest
	}
}

// matchSegment reports whether segment is glob with something, or nothing, for
// each * of it.
func matchSegment(glob, segment string) bool {
	g, s := 0, 0
	star, from := -1, 0 // the last * there was, and where what follows it was last looked for
	for s < len(segment) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, from = g, s
			g++
		case g < len(glob) && glob[g] == segment[s]:
			g++
			s++
		case star >= 0:
			from++
			g, s = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}

// Covers reports whether p matches whatever q does.
func (p Pattern) Covers(q Pattern) bool {
	// What matches q as it is written has, for each * of q, something that only a
	// * of p can match, whatever it is.
	return p.Match(pabal.Channel(q)) && (p.below() || !q.below())
}

// below reports whether p matches all that lies below something.
func (p Pattern) below() bool { return p == "*" || strings.HasSuffix(string(p), "/*") }

// Shortest returns how long a name is at least that p matches.
func (p Pattern) Shortest() int {
	n := 0
	for segment := range strings.SplitSeq(string(p), "/") {
		n += 1 + max(1, len(segment)-strings.Count(segment, "*"))
	}
	return n - 1
}
