package presence

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/pabal/pabal"
)

const (
	maxWorkers   = 16
	writeTimeout = 10 * time.Second
	countEvery   = time.Second
)

// A batch is one publish. While its outcome is unknown it is repeated as it
// is, and nothing else is written.
type batch struct {
	publish pabal.Publish
	members []*member
	leaves  bool // they leave
	count   int  // if the room is counted only
}

// A task is what is to be done next in a room.
type task uint8

const (
	toRest task = iota
	toRead
	toWrite
)

// runWorker works on rooms until none is ready.
func (s *Service) runWorker() {
	for {
		s.mu.Lock()
		if len(s.ready) == 0 || s.ctx.Err() != nil {
			s.workers--
			s.mu.Unlock()
			return
		}
		r := s.ready[0]
		s.ready = s.ready[1:]
		r.stage = working
		s.mu.Unlock()
		for s.step(r) {
		}
	}
}

// step does what is next in r. It reports false if there is nothing.
func (s *Service) step(r *room) bool {
	s.mu.Lock()
	do, truth := s.plan(r)
	b := r.batch
	s.mu.Unlock()
	switch do {
	case toRead:
		s.read(r, truth)
	case toWrite:
		s.write(r, b)
	case toRest:
		return false
	}
	return true
}

// plan returns what is to be done next in r, and with toRead whether all there
// is must be read.
func (s *Service) plan(r *room) (do task, truth bool) {
	now := s.now()
	switch {
	case s.ctx.Err() != nil:
		r.stage = idle
		return toRest, false
	case r.failures > 0 && now < r.due:
		return s.await(r), false
	case r.batch == nil && (r.follow || r.truth) && len(r.members) > 0:
		truth = r.truth
		r.follow, r.truth = false, false
		return toRead, truth
	case !s.lease.held(now): // what is written now could outlive it
		signal(s.renew)
		r.stage = idle
		return toRest, false
	}
	if r.batch == nil {
		if now < r.due && len(r.pending) > 0 {
			return s.await(r), false
		}
		if r.batch = s.form(r, now); r.batch == nil && r.truth && len(r.members) > 0 {
			return s.plan(r)
		}
	}
	if r.batch != nil {
		return toWrite, false
	}
	r.stage = idle
	if len(r.members) == 0 && r.counted == 0 {
		s.leaveRoom(r)
	}
	return toRest, false
}

// await leaves r until it is due.
func (s *Service) await(r *room) task {
	r.stage = idle
	s.set(&r.alarm, r.due)
	return toRest
}

// leaveRoom forgets r, in which nobody is.
func (s *Service) leaveRoom(r *room) {
	s.unset(&r.alarm)
	if r.session != nil {
		r.session.Close()
		r.session = nil
	}
	if s.rooms[r.channel] == r {
		delete(s.rooms, r.channel)
		delete(s.failing, string(r.log))
	}
	s.checkEmpty()
}

// form returns what is to be written of r: who comes, or else who goes.
func (s *Service) form(r *room, now int64) *batch {
	pending := r.pending
	r.pending = nil
	var come, goes []*member
	for _, m := range pending {
		switch here := m.present(now); {
		case here && r.mode == On && (!m.flags.written || m.flags.changed):
			come = append(come, m)
		case here:
			m.flags.queued = false
			m.resolve(nil)
		case m.at != pabal.Position{} && !m.flags.taken:
			goes = append(goes, m)
		default:
			m.flags.queued = false
			s.expel(m)
		}
	}
	switch {
	case r.mode == CountsOnly:
		return s.formCount(r, now)
	case len(come) > 0:
		b := &batch{}
		r.pending = append(s.fill(b, come), goes...)
		s.seal(r, b, now)
		return b
	case len(goes) == 0:
		return nil
	case r.seen == pabal.Position{}:
		r.truth, r.pending = true, goes
		return nil
	}
	b := &batch{leaves: true, publish: pabal.Publish{If: new(r.seen)}}
	r.pending = s.fill(b, goes)
	s.seal(r, b, now)
	return b
}

// fill puts members into b, and returns those for which there is no room.
func (s *Service) fill(b *batch, members []*member) (rest []*member) {
	limits := s.hub.Limits()
	bytes := 0
	for i, m := range members {
		message := s.entry(m, b.leaves)
		if bytes += len(message.Data); i == limits.BatchMessages || i > 0 && bytes > limits.BatchBytes {
			return slices.Clone(members[i:])
		}
		b.publish.Messages = append(b.publish.Messages, message)
		b.members = append(b.members, m)
		m.flags.queued, m.flags.changed = false, false
		if b.leaves {
			m.flags.written = false // who comes back from now on has to be written anew
		}
	}
	return nil
}

