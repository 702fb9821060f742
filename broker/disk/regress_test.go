package disk

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/pabal/pabal"
)

// like returns the configuration of a store whose channels all have rules r.
func like(r Rules) Config {
	return Config{Dir: "data", Cache: 1 << 20, Rules: func(pabal.Channel) Rules { return r }}
}

// all is a page of everything.
var all = pabal.Query{MaxEntries: 1 << 20, MaxBytes: 1 << 30}

func appendTo(t *testing.T, b *Broker, ch pabal.Channel, m ...pabal.Message) pabal.Appended {
	t.Helper()
	done, err := b.Append(t.Context(), ch, pabal.Publish{Messages: m})
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return done
}

func readPage(t *testing.T, b *Broker, ch pabal.Channel, q pabal.Query) pabal.Page {
	t.Helper()
	page, err := b.Read(t.Context(), ch, q)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return page
}

// rowsOf counts the rows of kind that ch has.
func rowsOf(t *testing.T, b *Broker, kind byte, ch pabal.Channel) (n int) {
	t.Helper()
	from, to := allOf(kind, ch)
	err := within(b.db, from, to, func(rows *pebble.Iterator) error {
		for ok := rows.First(); ok; ok = rows.Next() {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A gate holds back the syncs of a store's log while it is shut, and has them
// fail with what it was opened with.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil: it is open
	err  error
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut, g.err = nil, err
}

func (g *gate) at(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !isSync(op) || !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		g.mu.Lock()
		shut := g.shut
		g.mu.Unlock()
		if shut != nil {
			<-shut
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.err
	}))
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

// settle lets all in the bubble come to where only much time, or the test,
// moves it on.
func settle() {
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
}

// asked is what one call of a broker came to.
type asked struct {
	done pabal.Appended
	err  error
}

// twice are calls that, made again, have nothing left to do.
var twice = map[string]func(context.Context, *Broker) (pabal.Appended, error){
	"message": func(ctx context.Context, b *Broker) (pabal.Appended, error) {
		return b.Append(ctx, "c", pabal.Publish{Messages: []pabal.Message{{ID: "x"}}})
	},
	"close": func(ctx context.Context, b *Broker) (pabal.Appended, error) {
		return b.Append(ctx, "c", pabal.Publish{Close: true})
	},
	"delete": func(ctx context.Context, b *Broker) (pabal.Appended, error) {
		return pabal.Appended{}, b.Delete(ctx, "c")
	},
}

// ask calls what b cannot answer yet, and then the same again. It says of
// either if it is answered nevertheless.
func ask(t *testing.T, b *Broker, call func(context.Context, *Broker) (pabal.Appended, error)) <-chan asked {
	t.Helper()
	answers := make(chan asked, 2)
	for _, which := range []string{"first", "repeat"} {
		go func() {
			done, err := call(context.WithoutCancel(t.Context()), b)
			answers <- asked{done, err}
		}()
		if settle(); len(answers) > 0 {
			t.Errorf("before the sync the %s was answered with %+v", which, <-answers)
		}
	}
	return answers
}

// Who repeats what is under way is not told that it is done before it is
// synced, nor shown it.
func TestRepeatWaitsForSync(t *testing.T) {
	for name, call := range twice {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := new(gate)
				b := opened(t, g.at(vfs.NewMem()), like(Rules{}))
				appendTo(t, b, "c", pabal.Message{ID: "0"})
				was := readPage(t, b, "c", all)
				g.close()
				answers := ask(t, b, call)
				if page := readPage(t, b, "c", all); page.End != was.End || page.Closed || len(page.Entries) != len(was.Entries) {
					t.Errorf("before the sync %d entries are read up to %v (closed: %v)", len(page.Entries), page.End, page.Closed)
				}
				g.open(nil)
				settle()
				if len(answers) != 2 {
					t.Fatalf("%d answers after the sync, want 2", len(answers))
				}
				first, second := <-answers, <-answers
				if first.err != nil || second.err != nil || first.done.End != second.done.End {
					t.Errorf("answers: %+v and %+v", first, second)
				}
			})
		})
	}
}

