package transport

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A pool runs what may block, so many at a time, in goroutines that end when
// there is nothing to do. What is given first begins first.
type pool struct {
	most int

	mu      sync.Mutex
	waiting []func()
	running int
}

func (p *pool) run(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == p.most {
		p.waiting = append(p.waiting, f)
		return
	}
	p.running++
	go p.work(f)
}

func (p *pool) work(f func()) {
	deepen()
	for f != nil {
		f()
		f = p.next()
	}
}

func (p *pool) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.waiting = nil
		p.running--
		return nil
	}
	f := p.waiting[0]
	p.waiting[0] = nil
	p.waiting = p.waiting[1:]
	return f
}

// deepen gives a goroutine that has just begun as much stack as its work takes,
// while there is next to nothing on it to be moved. It would else grow twice, in
// the midst of calls, which took a fifth of the CPU of a small publish.
//
//go:noinline
func deepen() {
	var room [4 << 10]byte
	runtime.KeepAlive(&room)
}

// safely returns what f does, or that it panicked.
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// A quota is an amount that many share.
type quota struct{ used atomic.Int64 }

// take takes n, unless that would go over most. Below 0 it gives back.
func (q *quota) take(n, most int64) bool {
	if q.used.Add(n) > most && n > 0 {
		q.used.Add(-n)
		return false
	}
	return true
}

func (q *quota) give(n int64) { q.used.Add(-n) }
