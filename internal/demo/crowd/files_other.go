//go:build !linux && !darwin

package crowd

// files returns how many files the viewers may take of those that this process
// may have open.
func files() int { return 2 * Most }
