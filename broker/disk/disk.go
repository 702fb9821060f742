// Package disk keeps channels' logs on the disk of one node, with Pebble. It is
// the broker of a server that runs alone and remembers when it is started anew.
//
//	broker, err := disk.Open(disk.Config{Dir: "./pabal-data"})
//	…
//	defer broker.Close()
//	hub := pabal.NewHub(broker, pabal.Limits{})
//
// It holds to all that [pabal.Broker] promises, and more: what Append has
// returned has been given to every tail of the channel, so a [Broker] is
// lossless.
//
// Publishes that come at the same time are kept by one commit. With
// [SyncAlways] it is synced before any of them is answered or shown to a
// reader, so no crash takes back what anyone has seen. With the others a crash
// may; then the store comes back in a new epoch, remembers what survived, and
// begins above all offsets that it had given out.
//
// A Broker owns the data of the messages that it is given: nobody may write to
// it any more. The entries that it hands out share that data.
//
// # Where it is stricter than the contract
//
// It is as package memory is: a batch that uses an ID twice is refused, and a
// closed channel that has been empty for as long as its entries would be kept
// is forgotten, and then open again.
//
// # How it works
//
// One goroutine, the writer, does all that changes a log, in groups: for each
// a batch of rows (keys.go). What a log will be after the groups under way is
// the writer's own (log.head); what readers see (log.shown) follows when a
// group is kept. A reader takes what it sees together with an iterator, and
// rows that it may need are removed only by a group after.
//
// Order of locks: a log's order, then its mu; hot.mu is taken with neither
// held. Tails are called under order alone.
package disk

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

// A Broker keeps channels' logs on disk. It may be used by any number of
// goroutines.
type Broker struct {
	config Config
	fs     vfs.FS
	db     *pebble.DB
	lock   *pebble.Lock

	past   history
	record record // the writer's, once it is opened

	hot       hot
	queue     queue
	ids       once.Set
	followers leavers
	space     space

	ends ends

	trouble  trouble
	unsynced chan struct{} // has room for one: entries were kept that are to be synced within the interval
	running  running
}

// ends are the ends of names of which nothing is known, as readers see them.
type ends struct {
	mu     sync.RWMutex
	floors floors
}

// trouble is what went wrong with the store.
type trouble struct {
	compactions *scheduler

	stage  atomic.Int32  // a [stage]
	halted chan struct{} // closed when what is under way will never end
	halt   sync.Once

	ill     atomic.Pointer[pabal.StorageError] // tables cannot be written just now
	lack    lack                               // logs and manifests cannot be created just now
	said    atomic.Int64                       // when something of this was last logged
	failed  atomic.Pointer[pabal.StorageError] // nothing can be kept any more
	damaged atomic.Pointer[string]             // this cannot be read, or a part of it
}

// running is what ends when the broker is closed.
type running struct {
	stop     chan struct{}
	once     sync.Once
	err      error
	sooner   chan struct{}               // has room for one: something is due before next
	next     atomic.Int64                // when the next sweep is, in nanoseconds since 1970
	unread   map[pabal.Channel]time.Time // the sweep's: what could not be loaded, and when to try again
	crash    bool                        // leave the store as if it had not been closed; for tests
	sweeping sync.WaitGroup
	writing  sync.WaitGroup
}

func (b *Broker) start() {
	b.running.stop, b.running.unread = make(chan struct{}), map[pabal.Channel]time.Time{}
	b.running.sooner = make(chan struct{}, 1)
	b.queue.news = make(chan struct{}, 1)
	b.unsynced = make(chan struct{}, 1)
	b.running.writing.Go(b.write)
	b.running.sweeping.Go(b.run)
	b.running.sweeping.Go(b.syncNowAndThen)
}

// Close ends all tails and closes the store; what was published is synced.
// Tails are called no more once it has returned.
func (b *Broker) Close() error {
	b.running.once.Do(func() { b.running.err = b.end() })
	return b.running.err
}

func (b *Broker) end() error {
	b.hot.mu.Lock()
	b.hot.closed = true
	b.hot.mu.Unlock()
	b.followers.leave()
	close(b.running.stop)
	ended := make(chan error, 1)
	go func() { ended <- b.finishAll() }()
	ticker := time.NewTicker(closePatience)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-b.trouble.halted:
			return errors.Join(b.failure(), errNotClosed)
		case <-ticker.C:
			b.trouble.lack.over.Store(true) // what waits for a descriptor halts the store
			if ill := b.trouble.ill.Load(); ill != nil {
				return errors.Join(ill, errNotClosed)
			}
		}
	}
}

// closePatience is how long Close waits for tables that cannot be written, and
// for descriptors.
const closePatience = 5 * time.Second

// errNotClosed says that a store that has failed is in use still, and its
// directory locked, until the process ends.
var errNotClosed = errors.New("the store could not be closed; what was acknowledged is there when it is opened anew, once this process has ended")

// finishAll waits until nothing is under way, and closes the store.
func (b *Broker) finishAll() error {
	b.running.sweeping.Wait()
	b.hot.held.Wait()
	b.queue.close()
	b.running.writing.Wait()
	failed := b.failure()
	if failed == nil {
		b.record.clean = !b.running.crash
		failed = b.db.Set([]byte{storeRow}, b.record.append(nil), pebble.Sync)
	}
	b.trouble.stage.Store(int32(closing))
	return errors.Join(failed, b.db.Close(), b.lock.Close())
}

// enter keeps the store open until hot.held.Done is called.
func (b *Broker) enter() error {
	b.hot.mu.Lock()
	defer b.hot.mu.Unlock()
	if b.hot.closed {
		return errClosed
	}
	b.hot.held.Add(1)
	return nil
}

// Lossless reports that tails miss nothing.
func (b *Broker) Lossless() bool { return true }

// clock returns the time without what only this process can read.
func clock() time.Time { return time.Now().UTC().Round(0) }
