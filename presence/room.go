package presence

import (
	"fmt"

	"github.com/pabal/pabal"
)

// A room is a channel in which somebody is by way of this node.
type room struct {
	alarm   alarm
	channel pabal.Channel
	log     pabal.Channel // of its presence
	mode    Mode

	members map[key]*member
	pending []*member // of whom something may have to be written
	stage   stage
	due     int64 // nothing is written before
	batch   *batch
	counted int // counts only: what was written; -1: that is not known
	look
	place
}

// A stage is what becomes of a room just now.
type stage uint8

const (
	idle    stage = iota
	ready         // it is among the rooms to be worked on
	working       // somebody works on it
	held          // nobody may, since its log is being deleted
)

// look is what has to be read.
type look struct {
	follow   bool // what has come to the session, or whether one is needed
	truth    bool // all there is, from the broker itself
	failures int  // of reading or writing, in a row
}

// A place is where the room's log was read to. Of its fields only the worker
// writes the first two.
type place struct {
	session *pabal.Session // nil: the log is not followed
	seen    pabal.Position // nothing that others wrote before matters; zero: nothing is known
	passed  uint64         // how many entries were read or written
	oldest  uint64         // when nobody's entry was older than that

	countedAt pabal.Position   // of the last count that this node wrote
	others    map[key]struct{} // who is present by way of other nodes; nil: nobody knows
}

// A member is a connection in a room.
type member struct {
	alarm  alarm
	key    key
	user   string
	data   []byte // JSON, or nil
	refs   int32  // how often it has joined and not left
	flags  flags
	stay   int64          // until when it is present though it does not hold on
	linger int64          // until when it may come back
	at     pabal.Position // of the last entry of its key that is known; zero: there is none that says that it is there
	passed uint64         // of the room, when it was written
	waiter *waiter
}

type flags struct {
	queued  bool // it is among the room's pending
	written bool // the last entry of its key, at, says that it is there
	changed bool // it is written with other data than it has, or too long ago
	taken   bool // that entry is another node's
	given   bool // its data is its own, not its grant's
	said    bool // it said that it leaves
}

// A waiter is told when what a member is now is in the log, or why not.
type waiter struct {
	done chan struct{}
	err  error
}

// resolve tells who waits for m, if anybody does.
func (m *member) resolve(err error) {
	if m.waiter != nil {
		m.waiter.err = err
		close(m.waiter.done)
		m.waiter = nil
	}
}

// present reports whether m is to be in the set.
func (m *member) present(now int64) bool { return m.refs > 0 || now < m.stay || now < m.linger }

// lingers reports whether m is in the set only because it may come back.
func (m *member) lingers(now int64) bool { return m.refs == 0 && now >= m.stay }

// enter returns the room of ch, made if need be.
func (s *Service) enter(ch pabal.Channel) *room {
	r := s.rooms[ch]
	if r == nil {
		r = &room{channel: ch, log: pabal.Presence + ch, mode: s.config.Mode(ch), members: map[key]*member{}}
		r.alarm.room = r
		r.follow = !s.alone()
		s.rooms[ch] = r
	}
	return r
}

// admit returns the member k of r, made if there is room for it.
func (s *Service) admit(r *room, k key) (*member, error) {
	if m := r.members[k]; m != nil {
		return m, nil
	}
	if _, hops := r.others[k]; !hops && len(r.members)+len(r.others) >= s.config.Members {
		if len(r.members) == 0 {
			s.start(r) // it may be new, and nobody is in it
		}
		return nil, &pabal.LimitError{Limit: "members", Max: s.config.Members, What: fmt.Sprintf("one more member of channel %.80q", r.channel), Retry: s.config.Linger}
	}
	m := &member{key: k}
	m.alarm.room, m.alarm.of = r, m
	r.members[k] = m
	return m, nil
}

// expel forgets m, of which nothing is in the log.
func (s *Service) expel(m *member) {
	m.resolve(errAbsent)
	s.unset(&m.alarm)
	if r := m.alarm.room; r.members[m.key] == m {
		delete(r.members, m.key)
	}
}

// rest reports whether m is present only until some time, at which it has it
// looked at again.
func (s *Service) rest(m *member) bool {
	until := max(m.stay, m.linger)
	if m.refs > 0 || until <= s.now() {
		return m.refs > 0
	}
	s.set(&m.alarm, until)
	return true
}

// queue has it seen to that what is written of m is true.
func (s *Service) queue(m *member) {
	r := m.alarm.room
	if !m.flags.queued {
		m.flags.queued = true
		r.pending = append(r.pending, m)
	}
	s.start(r)
}

// start has r worked on.
func (s *Service) start(r *room) {
	if r.stage != idle || s.stopped {
		return
	}
	r.stage = ready
	s.ready = append(s.ready, r)
	if s.workers < maxWorkers {
		s.workers++
		s.work.Go(s.runWorker)
	}
}

// clear has all members of r leave.
func (s *Service) clear(r *room) {
	for _, m := range r.members {
		m.refs, m.stay, m.linger = 0, 0, 0
		if !m.flags.written {
			m.resolve(pabal.ErrHubClosed)
		}
		s.queue(m)
	}
	s.start(r)
}
