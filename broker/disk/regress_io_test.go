package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
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

const childVariable = "PABAL_DISK_TEST"

// inChild runs test, which is that of t, in a process of its own: a store that
// has failed may leave goroutines behind that wait for ever.
func inChild(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if os.Getenv(childVariable) == t.Name() {
		defer func() {
			if r := recover(); r != nil {
				fmt.Printf("panic: %v\n%s", r, debug.Stack())
				os.Exit(2)
			}
			if t.Failed() {
				os.Exit(1)
			}
			os.Exit(0)
		}()
		test(t)
		return
	}
	pattern := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+pattern, "-test.v", "-test.timeout=50s")
	child.Env = append(os.Environ(), childVariable+"="+t.Name(), "GORACE=atexit_sleep_ms=0")
	said, err := child.CombinedOutput()
	if ran := strings.Contains(string(said), "=== RUN   "+t.Name()+"\n"); err != nil || !ran {
		t.Errorf("%v:\n%s", err, said)
	}
}

// wantTrouble checks that err is of a storage that failed by cause, and says
// what about what was asked.
func wantTrouble(t *testing.T, which string, err error, cause syscall.Errno, what ...string) {
	t.Helper()
	s, ok := errors.AsType[*pabal.StorageError](err)
	if !ok || s.Full != (cause == syscall.ENOSPC) {
		t.Errorf("%s: got %v (%+v), of %v", which, err, s, cause)
		return
	}
	for _, text := range what {
		if strings.Contains(s.What, text) {
			return
		}
	}
	if len(what) > 0 {
		t.Errorf("%s: got %q, want it to say %q", which, s.What, what)
	}
}

// wantClosed closes b, which has failed, and so may not be able to. It checks
// that this takes no long time.
func wantClosed(t *testing.T, b *Broker) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	select {
	case err := <-closed:
		t.Logf("close: %v", err)
	case <-time.After(20 * time.Second):
		t.Errorf("close has not returned after 20 s")
	}
}

// A failing is a file system in memory of which some operations fail, once
// that is on, and the store in it.
type failing struct {
	*testing.T
	mem   *vfs.MemFS
	on    atomic.Bool
	cause syscall.Errno
	sync  Sync
	given map[pabal.Position]string // what was acknowledged where
}

func (f *failing) config() Config {
	config := like(Rules{pabal.Retention{Entries: -1, Bytes: -1}, f.sync})
	config.SyncInterval = 10 * time.Millisecond
	return config
}

func (f *failing) open(is func(errorfs.Op) bool) *Broker {
	f.Helper()
	fs := errorfs.Wrap(f.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f.on.Load() && is(op) {
			return f.cause
		}
		return nil
	}))
	b, err := open(f.config(), fs)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// publish publishes until that fails.
func (f *failing) publish(b *Broker, size int) error {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 20*time.Second)
	defer cancel()
	for {
		id := fmt.Sprint(len(f.given))
		done, err := b.Append(ctx, "c", pabal.Publish{Messages: []pabal.Message{{ID: id, Data: make([]byte, size)}}})
		if err != nil {
			return err
		}
		f.given[done.Positions[0]] = id
	}
}

// reopen opens the store anew, on what a crash leaves of the file system when
// that works again. It checks that all that must be is there, and that no
// position is given out twice.
func (f *failing) reopen() {
	f.Helper()
	b, err := open(f.config(), f.mem.CrashClone(vfs.CrashCloneCfg{}))
	if err != nil {
		f.Fatalf("open anew: %v", err)
	}
	have := map[pabal.Position]string{}
	for _, e := range readPage(f.T, b, "c", all).Entries {
		have[e.Position()] = e.ID
	}
	for range 10 {
		have[appendTo(f.T, b, "c", pabal.Message{Data: []byte("new")}).Positions[0]] = "new"
	}
	for at, id := range f.given {
		if now, there := have[at]; there && now != id || !there && f.sync == SyncAlways {
			f.Errorf("at %v was %s, and is %q", at, id, now)
		}
	}
	if err := b.Close(); err != nil {
		f.Errorf("close: %v", err)
	}
}

var logTroubles = []struct {
	name  string
	cause syscall.Errno
	kinds []errorfs.OpKind
}{
	{"create", syscall.ENOSPC, []errorfs.OpKind{errorfs.OpCreate, errorfs.OpReuseForWrite}},
	{"write", syscall.EIO, []errorfs.OpKind{errorfs.OpFileWrite}},
	{"sync", syscall.EIO, []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}},
}

