package brokertest

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

// A verdict is a test that keeps what it is told instead of failing.
type verdict struct {
	said     []string
	cleanups []func()
}

func (v *verdict) Helper()             {}
func (v *verdict) Logf(string, ...any) {}

func (v *verdict) Errorf(format string, args ...any) {
	v.said = append(v.said, fmt.Sprintf(format, args...))
}

func (v *verdict) Fatalf(format string, args ...any) {
	v.Errorf(format, args...)
	runtime.Goexit()
}

func (v *verdict) Cleanup(f func()) { v.cleanups = append(v.cleanups, f) }

// subject is b over logs in memory. Its time is that of the bubble.
func (b broken) subject() Subject {
	over := func(t TB, inner *memory.Broker) pabal.Broker {
		t.Cleanup(func() { _ = inner.Close() })
		b := b
		b.Broker = inner
		return b
	}
	return Subject{
		Unit: time.Hour,
		Open: func(t TB, o Options) pabal.Broker {
			if b.bound != nil {
				b.bound(&o)
			}
			return over(t, memory.New(memory.Config{Retention: o.Retention, Channels: o.Channels}))
		},
		Reopen: func(t TB, was pabal.Broker, lose func(pabal.Channel) int) pabal.Broker {
			inner := was.(broken).Broker.(*memory.Broker)
			if b.reopen != nil {
				return over(t, b.reopen(inner, lose))
			}
			return over(t, inner.Reopen(lose))
		},
		Advance: func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		},
	}
}

// of returns what the test of a promise says of b.
func (p promise) of(t *testing.T, b broken) (said []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := &verdict{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.test(&trial{TB: v, ctx: t.Context(), Subject: b.subject()})
		}()
		<-done
		for _, f := range slices.Backward(v.cleanups) {
			f()
		}
		said = v.said
	})
	return said
}

// Each way to break a promise is found by the test that is about it, and a
// broker that keeps them all passes.
func TestBreachesAreFound(t *testing.T) {
	byName := map[string]promise{}
	for _, group := range [][]promise{orders, onces, batches, conditions, readings, retentions, latests, closings, deletions, restarts, tails} {
		for _, p := range group {
			byName[p.name] = p
			if said := p.of(t, broken{}); len(said) > 0 {
				t.Errorf("%s: a broker that keeps its promises: %q", p.name, said)
			}
		}
	}
	for name, b := range breaches {
		p, ok := byName[b.found]
		if !ok {
			t.Fatalf("there is no promise %q", b.found)
		}
		if said := p.of(t, b.broken); len(said) == 0 {
			t.Errorf("a broker that %s passes the test %q", name, b.found)
		}
	}
}
