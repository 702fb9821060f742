package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// small are rules that keep everything, but in channels that begin with "few"
// only some, and in those that begin with "latest" the last of each key.
func small(ch pabal.Channel) Rules {
	keep := pabal.Retention{Entries: 1 << 30, Bytes: 1 << 40, Age: -1}
	switch {
	case strings.HasPrefix(string(ch), "few"):
		keep.Entries = 1000
	case strings.HasPrefix(string(ch), "latest"):
		keep.Latest, keep.Entries, keep.Keys = true, 10, 100_000
	}
	return Rules{Retention: keep}
}

// fill publishes n messages to ch, each with a key of its own, and returns the
// positions.
func fillLog(t *testing.T, b *Broker, ch pabal.Channel, n int) (at []pabal.Position) {
	t.Helper()
	for len(at) < n {
		var m []pabal.Message
		for i := len(at); i < min(n, len(at)+500); i++ {
			m = append(m, pabal.Message{Key: fmt.Sprint("key-", i), Data: fmt.Appendf(nil, "%s %d %s", ch, i, strings.Repeat("padding ", 8))})
		}
		done, err := b.Append(t.Context(), ch, pabal.Publish{Messages: m})
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, done.Positions...)
	}
	return at
}

// onDisk moves all rows of b from memory and log into tables of one level.
func onDisk(t *testing.T, b *Broker) {
	t.Helper()
	if err := errors.Join(b.db.Flush(), b.db.Compact(t.Context(), []byte{0}, []byte{255}, false)); err != nil {
		t.Fatal(err)
	}
}

// spoil overwrites n bytes of the largest table of the store, as far from its
// beginning as share says.
func spoil(t *testing.T, fs vfs.FS, dir string, share float64, n int) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	largest, size := "", int64(0)
	for _, name := range names {
		info, err := fs.Stat(fs.PathJoin(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".sst") && info.Size() > size {
			largest, size = fs.PathJoin(dir, name), info.Size()
		}
	}
	overwrite(t, fs, largest, int64(share*float64(size)), n)
}

