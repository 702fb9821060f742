package disk

import (
	"path"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guardedFS is the file system as Pebble sees it. When a log or a manifest
// cannot be written, Pebble would end the process, or stop with its locks held.
// So it never learns of that: the store fails, and the call does not return.
// Reading goes on.
//
// Tables that cannot be written it tries again, at once and for ever: here it
// waits a little each time.
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
	base := path.Base(name)
	log := strings.HasSuffix(base, ".log")
	vital := strings.HasPrefix(base, "MANIFEST-") || strings.HasPrefix(base, "marker.") || name == fs.broker.config.Dir
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
	return fs.file(name, f, err)
}

func (fs guardedFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(from, to, category)
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
