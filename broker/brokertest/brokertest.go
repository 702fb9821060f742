// Package brokertest is the promise of a [pabal.Broker] as tests, for whoever
// implements one.
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, brokertest.Subject{
//			Open: func(t brokertest.TB, o brokertest.Options) pabal.Broker {
//				b := memory.New(…)
//				t.Cleanup(func() { b.Close() })
//				return b
//			},
//		})
//	}
//
// It also has [Faulty], a broker whose tails lose, repeat and delay what they
// should tell, for tests of what stands on one.
package brokertest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
)

// A TB is what a test gives to those who help it: a [testing.T], or the like.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Options is how a broker under test is bounded. A zero field means no bound
// that a test of some seconds and some hundred entries would meet.
type Options struct {
	Entries int           // kept of each channel
	Bytes   int           // the same, by [pabal.Entry.Size]
	Age     time.Duration // up to which entries are kept, and for which an empty channel is remembered
	Latest  bool          // keep each key's last entry besides
	Keys    int           // of which the last entry is kept with Latest

	CloseAfter time.Duration // closes a channel to which nothing was published for so long

	Channels  int                        // of which something is remembered
	Namespace func(pabal.Channel) string // in each of which IDs are known; nil means one for all
	IDWindow  time.Duration              // for which an ID is known
	IDs       int                        // that are known
}

// Retention returns what o says of ch, for brokers that are bounded by that.
func (o Options) Retention(ch pabal.Channel) pabal.Retention {
	r := pabal.Retention{
		Entries: o.Entries, Bytes: o.Bytes, Age: o.Age, Latest: o.Latest, Keys: o.Keys,
		CloseAfter: o.CloseAfter, IDWindow: o.IDWindow, IDs: o.IDs,
	}
	if o.Namespace != nil {
		r.Namespace = o.Namespace(ch)
	}
	return r
}

// A Subject is a kind of broker to be tested.
type Subject struct {
	// Open returns a broker that holds nothing, and has t clean it up.
	Open func(t TB, o Options) pabal.Broker

	// Reopen returns what b is after a crash that lost the last entries of each
	// channel, as many as lose says or a few more, and has t clean it up. It is
	// nil for a broker that cannot lose what it has shown.
	Reopen func(t TB, b pabal.Broker, lose func(pabal.Channel) int) pabal.Broker

	// Advance lets d pass for the broker. If it is nil, each test runs in a
	// bubble of testing/synctest, where no time is lost with it: then the broker
	// must know no clock but package time's, and start its goroutines after Open
	// was called and end them when it is cleaned up.
	Advance func(d time.Duration)

	// Unit is the age that tests of age use, which take some of it to pass; one
	// hour, or 2 s with Advance.
	Unit time.Duration

	// Without names the tests to leave out, and why.
	Without map[string]string
}

// A promise is one test of the suite.
type promise struct {
	name   string
	test   func(*trial)
	reopen bool // needs Subject.Reopen
}

// Run tests that s holds to what [pabal.Broker] promises, each promise in a
// subtest of its own.
func Run(t *testing.T, s Subject) {
	if s.Unit == 0 {
		s.Unit = time.Hour
		if s.Advance != nil {
			s.Unit = 2 * time.Second
		}
	}
	names := map[string]bool{}
	for _, group := range [][]promise{orders, onces, batches, conditions, readings, retentions, latests, closings, deletions, restarts, tails} {
		for _, p := range group {
			if names[p.name] = true; s.leaves(t, p.name) || p.reopen && s.Reopen == nil {
				continue
			}
			t.Run(p.name, func(t *testing.T) { s.try(t, p.test) })
		}
	}
	for _, m := range models {
		if names[m.name] = true; !s.leaves(t, m.name) {
			t.Run(m.name, func(t *testing.T) { m.check(t, s) })
		}
	}
	for name := range s.Without {
		if !names[name] {
			t.Errorf("Subject.Without names %q, which is no test", name)
		}
	}
}

func (s *Subject) leaves(t *testing.T, name string) bool {
	why, ok := s.Without[name]
	if ok {
		t.Logf("without %s: %s", name, why)
	}
	return ok
}

func (s *Subject) try(t *testing.T, test func(*trial)) {
	if s.Advance != nil {
		test(&trial{TB: t, Subject: *s, ctx: t.Context()})
		return
	}
	synctest.Test(t, func(t *testing.T) {
		test(&trial{TB: t, Subject: *s, ctx: t.Context()})
	})
}

// A trial is one test of one subject.
type trial struct {
	TB
	Subject
	ctx context.Context
}

// pass lets d pass.
func (x *trial) pass(d time.Duration) {
	if x.Advance != nil {
		x.Advance(d)
		return
	}
	<-time.After(d)
	synctest.Wait()
}

// open returns a new broker with a channel's name to use.
func (x *trial) open(o Options) log {
	x.Helper()
	return log{x, x.Open(x.TB, o), "chat/one"}
}

// reopen returns l's broker after a crash.
func (x *trial) reopen(l log, lose func(pabal.Channel) int) log {
	x.Helper()
	return log{x, x.Reopen(x.TB, l.b, lose), l.ch}
}

// do waits for n goroutines.
func (x *trial) do(n int, each func(i int)) {
	x.Helper()
	done := make(chan struct{}, n)
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			each(i)
		}()
	}
	for range n {
		wait(x, done, "a goroutine of the test to end")
	}
}

// wait returns what c brings. A test that waits for too long fails.
func wait[T any](x *trial, c <-chan T, what string) T {
	x.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		x.Fatalf("waited for 30 s for %s", what)
		panic("unreachable")
	}
}