// overwrite overwrites n bytes of the file name.
func overwrite(t *testing.T, fs vfs.FS, name string, at int64, n int) {
	t.Helper()
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(strings.Repeat("\xa5", n)), at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// readAll reads ch from its beginning as a reader does, page by page. It
// returns what came and what was said to be missing.
func readAll(t *testing.T, b *Broker, ch pabal.Channel) (entries []*pabal.Entry, gaps []*pabal.Gap) {
	t.Helper()
	q := pabal.Query{MaxEntries: 100, MaxBytes: 1 << 20}
	for {
		page, err := b.Read(t.Context(), ch, q)
		if err != nil {
			t.Fatalf("read after %d entries: %v", len(entries), err)
		}
		if page.Lost != nil {
			gaps = append(gaps, page.Lost)
		}
		entries = append(entries, page.Entries...)
		if !page.More {
			return entries, gaps
		}
		q.From = pabal.After(page.Entries[len(page.Entries)-1].Position())
	}
}

func TestDamagedEntriesAreAGap(t *testing.T) {
	dir := t.TempDir()
	config := Config{Dir: dir, Cache: 1 << 20, Rules: small}
	b := opened(t, vfs.Default, config)
	at := fillLog(t, b, "all", 20_000)
	fillLog(t, b, "few/long", 900)
	onDisk(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, vfs.Default, dir, 0.4, 20_000)

	b = opened(t, vfs.Default, config)
	entries, gaps := readAll(t, b, "all")
	if len(gaps) != 1 || gaps[0].Reason != pabal.Damaged || gaps[0].Reason.Reset() {
		t.Fatalf("gaps: %+v, want one, of damage", gaps)
	}
	missing, next := 0, 0
	for _, p := range at {
		if p.Offset > gaps[0].From.Offset && p.Offset <= gaps[0].To.Offset {
			missing++
			continue
		}
		if next == len(entries) || entries[next].Position() != p {
			t.Fatalf("at %v: it is neither read nor said to be missing", p)
		}
		next++
	}
	if missing == 0 || missing > 2000 {
		t.Errorf("%d entries are missing, want those in the damaged blocks", missing)
	}

	t.Run("who stands in the gap", func(t *testing.T) {
		in := pabal.Position{Epoch: gaps[0].From.Epoch, Offset: (gaps[0].From.Offset + gaps[0].To.Offset) / 2}
		page, err := b.Read(t.Context(), "all", pabal.Query{From: pabal.After(in), MaxEntries: 1, MaxBytes: 1 << 20})
		if err != nil || page.Lost == nil || page.Lost.From != in || page.Lost.To != gaps[0].To || page.Start != gaps[0].To {
			t.Errorf("got %+v, lost %+v, %v", page, page.Lost, err)
		}
	})
	t.Run("publishing goes on", func(t *testing.T) {
		for _, ch := range []pabal.Channel{"all", "other"} {
			if done := fillLog(t, b, ch, 3); done[2].Offset == 0 {
				t.Errorf("channel %s: %+v", ch, done)
			}
		}
	})
	t.Run("health", func(t *testing.T) {
		var storage *pabal.StorageError
		if err := b.Health(); !errors.As(err, &storage) || !strings.Contains(storage.What, "cannot be read") {
			t.Errorf("health is %v", err)
		}
		if b.failure() != nil {
			t.Errorf("the store failed: %v", b.failure())
		}
	})
	t.Run("the last entries", func(t *testing.T) {
		page, err := b.Read(t.Context(), "all", pabal.Query{From: pabal.FromLast(1), MaxEntries: 10, MaxBytes: 1 << 20})
		if err != nil || len(page.Entries) != 1 || page.Lost != nil {
			t.Errorf("got %+v, %v", page, err)
		}
	})
}

// The oldest entries are damaged, which retention wants to drop.
func TestDamagedOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, dir := vfs.NewMem(), "data"
		config := Config{Dir: dir, Cache: 1 << 20, Rules: small}
		b := opened(t, fs, config)
		fillLog(t, b, "few", 1000)
		onDisk(t, b)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		spoil(t, fs, dir, 0.02, 3000) // its first entries come first in the table

		b = opened(t, fs, config)
		if page, err := b.Read(t.Context(), "few", pabal.Query{From: pabal.FromLast(1), MaxEntries: 10, MaxBytes: 1 << 20}); err != nil || len(page.Entries) != 1 {
			t.Errorf("the last entry: %+v, %v", page, err)
		}
		if _, gaps := readAll(t, b, "few"); len(gaps) != 1 || gaps[0].Reason != pabal.Damaged {
			t.Fatalf("gaps: %+v, want the damaged one", gaps)
		}
		for range 8 {
			fillLog(t, b, "few", 100)
			time.Sleep(retryAfter)
		}
		entries, gaps := readAll(t, b, "few")
		if len(entries) > 1000 || len(entries) < 700 || len(gaps) > 0 {
			t.Errorf("%d entries are left, gaps %v; want that the damaged ones were dropped", len(entries), gaps)
		}
		if err := b.failure(); err != nil {
			t.Errorf("the store failed: %v", err)
		}
	})
}

