package memory

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/pabal/pabal"
)

// ids knows what was published under which ID, for a while.
type ids struct {
	window time.Duration
	limit  int

	mu    sync.Mutex
	known map[name]use
	queue ring[named] // oldest first
}

// A name is what an ID names: a message of a channel, or a batch.
type name struct {
	channel pabal.Channel
	id      string
	batch   bool
}

type named struct {
	name
	at time.Time
}

// A use is what was published under a name.
type use struct {
	digest pabal.Digest
	end    pabal.Position // of the last message, or where the log ended if there was none
	n      int            // messages
}

// A claim is the names that a publish uses.
type claim struct {
	batch *claimed
	each  []claimed // for each message; without an ID, no name
	whole bool      // it is the batch that was found
}

type claimed struct {
	name
	digest pabal.Digest
}

// claimOf returns the names that p uses, nil if there are none.
func claimOf(ch pabal.Channel, p *pabal.Publish) *claim {
	named := func(m pabal.Message) bool { return m.ID != "" }
	if p.BatchID == "" && !slices.ContainsFunc(p.Messages, named) {
		return nil
	}
	c := &claim{each: make([]claimed, len(p.Messages))}
	for i := range p.Messages {
		if m := &p.Messages[i]; m.ID != "" || p.BatchID != "" {
			c.each[i] = claimed{name{channel: ch, id: m.ID}, m.Digest()}
		}
	}
	if p.BatchID != "" {
		c.batch = &claimed{name{channel: ch, id: p.BatchID, batch: true}, c.digest(p.Close)}
	}
	return c
}

// digest returns the digest of a whole batch.
func (c *claim) digest(closes bool) pabal.Digest {
	var text []byte
	for i := range c.each {
		text = binary.AppendUvarint(text, uint64(len(c.each[i].id)))
		text = append(text, c.each[i].id...)
		text = append(text, c.each[i].digest[:]...)
	}
	if closes {
		text = append(text, 'c')
	}
	sum := sha256.Sum256(text)
	return pabal.Digest(sum[:16])
}

// find returns what c named before: nil if it is new.
func (s *ids) find(c *claim, now time.Time) (*pabal.Appended, error) {
	if c == nil {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	if c.batch != nil {
		if u, ok := s.known[c.batch.name]; ok && u.digest != c.batch.digest {
			return nil, pabal.ErrConflict
		} else if ok {
			c.whole = true
			return u.appended(), nil
		}
	}
	return s.findEach(c)
}

func (s *ids) findEach(c *claim) (*pabal.Appended, error) {
	found := pabal.Appended{Duplicate: true}
	inOrder := true
	var within map[string]pabal.Digest
	if len(c.each) > 1 {
		within = make(map[string]pabal.Digest, len(c.each))
	}
	for _, m := range c.each {
		if m.id == "" {
			continue
		}
		if twin, ok := within[m.id]; ok && twin != m.digest {
			return nil, pabal.ErrConflict
		} else if ok {
			inOrder = false
		}
		if within != nil {
			within[m.id] = m.digest
		}
		u, ok := s.known[m.name]
		if !ok {
			continue
		}
		if u.digest != m.digest {
			return nil, pabal.ErrConflict
		}
		inOrder = inOrder && (len(found.Positions) == 0 || found.End.Offset < u.end.Offset)
		found.Positions = append(found.Positions, u.end)
		found.End = u.end
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

func (u use) appended() *pabal.Appended {
	a := &pabal.Appended{End: u.end, Duplicate: true}
	for i := range u.n {
		a.Positions = append(a.Positions, pabal.Position{Epoch: u.end.Epoch, Offset: u.end.Offset - pabal.Offset(u.n-1-i)})
	}
	return a
}

// add remembers what c names.
func (s *ids) add(c *claim, done *pabal.Appended, now time.Time) {
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range c.each {
		if m.id != "" {
			s.put(named{m.name, now}, use{m.digest, done.Positions[i], 1})
		}
	}
	if c.batch != nil {
		s.put(named{c.batch.name, now}, use{c.batch.digest, done.End, len(done.Positions)})
	}
	s.expire(now)
}

func (s *ids) put(n named, u use) {
	if s.known == nil {
		s.known = map[name]use{}
	}
	s.known[n.name] = u
	s.queue.push(n)
}

// sweep forgets the IDs whose window has passed.
func (s *ids) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
}

func (s *ids) expire(now time.Time) {
	for s.queue.len() > 0 && (s.queue.len() > s.limit || now.Sub(s.queue.at(0).at) >= s.window) {
		delete(s.known, s.queue.pop().name)
	}
}
