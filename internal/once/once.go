// Package once knows what was published under which ID, for a while, so that
// a repeat is kept once. It is what embedded brokers share.
package once

import (
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// A Set knows the IDs of all namespaces. Its zero value is empty. It may be
// used by any number of goroutines; that the answer of [Set.Find] still holds
// at [Set.Add] is for the caller to see to.
type Set struct {
	mu     sync.Mutex
	spaces map[string]*space
}

// A space is the IDs of one namespace. They are numbered as they come.
type space struct {
	window time.Duration
	limit  int
	known  map[Name]Use
	queue  []named // oldest first
	first  uint64  // number of the oldest
}

// A Name is what an ID names: a message of a channel, or a batch.
type Name struct {
	Channel pabal.Channel
	ID      string
	Batch   bool
}

type named struct {
	Name
	at time.Time
}

// A Use is what was published under a [Name].
type Use struct {
	Digest pabal.Digest
	End    pabal.Position // of the last message, or where the log ended if there was none
	N      int            // messages
}

// Known is a name with its use, as it can be written down and given back to
// [Set.Restore].
type Known struct {
	Name
	Use
	At     time.Time
	Number uint64 // in its namespace; they grow by one
}

// space returns the space of keep's namespace, with the bounds that keep says.
func (s *Set) space(keep *pabal.Retention) *space {
	sp := s.spaces[keep.Namespace]
	if sp == nil {
		if s.spaces == nil {
			s.spaces = map[string]*space{}
		}
		sp = &space{known: map[Name]Use{}}
		s.spaces[keep.Namespace] = sp
	}
	sp.window, sp.limit = keep.IDWindow, keep.IDs
	return sp
}

// Find returns what c named before: nil if it is new. An error refuses c.
func (s *Set) Find(c *Claim, now time.Time) (*pabal.Appended, error) {
	if c == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.space(c.keep)
	sp.expire(now)
	if c.batch != nil {
		if u, ok := sp.known[c.batch.Name]; ok && u.Digest != c.batch.digest {
			return nil, pabal.ErrConflict
		} else if ok {
			c.Whole = true
			return u.appended(), nil
		}
	}
	return sp.findEach(c)
}

func (sp *space) findEach(c *Claim) (*pabal.Appended, error) {
	found := pabal.Appended{Duplicate: true}
	inOrder := true
	var within map[string]pabal.Digest
	if len(c.each) > 1 {
		within = make(map[string]pabal.Digest, len(c.each))
	}
	for _, m := range c.each {
		if m.ID == "" {
			continue
		}
		if twin, ok := within[m.ID]; ok && twin != m.digest {
			return nil, pabal.ErrConflict
		} else if ok {
			inOrder = false
		}
		if within != nil {
			within[m.ID] = m.digest
		}
		u, ok := sp.known[m.Name]
		if !ok {
			continue
		}
		if u.Digest != m.digest {
			return nil, pabal.ErrConflict
		}
		inOrder = inOrder && (len(found.Positions) == 0 || found.End.Offset < u.End.Offset)
		found.Positions = append(found.Positions, u.End)
		found.End = u.End
	}
	switch {
	case len(found.Positions) == 0 && inOrder:
		return nil, nil
	case len(found.Positions) < len(c.each) || !inOrder:
		return nil, pabal.ErrPartial
	}
	known := found // here, since most often nothing is found and nothing need be allocated
	return &known, nil
}

func (u Use) appended() *pabal.Appended {
	a := &pabal.Appended{End: u.End, Duplicate: true}
	for i := range u.N {
		a.Positions = append(a.Positions, pabal.Position{Epoch: u.End.Epoch, Offset: u.End.Offset - pabal.Offset(u.N-1-i)})
	}
	return a
}

// Add remembers what c names, and says each to keep, if that is not nil.
func (s *Set) Add(c *Claim, done *pabal.Appended, now time.Time, keep func(Known)) {
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.space(c.keep)
	put := func(n Name, u Use) {
		k := Known{n, u, now, sp.first + uint64(len(sp.queue))}
		sp.put(&k)
		if keep != nil {
			keep(k)
		}
	}
	for i, m := range c.each {
		if m.ID != "" {
			put(m.Name, Use{m.digest, done.Positions[i], 1})
		}
	}
	if c.batch != nil {
		put(c.batch.Name, Use{c.batch.digest, done.End, len(done.Positions)})
	}
	sp.expire(now)
}

func (sp *space) put(k *Known) {
	sp.known[k.Name] = k.Use
	sp.queue = append(sp.queue, named{k.Name, k.At})
}

// Restore puts back what was known in the namespace of keep. Of each
// namespace they must come in the order of their numbers.
func (s *Set) Restore(k Known, keep *pabal.Retention) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.space(keep)
	if len(sp.queue) == 0 {
		sp.first = k.Number
	}
	sp.put(&k)
}

// Sweep forgets the IDs whose window has passed. It says to kept, if that is
// not nil, the lowest number of each namespace that may still be known.
func (s *Set) Sweep(now time.Time, kept func(namespace string, first uint64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, sp := range s.spaces {
		sp.expire(now)
		if kept != nil {
			kept(name, sp.first)
		}
	}
}

func (sp *space) expire(now time.Time) {
	for len(sp.queue) > 0 && (len(sp.queue) > sp.limit || now.Sub(sp.queue[0].at) >= sp.window) {
		delete(sp.known, sp.queue[0].Name)
		sp.queue[0] = named{}
		sp.queue = sp.queue[1:]
		sp.first++
	}
}

// Len returns how many IDs are known.
func (s *Set) Len() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.spaces {
		n += len(sp.queue)
	}
	return n
}

// All says to yield what is known, of each namespace the oldest first.
func (s *Set) All(yield func(namespace string, k Known)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, sp := range s.spaces {
		for i := range len(sp.queue) {
			n := sp.queue[i]
			yield(name, Known{n.Name, sp.known[n.Name], n.at, sp.first + uint64(i)})
		}
	}
}
