package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// storm is how many connections open at once.
const storm = 2000

// lingers is for how many seconds who broke off may come again.
const lingers = 5

// joins measures what it takes that many join one channel, and leave it.
func (b *bench) joins(ctx context.Context, _ int) (err error) {
	servers := fleet{}
	defer func() { err = servers.stop(err) }()
	s, err := b.workshop.pabal("--broker=memory", "--heartbeat=10m", fmt.Sprintf("--presence-linger=%ds", lingers))
	if err != nil {
		return err
	}
	servers["memory"] = s
	w, err := watch(s)
	if err != nil {
		return err
	}
	defer w.close()
	c := &coming{b.Joins, s, w, b.notes}
	for _, step := range []struct{ row, path string }{
		{"", "/channels/quiet?via=sse"}, {"open", "/channels/crowd?via=sse"}, {"join", "/channels/crowd?via=sse&join"},
	} {
		if err := c.comeAndGo(ctx, step.row, step.path); err != nil {
			return err
		}
	}
	return nil
}

// A coming is of many, under the eyes of a watcher.
type coming struct {
	many    int
	server  *server
	watcher *watcher
	notes   func(section, row string, got sample)
}

// comeAndGo has many read what is at path, and then break off. Row "" is to
// warm up; those of "join" are seen.
func (c *coming) comeAndGo(ctx context.Context, row, path string) error {
	wants := 0
	if row == "join" {
		wants = c.many
	}
	var a *audience
	err := c.measure(ctx, row, "join", wants, func() (err error) {
		a, err = gather(ctx, c.server, storm, c.many, func(s *socket, _ int) error { return s.get(path, "", http.StatusOK) })
		return err
	})
	if err != nil {
		return err
	}
	if wants == 0 {
		a.leave()
		return pause(ctx, 100*time.Millisecond)
	}
	return c.measure(ctx, "leave", "leave", wants, func() error {
		a.leave()
		return nil
	})
}

// measure measures do, until the watcher has so many entries of a kind.
func (c *coming) measure(ctx context.Context, row, kind string, wants int, do func() error) error {
	c.watcher.expect(kind, wants)
	begun := time.Now()
	var took time.Duration
	spent, err := c.server.spent(func() error {
		if err := do(); err != nil {
			return err
		}
		took = time.Since(begun)
		return c.watcher.await(ctx)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	if row == "" {
		return nil
	}
	got := c.watcher.sample(c.many)
	got["took"], got["cpu_us"] = took.Seconds(), spent.Seconds()*1e6/float64(c.many)
	if wants > 0 {
		got["seen"] = c.watcher.since(begun).Seconds()
	}
	c.notes("joins", row, got)
	return nil
}

// A watcher reads who comes and goes.
type watcher struct {
	*socket
	reading sync.WaitGroup

	mu      sync.Mutex
	kind    string // of the entries that are to come
	wants   int
	entries int
	others  int // entries of other kinds
	bytes   int
	times   map[string]struct{}
	at      time.Time     // when the last that is to come came
	done    chan struct{} // closed then
	err     error
}

func watch(s *server) (*watcher, error) {
	c, err := dial(s.address, 64<<10)
	if err != nil {
		return nil, err
	}
	w := &watcher{socket: c}
	w.expect("", 0)
	if err := c.get("/channels/$presence/crowd?via=stream&since=now", "", http.StatusOK); err != nil {
		return nil, errors.Join(err, c.conn.Close())
	}
	w.reading.Go(func() {
		err := w.read(httputil.NewChunkedReader(c.in))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = err
		if w.entries < w.wants {
			close(w.done)
		}
	})
	return w, nil
}

func (w *watcher) close() {
	w.socket.close()
	w.reading.Wait()
}

// expect begins to count anew, until so many entries of a kind have come.
func (w *watcher) expect(kind string, wants int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind, w.wants, w.entries, w.others, w.bytes = kind, wants, 0, 0, 0
	w.times, w.done = map[string]struct{}{}, make(chan struct{})
	if wants == 0 {
		close(w.done)
	}
}

func (w *watcher) read(body io.Reader) error {
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		var entry struct{ Type, Time, Notice string }
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			return fmt.Errorf("the watcher was sent %.100q: %w", lines.Bytes(), err)
		}
		if entry.Type == "" {
			continue // a notice, or a sign of life
		}
		w.mu.Lock()
		w.bytes += len(lines.Bytes()) + 1
		w.times[entry.Time] = struct{}{}
		if entry.Type != w.kind {
			w.others++
		} else if w.entries++; w.entries == w.wants {
			w.at = time.Now()
			close(w.done)
		}
		w.mu.Unlock()
	}
	return errors.Join(errors.New("the watcher was cut off"), lines.Err())
}

// await waits until all came that was to come.
func (w *watcher) await(ctx context.Context) error {
	w.mu.Lock()
	done := w.done
	w.mu.Unlock()
	select {
	case <-done:
	case <-time.After(waitTime):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.entries < w.wants {
		return fmt.Errorf("of %d entries of type %s %d came, and %d others: %w", w.wants, w.kind, w.entries, w.others, errors.Join(w.err, context.DeadlineExceeded))
	}
	return nil
}

// since is how long after begun the last entry came that was to come.
func (w *watcher) since(begun time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at.Sub(begun)
}

// sample is what came for each of so many.
func (w *watcher) sample(each int) sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := float64(each)
	all := float64(w.entries + w.others)
	return sample{
		"entries": all, "publishes": float64(len(w.times)), "entries_each": all / n, "publishes_each": float64(len(w.times)) / n,
		"bytes_each": float64(w.bytes) / n, "bytes": float64(w.bytes),
	}
}