// Of a log that keeps the last of each key, the row of one is damaged: a
// publish that has to know it is refused, any other goes on.
func TestDamagedKey(t *testing.T) {
	b := opened(t, vfs.NewMem(), Config{Dir: "data", Cache: 1 << 20, Rules: small})
	fillLog(t, b, "latest", 10)
	if err := b.db.Set(lastKeyKey(nil, "latest", "key-3"), []byte("damaged"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		m := []pabal.Message{{Data: []byte("in the same batch")}, {Key: fmt.Sprint("key-", i), Data: []byte("again")}}
		_, err := b.Append(t.Context(), "latest", pabal.Publish{Messages: m})
		var storage *pabal.StorageError
		if refused := errors.As(err, &storage) && strings.Contains(storage.What, "nothing was published"); refused != (i == 3) || !refused && err != nil {
			t.Errorf("key %d: %v", i, err)
		}
	}
	page, err := b.Read(t.Context(), "latest", pabal.Query{MaxEntries: 100, MaxBytes: 1 << 20})
	if err != nil || page.End.Offset != 18 {
		t.Errorf("the log ends at %v, %v; want 18, as nothing of the refused batch was kept", page.End, err)
	}
	if err := b.failure(); err != nil {
		t.Errorf("the store failed: %v", err)
	}
}

// A channel whose own row is damaged cannot be used. Others can, and are swept.
func TestDamagedChannel(t *testing.T) {
	dir := t.TempDir()
	config := Config{Dir: dir, Cache: 1 << 20, Rules: func(pabal.Channel) Rules {
		return Rules{Retention: pabal.Retention{CloseAfter: time.Millisecond}}
	}}
	b := opened(t, vfs.Default, config)
	for _, ch := range []pabal.Channel{"a", "b", "c"} {
		fillLog(t, b, ch, 1)
	}
	if err := b.db.Set(channelKey(nil, "b"), []byte{0xff}, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = opened(t, vfs.Default, config)
	var storage *pabal.StorageError
	if _, err := b.Append(t.Context(), "b", pabal.Publish{Messages: []pabal.Message{{}}}); !errors.As(err, &storage) {
		t.Errorf("publish to the damaged channel: %v", err)
	}
	for _, ch := range []pabal.Channel{"a", "c"} {
		closed := make(chan struct{}, 10)
		if _, err := b.Tail(t.Context(), ch, func(e *pabal.Entry) { closed <- struct{}{} }); err != nil {
			t.Fatal(err)
		}
		if page, err := b.Read(t.Context(), ch, pabal.Query{}); err != nil || !page.Closed {
			<-closed
		}
	}
	if err := b.Health(); err == nil || !strings.Contains(err.Error(), `channel "b"`) {
		t.Errorf("health: %v, want that it names the channel", err)
	}
}

// What is damaged is read at the start: the server does not start, and says
// why.
func TestDamagedStart(t *testing.T) {
	for _, spoilt := range []string{"MANIFEST-*", "PABAL"} {
		t.Run(spoilt, func(t *testing.T) {
			dir := t.TempDir()
			b := opened(t, vfs.Default, Config{Dir: dir, Rules: small})
			fillLog(t, b, "all", 1000)
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			names, err := filepath.Glob(filepath.Join(dir, spoilt))
			if err != nil || len(names) == 0 {
				t.Fatalf("there is no %s", spoilt)
			}
			for _, name := range names {
				overwrite(t, vfs.Default, name, 4, 8)
			}
			wantOpenError(t, dir, vfs.Default, "data directory "+dir, "give another directory")
		})
	}
}

// wantOpenError opens the store in dir, which must fail and say all of words.
func wantOpenError(t *testing.T, dir string, fs vfs.FS, words ...string) {
	t.Helper()
	b, err := open(Config{Dir: dir, Rules: small}, fs)
	if err == nil {
		_ = b.Close()
		t.Fatal("it opened")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error is %q, want %q in it", err, w)
		}
	}
}

// The log of what was not yet in a table ends in the middle of a write, as
// after a crash: what was acknowledged is there. If it is damaged before its
// end, the server says so and does not start.
func TestDamagedLog(t *testing.T) {
	crashed := func(t *testing.T) (dir, log string, at []pabal.Position) {
		fs := vfs.NewCrashableMem()
		b, err := open(Config{Dir: "data", Rules: small}, fs)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			at = append(at, fillLog(t, b, "all", 50)...)
		}
		clone := fs.CrashClone(vfs.CrashCloneCfg{})
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		dir = t.TempDir()
		if _, err := vfs.Clone(clone, vfs.Default, "data", dir); err != nil {
			t.Fatal(err)
		}
		logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
		if err != nil || len(logs) == 0 {
			t.Fatalf("there is no log: %v", err)
		}
		return dir, logs[len(logs)-1], at
	}
	t.Run("cut at the end", func(t *testing.T) {
		dir, name, at := crashed(t)
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := f.Seek(0, io.SeekEnd)
		if err := errors.Join(f.Truncate(size-100), f.Close()); err != nil {
			t.Fatal(err)
		}
		b := opened(t, vfs.Default, Config{Dir: dir, Rules: small})
		entries, _ := readAll(t, b, "all")
		if len(entries) < len(at)-50 || entries[0].Position() != at[0] {
			t.Errorf("%d entries are there of %d", len(entries), len(at))
		}
	})
	t.Run("spoilt in the middle", func(t *testing.T) {
		dir, name, _ := crashed(t)
		overwrite(t, vfs.Default, name, 10_000, 100)
		wantOpenError(t, dir, vfs.Default, "it is damaged", "put back a copy")
	})
}
