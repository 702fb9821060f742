package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// Open opens the store in c.Dir, or makes one. Only one process can have it
// open at a time. An error says what is wrong and what to do.
func Open(c Config) (*Broker, error) { return open(c, vfs.Default) }

func open(c Config, fs vfs.FS) (*Broker, error) {
	b := newBroker(c, fs)
	c = b.config
	if err := prepare(fs, c.Dir); err != nil {
		return nil, err
	}
	lock, err := pebble.LockDirectory(c.Dir, fs)
	if err != nil {
		return nil, lockError(c.Dir, err)
	}
	b.lock = lock
	if err := b.orHalted(b.openAll); err != nil {
		return nil, openError(c.Dir, err)
	}
	b.look()
	b.hot.logs, b.hot.limit = map[pabal.Channel]*log{}, int64(c.Cache/2)
	b.trouble.stage.Store(int32(serving))
	b.start()
	return b, nil
}

// openAll opens what is in the directory, which is locked.
func (b *Broker) openAll() (err error) {
	if b.db, err = pebble.Open(b.config.Dir, b.options(b.lock)); err != nil {
		return errors.Join(err, b.lock.Close())
	}
	if err = b.load(); err == nil {
		err = writeMarker(b.fs, b.config.Dir)
	}
	if err != nil {
		return errors.Join(err, b.db.Close(), b.lock.Close())
	}
	return nil
}

// orHalted does do. It returns early if that will never end, as something
// could not be written; then the directory stays locked until the process
// ends.
func (b *Broker) orHalted(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-b.trouble.halted:
		return b.trouble.failed.Load().Err
	}
}

// newBroker returns a broker that has not opened anything.
func newBroker(c Config, fs vfs.FS) *Broker {
	b := &Broker{config: c.withDefaults(), fs: fs}
	b.trouble.halted, b.trouble.compactions = make(chan struct{}), newScheduler()
	return b
}

// The marker is a file that tells a data directory of Pabal from others, and
// which version may open it.
const (
	markerFile = "PABAL"
	markerText = "Pabal data, version "
)

// A laterError is about data of a version that this one does not know.
type laterError struct{ version uint64 }

func (e *laterError) Error() string {
	return fmt.Sprintf("the data is of version %d, and this is a release that knows versions up to %d: use the release that wrote it, or a later one", e.version, format)
}

// prepare makes dir if it is not there, and sees that it may be a store.
func prepare(fs vfs.FS, dir string) error {
	if err := makeDir(fs, dir); errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("data directory %s: it cannot be made there; give another directory: %w", dir, err)
	} else if err != nil {
		return openError(dir, err)
	}
	text, err := readMarker(fs, dir)
	if err == nil {
		if text == importing {
			return errCut(dir)
		}
		version, ok := strings.CutPrefix(strings.TrimSpace(text), markerText)
		n, bad := strconv.ParseUint(version, 10, 64)
		switch {
		case !ok || bad != nil:
			return fmt.Errorf("data directory %s: the file %s in it is not what Pabal writes; give another directory, or mend it from a copy", dir, markerFile)
		case n > format:
			return openError(dir, &laterError{n})
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return openError(dir, err)
	}
	files, err := fs.List(dir)
	if err != nil {
		return openError(dir, err)
	}
	if desc, err := pebble.Peek(dir, fs); err == nil && desc.Exists {
		return nil // made, and cut off before it was marked
	}
	for _, name := range files {
		if name != "LOCK" && !strings.HasPrefix(name, "marker.") && !strings.HasPrefix(name, "MANIFEST") && !strings.HasSuffix(name, ".log") {
			return fmt.Errorf("data directory %s: it is not empty and holds nothing of Pabal (%s, for one); give another directory", dir, name)
		}
	}
	return nil
}

// makeDir makes dir and those above it. Once it returns they outlive a crash.
func makeDir(fs vfs.FS, dir string) error {
	var parents []string
	for at := fs.PathJoin(dir); at != fs.PathDir(at); at = fs.PathDir(at) {
		if _, err := fs.Stat(at); !errors.Is(err, os.ErrNotExist) {
			break
		}
		parents = append(parents, fs.PathDir(at))
	}
	err := fs.MkdirAll(dir, 0o700)
	for _, parent := range parents {
		if err == nil {
			err = syncDir(fs, parent)
		}
	}
	return err
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readMarker(fs vfs.FS, dir string) (string, error) {
	f, err := fs.Open(fs.PathJoin(dir, markerFile))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(f)
	return string(text), errors.Join(err, f.Close())
}

// writeMarker writes the marker if there is none.
func writeMarker(fs vfs.FS, dir string) error {
	if text, err := readMarker(fs, dir); err == nil && text != "" {
		return nil
	}
	f, err := fs.Create(fs.PathJoin(dir, markerFile), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s%d\n", markerText, format)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

func lockError(dir string, err error) error {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) && !errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "lock held by current process") {
		return fmt.Errorf("data directory %s: another process has it open; stop that one, or give another directory: %w", dir, err)
	}
	return openError(dir, err)
}

// openError says what to do about err.
func openError(dir string, err error) error {
	what := ""
	switch later := (*laterError)(nil); {
	case errors.As(err, &later):
	case full(err):
		what = "the disk is full; make room: "
	case errors.Is(err, syscall.EROFS):
		what = "the file system is read-only; make it writable, or give another directory: "
	case errors.Is(err, os.ErrPermission):
		what = "it may not be read and written; run as its owner, or give another directory: "
	case damaged(err), strings.Contains(err.Error(), "malformed manifest"):
		what = "it is damaged; put back a copy, or give another directory (pabal data export saves what can be read): "
	case strings.Contains(err.Error(), "format major version"):
		what = "it was written by a later release of Pabal; use that one: "
	}
	return fmt.Errorf("data directory %s: %s%w", dir, what, brief{err})
}

func (b *Broker) options(lock *pebble.Lock) *pebble.Options {
	o := &pebble.Options{
		FS: guardedFS{b.fs, b}, Lock: lock, FormatMajorVersion: pebble.FormatValueSeparation,
		CacheSize:                   int64(b.config.Cache / 2),
		MemTableSize:                16 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000,
		BytesPerSync:                1 << 20,
		FlushDelayDeleteRange:       2 * time.Second,
		Logger:                      logger{b},
		EventListener: &pebble.EventListener{
			BackgroundError: b.background,
			FlushEnd:        func(i pebble.FlushInfo) { b.flushed(i.Err) },
			DataCorruption:  b.damage,
			WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
				b.config.Log.Warn("publishing waits for the store", "reason", i.Reason)
			},
		},
	}
	o.Experimental.CompactionScheduler = b.trouble.compactions
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

func (b *Broker) damage(info pebble.DataCorruptionInfo) { b.harm("file "+info.Path, info.Details) }

// logger gives what Pebble says to the broker's log.
type logger struct{ *Broker }

func (l logger) Infof(format string, args ...any) {
	l.config.Log.Debug("pebble: " + fmt.Sprintf(format, args...))
}

func (l logger) Errorf(format string, args ...any) {
	l.config.Log.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return. Who calls it stops there, and reading goes on.
func (l logger) Fatalf(format string, args ...any) { l.halt(fatalError(format, args)) }

// fatalError returns what Pebble ends with. Its formats do not wrap errors.
func fatalError(format string, args []any) error {
	e := &pebbleError{text: "pebble: " + fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			e.cause = cause
		}
	}
	return e
}

type pebbleError struct {
	text  string
	cause error
}

func (e *pebbleError) Error() string { return e.text }

func (e *pebbleError) Unwrap() error { return e.cause }
