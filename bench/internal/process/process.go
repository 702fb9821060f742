// Package process tells what processes use, from /proc (Linux).
package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// clockTicks is the unit of times in /proc: the kernel's USER_HZ, which is 100
// wherever Go runs.
const clockTicks = 100

// CPU returns the CPU time that processes have used so far, in their code and
// in the kernel.
func CPU(pids []int) (total time.Duration, err error) {
	for _, pid := range pids {
		fields, err := stat(strconv.Itoa(pid))
		if err != nil {
			return 0, err
		}
		user, errUser := strconv.ParseInt(fields[14-3], 10, 64)
		system, errSystem := strconv.ParseInt(fields[15-3], 10, 64)
		if err := errors.Join(errUser, errSystem); err != nil {
			return 0, err
		}
		total += time.Duration(user+system) * (time.Second / clockTicks)
	}
	return total, nil
}

// stat returns the fields of /proc/PID/stat from the third (proc_pid_stat(5)).
// The command's name may hold anything, so fields are counted from its end.
func stat(pid string) ([]string, error) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return nil, err
	}
	return statFields(text)
}

func statFields(text []byte) ([]string, error) {
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/PID/stat has %d fields, too few", len(fields)+2)
	}
	return fields, nil
}

// Tree returns pid and the processes that it started, and they, so far.
func Tree(pid int) ([]int, error) {
	tree := []int{pid}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	parents := map[int]int{}
	for _, dir := range all {
		fields, err := stat(filepath.Base(dir))
		if err != nil {
			continue // it has ended
		}
		child, _ := strconv.Atoi(filepath.Base(dir))
		parents[child], _ = strconv.Atoi(fields[4-3])
	}
	for i := 0; i < len(tree); i++ {
		for child, parent := range parents {
			if parent == tree[i] {
				tree = append(tree, child)
			}
		}
	}
	return tree, nil
}

// RSS returns the bytes of processes that are in memory. (statm would be off by
// what each CPU has yet to report.) What they share counts once.
func RSS(pids []int) (total int64, err error) {
	key := "Rss:"
	if len(pids) > 1 {
		key = "Pss:"
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		kib, err := field(string(text), key)
		if err != nil {
			return 0, err
		}
		total += kib << 10
	}
	return total, nil
}

// Threads returns how many threads processes have.
func Threads(pids []int) (total int64, err error) {
	for _, pid := range pids {
		fields, err := stat(strconv.Itoa(pid))
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(fields[20-3], 10, 64)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// Sockets returns the bytes that the kernel keeps in its tables (of sockets,
// files and all else) and in the buffers of TCP: of the whole machine.
func Sockets() (int64, error) {
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	slab, err := field(string(memory), "Slab:")
	if err != nil {
		return 0, err
	}
	buffers, err := Buffers()
	return slab<<10 + buffers, err
}

// Buffers returns the bytes that the kernel keeps in the buffers of TCP.
func Buffers() (int64, error) {
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "TCP:" {
			for i, name := range fields[:len(fields)-1] {
				if name == "mem" {
					pages, err := strconv.ParseInt(fields[i+1], 10, 64)
					return pages * int64(os.Getpagesize()), err
				}
			}
		}
	}
	return 0, errors.New("/proc/net/sockstat does not tell the memory of TCP")
}

// field finds the number behind key, at the beginning of a line.
func field(text, key string) (int64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, key); ok {
			return strconv.ParseInt(strings.Fields(value)[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("no line %s", key)
}

// Own returns the CPU time that this process has used so far.
func Own() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // of this very process: cannot happen
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// MoreFiles raises this process' limit of open files, and so that of the
// processes it starts, as far as it may.
func MoreFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
