package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// cpu returns the CPU time that the process has used so far, by its own clock
// (clock_getcpuclockid(3)): /proc rounds it to 10 ms, which is too coarse for
// what a thousand connections take.
func cpu(pid int) (time.Duration, error) {
	const ofProcess = 2 // and not of a thread: CPUCLOCK_SCHED
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|ofProcess), &at); err != nil {
		return 0, fmt.Errorf("the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(at.Nano()), nil
}

// spent returns what do costs the server.
func (s *server) spent(do func() error) (time.Duration, error) {
	before, err := cpu(s.pid())
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := cpu(s.pid())
	return after - before, err
}
