package disk

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// space is how much room the file system has.
type space struct {
	next atomic.Int64 // when to look again
	free atomic.Int64 // bytes, as of the last look
}

// lookEvery is how long what was seen of the free space is believed.
const lookEvery = 100 * time.Millisecond

// room returns an error if nothing more can be kept, as the store has failed
// or cannot write just now, or there is too little space.
func (b *Broker) room() error {
	if err := b.failure(); err != nil {
		return err
	}
	if ill := b.trouble.lack.now(); ill != nil {
		return ill
	}
	if ill := b.trouble.ill.Load(); ill != nil {
		return ill
	}
	if b.config.MinFree < 0 {
		return nil
	}
	now := time.Now().UnixNano()
	if next := b.space.next.Load(); now >= next && b.space.next.CompareAndSwap(next, now+int64(lookEvery)) {
		b.look()
	}
	if free := b.space.free.Load(); free < int64(b.config.MinFree) {
		return &pabal.StorageError{
			What: fmt.Sprintf("the disk is full: %d MiB are free, and the limit min-free is %d MiB. Nothing was published; make room and try again", free>>20, b.config.MinFree>>20),
			Full: true, Retry: 10 * time.Second,
		}
	}
	return nil
}

func (b *Broker) look() {
	usage, err := b.fs.GetDiskUsage(b.config.Dir)
	switch {
	case err == nil:
		b.space.free.Store(int64(min(usage.AvailBytes, math.MaxInt64)))
	case errors.Is(err, vfs.ErrUnsupported):
		b.space.free.Store(math.MaxInt64)
	default:
		b.config.Log.Warn("it cannot be told how much space the disk has", "error", err)
		b.space.free.Store(math.MaxInt64)
	}
}

func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// Health returns nil if b can keep and read all, or a *[pabal.StorageError]
// that says what it cannot.
func (b *Broker) Health() error {
	if err := b.room(); err != nil {
		return err
	}
	if what := b.trouble.damaged.Load(); what != nil {
		return &pabal.StorageError{What: "a part of the store cannot be read: " + *what}
	}
	return nil
}
