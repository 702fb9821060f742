package disk

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// A scheduler has Pebble run one compaction at a time, and none for a while
// after one has failed: by itself Pebble would try it again at once and for
// ever, as with a table that is damaged.
//
// It holds to [pebble.CompactionScheduler], and is the handle of what it has
// granted.
type scheduler struct {
	db pebble.DBForCompaction

	mu       sync.Mutex
	idle     sync.Cond // granting has ended
	running  int
	granting bool
	again    bool // something was asked for meanwhile
	gone     bool
	retry    time.Time // not before
}

func newScheduler() *scheduler {
	s := &scheduler{}
	s.idle.L = &s.mu
	return s
}

// failed has the next compaction wait.
func (s *scheduler) failed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retry = time.Now().Add(retryAfter)
	time.AfterFunc(retryAfter, s.grant)
}

func (s *scheduler) freeLocked() bool {
	return !s.gone && !s.granting && s.running == 0 && !time.Now().Before(s.retry)
}

// Register is called once, before all others.
func (s *scheduler) Register(_ int, db pebble.DBForCompaction) { s.db = db }

// Unregister waits until the store is not called any more.
func (s *scheduler) Unregister() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for s.granting {
		s.idle.Wait()
	}
}

// TrySchedule grants one more compaction, or has it asked for later.
func (s *scheduler) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.freeLocked() {
		s.again = true
		return false, nil
	}
	s.running++
	return true, s
}

// UpdateGetAllowedWithoutPermission is called with locks of the store held.
func (s *scheduler) UpdateGetAllowedWithoutPermission() { go s.grant() }

// Done ends a compaction.
func (s *scheduler) Done() {
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
	s.grant()
}

// grant has the store run a compaction, if one waits.
func (s *scheduler) grant() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.freeLocked() {
		s.granting, s.again = true, false
		s.mu.Unlock()
		waiting, _ := s.db.GetWaitingCompaction()
		taken := waiting && s.db.Schedule(s)
		s.mu.Lock()
		s.granting = false
		s.idle.Broadcast()
		if taken {
			s.running++ // it may have ended already
		} else if !s.again {
			return
		}
	}
}

// Started, MeasureCPU and CumulativeStats are of no interest.
func (s *scheduler) Started() {}

// MeasureCPU does nothing.
func (s *scheduler) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats does nothing.
func (s *scheduler) CumulativeStats(pebble.CompactionGrantHandleStats) {}
