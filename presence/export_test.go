package presence

import "github.com/pabal/pabal"

// Crash has s begin nothing any more. What is on its way to the broker arrives.
func (s *Service) Crash() { s.cancel() }

// Kill ends s as a crash does: nothing is written any more.
func (s *Service) Kill() { s.stop() }

// KeyOf is what others see of a connection.
func KeyOf(connection string) string {
	k := keyOf(connection)
	return string(k[:])
}

// LeaseLog is the log of leases.
const LeaseLog = leaseLog

// Followed reports whether s follows the log of ch.
func (s *Service) Followed(ch pabal.Channel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[ch]
	return r != nil && r.session != nil
}

// Rooms returns how many channels s has members in.
func (s *Service) Rooms() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rooms)
}

// Tidy does what is done once an hour.
func (s *Service) Tidy() error { return s.tidyAll(s.ctx) }
