package chaos

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// A story is what was done to whom, so that a person can follow it.
type story struct {
	begun time.Time

	mu    sync.Mutex
	lines []string
}

func (s *story) tell(format string, args ...any) {
	line := fmt.Sprintf("%8.3f s  ", time.Since(s.begun).Seconds()) + fmt.Sprintf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

// last returns the last lines.
func (s *story) last(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines[max(0, len(s.lines)-n):], "\n")
}

// A trail is what happened to one reader last.
type trail struct {
	story *story
	lines []string
}

func (t *trail) tell(format string, args ...any) {
	if len(t.lines) > 15 {
		t.lines = t.lines[1:]
	}
	t.lines = append(t.lines, fmt.Sprintf("%8.3f s  ", time.Since(t.story.begun).Seconds())+fmt.Sprintf(format, args...))
}

func (t *trail) String() string { return strings.Join(t.lines, "\n") }
