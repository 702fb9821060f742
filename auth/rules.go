package auth

import (
	"slices"
	"strings"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/pattern"
)

// Actions are a set of actions.
type Actions uint8

// All are all actions.
const All = Actions(1<<pabal.ToRead | 1<<pabal.ToPublish | 1<<pabal.ToCall | 1<<pabal.ToSee)

// ActionsOf returns the set of as.
func ActionsOf(as ...pabal.Action) (set Actions) {
	for _, a := range as {
		set |= 1 << a
	}
	return set
}

// Has reports whether a is in s.
func (s Actions) Has(a pabal.Action) bool { return s>>a&1 != 0 }

// anyone is what anybody may, without a token.
type anyone struct {
	may func(pabal.Channel) Actions // nil: nothing
}

// Allow reports whether anybody may a with ch.
func (r *anyone) Allow(a pabal.Action, ch pabal.Channel) bool {
	if ch.Own() && (a != pabal.ToRead || strings.HasPrefix(string(ch), pabal.Calls)) {
		return false
	}
	return r.may != nil && r.may(ch).Has(a)
}

// rules are what a token allows, beside what anybody may.
type rules struct {
	lists  [4]list // by action
	anyone *anyone
}

func newRules(c *Claims, anyone *anyone) *rules {
	r := &rules{anyone: anyone}
	for a, names := range c.Rights.lists() {
		r.lists[a] = newList(*names)
	}
	return r
}

// Allow reports whether the token allows a with ch, or anybody may.
func (r *rules) Allow(a pabal.Action, ch pabal.Channel) bool {
	return int(a) < len(r.lists) && r.lists[a].has(ch) || r.anyone.Allow(a, ch)
}

// A list is what one list of a token names. Most tokens name their channels,
// which are found without a look at each.
type list struct {
	names    []pabal.Channel // sorted
	patterns []pattern.Pattern
}

func newList(names []string) (l list) {
	for _, name := range names {
		if strings.Contains(name, "*") {
			l.patterns = append(l.patterns, pattern.Pattern(name))
		} else {
			l.names = append(l.names, pabal.Channel(name))
		}
	}
	slices.Sort(l.names)
	return l
}

func (l *list) has(ch pabal.Channel) bool {
	if _, ok := slices.BinarySearch(l.names, ch); ok {
		return true
	}
	return slices.ContainsFunc(l.patterns, func(p pattern.Pattern) bool { return p.Match(ch) })
}
