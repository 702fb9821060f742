package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTicks is the unit of times in /proc: the kernel's USER_HZ, which is 100
// wherever Go runs.
const clockTicks = 100

// cpu returns the CPU time that the server has used so far, in its code and in
// the kernel.
func (s *server) cpu() (time.Duration, error) {
	stat, err := s.proc("stat")
	if err != nil {
		return 0, err
	}
	return cpuOf(stat)
}

// cpuOf reads the CPU time in the text of /proc/PID/stat (proc_pid_stat(5)).
// The command's name may hold anything, so fields are counted from its end.
func cpuOf(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const user, system = 14 - 3, 15 - 3
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields, too few", len(fields)+2)
	}
	u, errUser := strconv.ParseInt(fields[user], 10, 64)
	k, errSystem := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+k) * (time.Second / clockTicks), errors.Join(errUser, errSystem)
}

// rss returns the bytes of the server that are in memory. (statm would be off
// by what each CPU has yet to report.)
func (s *server) rss() (int64, error) {
	rollup, err := s.proc("smaps_rollup")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(rollup)) {
		if value, ok := strings.CutPrefix(line, "Rss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/PID/smaps_rollup has no line Rss")
}

func (s *server) proc(file string) ([]byte, error) {
	return os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, file))
}

// runTime returns the CPU time of the server's threads as the scheduler counts it,
// in nanoseconds, where cpu knows but hundredths of a second. (Of a thread that
// ended it would be lost, but Go's do not.)
func (s *server) runTime() (total time.Duration, err error) {
	dir := fmt.Sprintf("/proc/%d/task", s.cmd.Process.Pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, thread := range threads {
		text, err := os.ReadFile(dir + "/" + thread.Name() + "/schedstat")
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("schedstat of a thread: %w", err)
		}
		total += time.Duration(n)
	}
	return total, nil
}

// ownCPU returns the CPU time that this process has used so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // of this very process: cannot happen
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