// When the store's log cannot be written, who was publishing is told that it
// is not known whether that was done, and who comes later that it was not.
// What was acknowledged can be read, now and once the store is opened anew.
func TestLogCannotBeWritten(t *testing.T) {
	for _, trouble := range logTroubles {
		for sync := SyncAlways; sync <= SyncNever; sync++ {
			t.Run(fmt.Sprint(trouble.name, "/", sync), func(t *testing.T) {
				inChild(t, func(t *testing.T) {
					f := &failing{T: t, mem: vfs.NewCrashableMem(), cause: trouble.cause, sync: sync, given: map[pabal.Position]string{}}
					b := f.open(func(op errorfs.Op) bool {
						is := false
						for _, kind := range trouble.kinds {
							is = is || op.Kind == kind && strings.HasSuffix(op.Path, ".log")
						}
						return is
					})
					f.given[appendTo(t, b, "c", pabal.Message{ID: "first"}).Positions[0]] = "first"
					f.on.Store(true)
					says := []string{"not known"}
					if sync != SyncAlways { // it may fail between two
						says = append(says, "nothing was published")
					}
					wantTrouble(t, "append under way", f.publish(b, 50_000), trouble.cause, says...)
					wantTrouble(t, "later append", f.publish(b, 1), trouble.cause, "nothing was published")
					wantTrouble(t, "health", b.Health(), trouble.cause)
					if page := readPage(t, b, "c", all); len(page.Entries) < len(f.given) {
						t.Errorf("%d entries are read, of %d", len(page.Entries), len(f.given))
					}
					wantClosed(t, b)
					f.reopen()
				})
			})
		}
	}
}

// When there is no room for tables, publishes are refused before the store
// cannot take any more, and do not wait.
func TestNoRoomForTables(t *testing.T) {
	inChild(t, func(t *testing.T) {
		f := &failing{T: t, mem: vfs.NewCrashableMem(), cause: syscall.ENOSPC, given: map[pabal.Position]string{}}
		b := f.open(func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") })
		f.on.Store(true)
		wantTrouble(t, "append", f.publish(b, 200_000), f.cause)
		wantTrouble(t, "health", b.Health(), f.cause)
		if page := readPage(t, b, "c", all); len(page.Entries) < len(f.given) {
			t.Errorf("%d entries are read, of %d", len(page.Entries), len(f.given))
		}
		wantClosed(t, b)
		f.reopen()
	})
}

// Who repeats what is under way learns, as the first does, when it could not
// be synced.
func TestRepeatOfWhatFails(t *testing.T) {
	for name, call := range twice {
		t.Run(name, func(t *testing.T) {
			inChild(t, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := new(gate)
					b, err := open(like(Rules{}), g.at(vfs.NewMem()))
					if err != nil {
						t.Fatal(err)
					}
					appendTo(t, b, "c", pabal.Message{ID: "0"})
					g.close()
					answers := ask(t, b, call)
					if t.Failed() {
						exit(t)
					}
					g.open(syscall.EIO)
					for range 2 {
						wantTrouble(t, name, (<-answers).err, syscall.EIO, "not known")
					}
					exit(t) // goroutines are left in the bubble
				})
			})
		})
	}
}

func exit(t *testing.T) {
	if t.Failed() {
		os.Exit(1)
	}
	os.Exit(0)
}

// What could not be synced is shown to nobody, also when the log was loaded
// anew, so that its position may be used again.
func TestReloadAfterFailure(t *testing.T) {
	inChild(t, func(t *testing.T) {
		g, mem := new(gate), vfs.NewCrashableMem()
		config := like(Rules{})
		config.Cache = 1 // no log that is idle stays in memory while there are recent entries
		b, err := open(config, g.at(mem))
		if err != nil {
			t.Fatal(err)
		}
		kept := appendTo(t, b, "c", pabal.Message{ID: "kept"})
		recent, err := b.hold("recent")
		if err != nil {
			t.Fatal(err)
		}
		appendTo(t, b, "recent", pabal.Message{})
		g.close()
		failed := make(chan error, 1)
		go func() {
			_, err := b.Append(context.Background(), "c", pabal.Publish{Messages: []pabal.Message{{ID: "x"}}})
			failed <- err
		}()
		g.open(syscall.EIO)
		wantTrouble(t, "append", <-failed, syscall.EIO, "not known")
		for range 3 { // c is loaded each time, but for the first
			page, err := b.Read(t.Context(), "c", all)
			if err == nil && (len(page.Entries) != 1 || page.End != kept.End) {
				t.Errorf("%d entries are read, up to %v, and kept was one, up to %v", len(page.Entries), page.End, kept.End)
			}
		}
		b.release(recent)
		wantClosed(t, b)
		b = opened(t, mem.CrashClone(vfs.CrashCloneCfg{}), config)
		if next := appendTo(t, b, "c", pabal.Message{ID: "next"}); next.End.Offset <= kept.End.Offset {
			t.Errorf("after %v comes %v", kept.End, next.End)
		}
	})
}
