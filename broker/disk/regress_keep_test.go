package disk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// A reader may ask for any time, also one that has no number of nanoseconds.
func TestReadFromAnyTime(t *testing.T) {
	for name, how := range map[string]struct {
		keep   pabal.Retention
		latest bool
		anew   bool // read what is in memory of a log that was loaded
	}{
		"recent": {},
		"rows":   {anew: true},
		"latest": {keep: pabal.Retention{Entries: 1, Latest: true}, latest: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs, config := vfs.NewMem(), like(Rules{how.keep, SyncNever})
				b := opened(t, fs, config)
				appendTo(t, b, "c", pabal.Message{Key: "a"})
				time.Sleep(50 * time.Millisecond)
				appendTo(t, b, "c", pabal.Message{Key: "b"})
				first := time.Now().Add(-50 * time.Millisecond).UTC()
				if how.anew {
					if err := b.Close(); err != nil {
						t.Fatal(err)
					}
					b = opened(t, fs, config)
				}
				wrapped := first.Add(10 * time.Millisecond).Add(1 << 62).Add(1 << 62).Add(1 << 62).Add(1 << 62)
				for at, want := range map[time.Time]int{
					{}: 2, time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC): 2, first.AddDate(-400, 0, 0): 2, first: 2,
					first.Add(10 * time.Millisecond): 1, time.Now().UTC(): 1,
					first.Add(time.Second): 0, wrapped: 0, time.Date(2600, 1, 1, 0, 0, 0, 0, time.UTC): 0,
				} {
					q := all
					q.From, q.Latest = pabal.FromTime(at), how.latest
					if page := readPage(t, b, "c", q); len(page.Entries) != want {
						t.Errorf("from %v: %d entries, want %d", at, len(page.Entries), want)
					}
				}
			})
		})
	}
}

// A reading has one time: what has expired since it began is still there.
func TestReadWhileExpiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := opened(t, vfs.NewMem(), like(Rules{Retention: pabal.Retention{Age: time.Second}, Sync: SyncNever}))
		appendTo(t, b, "c", pabal.Message{})
		l, err := b.hold("c")
		if err != nil {
			t.Fatal(err)
		}
		defer b.release(l)
		r := &reading{Broker: b, log: l, query: all, now: clock()}
		if err := r.open(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if err := r.expire(); err != nil || r.shown.count() != 1 {
			t.Errorf("%d entries, %v", r.shown.count(), err)
		}
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
}

// lasts are the keys of a log that keeps the last entry of each key, in the
// order of those entries, and what these say.
type lasts struct{ keys, data []string }

func (l *lasts) put(key, data string) {
	if i := slices.Index(l.keys, key); i >= 0 {
		l.keys, l.data = slices.Delete(l.keys, i, i+1), slices.Delete(l.data, i, i+1)
	}
	l.keys, l.data = append(l.keys, key), append(l.data, data)
}

func (l *lasts) keep(n int) {
	if over := len(l.keys) - n; over > 0 {
		l.keys, l.data = l.keys[over:], l.data[over:]
	}
}

func lastsOf(t *testing.T, b *Broker, ch pabal.Channel) (l lasts) {
	t.Helper()
	q := all
	q.Latest = true
	for _, e := range readPage(t, b, ch, q).Entries {
		l.keys, l.data = append(l.keys, e.Key), append(l.data, string(e.Data))
	}
	return l
}

// A log that keeps the last entry of each of at most n keys has each key once,
// with its last entry, and of n keys those that were written last.
func TestLatestAtLimit(t *testing.T) {
	const limit = 3
	for _, entries := range []int{1, 2, 3} {
		t.Run(fmt.Sprint("entries=", entries), func(t *testing.T) {
			b := opened(t, vfs.NewMem(), like(Rules{pabal.Retention{Entries: entries, Latest: true, Keys: limit}, SyncNever}))
			random := rand.New(rand.NewPCG(uint64(entries), 1))
			keys := strings.Split("abcada", "") // then any
			var want lasts
			for i := range 300 {
				if i >= len(keys) {
					keys = append(keys, string(rune('a'+random.IntN(5))))
				}
				appendTo(t, b, "c", pabal.Message{Key: keys[i], Data: fmt.Append(nil, i)})
				want.put(keys[i], fmt.Sprint(i))
				want.keep(limit)
				if got := lastsOf(t, b, "c"); !slices.Equal(got.keys, want.keys) || !slices.Equal(got.data, want.data) {
					t.Fatalf("after %v: got %v, want %v", keys, got, want)
				}
			}
		})
	}
}

