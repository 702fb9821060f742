package presence

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/pabal/pabal"
)

const (
	tidyEvery  = time.Hour
	idleAfter  = time.Hour // after which the log of a channel that nobody is in is deleted
	listAtOnce = 256
)

// runTidy removes, when somebody's lease has run out and once an hour, who is
// gone with a node, and the logs that nobody needs.
func (s *Service) runTidy() {
	failures := 0
	timer := time.NewTimer(tidyEvery/2 + rand.N(tidyEvery/2))
	defer timer.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.untidy:
		case <-timer.C:
		}
		next := tidyEvery*9/10 + rand.N(tidyEvery/5)
		if err := s.tidyAll(s.ctx); err != nil {
			s.failed("tidying up", err)
			next = pause(failures)
			failures++
		} else {
			s.worked("tidying up")
			failures = 0
		}
		timer.Reset(next)
	}
}

// tidyAll looks at each log of presence once.
func (s *Service) tidyAll(ctx context.Context) error {
	if err := s.readLeases(ctx); err != nil {
		return err
	}
	dead := s.deadPeers()
	listed := true
	for after := pabal.Channel(""); ; {
		logs, err := s.hub.Channels(ctx, pabal.Presence, after, listAtOnce)
		if errors.Is(err, errors.ErrUnsupported) {
			logs, listed, err = s.ownLogs(), false, nil
		}
		if err != nil {
			return err
		}
		for _, log := range logs {
			if err := s.tidy(ctx, log); err != nil {
				return err
			}
		}
		if !listed || len(logs) < listAtOnce {
			break
		}
		after = logs[len(logs)-1]
	}
	return s.bury(ctx, dead, listed)
}

// deadPeers returns the nodes whose lease has run out and whose members may
// still be there.
func (s *Service) deadPeers() (dead []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now() < s.lease.grace {
		return nil
	}
	for name, p := range s.lease.peers {
		if name != s.node && !p.ended && !p.swept && s.lease.dead(name, s.now()) {
			dead = append(dead, name)
		}
	}
	return dead
}

func (s *Service) ownLogs() (logs []pabal.Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rooms {
		logs = append(logs, r.log)
	}
	return logs
}

// bury writes that nothing is left of the nodes, unless they are back.
func (s *Service) bury(ctx context.Context, dead []string, all bool) error {
	for _, name := range dead {
		for {
			s.mu.Lock()
			p, at := s.lease.peers[name], s.lease.end
			over := p == nil || p.ended || !s.lease.dead(name, s.now()) || s.now() < s.lease.grace
			if !over && !all {
				p.swept, over = true, true // there may be members of it elsewhere
			}
			s.mu.Unlock()
			if over {
				break
			}
			err := s.putLease(ctx, typeEnded, name, &at)
			if err != nil && !errors.Is(err, pabal.ErrMoved) {
				return err
			}
			if err := s.readLeases(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// A ghost is an entry of a member of a node that is gone.
type ghost struct {
	key, kind  string
	user, node string
}

// message returns what ends it.
func (g *ghost) message() pabal.Message {
	if g.kind == typeCount {
		b := body{Connections: new(int)}
		return b.message(typeCount, g.key)
	}
	b := body{User: g.user, Node: g.node, Reason: expired}
	return b.message(typeLeave, g.key)
}

// A survey is what tidy has to know of a log.
type survey struct {
	ghosts []ghost
	here   int
	last   time.Time
	end    pabal.Position
}

// tidy removes the ghosts from log, or log itself if nobody needs it.
func (s *Service) tidy(ctx context.Context, log pabal.Channel) error {
	for failures := 0; ; failures++ {
		found, err := s.survey(ctx, log)
		if err == nil && len(found.ghosts) > 0 {
			err = s.exorcise(ctx, log, found)
		} else if err == nil && found.here == 0 {
			err = s.drop(ctx, log, found.last)
		}
		if !errors.Is(err, pabal.ErrMoved) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause(failures) / 10):
		}
	}
}

// survey reads log. It asks for the leases after that, so that no node that
// has begun meanwhile is taken for dead.
func (s *Service) survey(ctx context.Context, log pabal.Channel) (*survey, error) {
	found := &survey{}
	ghosts := map[string]ghost{}
	err := readOnce(ctx, s.hub, log, pabal.FromAll(), func(items []pabal.Item, end pabal.Position) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, item := range items {
			e := item.Entry
			if e == nil {
				continue
			}
			delete(ghosts, e.Key)
			found.last = e.Time
			if b := parse(e); present(e, &b) {
				found.here++
				if b.Node != s.node && s.lease.dead(b.Node, s.now()) {
					ghosts[e.Key] = ghost{e.Key, e.Type, b.User, b.Node}
				}
			}
		}
		found.end = end
	})
	if err != nil || len(ghosts) == 0 {
		return found, err
	}
	if err := s.readLeases(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range ghosts {
		if s.lease.dead(g.node, s.now()) && s.now() >= s.lease.grace {
			found.ghosts = append(found.ghosts, g)
		}
	}
	return found, nil
}

// exorcise writes that the ghosts have left, if log still is what was found.
func (s *Service) exorcise(ctx context.Context, log pabal.Channel, found *survey) error {
	limits := s.hub.Limits()
	for rest := found.ghosts; len(rest) > 0; {
		p := pabal.Publish{If: new(found.end)}
		for n := 0; len(rest) > 0 && len(p.Messages) < limits.BatchMessages && n < limits.BatchBytes/2; rest = rest[1:] {
			m := rest[0].message()
			n += len(m.Data)
			p.Messages = append(p.Messages, m)
		}
		s.mu.Lock()
		s.batches++
		p.BatchID = s.node + "/" + strconv.FormatUint(s.batches, 36)
		s.mu.Unlock()
		done, err := s.hub.Publish(ctx, own, log, p)
		if err != nil {
			return err
		}
		found.end = done.End
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rooms[channelOf(log)]; r != nil {
		r.truth = true // some of them may be there by way of this node too
		s.start(r)
	}
	return nil
}

// drop deletes log if nobody has been in its channel for long and nobody
// follows it. Who joins by way of this node waits; one who joins by way of
// another at this very moment is written anew when that next reads the log.
func (s *Service) drop(ctx context.Context, log pabal.Channel, last time.Time) error {
	ch := channelOf(log)
	s.mu.Lock()
	unused := s.rooms[ch] == nil && s.lease.clock(s.now()).Sub(last) >= idleAfter && s.emptied == nil
	if !unused || s.hub.Readers(log) > 0 {
		s.mu.Unlock()
		return nil
	}
	r := s.enter(ch)
	r.stage = held
	s.mu.Unlock()
	err := s.hub.Delete(ctx, own, log)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.stage = idle
	s.start(r)
	return err
}
