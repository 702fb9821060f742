// Package memory keeps channels' logs in the memory of one node. It is the
// broker of a server that runs alone and may forget when it stops.
//
//	broker := memory.New(memory.Config{})
//	defer broker.Close()
//	hub := pabal.NewHub(broker, pabal.Limits{})
//
// It holds to all that [pabal.Broker] promises, and more: what Append has
// returned has been given to every tail of the channel, so a [Broker] is
// lossless. A publish is there at once or not at all; two with the same ID
// come one after the other, and the second is told so.
//
// A Broker owns the data of the messages that it is given: nobody may write to
// it any more. The entries that it hands out share that data.
//
// # Where it is stricter than the contract
//
// A batch that uses an ID twice is refused: with [pabal.ErrPartial] if the
// content is the same, with [pabal.ErrConflict] if not. A batch counts as
// published before only if each of its messages has a known ID and they are in
// the order of the log; with any other known ID it is refused whole.
//
// A closed channel that has been empty for as long as its entries would be
// kept is forgotten, and then open again, with positions after all it had.
//
// A channel is closed for [pabal.Retention.CloseAfter] by the sweeps that also
// drop what has expired: up to an eighth of that time later, or a minute if that
// is less. One to which nothing was published since it began, or was deleted,
// stays open. Where all channels together reach a bound, an empty one that is
// still open may be forgotten before.
package memory

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

// A Broker keeps channels' logs in memory. It may be used by any number of
// goroutines.
//
// Each channel has two locks: order, which appends and deletions hold from
// their checks until all tails were told, and mu, for the log itself, which
// readers share. The broker's mu and that of the IDs are taken for one look or
// one change. No two of these are held at once, but that order may be held
// while one of the others is taken. Tails are called under order alone.
type Broker struct {
	config Config
	life   *life
	ids    once.Set

	mu      sync.RWMutex
	logs    map[pabal.Channel]*log
	floor   pabal.Offset // not before the end of any channel that was forgotten
	changes uint64       // how often logs got another channel, or one less
	closed  bool

	due   atomic.Int64 // nothing can be dropped for its age before, in nanoseconds since 1970
	spare atomic.Bool  // there may be channels that can be forgotten to make room
	every atomic.Int64 // between sweeps

	names names
	stop  chan struct{}
	done  chan struct{}
}

// A life is what the logs of one broker share.
type life struct {
	epoch   pabal.Epoch
	lineage []past       // the epochs before, oldest first
	bytes   atomic.Int64 // kept by all logs
}

// past is an epoch that has ended.
type past struct {
	epoch pabal.Epoch
	floor pabal.Offset // when it ended: what survived of channels that were not known then
}

var errClosed = errors.New("the memory broker is closed")

// New returns an empty broker. It must be closed.
func New(c Config) *Broker {
	b := build(c, nil)
	go b.run()
	return b
}

func build(c Config, lineage []past) *Broker {
	c = c.withDefaults()
	b := &Broker{
		config: c,
		life:   &life{epoch: c.Epoch(), lineage: lineage},
		logs:   map[pabal.Channel]*log{},
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	b.due.Store(math.MaxInt64)
	b.every.Store(int64(maxPause))
	return b
}

func newEpoch() pabal.Epoch {
	for {
		if e := rand.Uint64(); e != 0 {
			return pabal.Epoch(e)
		}
	}
}

// Close forgets everything. Tails are called no more once it has returned,
// but by appends that had begun before.
func (b *Broker) Close() error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	b.mu.Unlock()
	if first {
		close(b.stop)
	}
	<-b.done
	return nil
}

// Lossless reports that tails miss nothing.
func (b *Broker) Lossless() bool { return true }

// find returns ch's log, or nil and the end of every channel that is not known.
func (b *Broker) find(ch pabal.Channel) (l *log, floor pabal.Offset, err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return nil, 0, errClosed
	}
	return b.logs[ch], b.floor, nil
}

// hold returns ch's log, made if need be, with order locked.
func (b *Broker) hold(ch pabal.Channel) (*log, error) {
	for {
		l, _, err := b.find(ch)
		if err == nil && l == nil {
			l, err = b.add(ch)
		}
		if err != nil {
			return nil, err
		}
		if l.order.Lock(); !l.gone {
			return l, nil
		}
		l.order.Unlock()
	}
}

func (b *Broker) retention(ch pabal.Channel) pabal.Retention {
	return b.config.Retention(ch).WithDefaults()
}

// add returns ch's log, made if need be.
func (b *Broker) add(ch pabal.Channel) (*log, error) {
	keep := b.retention(ch)
	l, full, err := b.addOf(ch, keep)
	if full && b.makeRoom() {
		l, full, err = b.addOf(ch, keep)
	}
	if full {
		err = &pabal.LimitError{Limit: "channels", Max: b.config.Channels, What: fmt.Sprintf("channel %.80q", ch), Retry: b.retry()}
	}
	return l, err
}

func (b *Broker) addOf(ch pabal.Channel, keep pabal.Retention) (l *log, full bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l = b.logs[ch]; l != nil {
		return l, false, nil
	}
	if b.closed {
		return nil, false, errClosed
	}
	if len(b.logs) >= b.config.Channels {
		return nil, true, nil
	}
	l = newLog(b.life, ch, keep, b.floor)
	b.logs[ch] = l
	b.changes++
	b.sweepWithin(keep.Idle())
	if keep.CloseAfter > 0 {
		b.sweepWithin(keep.CloseAfter)
	}
	b.dueAt(l.touched.Add(keep.Idle()))
	return l, false, nil
}

// forget drops l, which is empty and has no tail. Order is held.
func (b *Broker) forget(l *log) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.floor = max(b.floor, l.end)
	b.forgetLocked(l)
}

// forgetUnseen drops l if that makes no difference to any reader: nothing was
// written and a channel that is not known ends where l does. Order is held.
func (b *Broker) forgetUnseen(l *log) {
	if !l.pristine() || len(l.tails) > 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.end == b.floor {
		b.forgetLocked(l)
	} else {
		b.spare.Store(true)
	}
}

func (b *Broker) forgetLocked(l *log) {
	l.gone = true
	delete(b.logs, l.channel)
	b.changes++
}

// retry is after which time it may help to come back, 0 if that is not known.
func (b *Broker) retry() time.Duration {
	due := b.due.Load()
	if due == math.MaxInt64 {
		return 0
	}
	return max(time.Second, time.Until(time.Unix(0, due)).Round(time.Second))
}

// clock returns the time without what only this process can read.
func clock() time.Time { return time.Now().UTC().Round(0) }