func numbered(from, to int) (keys []string) {
	for i := from; i < to; i++ {
		keys = append(keys, fmt.Sprint(i))
	}
	return keys
}

// A log that is to keep the last of each key from now on, or not any more,
// counts its keys anew.
func TestRekey(t *testing.T) {
	fs := vfs.NewMem()
	every := pabal.Retention{Entries: 100}
	latest := pabal.Retention{Entries: 100, Latest: true, Keys: 100}
	few := pabal.Retention{Entries: 5, Latest: true, Keys: 10}
	for i, step := range []struct {
		keep       pabal.Retention
		keys, want []string
	}{
		{every, numbered(0, 124), numbered(24, 124)},
		{latest, slices.Repeat([]string{"123"}, 100), numbered(24, 124)},
		{every, nil, []string{"123"}},
		{every, []string{"x"}, []string{"123", "x"}},
		{latest, numbered(200, 350), numbered(250, 350)},
		{few, []string{"y"}, append(numbered(341, 350), "y")},
		{every, []string{"z"}, []string{"346", "347", "348", "349", "y", "z"}},
		{few, []string{"z"}, []string{"346", "347", "348", "349", "y", "z"}},
		{few, numbered(400, 405), []string{"347", "348", "349", "y", "z", "400", "401", "402", "403", "404"}},
	} {
		b := opened(t, fs, like(Rules{step.keep, SyncNever}))
		for _, key := range step.keys {
			appendTo(t, b, "c", pabal.Message{Key: key})
		}
		if got := lastsOf(t, b, "c"); !slices.Equal(got.keys, step.want) {
			t.Errorf("step %d: got %d keys %v,\nwant %d %v", i, len(got.keys), got.keys, len(step.want), step.want)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// The rows of entries that are not kept are removed in time, of a log that
// keeps the last of each key too.
func TestLatestRowsAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := opened(t, vfs.NewMem(), like(Rules{pabal.Retention{Age: time.Second, Latest: true}, SyncNever}))
		for range 200 {
			appendTo(t, b, "c", pabal.Message{Key: "k"})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		for kind, want := range map[byte]int{entryRow: 1, lastRow: 1, keyRow: 1} {
			if n := rowsOf(t, b, kind, "c"); n != want {
				t.Errorf("9 s after all have expired there are %d rows of kind %c, want %d", n, kind, want)
			}
		}
	})
}

// What removes the rows of IDs that are not known any more begins where it had
// ended before, for else each load of a log would go through all of it.
func TestIDSweepGoesOn(t *testing.T) {
	b := opened(t, vfs.NewMem(), like(Rules{Retention: pabal.Retention{IDs: 1}, Sync: SyncNever}))
	var end []byte // of what was removed
	removed := 0
	for i := range 20 {
		appendTo(t, b, "c", pabal.Message{ID: fmt.Sprint(i)})
		err := b.submit(&request{do: func(w *writer, r *request) {
			w.sweepIDs(r)
			for rows := w.group.batch.Reader(); r.err == nil; {
				kind, from, to, ok, err := rows.Next()
				if r.err = err; !ok {
					return
				}
				if kind != pebble.InternalKeyKindRangeDelete || from[0] != idRow {
					continue
				}
				if removed++; string(from) < string(end) {
					r.err = fmt.Errorf("from %x on, though up to %x all was removed", from, end)
				}
				end = slices.Clone(to)
			}
		}})
		if err != nil {
			t.Fatalf("sweep %d removes rows %v", i, err)
		}
	}
	if removed < 2 {
		t.Errorf("%d sweeps removed rows, of 20", removed)
	}
}

// leaving is a context that ends once it was looked at.
type leaving struct {
	context.Context
	looked bool
}

func (c *leaving) Err() error {
	if c.looked {
		return context.Canceled
	}
	c.looked = true
	return nil
}

// That a caller leaves is no failure of the storage.
func TestChannelsOfCallerWhoLeaves(t *testing.T) {
	b := opened(t, vfs.NewMem(), like(Rules{Sync: SyncNever}))
	appendTo(t, b, "c", pabal.Message{})
	_, err := b.Channels(&leaving{Context: t.Context()}, "", "", 10)
	if _, storage := errors.AsType[*pabal.StorageError](err); storage || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// Whatever is done to a log meanwhile, a page of it has no hole that it does
// not tell of, and no key twice of which it is to have the last entry.
func TestReadWhileChanging(t *testing.T) {
	for _, latest := range []bool{false, true} {
		t.Run(fmt.Sprint("latest=", latest), func(t *testing.T) {
			config := like(Rules{pabal.Retention{Entries: 20, Latest: latest, Keys: 15}, SyncNever})
			config.Cache = 64 << 10
			b := opened(t, vfs.NewMem(), config)
			var writing, reading sync.WaitGroup
			written := make(chan struct{})
			for i := range uint64(2) {
				writing.Go(func() { churn(t, b, rand.New(rand.NewPCG(i, 1))) })
				random, at := rand.New(rand.NewPCG(i, 2)), pabal.Position{}
				reading.Go(func() {
					for {
						select {
						case <-written:
							return
						default:
							at = checkPage(t, b, random, at)
						}
					}
				})
			}
			writing.Wait()
			close(written)
			reading.Wait()
		})
	}
}

func churn(t *testing.T, b *Broker, random *rand.Rand) {
	for range 120 {
		m := make([]pabal.Message, 1+random.IntN(30))
		for i := range m {
			m[i] = pabal.Message{Key: fmt.Sprint(random.IntN(40)), Data: make([]byte, random.IntN(200))}
		}
		_, err := b.Append(t.Context(), "c", pabal.Publish{Messages: m})
		if random.IntN(50) == 0 {
			err = errors.Join(err, b.Delete(t.Context(), "c"))
		}
		if err != nil {
			t.Errorf("append and delete: %v", err)
			return
		}
	}
}

// checkPage reads a page, perhaps from at. It returns a position of it.
func checkPage(t *testing.T, b *Broker, random *rand.Rand, at pabal.Position) pabal.Position {
	from := []pabal.From{{}, pabal.FromLast(random.IntN(40)), pabal.FromTime(time.Now().Add(-time.Millisecond)), pabal.Before(at), pabal.After(at)}
	q := pabal.Query{From: from[random.IntN(5)], MaxEntries: 1 + random.IntN(30), MaxBytes: 1 + random.IntN(5000), Latest: random.IntN(2) == 0}
	page, err := b.Read(t.Context(), "c", q)
	if err != nil {
		t.Errorf("read %+v: %v", q, err)
		return at
	}
	keys := map[string]bool{}
	for i, e := range page.Entries {
		if q.Latest && keys[e.Key] {
			t.Errorf("read %+v: key %s is twice in it", q, e.Key)
		}
		if i > 0 && (e.Offset <= at.Offset || !q.Latest && e.Prev != at.Offset) {
			t.Errorf("read %+v: offset %d (after %d) follows %d", q, e.Offset, e.Prev, at.Offset)
		}
		keys[e.Key], at = true, e.Position()
	}
	if after, ok := q.From.After(); ok && !q.Latest && page.Lost == nil && len(page.Entries) > 0 && page.Entries[0].Prev != after.Offset {
		t.Errorf("read after %v begins after %d, and tells of no loss", after, page.Entries[0].Prev)
	}
	return at
}
