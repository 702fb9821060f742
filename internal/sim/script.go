package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// An Action is one step of a script: what is done, and numbers from which
// follows to whom, and how. An action that cannot be done does nothing.
type Action struct {
	Kind string
	N    [4]uint32
}

func (a Action) String() string { return fmt.Sprintf("%s %v", a.Kind, a.N) }

// Of returns which of n is meant by the i-th number.
func (a Action) Of(i, n int) int {
	if n <= 0 {
		return 0
	}
	return int(a.N[i] % uint32(n))
}

// A Kind is a kind of action, and how often it comes.
type Kind struct {
	Name   string
	Weight int
}

// A Script is what happens, in order.
type Script []Action

// Write writes the script of a seed.
func Write(seed uint64, steps int, kinds []Kind) Script {
	random := rand.New(rand.NewPCG(seed, 0))
	total := 0
	for _, k := range kinds {
		total += k.Weight
	}
	s := make(Script, steps)
	for i := range s {
		at := random.IntN(total)
		for _, k := range kinds {
			if at -= k.Weight; at < 0 {
				s[i].Kind = k.Name
				break
			}
		}
		for j := range s[i].N {
			s[i].N[j] = random.Uint32()
		}
	}
	return s
}

func (s Script) String() string {
	lines := make([]string, len(s))
	for i, a := range s {
		lines[i] = a.String()
	}
	return strings.Join(lines, "\n")
}

// Shrink returns a part of s that fails still, after at most so many tries: it
// leaves out halves, quarters, and so on down to single actions, then makes
// numbers small. fails is asked about each.
func Shrink(s Script, tries int, fails func(Script) bool) Script {
	try := func(less Script) bool {
		tries--
		return tries >= 0 && fails(less)
	}
	for size := (len(s) + 1) / 2; size > 0 && tries > 0; {
		shorter := false
		for at := 0; at < len(s) && tries > 0; {
			less := slices.Delete(slices.Clone(s), at, min(at+size, len(s)))
			if try(less) {
				s, shorter = less, true
			} else {
				at += size
			}
		}
		if !shorter || size > len(s) {
			size /= 2
		}
	}
	for i := range s {
		for j := range s[i].N {
			for _, n := range []uint32{0, 1, s[i].N[j] % 100} {
				if n >= s[i].N[j] || tries <= 0 {
					continue
				}
				less := slices.Clone(s)
				less[i].N[j] = n
				if try(less) {
					s = less
					break
				}
			}
		}
	}
	return s
}
