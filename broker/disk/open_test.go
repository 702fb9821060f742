package disk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pabal/pabal"
)

// The directory is open in another process: this one says so, and leaves it
// alone.
func TestOpenElsewhere(t *testing.T) {
	if dir := os.Getenv("PABAL_TEST_HOLD"); dir != "" {
		hold(dir)
	}
	dir := t.TempDir()
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOpenElsewhere$")
	other.Env = append(os.Environ(), "PABAL_TEST_HOLD="+dir)
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	wantOpenError(t, dir, vfs.Default, "data directory "+dir, "another process has it open", "give another directory")
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err != nil {
		t.Errorf("the other process: %v", err)
	}
	b := opened(t, vfs.Default, Config{Dir: dir, Rules: small})
	if entries, _ := readAll(t, b, "all"); len(entries) != 1 {
		t.Errorf("%d entries are there, want the one of the other process", len(entries))
	}
}

// hold has dir open until its standard input ends, and ends the process.
func hold(dir string) {
	b, err := Open(Config{Dir: dir, Rules: small})
	if err == nil {
		_, err = b.Append(context.Background(), "all", pabal.Publish{Messages: []pabal.Message{{}}})
	}
	if err == nil {
		fmt.Println("open")
		_, _ = io.Copy(io.Discard, os.Stdin)
		err = b.Close()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func TestOpenErrors(t *testing.T) {
	fail := func(op errorfs.OpKind, err error) func(t *testing.T, fs vfs.FS) vfs.FS {
		return func(_ *testing.T, fs vfs.FS) vfs.FS {
			return errorfs.Wrap(fs, errorfs.InjectorFunc(func(o errorfs.Op) error {
				if o.Kind == op {
					return err
				}
				return nil
			}))
		}
	}
	write := func(name, text string) func(t *testing.T, fs vfs.FS) vfs.FS {
		return func(t *testing.T, fs vfs.FS) vfs.FS {
			f, err := fs.Create("data/"+name, vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Write([]byte(text))
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			return fs
		}
	}
	for _, c := range []struct {
		name  string
		fresh bool // nothing is in the directory before
		spoil func(t *testing.T, fs vfs.FS) vfs.FS
		words []string
	}{
		{"another program's directory", true, write("holiday.jpg", "x"), []string{"it is not empty", "holiday.jpg", "give another directory"}},
		{"of a later release", false, write(markerFile, markerText+"9\n"), []string{"version 9", "use the release that wrote it"}},
		{"a marker that is not ours", false, write(markerFile, "hello"), []string{"is not what Pabal writes"}},
		{"in the making", false, write(markerFile, importing), []string{"import"}},
		{"of a later Pebble", false, func(t *testing.T, fs vfs.FS) vfs.FS {
			names, err := fs.List("data")
			for _, name := range names {
				if strings.HasPrefix(name, "marker.format-version.") {
					err = errors.Join(err, fs.Rename("data/"+name, "data/marker.format-version.000999.999"))
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			return fs
		}, []string{"later release of Pabal"}},
		{"a read-only file system", true, fail(errorfs.OpCreate, syscall.EROFS), []string{"read-only", "make it writable"}},
		{"a directory of someone else", true, fail(errorfs.OpMkdirAll, syscall.EACCES), []string{"run as its owner"}},
		{"a full disk", true, fail(errorfs.OpFileWrite, syscall.ENOSPC), []string{"the disk is full; make room"}},
		{"where nothing can be made", true, fail(errorfs.OpMkdirAll, syscall.ENOENT), []string{"it cannot be made"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inChild(t, func(t *testing.T) {
				var fs vfs.FS = vfs.NewMem()
				if c.fresh {
					if err := fs.MkdirAll("data", 0o700); err != nil {
						t.Fatal(err)
					}
				} else {
					b := opened(t, fs, Config{Dir: "data", Rules: small})
					if err := b.Close(); err != nil {
						t.Fatal(err)
					}
				}
				wantOpenError(t, "data", c.spoil(t, fs), append(c.words, "data directory data: ")...)
			})
		})
	}
}

// The power fails while the directory is made: the next start makes it anew,
// or goes on with it.
func TestOpenCutOff(t *testing.T) {
	for n := range 40 {
		mem := vfs.NewCrashableMem()
		var crashed *vfs.MemFS
		left := n
		b, err := open(Config{Dir: "data", Rules: small}, errorfs.Wrap(mem, errorfs.InjectorFunc(func(o errorfs.Op) error {
			if o.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				if left--; left == -1 {
					crashed = mem.CrashClone(vfs.CrashCloneCfg{})
				}
			}
			return nil
		})))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if crashed == nil {
			return // all there is to making it was tried
		}
		b, err = open(Config{Dir: "data", Rules: small}, crashed)
		if err != nil {
			t.Fatalf("cut off before write %d: %v", n, err)
		}
		fillLog(t, b, "all", 1)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A store that was not closed is opened where the disk fills up, or fails, at
// any of the writes that this takes: it says so, and does not hang.
func TestOpenFailsAnywhere(t *testing.T) {
	for _, cause := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		for n := range 36 {
			t.Run(fmt.Sprint(cause, "/", n), func(t *testing.T) {
				inChild(t, func(t *testing.T) {
					mem := vfs.NewCrashableMem()
					b, err := open(Config{Dir: "data", Rules: small}, mem)
					if err != nil {
						t.Fatal(err)
					}
					at := fillLog(t, b, "all", 100)
					crashed := mem.CrashClone(vfs.CrashCloneCfg{})
					var left atomic.Int64
					left.Store(int64(n))
					b, err = open(Config{Dir: "data", Rules: small}, errorfs.Wrap(crashed, errorfs.InjectorFunc(func(o errorfs.Op) error {
						if o.Kind.ReadOrWrite() == errorfs.OpIsWrite {
							if left.Add(-1) < 0 {
								return cause
							}
						}
						return nil
					})))
					if err == nil && left.Load() < 0 {
						return // what failed is of no matter
					}
					if err == nil || left.Load() >= 0 {
						if entries, _ := readAll(t, b, "all"); err != nil || len(entries) != len(at) {
							t.Errorf("nothing failed: %d entries, %v", len(entries), err)
						}
						return
					}
					if !errors.Is(err, cause) || !strings.Contains(err.Error(), "data directory data") {
						t.Errorf("the error is %v", err)
					}
					b, err = open(Config{Dir: "data", Rules: small}, crashed.CrashClone(vfs.CrashCloneCfg{}))
					if err != nil {
						t.Fatal(err)
					}
					if entries, _ := readAll(t, b, "all"); len(entries) != len(at) {
						t.Errorf("%d entries are there afterwards, want %d", len(entries), len(at))
					}
				})
			})
		}
	}
}

// smallDisk is a file system that says how much is free.
type smallDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

// Below min-free publishes are refused, and health says so; reading goes on.
// With room again all is well, without a restart.
func TestMinFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &smallDisk{FS: vfs.NewMem()}
		disk.free.Store(100 << 20)
		b := opened(t, disk, Config{Dir: "data", Rules: small, MinFree: 64 << 20})
		fillLog(t, b, "all", 3)

		disk.free.Store(63 << 20)
		time.Sleep(lookEvery)
		var storage *pabal.StorageError
		_, err := b.Append(t.Context(), "all", pabal.Publish{Messages: []pabal.Message{{}}})
		if !errors.As(err, &storage) || !storage.Full || storage.Retry == 0 || !strings.Contains(storage.What, "Nothing was published") {
			t.Errorf("publish: %v", err)
		}
		if err := b.Health(); !errors.As(err, &storage) || !storage.Full {
			t.Errorf("health: %v", err)
		}
		if entries, _ := readAll(t, b, "all"); len(entries) != 3 {
			t.Errorf("%d entries can be read, want 3", len(entries))
		}

		disk.free.Store(65 << 20)
		time.Sleep(lookEvery)
		fillLog(t, b, "all", 1)
		if err := b.Health(); err != nil {
			t.Errorf("health, with room again: %v", err)
		}
	})
}
