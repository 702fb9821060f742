package disk

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
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
