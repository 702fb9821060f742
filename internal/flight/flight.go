// Package flight shares one piece of work among all that ask for the same
// before it has begun.
package flight

import (
	"context"
	"sync"
)

// A Group is work under way, by its key. Of the same key one is under way at a
// time. The zero value is ready to use.
type Group[K comparable, V any] struct {
	mu      sync.Mutex
	running map[K]*flight[V]
}

// A Work acquires what it needs, calls begin, after which nobody joins it any
// more, and returns what it found.
type Work[V any] func(begin func()) (V, error)

type flight[V any] struct {
	after *flight[V] // of the same key; it lands before this one begins
	begun bool       // guarded by Group.mu: it may not be joined any more
	done  chan struct{}
	value V
	err   error
}

// Do returns what work, or that of another who asked for key, found. It began
// after Do was called. Spawn runs a function in a goroutine, or reports false:
// then ended is the error. When ctx ends, the work goes on for the others.
func (g *Group[K, V]) Do(ctx context.Context, key K, spawn func(func()) bool, ended error, work Work[V]) (none V, err error) {
	g.mu.Lock()
	f := g.running[key]
	if f == nil || f.begun {
		f = &flight[V]{after: f, done: make(chan struct{})}
		if !spawn(func() { g.fly(key, f, work) }) {
			g.mu.Unlock()
			return none, ended
		}
		if g.running == nil {
			g.running = map[K]*flight[V]{}
		}
		g.running[key] = f
	}
	g.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

func (g *Group[K, V]) fly(key K, f *flight[V], work Work[V]) {
	defer g.land(key, f)
	if f.after != nil {
		<-f.after.done
		f.after = nil
	}
	f.value, f.err = work(func() {
		g.mu.Lock()
		f.begun = true
		g.mu.Unlock()
	})
}

func (g *Group[K, V]) land(key K, f *flight[V]) {
	g.mu.Lock()
	if g.running[key] == f {
		delete(g.running, key)
	}
	g.mu.Unlock()
	close(f.done)
}
