package presence

import (
	"container/heap"
	"time"
)

// An alarm is a time at which something must be looked at. All alarms of a
// service are in one heap, and one goroutine waits for the first of them.
type alarm struct {
	at    int64
	place int // in the heap, from 1; 0: it is not there
	room  *room
	of    *member // nil: of the room
}

type alarms []*alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at < a[j].at }

func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i+1, j+1
}

// Push implements [heap.Interface].
func (a *alarms) Push(x any) {
	one := x.(*alarm)
	*a = append(*a, one)
	one.place = len(*a)
}

// Pop implements [heap.Interface].
func (a *alarms) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*a, last.place = old[:len(old)-1], 0
	return last
}

// set has a go off at the time given, and not when it would have before.
func (s *Service) set(a *alarm, at int64) {
	if a.at = at; a.place > 0 {
		heap.Fix(&s.alarms, a.place-1)
	} else {
		heap.Push(&s.alarms, a)
	}
	if a.place == 1 {
		signal(s.rang)
	}
}

func (s *Service) unset(a *alarm) {
	if a.place > 0 {
		heap.Remove(&s.alarms, a.place-1)
	}
}

// signal has whoever waits for c look again.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// runClock looks after the alarms.
func (s *Service) runClock() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.ring())
		select {
		case <-s.ctx.Done():
			return
		case <-s.rang:
		case <-timer.C:
		}
	}
}

// ring does what is due, and returns how long to wait for what is next.
func (s *Service) ring() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for len(s.alarms) > 0 {
		a := s.alarms[0]
		if a.at > now {
			return time.Duration(a.at - now)
		}
		heap.Pop(&s.alarms)
		if a.of == nil {
			s.start(a.room)
		} else if !s.rest(a.of) {
			s.queue(a.of)
		}
	}
	return time.Hour
}
