package transport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/readers"
	"github.com/pabal/pabal/transport"
)

// TestWhatIsMissingIsTold has a log that keeps little, and is deleted now and
// then, read by readers who break off: whatever one of them misses was told to
// it just there, from where it stood to where it goes on.
func TestWhatIsMissingIsTold(t *testing.T) {
	s := &setup{
		memory: memory.Config{Retention: func(pabal.Channel) pabal.Retention { return pabal.Retention{Entries: 15} }},
		limits: pabal.Limits{WindowEntries: 8},
		reads:  transport.Handler{RotateBytes: 20_000, Retry: time.Millisecond},
	}
	pumps(t, s, func(t *testing.T, s *setup) { missing(t, s, readers.H1) })
	t.Run(readers.H2C, func(t *testing.T) { missing(t, s, readers.H2C) })
}

func missing(t *testing.T, s *setup, protocol string) {
	const channel = "short"
	seed := newSeed(t)
	b := newBook(newNode(t, s).listen(t))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var reading sync.WaitGroup
	var tellings []*telling
	for i, by := range append(resumable(), nil, nil, nil) {
		only := []*readers.Technique{by}
		if by == nil {
			only = resumable()
		}
		h := &telling{name: fmt.Sprintf("reader %d", i)}
		tellings = append(tellings, h)
		f := &readers.Follower{
			Server: b.server, Place: readers.NewPlace(channel), Techniques: only, Protocols: []string{protocol},
			Random: rand.New(rand.NewPCG(seed, 100+uint64(i))), CutBytes: 8000, Rotated: true,
			Took: func(by *readers.Technique, it readers.Item) error {
				b.took(channel, it.Cursor)
				return h.add(by, it)
			},
			Told: h.add,
		}
		f.Place.MayLose = true
		reading.Go(func() {
			if err := f.Run(ctx); err != nil {
				t.Errorf("seed %d: %s: %v", seed, h.name, err)
				cancel()
			}
		})
	}
	if err := b.publishAndDelete(ctx, channel, rand.New(rand.NewPCG(seed, 1))); err != nil {
		t.Error(err)
	}
	reading.Wait()
	offsets := b.offsets(channel)
	missed := 0
	for _, h := range tellings {
		missed += h.check(t, offsets)
	}
	if missed == 0 {
		t.Error("no reader missed anything: the test shows nothing")
	}
}

// publishAndDelete publishes much in short time, and deletes now and then,
// but lets readers come after it again and again; then it closes the channel.
func (b *book) publishAndDelete(ctx context.Context, channel string, random *rand.Rand) error {
	client, base := b.server.Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	for i := range 150 {
		var all []readers.Item
		for range 1 + random.IntN(12) {
			all = append(all, readers.Item{Data: fmt.Append(nil, i)})
		}
		last, err := b.post(ctx, client, base, channel, all)
		if err != nil {
			return err
		}
		if i%3 == 0 {
			b.taken(ctx, channel, last)
		}
		if i%40 == 39 {
			r, err := newDelete(ctx, base+"/channels/"+channel)
			if err != nil {
				return err
			}
			resp, err := client.Do(r)
			if err != nil {
				return err
			}
			resp.Body.Close()
		}
	}
	return b.closeAll(ctx, []string{channel})
}

// offsets returns the offsets of all that was acknowledged, in order.
func (b *book) offsets(channel string) (all []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for cursor := range b.logs[channel] {
		all = append(all, offset(cursor))
	}
	slices.Sort(all)
	return all
}

// A telling is the entries and notices that one reader had.
type telling struct {
	name  string
	items []readers.Item
	by    []string
}

func (h *telling) add(by *readers.Technique, it readers.Item) error {
	h.items, h.by = append(h.items, it), append(h.by, by.Name)
	return nil
}

// check tests that every entry of offsets is there or within what was told to
// be missing, and returns how many were missing.
func (h *telling) check(t *testing.T, offsets []int) (missed int) {
	t.Helper()
	at := 0 // where the reader stands
	next := func() int {
		i, _ := slices.BinarySearch(offsets, at+1)
		if i == len(offsets) {
			return -1
		}
		return offsets[i]
	}
	began := false // since=all begins with what is kept
	for i, it := range h.items {
		to := offset(it.Cursor)
		if !began && it.From != "" {
			at = offset(it.From) // where it was when its first response opened
		}
		switch {
		case it.Notice != "":
			if it.From != "" && offset(it.From) != at || to < at {
				t.Errorf("%s, by %s: stands at %d and is told %+v", h.name, h.by[i], at, it)
				return missed
			}
			for at < to && next() > 0 && next() <= to {
				at = next()
				missed++
			}
		case began && to != next():
			t.Errorf("%s, by %s: stands at %d, gets entry %d, and was not told of %d", h.name, h.by[i], at, to, next())
			return missed
		}
		at, began = to, true
	}
	if rest := next(); rest > 0 {
		t.Errorf("%s: ends at %d, and never had %d", h.name, at, rest)
	}
	return missed
}

func newDelete(ctx context.Context, url string) (*http.Request, error) {
	return http.NewRequestWithContext(ctx, http.MethodDelete, url, nil)
}
