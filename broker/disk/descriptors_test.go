package disk

import (
	"fmt"
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

// When there is no descriptor for the store's next log, publishes are refused
// until there is one. What was under way is done then, and the store has not
// failed: a crowd of connections must not be able to stop it for good.
func TestNoDescriptorForTheLog(t *testing.T) {
	inChild(t, func(t *testing.T) {
		f := &failing{T: t, mem: vfs.NewCrashableMem(), cause: syscall.EMFILE, given: map[pabal.Position]string{}}
		b := f.open(func(op errorfs.Op) bool {
			return (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite) && strings.HasSuffix(op.Path, ".log")
		})
		for range 3 { // from the second on there is a log to be used again
			f.on.Store(true)
			var enough atomic.Bool
			ended := make(chan error, 1)
			go func() {
				for !enough.Load() {
					id := fmt.Sprint(len(f.given))
					done, err := b.Append(t.Context(), "c", pabal.Publish{Messages: []pabal.Message{{ID: id, Data: make([]byte, 50_000)}}})
					if err != nil {
						ended <- err
						return
					}
					f.given[done.Positions[0]] = id
				}
				ended <- nil
			}()
			for b.Health() == nil {
				<-time.After(time.Millisecond)
			}
			wantTrouble(t, "health", b.Health(), f.cause, "no file descriptor")
			_, err := b.Append(t.Context(), "c", pabal.Publish{Messages: []pabal.Message{{ID: "refused"}}})
			wantTrouble(t, "append meanwhile", err, f.cause, "nothing was published")
			enough.Store(true)
			select {
			case err := <-ended:
				t.Fatalf("what was under way: %v, want it to wait", err)
			case <-time.After(2 * tableRetry):
			}
			f.on.Store(false)
			if err := <-ended; err != nil {
				t.Fatalf("what was under way: %v, want it to be done", err)
			}
			if err := b.Health(); err != nil {
				t.Errorf("health: %v, want none", err)
			}
		}
		f.given[appendTo(t, b, "c", pabal.Message{ID: "last"}).Positions[0]] = "last"
		if page := readPage(t, b, "c", all); len(page.Entries) < len(f.given) {
			t.Errorf("%d entries are read, of %d", len(page.Entries), len(f.given))
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		f.reopen()
	})
}

// A flush that ends while the log waits for a descriptor does not mend that:
// publishes are refused still, and do not hang. When none appears, Close waits
// a while and gives up, and what was under way is not known to be done.
func TestNoDescriptorWhenAFlushEnds(t *testing.T) {
	inChild(t, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &failing{T: t, mem: vfs.NewCrashableMem(), cause: syscall.EMFILE, given: map[pabal.Position]string{}}
			var flushing atomic.Bool
			written := make(chan struct{})
			b := f.open(func(op errorfs.Op) bool { // none is left once a table is written, which takes until written is closed
				if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst") {
					flushing.Store(true)
					<-written
				}
				return flushing.Load() && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite) && strings.HasSuffix(op.Path, ".log")
			})
			f.on.Store(true)
			ended := make(chan error, 1)
			go func() { ended <- f.publish(b, 50_000) }()
			for b.Health() == nil {
				settle()
			}
			flushes := b.db.Metrics().Flush.Count
			close(written)
			settle()
			if b.db.Metrics().Flush.Count == flushes {
				t.Error("no flush has ended: this tests nothing")
			}
			wantTrouble(t, "health", b.Health(), f.cause, "no file descriptor")
			_, err := b.Append(t.Context(), "c", pabal.Publish{Messages: []pabal.Message{{ID: "refused"}}})
			wantTrouble(t, "append meanwhile", err, f.cause, "nothing was published")
			start := time.Now()
			wantTrouble(t, "close", b.Close(), f.cause)
			if took := time.Since(start); took > closePatience+2*tableRetry {
				t.Errorf("close took %v, want little more than %v", took, closePatience)
			}
			wantTrouble(t, "what was under way", <-ended, f.cause, "not known")
			f.on.Store(false)
			f.reopen()
			exit(t) // goroutines are left in the bubble
		})
	})
}

// Publishes are refused for as long as a log or a manifest waits for a
// descriptor, also when another that waited has got one, or a flush has ended.
func TestSeveralWaitForADescriptor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := [...]string{"1.log", "MANIFEST-1"}
		var left [len(files)]atomic.Bool // whether there is a descriptor for it
		b := newBroker(like(Rules{}), errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			for i, name := range files {
				if op.Kind == errorfs.OpCreate && op.Path == name && !left[i].Load() {
					return syscall.EMFILE
				}
			}
			return nil
		})))
		b.trouble.stage.Store(int32(serving))
		for first := range files {
			var made atomic.Int64
			left[0].Store(false)
			left[1].Store(false)
			for _, name := range files {
				go func() {
					f, err := (guardedFS{b.fs, b}).Create(name, vfs.WriteCategoryUnspecified)
					if err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					made.Add(1)
					if err := f.Close(); err != nil {
						t.Error(err)
					}
				}()
				synctest.Wait()
			}
			wantTrouble(t, "health while both wait", b.Health(), syscall.EMFILE, "no file descriptor")
			left[first].Store(true)
			time.Sleep(2 * tableRetry)
			b.flushed(nil)
			wantTrouble(t, "health while one waits", b.Health(), syscall.EMFILE, "no file descriptor")
			left[1-first].Store(true)
			time.Sleep(2 * tableRetry)
			if err := b.Health(); err != nil || made.Load() != 2 {
				t.Errorf("%d files were made, and health is %v; want 2, and none", made.Load(), err)
			}
		}
	})
}

// What cannot be read for want of a descriptor is not damaged: the store is
// well again as soon as there are some.
func TestNoDescriptorForATable(t *testing.T) {
	var on atomic.Bool
	var met atomic.Int64
	config := like(Rules{Retention: pabal.Retention{Entries: 3, Bytes: -1}})
	b, err := open(config, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if on.Load() && op.Kind == errorfs.OpOpen && strings.HasSuffix(op.Path, ".sst") {
			met.Add(1)
			return syscall.EMFILE
		}
		return nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		appendTo(t, b, "c", pabal.Message{Data: []byte("old")})
	}
	on.Store(true)
	if err := b.db.Flush(); err != nil {
		t.Fatal(err)
	}
	l, err := b.hold("c")
	if err != nil {
		t.Fatal(err)
	}
	l.ahead = nil // as after a start: it has to look what to drop
	b.release(l)
	appendTo(t, b, "c", pabal.Message{Data: []byte("new")})
	if met.Load() == 0 {
		t.Fatal("no table had to be opened: this tests nothing")
	}
	on.Store(false)
	if page := readPage(t, b, "c", all); len(page.Entries) < 3 || page.Lost != nil {
		t.Errorf("then %d entries are read, and lost is %v", len(page.Entries), page.Lost)
	}
	if err := b.Health(); err != nil {
		t.Errorf("health: %v, want none: nothing is damaged", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
