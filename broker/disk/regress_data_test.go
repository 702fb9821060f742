package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pabal/pabal"
)

// A channel that is left out of an export begins after its end: who held a
// cursor of it is given all that comes, or told of what is not there.
func TestExportInPart(t *testing.T) {
	fs := vfs.NewMem()
	b := opened(t, fs, dataConfig("data"))
	put(t, b, "all/a", 3, "")
	put(t, b, "all/b", 50, "")
	cursor := pabal.Position{Epoch: b.past.now().epoch, Offset: 50}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := export(t.Context(), dataConfig("data"), fs, &out, func(ch pabal.Channel) bool { return ch == "all/a" }, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := importFrom(t.Context(), dataConfig("new"), fs, &out, nil); err != nil {
		t.Fatal(err)
	}
	b = opened(t, fs, dataConfig("new"))
	put(t, b, "all/b", 60, "")
	page := readPage(t, b, "all/b", pabal.Query{From: pabal.After(cursor), MaxEntries: 1 << 20, MaxBytes: 1 << 30})
	if page.Lost == nil && len(page.Entries) < 60 {
		t.Errorf("after the last entry of before come %d of 60 new ones, and nothing is said to be missing", len(page.Entries))
	}
}

// Wherever the store is damaged, the rest of it is exported.
func TestExportOfDamaged(t *testing.T) {
	for _, share := range []float64{0.3, 0.75, 0.85} {
		dir := t.TempDir()
		config := Config{Dir: dir, Cache: 1 << 20, Rules: small}
		b := opened(t, vfs.Default, config)
		fillLog(t, b, "all", 300)
		for i := range 10 {
			fillLog(t, b, pabal.Channel(fmt.Sprint("latest/", i)), 300)
		}
		onDisk(t, b)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		spoil(t, vfs.Default, dir, share, 500)
		var out bytes.Buffer
		done, err := export(t.Context(), config, vfs.Default, &out, nil, nil)
		if err != nil || done.Channels == 0 {
			t.Errorf("damaged at %.2f: %d channels are exported, %v", share, done.Channels, err)
		}
	}
}

// The log is damaged, so that the store cannot be opened: what is in tables is
// exported.
func TestExportOfDamagedLog(t *testing.T) {
	mem := vfs.NewCrashableMem()
	b, err := open(dataConfig("data"), mem)
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, "all/a", 100, "")
	if err := b.db.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		appendTo(t, b, "all/b", pabal.Message{Data: bytes.Repeat([]byte("random?"), 700)})
	}
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := crashed.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if info, err := crashed.Stat("data/" + name); err == nil && strings.HasSuffix(name, ".log") && info.Size() > 40_000 {
			overwrite(t, crashed, "data/"+name, 2000, 100)
		}
	}
	wantOpenError(t, "data", crashed, "it is damaged")
	var out bytes.Buffer
	done, err := export(t.Context(), dataConfig("data"), crashed, &out, nil, nil)
	if err != nil || done.Entries != 100 || done.N == 0 {
		t.Errorf("%d entries are exported, %v, %v; want the 100 that were in a table, and to be told", done.Entries, done.First, err)
	}
}

// An import onto a disk that is too small ends, and says so.
func TestImportOnFullDisk(t *testing.T) {
	inChild(t, func(t *testing.T) {
		mem := vfs.NewMem()
		b := opened(t, mem, dataConfig("data"))
		put(t, b, "all/a", 50, "")
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		text := exported(t, mem, "data")
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(o errorfs.Op) error {
			if strings.HasSuffix(o.Path, ".sst") && o.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				return syscall.ENOSPC
			}
			return nil
		}))
		_, err := importFrom(t.Context(), dataConfig("new"), fs, bytes.NewReader(text), nil)
		if err == nil || !strings.Contains(err.Error(), "the disk is full") || !strings.Contains(err.Error(), "nothing was imported") {
			t.Errorf("the import ends with %v", err)
		}
	})
}

// An import into a directory that another has open leaves that alone.
func TestImportElsewhere(t *testing.T) {
	fs := vfs.NewMem()
	b := opened(t, fs, dataConfig("data"))
	put(t, b, "all/a", 5, "")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lock, err := pebble.LockDirectory(dir, vfs.Default)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := importFrom(t.Context(), dataConfig(dir), vfs.Default, bytes.NewReader(exported(t, fs, "data")), nil); err == nil {
		t.Error("it was imported")
	}
	if _, err := os.Stat(filepath.Join(dir, "LOCK")); err != nil {
		t.Errorf("the lock of the other: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
}

// The power fails after the first publish to a new directory below another.
func TestNewDirectoryOutlivesCrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	b, err := open(dataConfig("new/data"), fs)
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, b, "all/a", pabal.Message{Data: []byte("acknowledged")})
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = opened(t, crashed, dataConfig("new/data"))
	if page := readPage(t, b, "all/a", all); len(page.Entries) != 1 {
		t.Errorf("%d entries are there, want the acknowledged one", len(page.Entries))
	}
}

// What comes due soon, again and again, does not hold off the sweeps.
func TestSweepsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keep := pabal.Retention{Entries: 10, Bytes: 1 << 20, Age: time.Second}
		b := opened(t, vfs.NewMem(), like(Rules{keep, SyncNever}))
		for i := range 300 {
			appendTo(t, b, pabal.Channel(fmt.Sprint("c", i)), pabal.Message{})
			time.Sleep(30 * time.Millisecond)
		}
		holding := 0
		err := b.each(channelRow, func(_, row []byte) error {
			s, _, err := parseState(row)
			if s.count() > 0 {
				holding++
			}
			return err
		})
		if err != nil || holding > 100 {
			t.Errorf("%d channels hold entries of more than a second ago, %v", holding-33, err)
		}
	})
}

// A manifest cannot be written: all that was there can be read, also the last
// entry of each key.
func TestReadAfterFailedManifest(t *testing.T) {
	inChild(t, func(t *testing.T) {
		f := &failing{T: t, mem: vfs.NewMem(), cause: syscall.EIO, given: map[pabal.Position]string{}}
		b := f.open(func(o errorfs.Op) bool {
			return strings.Contains(o.Path, "MANIFEST") && o.Kind.ReadOrWrite() == errorfs.OpIsWrite
		})
		appendTo(t, b, "keyed", pabal.Message{Key: "a"})
		appendTo(t, b, "keyed", pabal.Message{Key: "a"})
		f.on.Store(true)
		if _, err := b.db.AsyncFlush(); err != nil {
			t.Fatal(err)
		}
		<-b.trouble.halted
		for _, latest := range []bool{false, true} {
			q := all
			q.Latest = latest
			if page := readPage(t, b, "keyed", q); len(page.Entries) == 0 {
				t.Errorf("latest %v: nothing is there", latest)
			}
		}
		var storage *pabal.StorageError
		if _, err := b.Append(t.Context(), "keyed", pabal.Publish{Messages: []pabal.Message{{}}}); !errors.As(err, &storage) {
			t.Errorf("publish: %v", err)
		}
		wantClosed(t, b)
	})
}
