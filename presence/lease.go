package presence

import (
	"cmp"
	"context"
	"hash/fnv"
	"time"

	"github.com/pabal/pabal"
)

// A lease is this node's own, and what is known of the others'.
type lease struct {
	roster
	until int64       // when this node's runs out; 0: it has none yet
	grace int64       // no other node is taken for dead before
	epoch pabal.Epoch // of the log of leases

	endedAt pabal.Position // of the last entry that says that this node is gone
	live    int            // other nodes that are there
}

func (l *lease) held(now int64) bool { return now < l.until }

// alone reports whether no other node is known to be there.
func (s *Service) alone() bool { return s.lease.live == 0 }

// A roster is what the log of leases says. Its time is the broker's, so that
// the nodes' clocks need not agree: the newest entry's, and what has passed
// since that was read.
type roster struct {
	peers  map[string]*peer
	newest time.Time
	readAt int64
	end    pabal.Position // up to where the log was read
}

// A peer is a node, this one among them.
type peer struct {
	renewed time.Time
	lease   time.Duration
	ended   bool
	swept   bool // this node has removed its members, as far as it could
}

func (l *roster) observe(e *pabal.Entry, now int64) {
	if e.Time.After(l.newest) {
		l.newest, l.readAt = e.Time, now
	}
	p := l.peers[e.Key]
	if p == nil {
		p = &peer{}
		l.peers[e.Key] = p
	}
	if e.Time.Before(p.renewed) {
		return // a reading that began before another
	}
	b := parse(e)
	*p = peer{renewed: e.Time, lease: time.Duration(b.Lease) * time.Millisecond, ended: e.Type == typeEnded}
}

// clock is the broker's time.
func (l *roster) clock(now int64) time.Time { return l.newest.Add(time.Duration(now - l.readAt)) }

// dead reports whether node's lease has run out. A node writes its lease before
// anything else, so one that is not known is gone for long.
func (l *roster) dead(node string, now int64) bool {
	p := l.peers[node]
	return p == nil || p.ended || l.clock(now).Sub(p.renewed) > p.lease
}

// runLease renews the lease, and follows those of the others.
func (s *Service) runLease() {
	var session *pabal.Session
	defer func() {
		if session != nil {
			session.Close()
		}
	}()
	woken := pabal.NewSignal()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	due, failures := s.now(), 0
	for {
		var err error
		if now := s.now(); now >= due {
			if err = s.renewLease(); err == nil {
				due = now + int64(s.config.Lease/3)
			}
		}
		if err == nil {
			session, err = s.followLeases(session, woken)
		}
		next := min(due, s.watch())
		if err != nil {
			s.failed(string(leaseLog), err)
			next = s.now() + int64(min(pause(failures), s.config.Lease/6))
			failures++
		} else {
			s.worked(string(leaseLog))
			failures = 0
		}
		timer.Reset(time.Duration(next - s.now()))
		select {
		case <-s.ctx.Done():
			return
		case end := <-s.ends:
			end.done <- s.putLease(end.ctx, typeEnded, s.node, nil)
			return
		case <-s.renew:
			due = min(due, s.now())
			if err != nil { // not before its time
				due = next
			}
		case <-woken:
		case <-timer.C:
		}
	}
}

// An ending is what Close asks for.
type ending struct {
	ctx  context.Context //nolint:containedctx // it is an argument, on its way
	done chan error
}

// endLease writes that this node is gone, and has no members.
func (s *Service) endLease(ctx context.Context) error {
	end := ending{ctx, make(chan error, 1)}
	select {
	case s.ends <- end:
		return <-end.done
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ctx.Done():
		return nil
	}
}

// putLease writes an entry about node to the log of leases.
func (s *Service) putLease(ctx context.Context, kind, node string, at *pabal.Position) error {
	b := body{}
	if kind == typeLease {
		b.Lease = s.config.Lease.Milliseconds()
	}
	done, err := s.hub.Publish(ctx, own, leaseLog, pabal.Publish{Messages: []pabal.Message{b.message(kind, node)}, If: at})
	if err == nil && node == s.node {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.lease.epoch != done.End.Epoch { // the store may have come back without what it had
			s.lease.epoch = done.End.Epoch
			s.readAll()
		}
	}
	return err
}

