package call

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal"
)

// A call that a handler answers at once, from the ask to the answer in the inbox.
func BenchmarkCall(b *testing.B) {
	w := newWorld(b)
	done := make(chan struct{}, 1)
	var mux Mux
	if err := mux.Handle("*", Answer(func(context.Context, *Request) (pabal.Message, error) { return pabal.Message{}, nil })); err != nil {
		b.Fatal(err)
	}
	n := w.node(Config{Handler: &mux})
	if _, err := w.store.Tail(b.Context(), pabal.Inbox+connection, func(*pabal.Entry) { done <- struct{}{} }); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := n.Call(b.Context(), alice, "shop", pabal.Message{ID: fmt.Sprint(i)}, 0); err != nil {
			b.Fatal(err)
		}
		<-done
	}
}

// What a call that is waited for costs.
func BenchmarkWaiting(b *testing.B) {
	const calls = 5000
	for b.Loop() {
		w := newWorld(b)
		n := w.node(Config{PerConnection: calls, Timeout: time.Hour})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var all sync.WaitGroup
		for i := range calls {
			all.Go(func() { n.call(b, fmt.Sprint(i)) })
		}
		all.Wait()
		for n.hub.Stats().Published < 2*calls { // until all are offered
			runtime.Gosched()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/calls, "B/call")
		n.Close()
	}
}
