package disk

import (
	"errors"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// guardedFS is the file system as Pebble sees it. When a log or a manifest
// cannot be written, Pebble would end the process, or stop with its locks held.
// So it never learns of that: the store fails, and the call does not return.
// Reading goes on.
//
// Tables that cannot be written it tries again, at once and for ever: here it
// waits a little each time. Of logs and manifests it never learns either that
// there was no descriptor to create them with: they are created later.
type guardedFS struct {
	vfs.FS
	broker *Broker
}

// tableRetry is how long it takes to fail to write a table.
const tableRetry = 100 * time.Millisecond

// check is given what a call about the file name has returned. It returns err.
func (fs guardedFS) check(name string, err error) error {
	if err == nil {
		return nil
	}
	log, vital := fs.kind(name)
	switch stage(fs.broker.trouble.stage.Load()) {
	case opening:
		fs.broker.halt(err)
	case serving:
		if log || vital {
			fs.broker.halt(err)
		}
		time.Sleep(tableRetry)
	case closing:
		if vital {
			fs.broker.halt(err)
		}
	}
	return err
}

// kind reports whether name is of a log, or of what the store cannot do without.
func (fs guardedFS) kind(name string) (log, vital bool) {
	base := path.Base(name)
	vital = strings.HasPrefix(base, "MANIFEST-") || strings.HasPrefix(base, "marker.") || name == fs.broker.config.Dir
	return strings.HasSuffix(base, ".log"), vital
}

// scarce reports whether err says that there is no descriptor left, in the
// process or in the system. Somebody will give one back.
func scarce(err error) bool { return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) }

// A lack is that of descriptors for logs and manifests.
type lack struct {
	waiting atomic.Int32                       // how many files wait for one
	ill     atomic.Pointer[pabal.StorageError] // why, set before any waits
	over    atomic.Bool                        // none waits any longer, as the store is being closed
}

// now returns what is told to who publishes, nil if no file waits.
func (l *lack) now() *pabal.StorageError {
	if l.waiting.Load() == 0 {
		return nil
	}
	return l.ill.Load()
}

// create creates a log or a manifest, which failed with err, once there is a
// descriptor for it. Until then publishes are refused. It gives up, with the
// error, when Close has waited for long enough.
func (fs guardedFS) create(name string, category vfs.DiskWriteCategory, err error) (f vfs.File, _ error) {
	b := fs.broker
	log, vital := fs.kind(name)
	if !scarce(err) || !log && !vital || stage(b.trouble.stage.Load()) != serving {
		return nil, err
	}
	lack := &b.trouble.lack
	lack.ill.Store(&pabal.StorageError{
		What: "the server has no file descriptor left for the store; nothing was published: try again later", Retry: retryAfter, Err: err,
	})
	lack.waiting.Add(1)
	defer lack.waiting.Add(-1)
	for scarce(err) && stage(b.trouble.stage.Load()) == serving && !lack.over.Load() {
		b.say("the store has no file descriptor left, and waits for one", "error", brief{err}.Error())
		time.Sleep(tableRetry)
		f, err = fs.FS.Create(name, category)
	}
	return f, err
}

// A stage is what the store is about. While it is opened, and in a tool, it
// cannot do without anything that it writes.
type stage int32

const (
	opening stage = iota
	serving
	closing
)

func (fs guardedFS) file(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return f, fs.check(name, err)
	}
	return guardedFile{f, fs, name}, nil
}

func (fs guardedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if err != nil {
		f, err = fs.create(name, category, err)
	}
	return fs.file(name, f, err)
}

func (fs guardedFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(from, to, category)
	if err != nil { // from may have its new name already
		f, err = fs.create(to, category, err)
	}
	return fs.file(to, f, err)
}

func (fs guardedFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	return fs.file(name, f, err)
}

// Unwrap returns the file system below.
func (fs guardedFS) Unwrap() vfs.FS { return fs.FS }

// guardedFile is a file that is written.
type guardedFile struct {
	vfs.File
	fs   guardedFS
	name string
}

func (f guardedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.check(f.name, err)
}

func (f guardedFile) Sync() error { return f.fs.check(f.name, f.File.Sync()) }

func (f guardedFile) SyncData() error { return f.fs.check(f.name, f.File.SyncData()) }

func (f guardedFile) SyncTo(length int64) (whole bool, err error) {
	whole, err = f.File.SyncTo(length)
	return whole, f.fs.check(f.name, err)
}

func (f guardedFile) Close() error { return f.fs.check(f.name, f.File.Close()) }
