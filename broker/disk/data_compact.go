package disk

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Compacted is how many bytes the files of a store had before and after
// [Compact].
type Compacted struct{ Before, After int64 }

// Compact writes the store in c.Dir, which no server may have open, anew
// without what has been removed from it. It needs as much free space as the
// store has, in the worst case. When ctx ends, what was done until then stays.
func Compact(ctx context.Context, c Config, tell func(Progress)) (Compacted, error) {
	return compact(ctx, c, vfs.Default, tell)
}

func compact(ctx context.Context, c Config, fs vfs.FS, tell func(Progress)) (done Compacted, err error) {
	t, err := openTool(ctx, c, fs, false, tell)
	if err != nil {
		return done, err
	}
	t.done.Unit = "bytes written"
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticks := time.NewTicker(500 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticks.C:
				m := t.db.Metrics().Total()
				t.done.Done = int64(m.TableBytesFlushed + m.TableBytesCompacted)
				t.tell(t.done)
			}
		}
	}()
	defer func() {
		close(stop)
		<-stopped
		if t.failure() == nil {
			err = errors.Join(err, t.close())
		}
		if size, failed := t.size(); failed == nil {
			done.After = size
		}
	}()
	if done.Before, err = t.size(); err != nil {
		return done, err
	}
	err = t.orHalted(func() error {
		if err := t.db.Flush(); err != nil {
			return err
		}
		return t.db.Compact(ctx, []byte{0}, []byte{255, 255}, true)
	})
	if err != nil {
		return done, openError(c.Dir, err)
	}
	return done, nil
}

// size returns the bytes of all files.
func (t *tool) size() (n int64, err error) {
	files, err := t.fs.List(t.config.Dir)
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		info, err := t.fs.Stat(t.fs.PathJoin(t.config.Dir, name))
		switch {
		case err == nil:
			n += info.Size()
		case !errors.Is(err, os.ErrNotExist): // else it was removed meanwhile
			return 0, err
		}
	}
	return n, nil
}
