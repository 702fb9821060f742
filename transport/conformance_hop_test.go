package transport_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/pabal/pabal/internal/readers"
)

// TestHops goes from each technique to each other one, make before break: the
// new response is opened at the reader's cursor, then both deliver for a
// while, and what comes twice is dropped by the equality of cursors. Raw
// WebSocket, whose entries have none, only takes over.
func TestHops(t *testing.T) { pumps(t, &setup{}, hops) }

func hops(t *testing.T, by *setup) {
	b := newBook(newNode(t, by).listen(t))
	for _, from := range resumable() {
		for _, to := range readers.All {
			t.Run(from.Name+" to "+to.Name, func(t *testing.T) {
				h := &hop{T: t, b: b, channel: "hop/" + from.Name + "-" + to.Name, h: newHistory(from.Name + " to " + to.Name)}
				h.run(from, to)
			})
		}
	}
}

type hop struct {
	*testing.T
	b       *book
	channel string
	h       *history
	place   *readers.Place
	number  int
}

func (h *hop) run(from, to *readers.Technique) {
	h.place = readers.NewPlace(h.channel)
	h.publish(8)
	old := h.open(from, nil)
	h.take(old, from, 5)
	cursors, mark := h.place.Cursors(false)
	next := h.open(to, cursors)
	first, err, ok := next.next() // so it is open
	if err != nil || !ok {
		h.Fatal(err)
	}
	h.publish(4)
	if to.Cursors {
		h.take(old, from, 4)
		h.publish(2)
	}
	old.stop()
	h.place.Begin(mark)
	h.takeOne(to, first)
	h.publish(3)
	if err := h.b.closeAll(h.Context(), []string{h.channel}); err != nil {
		h.Fatal(err)
	}
	h.take(next, to, -1)
	next.stop()
	h.h.check(h, h.b, []string{h.channel})
}

func (h *hop) publish(n int) {
	h.Helper()
	client, base := h.b.server.Client(readers.H1, nil)
	defer client.CloseIdleConnections()
	random := rand.New(rand.NewPCG(1, uint64(h.number)))
	for range n {
		h.number++
		if _, err := h.b.post(h.Context(), client, base, h.channel, []readers.Item{messageOf(0, h.number, random)}); err != nil {
			h.Fatal(err)
		}
	}
}

// pull is a response that is read item by item.
type pull struct {
	next func() (readers.Item, error, bool)
	stop func()
}

func (h *hop) open(by *readers.Technique, cursors []string) pull {
	client, base := h.b.server.Client(readers.H1, nil)
	h.Cleanup(client.CloseIdleConnections)
	next, stop := iter.Pull2(by.Read(h.Context(), &readers.Target{URL: base, Client: client, Channels: []string{h.channel}, Cursors: cursors}))
	h.Cleanup(stop)
	return pull{next, stop}
}

// take takes n entries that are new, or all up to the end of the channel.
func (h *hop) take(from pull, by *readers.Technique, n int) {
	h.Helper()
	for have := len(h.h.items[h.channel]); n < 0 || len(h.h.items[h.channel]) < have+n; {
		it, err, ok := from.next()
		if err != nil || !ok {
			h.Fatalf("%s ended: %v", by.Name, err)
		}
		h.takeOne(by, it)
		if it.Notice == "$closed" {
			return
		}
	}
}

func (h *hop) takeOne(by *readers.Technique, it readers.Item) {
	h.Helper()
	fresh := it.Notice == ""
	if by.Cursors {
		var err error
		if fresh, err = h.place.Take(it); err != nil {
			h.Fatal(fmt.Errorf("%s: %w", by.Name, err))
		}
	}
	if fresh {
		_ = h.h.took(by, it)
	}
}