// entry returns what is to be written of m.
func (s *Service) entry(m *member, leaves bool) pabal.Message {
	b := body{User: m.user, Data: m.data, Node: s.node}
	kind := typeJoin
	switch {
	case leaves:
		kind, b.Data, b.Reason = typeLeave, nil, gone
		if m.flags.said {
			b.Reason = left
		}
	case m.flags.written:
		kind = typeChange
	}
	return b.message(kind, string(m.key[:]))
}

// seal gives b its name, and says when the next batch of r may follow.
func (s *Service) seal(r *room, b *batch, now int64) {
	s.batches++
	b.publish.BatchID = s.node + "/" + strconv.FormatUint(s.batches, 36)
	if r.due = now; len(r.pending) == 0 {
		r.due += int64(s.config.Coalesce)
	}
}

// formCount returns how many are in r, if that is not in the log.
func (s *Service) formCount(r *room, now int64) *batch {
	n := len(r.members)
	if n == 0 && r.counted < 0 {
		r.counted = 0
	}
	if n == r.counted {
		return nil
	}
	b := &batch{count: n}
	count := body{Connections: &n}
	b.publish.Messages = []pabal.Message{count.message(typeCount, s.node)}
	s.seal(r, b, now)
	r.due = now + int64(countEvery)
	return b
}

// write publishes b, which is r's.
func (s *Service) write(r *room, b *batch) {
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	done, err := s.hub.Publish(ctx, own, r.log, b.publish)
	cancel()
	if err != nil {
		s.refused(r, b, err)
		return
	}
	s.worked(string(r.log))
	s.mu.Lock()
	defer s.mu.Unlock()
	r.batch, r.failures = nil, 0
	if first := done.Positions[0]; r.seen == (pabal.Position{}) || first.Epoch == r.seen.Epoch && first.Offset == r.seen.Offset+1 {
		r.seen = done.End // nothing lies between
	}
	if r.mode == CountsOnly {
		r.counted = b.count
		r.countedAt = done.End
	}
	now := s.now()
	for i, m := range b.members {
		r.passed++
		if b.leaves {
			m.at = pabal.Position{}
			if !m.present(now) {
				s.expel(m)
			}
			continue
		}
		m.at, m.passed = done.Positions[i], r.passed
		m.flags.written, m.flags.taken = true, false
		if !m.flags.changed {
			m.resolve(nil)
		}
		if !m.present(now) {
			s.queue(m)
		}
	}
	s.refresh(r)
}

// refused deals with the failure of b.
func (s *Service) refused(r *room, b *batch, err error) {
	moved := errors.Is(err, pabal.ErrMoved)
	if !moved {
		s.failed(string(r.log), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backOff(r)
	nothing, told := meaning(err)
	if moved {
		if r.truth = true; r.failures <= 2 {
			r.due = s.now()
		}
	}
	for _, m := range b.members {
		if told && !b.leaves {
			m.resolve(err)
		}
		if nothing && r.members[m.key] == m {
			m.flags.changed = m.flags.changed || m.flags.written
			s.queue(m)
		}
	}
	if nothing {
		r.batch = nil
	}
}

// meaning returns whether err says that nothing was written, and whether it is
// to be told to who waits, rather than tried again while it does.
func meaning(err error) (nothing, told bool) {
	for _, known := range []error{pabal.ErrMoved, pabal.ErrClosed, pabal.ErrConflict, pabal.ErrPartial, pabal.ErrHubClosed} {
		if errors.Is(err, known) {
			return true, true
		}
	}
	if _, storage := errors.AsType[*pabal.StorageError](err); storage {
		return false, true
	}
	_, limit := errors.AsType[*pabal.LimitError](err)
	_, invalid := errors.AsType[*pabal.InvalidError](err)
	return limit || invalid, limit || invalid
}

// backOff has r rest after one more failure.
func (s *Service) backOff(r *room) {
	r.due = s.now() + int64(pause(r.failures))
	r.failures++
}

// pause returns how long to wait after so many failures and one.
func pause(failures int) time.Duration {
	d := min(50*time.Millisecond<<min(failures, 10), 5*time.Second)
	return d/2 + rand.N(d/2+1)
}

// refresh has those written once more who were so many entries ago that the
// log could soon drop them.
func (s *Service) refresh(r *room) {
	most := 2 * uint64(s.config.Members)
	if r.passed-r.oldest <= most {
		return
	}
	r.oldest = r.passed
	for _, m := range r.members {
		if m.flags.written && !m.flags.taken && r.passed-m.passed > most {
			m.flags.changed = true
			s.queue(m)
		} else if m.flags.written {
			r.oldest = min(r.oldest, m.passed)
		}
	}
}