// A log is read until it is forgotten, and after, also while that is being
// synced.
func TestReadWhileForgetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(gate)
		b := opened(t, g.at(vfs.NewMem()), like(Rules{Retention: pabal.Retention{Age: 400 * time.Millisecond}}))
		appendTo(t, b, "c", pabal.Message{})
		g.close()
		for range 300 {
			time.Sleep(10 * time.Millisecond)
			if _, err := b.Read(t.Context(), "c", all); err != nil {
				t.Errorf("read: %v", err)
				break
			}
		}
		g.open(nil)
	})
}

// A tail that begins while the broker is being closed ends with the others.
func TestTailDuringClose(t *testing.T) {
	b := opened(t, vfs.NewMem(), like(Rules{Sync: SyncNever}))
	l, err := b.hold("c")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l.order.Lock()
	tail := make(chan struct{})
	go func() {
		_, _ = b.Tail(ctx, "c", func(*pabal.Entry) {}) // it may be refused, too
		close(tail)
	}()
	for holders := 0; holders < 2; runtime.Gosched() {
		b.hot.mu.Lock()
		holders = l.holders
		b.hot.mu.Unlock()
	}
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	<-b.running.stop
	l.order.Unlock()
	<-tail
	b.release(l)
	select {
	case err := <-closed:
		if err != nil {
			t.Errorf("close: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("close waits for the context of a tail to end")
	}
}

// A broker that is closed while a publish makes room for its channel does both.
func TestCloseWhileMakingRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := like(Rules{Sync: SyncNever})
		config.Channels = 1
		b := opened(t, vfs.NewMem(), config)
		appendTo(t, b, "a", pabal.Message{})
		if err := b.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		busy := make(chan struct{})
		go b.submit(&request{do: func(*writer, *request) { <-busy }})
		settle()
		appended, closed := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := b.Append(context.WithoutCancel(t.Context()), "b", pabal.Publish{Messages: []pabal.Message{{}}})
			appended <- err
		}()
		settle()
		go func() { closed <- b.Close() }()
		settle()
		close(busy)
		if err := <-appended; err != nil {
			t.Errorf("append: %v", err)
		}
		if err := <-closed; err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// A log is closed in time also after a deletion.
func TestCloseAfterDeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := opened(t, vfs.NewMem(), like(Rules{Retention: pabal.Retention{CloseAfter: 200 * time.Millisecond}, Sync: SyncNever}))
		appendTo(t, b, "c", pabal.Message{})
		if err := b.Delete(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond)
		appendTo(t, b, "c", pabal.Message{})
		time.Sleep(time.Second)
		if !readPage(t, b, "c", all).Closed {
			t.Errorf("1 s after the last entry the log is open, to be closed after 200 ms")
		}
	})
}

// The disk space of what is deleted, or has expired, comes back though nothing
// else is written.
func TestSpaceComesBack(t *testing.T) {
	for _, how := range []string{"delete", "expire"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				keep := pabal.Retention{Bytes: -1, Entries: -1, Age: 10 * time.Second}
				if how == "delete" {
					keep.Age = time.Hour
				}
				fs := vfs.NewMem()
				b := opened(t, fs, like(Rules{keep, SyncNever}))
				random := rand.NewChaCha8([32]byte{})
				for i := range 60 {
					data := make([]byte, 100_000)
					_, _ = random.Read(data)
					appendTo(t, b, pabal.Channel(fmt.Sprint(i%3)), pabal.Message{Data: data})
				}
				if err := b.db.Flush(); err != nil {
					t.Fatal(err)
				}
				if tables := tableBytes(t, fs); tables < 4<<20 {
					t.Fatalf("the tables have %d bytes, too few to tell", tables)
				}
				for i := range 3 {
					if ch := pabal.Channel(fmt.Sprint(i)); how == "delete" {
						if err := b.Delete(t.Context(), ch); err != nil {
							t.Fatal(err)
						}
					}
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if tables := tableBytes(t, fs); tables > 1<<20 {
					t.Errorf("2 minutes later the tables have %d bytes", tables)
				}
			})
		})
	}
}

func tableBytes(t *testing.T, fs vfs.FS) (sum int64) {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if info, err := fs.Stat(fs.PathJoin("data", name)); err == nil && strings.HasSuffix(name, ".sst") {
			sum += info.Size()
		}
	}
	return sum
}
