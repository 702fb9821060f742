package pabal

import (
	"slices"
	"time"
)

// A loop that gives one session's batch to many readers who stand at the same
// place steps that session only. The others have no part in it until
// [Session.Stand] puts them where their readers have got to.

// Plain reports whether s stands at the end of the one channel that it reads,
// all of whose entries it wants as they come.
func (s *Session) Plain() bool {
	if len(s.places) != 1 || s.options.Latest || s.options.Every > 0 {
		return false
	}
	p := &s.places[0]
	return p.live && !p.done && p.at != nil
}

// Stand has s, which once was plain, go on after p, a position that another
// session was given in its channel; if done, it has been told there that the
// channel is closed. Until the next step it pins nothing.
func (s *Session) Stand(p Position, done bool) {
	place := &s.places[0]
	place.at, place.catch, place.pos, place.done = nil, nil, p, done
}

// Rewind takes back all but the first n items of b, with which s got to where
// it stands: the next step gives them again, without a rest before, or says why
// it cannot.
func (s *Session) Rewind(b *Batch, n int) {
	if n < len(b.Items) {
		s.due = time.Time{}
	}
	for _, it := range slices.Backward(b.Items[n:]) {
		p := &s.places[it.Place]
		switch {
		case it.Notice != nil && it.Notice.Kind == NoticeLive:
			p.live = false
		case it.Notice != nil && it.Notice.Kind == NoticeClosed:
			p.done = false
		default:
			p.at, p.catch, p.pos = nil, nil, it.from
			if !p.live { // only the log's end is where to say so, and its tail may be late
				p.catch = &catchUp{from: After(p.pos)}
			}
		}
	}
	s.Gave(b, n, -1)
}

// Gave counts the entries of b after its first n as given so many times more
// than by the step that gave them.
func (s *Session) Gave(b *Batch, n, times int) {
	entries := 0
	for _, it := range b.Items[n:] {
		if it.Entry != nil {
			entries++
		}
	}
	s.hub.delivered.Add(uint64(entries * times))
}

// Ended reports whether s has come to the end of its i-th channel, which is
// closed.
func (s *Session) Ended(i int) bool { return s.places[i].done }
