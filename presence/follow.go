package presence

import (
	"context"
	"strings"

	"github.com/pabal/pabal"
)

// A bell is the waker of all sessions of a service.
type bell struct{ service *Service }

// Wake has the room looked at whose log has grown.
func (b bell) Wake(t *pabal.Tail) {
	s := b.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[channelOf(t.Channel())]; r != nil {
		r.follow = true
		s.start(r)
	}
}

// channelOf returns the channel of which log is the presence.
func channelOf(log pabal.Channel) pabal.Channel {
	return pabal.Channel(strings.TrimPrefix(string(log), pabal.Presence))
}

// read reads what others have written to r's log: what has come by its session
// if it needs one, and, if truth, all there is in the broker.
func (s *Service) read(r *room, truth bool) {
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	err := s.followRoom(ctx, r)
	if err == nil && truth {
		err = s.readUp(ctx, r)
	}
	s.mu.Lock()
	if err != nil {
		r.follow, r.truth = true, true
		s.backOff(r)
	} else {
		if r.batch == nil && !truth {
			r.failures = 0
		}
		s.refresh(r)
	}
	s.mu.Unlock()
	if err != nil {
		s.failed(string(r.log), err)
	} else {
		s.worked(string(r.log))
	}
}

// followRoom opens or closes r's session, as it is needed, and takes what has
// come to it.
func (s *Service) followRoom(ctx context.Context, r *room) error {
	s.mu.Lock()
	alone := s.alone()
	s.mu.Unlock()
	if alone && r.session == nil {
		return nil
	}
	if alone {
		r.session.Close()
		s.mu.Lock()
		r.session, r.others = nil, nil
		s.mu.Unlock()
		return s.readUp(ctx, r) // what nobody will tell any more
	}
	if r.session == nil {
		session, err := s.hub.Open(own, bell{s}, pabal.Options{Latest: true})
		if err != nil {
			return err
		}
		if err := session.Subscribe(r.log, pabal.FromAll()); err != nil {
			session.Close()
			return err
		}
		s.mu.Lock()
		r.session, r.others = session, map[key]struct{}{}
		s.mu.Unlock()
	}
	return take(ctx, r.session, func(items []pabal.Item, end pabal.Position) { s.observe(r, items, end) })
}

// readUp reads r's log from where it was seen last up to its end.
func (s *Service) readUp(ctx context.Context, r *room) error {
	from := pabal.After(r.seen)
	if r.seen == (pabal.Position{}) {
		from = pabal.FromAll()
	}
	return readOnce(ctx, s.hub, r.log, from, func(items []pabal.Item, end pabal.Position) { s.observe(r, items, end) })
}

// readOnce reads of each key the last entry after from, up to the log's end.
// Each call of see is told where the reading has got to.
func readOnce(ctx context.Context, hub *pabal.Hub, log pabal.Channel, from pabal.From, see func([]pabal.Item, pabal.Position)) error {
	session, err := hub.Open(own, nil, pabal.Options{Latest: true})
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.Subscribe(log, from); err != nil {
		return err
	}
	return take(ctx, session, see)
}

// take gives see all that session has, until there is nothing more for now.
func take(ctx context.Context, session *pabal.Session, see func([]pabal.Item, pabal.Position)) error {
	var b pabal.Batch
	for {
		state := session.Step(&b, 256)
		if len(b.Items) > 0 || state == pabal.Done || state == pabal.Caught {
			see(b.Items, session.Position(0))
		}
		switch state {
		case pabal.Behind:
			if err := session.CatchUp(ctx); err != nil {
				return err
			}
		case pabal.Caught, pabal.Done:
			return nil
		}
	}
}

// observe takes into account what was read of r's log, up to end.
func (s *Service) observe(r *room, items []pabal.Item, end pabal.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, item := range items {
		switch n := item.Notice; {
		case n == nil:
			s.observeEntry(r, item.Entry)
		case n.Kind == pabal.NoticeGap || n.Kind == pabal.NoticeReset:
			s.rewrite(r)
		case n.Kind == pabal.NoticeSkipped:
			r.passed += uint64(n.Count)
		}
	}
	if later(end, r.seen) {
		r.seen = end
	}
}

// later reports whether p is after q, or in another life of the store, which
// is the later one for who has read it last.
func later(p, q pabal.Position) bool { return p.Epoch != q.Epoch || p.Offset > q.Offset }

func (s *Service) observeEntry(r *room, e *pabal.Entry) {
	r.passed++
	if e.Type == typeCount {
		if e.Key == s.node && later(e.Position(), r.countedAt) {
			r.counted = -1 // another node took this one for dead
			s.start(r)
		}
		return
	}
	if len(e.Key) != len(key{}) {
		return
	}
	k, b := key([]byte(e.Key)), parse(e)
	here := present(e, &b)
	if r.others != nil {
		if delete(r.others, k); here && b.Node != s.node {
			r.others[k] = struct{}{}
		}
	}
	m := r.members[k]
	switch {
	case m == nil || m.at != pabal.Position{} && !later(e.Position(), m.at):
	case here && b.Node != s.node && m.waiter == nil: // it has gone to another node, or was there all the time
		m.at, m.flags.written, m.flags.taken = e.Position(), true, true
	case here && b.Node != s.node: // and is about to be written here; if not, that entry is not this node's to end
		m.at, m.flags.written, m.flags.taken = pabal.Position{}, false, false
	case !here && m.at != pabal.Position{}:
		m.at, m.flags.written, m.flags.taken = pabal.Position{}, false, false
		if b.Reason == left && m.refs == 0 {
			s.endStay(m) // it said so, elsewhere
		} else if m.lingers(s.now()) {
			m.linger = 0 // it has left elsewhere
		} else if r.failures == 0 {
			r.due = 0 // it is missed, so what else is to come is not waited for
		}
		s.queue(m)
	}
}

// rewrite has all members of r written anew: they may not be in the log.
func (s *Service) rewrite(r *room) {
	if r.mode == CountsOnly {
		r.counted = -1
	}
	clear(r.others)
	for _, m := range r.members {
		m.at, m.flags.written, m.flags.taken = pabal.Position{}, false, false
		s.queue(m)
	}
	s.start(r)
}
