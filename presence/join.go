package presence

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/pabal/pabal"
)

var errAbsent = errors.New("the connection has left while it was about to join")

// Join has the holder of g present in ch, with data, or g's if that is nil,
// from when it returns without an error until Leave was called as often. A
// member keeps data that was given before when it joins again without. With
// stay it is present for so long, or until the next Join, and no Leave is owed.
//
// It returns once the entry is kept; where only counts are, at once. While the
// broker fails it waits until ctx ends, unless the broker says why.
func (s *Service) Join(ctx context.Context, g pabal.Grant, ch pabal.Channel, data []byte, stay time.Duration) error {
	own := data != nil
	if !own {
		data = g.Data
	}
	data, err := s.check(&g, ch, data)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.emptied != nil {
		s.mu.Unlock()
		return pabal.ErrHubClosed
	}
	r := s.enter(ch)
	m, err := s.admit(r, keyOf(g.Connection))
	if err != nil {
		s.mu.Unlock()
		return err
	}
	before := *m
	s.hold(m, stay)
	mine := m.stay
	s.describe(m, g.User, data, own)
	w := s.announce(m)
	s.mu.Unlock()
	if w == nil {
		return nil
	}
	select {
	case <-w.done:
		err = w.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-s.ctx.Done():
		err = pabal.ErrHubClosed
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.release(m, mine, &before)
	}
	return err
}

// release takes back a Join that has set m's stay to mine, so that m is there
// for as long as it was to be before.
func (s *Service) release(m *member, mine int64, before *member) {
	r := m.alarm.room
	if r.members[m.key] != m {
		return // it is gone already
	}
	if mine == 0 {
		m.refs = max(0, m.refs-1)
	}
	if m.stay == mine {
		m.stay = before.stay
	}
	m.linger = max(m.linger, before.linger)
	s.rest(m)
	s.queue(m)
}

// check reports why the holder of g may not be present in ch with data, which
// it returns as it is kept.
func (s *Service) check(g *pabal.Grant, ch pabal.Channel, data []byte) ([]byte, error) {
	limits := s.hub.Limits()
	if ch.Own() {
		return nil, &pabal.ForbiddenError{Action: pabal.ToRead, Channel: ch, Why: "it is one of Pabal's own, in which nobody is"}
	}
	if _, err := limits.CheckChannel(pabal.Presence + string(ch)); err != nil {
		return nil, err
	}
	if err := g.Check(pabal.ToRead, ch); err != nil {
		return nil, err
	}
	if s.config.Mode(ch) == Off {
		return nil, &pabal.InvalidError{Detail: "presence is off in this channel's namespace: read it without being present, or have it turned on in the configuration"}
	}
	if g.Connection == "" {
		return nil, &pabal.InvalidError{Detail: "who is present is known by its connection: give one as ?connection=, 22 to 64 random characters"}
	}
	if data == nil {
		return nil, nil
	}
	return checkData(data)
}

// hold counts one more Join of m.
func (s *Service) hold(m *member, stay time.Duration) {
	if m.flags.taken { // it comes back from another node, whose entry is not this one's to end
		m.at, m.flags.taken, m.flags.written = pabal.Position{}, false, false
	}
	m.linger, m.stay, m.flags.said = 0, 0, false
	if stay > 0 {
		m.stay = s.now() + int64(stay)
		s.rest(m)
		return
	}
	m.refs++
}

// describe sets what others see of m.
func (s *Service) describe(m *member, user string, data []byte, own bool) {
	if !own && m.flags.given {
		data = m.data
	}
	m.flags.given = m.flags.given || own
	if m.user != user || !bytes.Equal(m.data, data) {
		m.user, m.data = user, data
		m.flags.changed = true // also if what it was is being written just now
	}
}

// announce has m written if it is not yet as it is now. It returns whom to
// wait for; nil: nobody.
func (s *Service) announce(m *member) *waiter {
	r := m.alarm.room
	if r.mode == CountsOnly {
		s.queue(m)
		return nil
	}
	if m.flags.written && !m.flags.changed {
		return nil
	}
	if m.waiter == nil {
		m.waiter = &waiter{done: make(chan struct{})}
	}
	s.queue(m)
	return m.waiter
}

// EndStay has the holder of g, who wants to be absent, present for no longer
// than it holds on, whatever stay it was given. It does not block.
func (s *Service) EndStay(g pabal.Grant, ch pabal.Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[ch]; r != nil {
		if m := r.members[keyOf(g.Connection)]; m != nil {
			s.endStay(m)
		}
	}
}

// endStay has m be present for no longer than it holds on.
func (s *Service) endStay(m *member) {
	if m.stay = 0; m.refs == 0 {
		m.linger, m.flags.said = 0, true
		s.queue(m)
	}
}

// Leave has the holder of g absent: at once, or if it does not come again
// within [Config].Linger. It does not block, and what it is about need not have
// joined.
func (s *Service) Leave(g pabal.Grant, ch pabal.Channel, atOnce bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[ch]
	if r == nil {
		return
	}
	m := r.members[keyOf(g.Connection)]
	if m == nil || m.refs == 0 && !atOnce {
		return
	}
	if m.refs = max(0, m.refs-1); m.refs > 0 {
		return
	}
	if atOnce {
		m.stay, m.linger, m.flags.said = 0, 0, true
		s.queue(m)
		return
	}
	m.linger = s.now() + int64(s.config.Linger)
	s.rest(m)
}
