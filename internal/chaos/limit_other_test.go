//go:build !linux

package chaos

import "errors"

func limitFiles(int, uint64) (uint64, error) { return 0, errors.ErrUnsupported }

func openFiles(int) (int, error) { return 0, errors.ErrUnsupported }

func peakMemory(int) (int64, error) { return 0, errors.ErrUnsupported }
