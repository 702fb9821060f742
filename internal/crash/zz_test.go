package crash

import (
	"context"
	"errors"
	"github.com/pabal/pabal/internal/readers"
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	dir := t.TempDir()
	binary, err := build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(binary, dir, *seed)
	w.configure("keep-entries: 0\nkeep-bytes: 0\nhost-metrics: false\ndrain: 100ms\npark-after: 20ms\nkeep: latest\n")
	c := newGeneration(w, 0, nil)
	for ch := range c.rules {
		g := c.ledger.Log(ch)
		g.rules.Keep = 0
	}
	err = c.zz(t.Context())
	t.Logf("%+v", c.ledger.Counts())
	if err != nil {
		t.Fatal(err, tail(w.log()))
	}
}

func (c *crew) zz(ctx context.Context) (err error) {
	c.client, _ = newClient()
	defer c.client.CloseIdleConnections()
	ctx, cancel := context.WithCancelCause(ctx)
	publishing, rest := context.WithCancel(ctx)
	var all, publishers sync.WaitGroup
	var broken error
	var once sync.Once
	work := func(run func() error) func() {
		return func() {
			if err := run(); err != nil {
				once.Do(func() { broken = err; cancel(err) })
			}
		}
	}
	for _, p := range c.publishers {
		publishers.Go(work(func() error { return p.run(publishing) }))
	}
	for _, f := range c.followers {
		all.Go(work(func() error { return f.run(ctx) }))
	}
	defer func() {
		rest()
		cancel(nil)
		publishers.Wait()
		all.Wait()
		err = errors.Join(broken, err)
	}()
	l, err := c.world.begin(ctx)
	if err != nil {
		return err
	}
	close(l.held)
	select {
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
	}
	rest()
	publishers.Wait()
	if ctx.Err() == nil {
		l.held = make(chan struct{})
		for range 2 {
			l.held = make(chan struct{})
			err = errors.Join(err, c.hold(ctx, l, true))
		}
		if err == nil {
			err = c.catchUp(ctx)
		}
		for ch := range c.rules {
			err = errors.Join(err, c.ledger.Log(ch).Judge())
		}
	}
	return errors.Join(err, c.world.end(l, stop))
}

func newClient() (*http.Client, string) { return (&readers.Server{}).Client(readers.H1, nil) }
