// Package arms keeps who is to be woken, each once until it arms again.
package arms

import "sync/atomic"

// An Arm is the registration of one who is to be woken.
type Arm[W comparable] struct {
	Waker W

	users int
	index int // in armed, or -1
	set   atomic.Bool
}

// Armed reports whether it is sure to be woken. It needs no lock.
func (a *Arm[W]) Armed() bool { return a.set.Load() }

// A Set is all who may be woken. It needs a lock around it.
type Set[W comparable] struct {
	all   map[W]*Arm[W]
	armed []*Arm[W]
	spare []*Arm[W] // the armed list before last, for reuse
}

// Take returns who is to be woken. They must arm again. Give takes the list
// back.
func (s *Set[W]) Take() []*Arm[W] {
	list := s.armed
	if len(list) == 0 {
		return nil
	}
	s.armed, s.spare = s.spare[:0], nil
	for _, a := range list {
		a.index = -1
		a.set.Store(false)
	}
	return list
}

// Give takes back a list of Take that is not used any more.
func (s *Set[W]) Give(list []*Arm[W]) {
	if s.spare == nil {
		s.spare = list[:0]
	}
}

// Add counts one more user of w.
func (s *Set[W]) Add(w W) *Arm[W] {
	a := s.all[w]
	if a == nil {
		a = &Arm[W]{Waker: w, index: -1}
		if s.all == nil {
			s.all = map[W]*Arm[W]{}
		}
		s.all[w] = a
	}
	a.users++
	return a
}

// Remove counts one user less.
func (s *Set[W]) Remove(a *Arm[W]) {
	if a.users--; a.users > 0 {
		return
	}
	delete(s.all, a.Waker)
	if a.index < 0 {
		return
	}
	last := len(s.armed) - 1
	s.armed[a.index] = s.armed[last]
	s.armed[a.index].index = a.index
	s.armed[last], a.index = nil, -1
	s.armed = s.armed[:last]
}

// Arm has a woken by the next Take.
func (s *Set[W]) Arm(a *Arm[W]) {
	if a.index < 0 && a.users > 0 {
		a.index = len(s.armed)
		s.armed = append(s.armed, a)
		a.set.Store(true)
	}
}
