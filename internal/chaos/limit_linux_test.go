package chaos

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// limitFiles sets how many descriptors process id may have, and returns how
// many it might have before.
func limitFiles(id int, most uint64) (before uint64, err error) {
	var old, now syscall.Rlimit
	call := func(set, get *syscall.Rlimit) error {
		_, _, failed := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(id), syscall.RLIMIT_NOFILE,
			uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), 0, 0)
		if failed != 0 {
			return failed
		}
		return nil
	}
	if err := call(nil, &old); err != nil {
		return 0, err
	}
	now.Cur, now.Max = most, old.Max
	return old.Cur, call(&now, nil)
}

// openFiles counts the descriptors of process id.
func openFiles(id int) (int, error) {
	list, err := os.ReadDir("/proc/" + strconv.Itoa(id) + "/fd")
	return len(list), err
}

// peakMemory is the most memory that process id has had resident, in bytes.
func peakMemory(id int) (int64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(id) + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(number, 10, 64)
	return n << 10, err
}
