package disk

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

// A group waits for others to join it no longer than gatherTime or than a sync
// takes, and only while it has less than gatherBytes. Where a sync is so quick
// as to be below gatherLeast it does not wait.
const (
	gatherTime  = time.Millisecond
	gatherLeast = 100 * time.Microsecond
	gatherBytes = 256 << 10
)

// A request is what one caller has the writer do.
type request struct {
	log   *log
	do    func(*writer, *request) // on the log; it sets done and err
	p     pabal.Publish
	claim *once.Claim
	size  int
	due   int64 // of a sweep

	done  pabal.Appended
	err   error
	ready chan struct{} // has room for one
}

// queue is the requests that wait for the writer.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	bytes   int
	enough  int // as many are a reason to wake the writer
	closed  bool
	news    chan struct{} // has room for one
	sync    atomic.Int64  // how long the last one took, in nanoseconds
}

func (q *queue) put(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	q.waiting = append(q.waiting, r)
	q.bytes += r.size
	if n := len(q.waiting); n == 1 || n == q.enough || q.bytes >= gatherBytes {
		q.wake()
	}
	return nil
}

func (q *queue) wake() {
	select {
	case q.news <- struct{}{}:
	default:
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
}

// take waits for requests. It waits a little longer for as many as there were
// last: of clients that were answered together, most ask together again. It
// returns none once the queue is closed and empty.
func (q *queue) take(spare []*request) []*request {
	var timer *time.Timer
	patience := min(time.Duration(q.sync.Load()), gatherTime)
	for late := patience < gatherLeast; ; {
		q.mu.Lock()
		n := len(q.waiting)
		if n > 0 && (late || n >= q.enough || q.bytes >= gatherBytes) || q.closed {
			taken := q.waiting
			q.waiting, q.bytes, q.enough = spare[:0], 0, n
			q.mu.Unlock()
			if timer != nil {
				timer.Stop()
			}
			return taken
		}
		q.mu.Unlock()
		if n == 0 {
			<-q.news
			continue
		}
		if timer == nil {
			timer = time.NewTimer(patience)
		}
		select {
		case <-q.news:
		case <-timer.C:
			late = true
		}
	}
}

// submit has the writer do r and waits for that.
func (b *Broker) submit(r *request) error {
	r.ready = make(chan struct{}, 1)
	if err := b.queue.put(r); err != nil {
		return err
	}
	return b.wait(r)
}

// wait waits until r is done, or never will be.
func (b *Broker) wait(r *request) error {
	select {
	case <-r.ready:
		return r.err
	case <-b.trouble.halted:
		return b.unsure()
	}
}

// A writer does what is asked, group by group, from one goroutine. Each group
// is one batch. What of it needs no sync is shown and answered at once; the
// rest by another goroutine once it is synced, while the next group is made.
type writer struct {
	*Broker
	synced chan *group // applied, in order
	now    time.Time   // when the group was begun

	group *group
	key   []byte // to be used anew
	value []byte
	old   []pabal.Offset // of each message in the making, the last entry with its key before

	floors  floors            // of names of which nothing is known, after the groups under way
	spares  []pabal.Channel   // that may be forgotten to make room
	idsFrom map[string]uint64 // of each namespace, the number up to which rows were removed
}

// A group is requests that are kept by one batch.
type group struct {
	batch    *pebble.Batch
	requests []*request
	turns    []*turn
	held     []*log // until the group is kept
	sync     bool
	reserve  bool // offsets were reserved, which is synced before any of them is shown
	record   bool // the store's own row has changed
}

// write serves until the queue is closed.
func (b *Broker) write() {
	w := &writer{Broker: b, synced: make(chan *group, 2), floors: b.ends.floors, idsFrom: map[string]uint64{}}
	var finishing sync.WaitGroup
	finishing.Go(func() {
		for g := range w.synced {
			b.finish(g)
		}
	})
	var spare []*request
	for {
		requests := b.queue.take(spare)
		if len(requests) == 0 {
			break
		}
		w.commit(requests)
		clear(requests)
		spare = requests
	}
	close(w.synced)
	finishing.Wait()
}

// commit does what requests ask.
func (w *writer) commit(requests []*request) {
	g := &group{batch: w.db.NewBatch()}
	w.group, w.now = g, clock()
	for _, r := range requests {
		if r.err = w.failure(); r.err == nil {
			r.do(w, r)
		}
	}
	w.endTurns()
	if g.record && w.failure() == nil {
		w.set([]byte{storeRow}, w.record.append(w.value[:0]))
	}
	if w.failure() == nil {
		w.apply(g)
	}
	w.settle(requests)
}

// set puts a row into the batch.
func (w *writer) set(key, value []byte) {
	if err := w.group.batch.Set(key, value, nil); err != nil {
		w.fail(err)
	}
}

func (w *writer) delete(key []byte) {
	if err := w.group.batch.Delete(key, nil); err != nil {
		w.fail(err)
	}
}

func (w *writer) deleteRange(from, to []byte) {
	if err := w.group.batch.DeleteRange(from, to, nil); err != nil {
		w.fail(err)
	}
}

// apply applies g's batch. To sync it is for the other goroutine to wait.
func (w *writer) apply(g *group) {
	if g.batch.Empty() {
		return
	}
	var err error
	if g.sync {
		err = w.db.ApplyNoSyncWait(g.batch, pebble.Sync)
	} else {
		err = w.db.Apply(g.batch, pebble.NoSync)
	}
	if err != nil {
		w.fail(err)
	}
}

// settle shows and answers what needs no sync, and hands on the rest.
func (w *writer) settle(requests []*request) {
	g := w.group
	if g.reserve && w.failure() == nil {
		w.await(g)
	}
	strict := *g
	strict.turns = nil
	for _, t := range g.turns {
		if t.log.strict() && g.sync {
			strict.turns = append(strict.turns, t)
		} else if w.failure() == nil {
			w.show(t)
		}
	}
	strict.requests = nil
	for _, r := range requests {
		if r.log.strict() { // what it was answered may rest on groups before
			strict.requests = append(strict.requests, r)
		} else {
			r.answer(w.failure(), w.unsure)
		}
	}
	if !g.sync && len(strict.requests) == 0 {
		w.closeBatch(g)
		return
	}
	w.synced <- &strict
}

// strict reports whether what is done to l must be synced before it is shown.
func (l *log) strict() bool { return l != nil && l.rules.Sync == SyncAlways }

// finish waits until g is synced, and shows and answers it.
func (b *Broker) finish(g *group) {
	if b.failure() == nil && g.sync && !g.batch.Empty() {
		start := time.Now()
		b.await(g)
		b.queue.sync.Store(int64(time.Since(start)))
	}
	failed := b.failure()
	for _, t := range g.turns {
		if failed == nil {
			b.show(t)
		}
	}
	for _, r := range g.requests {
		r.answer(failed, b.unsure)
	}
	b.closeBatch(g)
}

// await waits until g's batch is synced.
func (b *Broker) await(g *group) {
	if err := g.batch.SyncWait(); err != nil {
		b.fail(err)
	}
}

func (b *Broker) closeBatch(g *group) {
	for _, l := range g.held {
		b.release(l)
	}
	if b.failure() != nil {
		return // it may be in use still
	}
	if err := g.batch.Close(); err != nil {
		b.fail(err)
	}
}

// answer lets r's caller go on. If the store has failed meanwhile, it is not
// known whether what was to be done was.
func (r *request) answer(failed error, unsure func() error) {
	if failed != nil && r.err == nil {
		r.done, r.err = pabal.Appended{}, unsure()
	}
	r.ready <- struct{}{}
}

// unsure returns the failure of the store as it is told to who had something
// under way.
func (b *Broker) unsure() error {
	failed := b.trouble.failed.Load()
	return &pabal.StorageError{
		What: "whether this was done is not known, as the store has failed: repeat it with the same id once the server was started anew",
		Full: failed.Full, Err: failed.Err,
	}
}

// halt fails, and never returns.
func (b *Broker) halt(err error) {
	b.fail(err)
	b.trouble.halt.Do(func() { close(b.trouble.halted) })
	select {}
}

// fail notes that nothing can be kept any more, until the store is opened
// anew.
func (b *Broker) fail(err error) {
	failed := &pabal.StorageError{
		What: "nothing was published: the store has failed, and keeps nothing more until the server is started anew",
		Full: full(err), Err: err,
	}
	if b.trouble.failed.CompareAndSwap(nil, failed) && stage(b.trouble.stage.Load()) != opening {
		b.config.Log.Error("the store failed: nothing more is kept until the server is started anew", "error", err)
	}
}

// failure returns why nothing can be kept, nil if it can.
func (b *Broker) failure() error {
	if e := b.trouble.failed.Load(); e != nil {
		return e
	}
	return nil
}

// broken returns err as an error of the store when it reads.
func broken(err error, what string) error {
	if errors.Is(err, errClosed) {
		return err
	}
	return &pabal.StorageError{What: what + ": the server's log says why", Err: fmt.Errorf("%s: %w", what, brief{err})}
}
