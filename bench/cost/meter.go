package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A sample is what one measurement found, by name.
type sample map[string]float64

// String returns s in a line.
func (s sample) String() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&text, "%s %.4g  ", name, s[name])
	}
	return strings.TrimSpace(text.String())
}

// A meter measures what the server and this process use from when it was made.
type meter struct {
	server   *server
	begun    time.Time
	cpu, own time.Duration
}

func newMeter(s *server) (*meter, error) {
	cpu, err := s.cpu()
	return &meter{s, time.Now(), cpu, ownCPU()}, err
}

// A use is what a meter measured.
type use struct {
	cpu, own, time time.Duration
}

// share returns the part of the CPU time that this process took, in per cent.
func (u use) share() float64 { return 100 * float64(u.own) / float64(u.own+u.cpu) }

func (m *meter) read() (use, error) {
	took := time.Since(m.begun)
	cpu, err := m.server.cpu()
	return use{cpu: cpu - m.cpu, own: ownCPU() - m.own, time: took}, err
}
