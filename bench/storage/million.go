package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	few     = 2       // entries of most channels of the large store
	long    = 120     // entries of those with a long history
	wanted  = 100     // entries that are read of those
	fillers = 64      // connections that fill it
	stride  = 7368787 // a prime: from each channel to the next that is written
)

// name is the path of a channel of the large store.
func name(channel int) string { return fmt.Sprintf("/channels/rooms/%07d", channel) }

// million measures a store of very many channels: it is filled over HTTP once,
// and then served again and again.
func (b *bench) million(ctx context.Context, round int) error {
	if b.filled == "" {
		if err := b.fill(ctx); err != nil {
			return fmt.Errorf("filling the store: %w", err)
		}
	}
	steps := []struct {
		row   string
		end   func(*server) error // how the process before ended
		evict bool                // the files are not in the system's memory any more
		then  func(context.Context, *server) error
	}{
		{"clean", (*server).stop, false, b.afterStart},
		{"killed", (*server).kill, false, nil},
		{"killed cold", (*server).kill, true, b.readCold},
	}
	for _, step := range steps {
		if err := b.disturb(ctx, step.end); err != nil {
			return fmt.Errorf("before it is started anew: %w", err)
		}
		if step.evict {
			if err := evict(b.filled); err != nil {
				return err
			}
		}
		s, err := b.workshop.pabal("--data=" + b.filled)
		if err != nil {
			return err
		}
		err = s.with(func() error {
			got, err := b.firstAnswers(s)
			if err != nil {
				return err
			}
			b.notes("restart", step.row, got)
			if step.then == nil {
				return nil
			}
			return step.then(ctx, s)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", step.row, err)
		}
	}
	return nil
}

// fill publishes to all channels, and measures what the process takes that did.
func (b *bench) fill(ctx context.Context) error {
	b.filled = filepath.Join(b.dir, "million")
	s, err := b.workshop.pabal("--data="+b.filled, "--sync=never")
	if err != nil {
		return err
	}
	return s.with(func() error {
		begun := time.Now()
		err := s.each(ctx, fillers, b.Channels, func(c *connection, i int) error {
			channel, n := i*stride%b.Channels, few
			if channel < b.Deep {
				n = long
			}
			_, err := c.ask("POST", name(channel), "application/x-ndjson", lines(channel, n))
			return err
		})
		if err != nil {
			return err
		}
		took := time.Since(begun)
		got, err := b.memory(ctx, s)
		if err != nil {
			return err
		}
		got["filled_per_s"] = float64(b.Channels) / took.Seconds()
		b.notes("memory", "written", got)
		return nil
	})
}

// lines is a batch of n messages.
func lines(channel, n int) (text []byte) {
	for i := range n {
		text = append(append(append(text, `{"data":"`...), message(channel, i)...), "\"}\n"...)
	}
	return text
}

// disturb starts the store, publishes something to random channels, and ends it.
func (b *bench) disturb(ctx context.Context, end func(*server) error) error {
	s, err := b.workshop.pabal("--data=" + b.filled)
	if err != nil {
		return err
	}
	err = s.each(ctx, 256, b.Touched, func(c *connection, i int) error {
		_, err := c.ask("POST", name(b.Deep+rand.IntN(b.Channels-b.Deep)), "text/plain", message(0, i))
		return err
	})
	if err != nil {
		return errors.Join(err, s.stop())
	}
	return end(s)
}

// firstAnswers measures how long it takes from the start of the process until it
// is healthy, and until a channel can be read.
func (b *bench) firstAnswers(s *server) (sample, error) {
	c, err := dial(s.address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if _, err := c.get("/health"); err != nil {
		return nil, err
	}
	healthy := time.Since(s.begun)
	if err := b.read(c, b.Deep+rand.IntN(b.Channels-b.Deep), few); err != nil {
		return nil, err
	}
	return sample{"health": healthy.Seconds() * 1000, "read": time.Since(s.begun).Seconds() * 1000}, nil
}

// read reads the last entries of a channel, at least n of which there must be.
func (b *bench) read(c *connection, channel, n int) error {
	body, err := c.get(name(channel) + fmt.Sprint("?via=poll&since=", wanted))
	if err != nil {
		return err
	}
	if got := bytes.Count(body, []byte(`"data":`)); got < n || n == wanted && got != n {
		return fmt.Errorf("%s has %d entries, want %d", name(channel), got, n)
	}
	return nil
}

// afterStart measures what a process takes that has just begun, how long reads
// take, and what the process takes once all channels were read.
func (b *bench) afterStart(ctx context.Context, s *server) error {
	got, err := b.memory(ctx, s)
	if err != nil {
		return err
	}
	b.notes("memory", "started", got)
	for _, h := range []struct {
		row                   string
		connections, channels int
		from, entries         int
	}{
		{"long 1", 1, b.Deep, 0, wanted},
		{"long 16", 16, b.Deep, 0, wanted},
		{"short 1", 1, b.Channels - b.Deep, b.Deep, few},
	} {
		got, err := b.readFor(ctx, s, h.connections, h.entries, func() int { return h.from + rand.IntN(h.channels) })
		if err != nil {
			return err
		}
		b.notes("history", h.row, got)
	}
	err = s.each(ctx, fillers, b.Channels, func(c *connection, i int) error {
		channel := i * stride % b.Channels
		if channel < b.Deep {
			return b.read(c, channel, wanted)
		}
		return b.read(c, channel, few)
	})
	if err != nil {
		return err
	}
	if got, err = b.memory(ctx, s); err != nil {
		return err
	}
	b.notes("memory", "read", got)
	return nil
}

// readCold measures reads of a store of which nothing is in memory.
func (b *bench) readCold(ctx context.Context, s *server) error {
	order := rand.Perm(b.Deep) // none of them twice
	got, err := b.readFor(ctx, s, 1, wanted, func() int {
		channel := order[0]
		order = append(order[1:], channel)
		return channel
	})
	if err == nil {
		b.notes("history", "long cold", got)
	}
	return err
}

// readFor reads channels for a while, and tells how long each read took.
func (b *bench) readFor(ctx context.Context, s *server, connections, entries int, next func() int) (sample, error) {
	each := make([]*timed, connections)
	for i := range each {
		each[i] = &timed{times: newTimes()}
	}
	length := time.Duration(b.Seconds * float64(time.Second))
	begun := time.Now()
	err := s.each(ctx, connections, connections, func(c *connection, i int) error {
		for time.Since(begun) < length && ctx.Err() == nil {
			start := time.Now()
			if err := b.read(c, next(), entries); err != nil {
				return err
			}
			each[i].add(time.Since(start))
		}
		return nil
	})
	all := timed{times: newTimes()}
	for _, t := range each {
		all.n += t.n
		all.times.Merge(t.times)
	}
	return sample{
		"per_s": float64(all.n) / time.Since(begun).Seconds(),
		"p50":   milliseconds(all.times, 50), "p99": milliseconds(all.times, 99),
	}, err
}

// evict lets the system forget what it holds of the files in dir.
func evict(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		if err := file.Sync(); err != nil { // what is not written cannot be forgotten
			return err
		}
		return unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}
