//go:build linux || darwin

package crowd

import "syscall"

// files returns how many files the viewers may take of those that this process
// may have open. The rest is for everyone else.
func files() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 512
	}
	const enough = 1 << 20
	have := int(min(limit.Cur, enough))
	return have - min(1000, have/2)
}