func (s *Service) renewLease() error {
	began := s.now()
	ctx, cancel := context.WithTimeout(s.ctx, max(s.config.Lease/3, time.Second))
	defer cancel()
	err := s.putLease(ctx, typeLease, s.node, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	l, now := &s.lease, s.now()
	if err != nil {
		if !l.held(now) {
			s.tellAll(err)
		}
		return err
	}
	if had := l.until; !l.held(now) {
		l.until = began + int64(s.config.Lease)
		if had != 0 { // others may have taken this node for dead, and this one them
			l.grace = now + int64(s.config.Lease/3)
			s.readAll()
		}
		for _, r := range s.rooms {
			s.start(r)
		}
	}
	l.until = began + int64(s.config.Lease)
	return nil
}

// readAll has the logs of all rooms read for what others have written.
func (s *Service) readAll() {
	for _, r := range s.rooms {
		r.truth = true
		s.start(r)
	}
}

// tellAll tells whoever waits in vain.
func (s *Service) tellAll(err error) {
	for _, r := range s.rooms {
		for _, m := range r.members {
			m.resolve(err)
		}
	}
}

// followLeases reads what has come to the log of leases.
func (s *Service) followLeases(session *pabal.Session, woken pabal.Signal) (*pabal.Session, error) {
	ctx, cancel := context.WithTimeout(s.ctx, max(s.config.Lease/6, time.Second))
	defer cancel()
	if session == nil {
		opened, err := s.hub.Open(own, woken, pabal.Options{Latest: true})
		if err != nil {
			return nil, err
		}
		if err := opened.Subscribe(leaseLog, pabal.FromAll()); err != nil {
			opened.Close()
			return nil, err
		}
		session = opened
	}
	return session, take(ctx, session, s.observeLeases)
}

// readLeases reads the log of leases from the broker itself.
func (s *Service) readLeases(ctx context.Context) error {
	return readOnce(ctx, s.hub, leaseLog, pabal.FromAll(), s.observeLeases)
}

func (s *Service) observeLeases(items []pabal.Item, end pabal.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, item := range items {
		e := item.Entry
		if e == nil {
			continue
		}
		s.lease.observe(e, now)
		if e.Key == s.node && e.Type == typeEnded && s.lease.until > 0 && e.Position() != s.lease.endedAt {
			s.lease.endedAt = e.Position()
			s.lease.until = 1 // another node took this one for dead
			signal(s.renew)
		}
	}
	if later(end, s.lease.end) {
		s.lease.end = end
	}
}

// watch takes note of who is there, and has the members of those who are not
// removed. It returns when to look again.
func (s *Service) watch() (next int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, now := &s.lease, s.now()
	next = now + int64(time.Hour)
	live := 0
	for name, p := range l.peers {
		if name == s.node || p.ended {
			continue
		}
		rest := p.lease - l.clock(now).Sub(p.renewed)
		if rest >= 0 {
			live++
		} else if p.swept {
			if rest < -24*time.Hour {
				delete(l.peers, name)
			}
			continue
		} else if rest += s.turn(name); rest < 0 && now >= l.grace {
			signal(s.untidy)
			rest = s.config.Lease / 6 // for the case that it finds otherwise
		}
		next = min(next, max(now+int64(rest), l.grace, now)+int64(time.Millisecond))
	}
	if (live == 0) != (l.live == 0) {
		for _, r := range s.rooms {
			r.follow = true
			s.start(r)
		}
	}
	l.live = live
	return next
}

// turn returns how long this node leaves it to others to remove what is left of
// node, so that not all of them do.
func (s *Service) turn(node string) time.Duration {
	mine, before := rank(s.node, node), 0
	for name := range s.lease.peers {
		if name != node && !s.lease.dead(name, s.now()) && cmp.Less(rank(name, node), mine) {
			before++
		}
	}
	return time.Duration(before) * s.config.Lease / 10
}

func rank(node, of string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(node + "\x00" + of)) // a hash never fails
	return h.Sum64()
}
