package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pabal/pabal/internal/readers"
)

// A small soak goes well.
func TestSoak(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ok, err := run(ctx, &options{entries: 3000, readers: 24, publishers: 4, channels: 3, seed: 1})
	if !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

// The ledger knows what is wrong.
func TestLedger(t *testing.T) {
	l := newLedger(&options{entries: 10, readers: 1, channels: 1})
	ch, r := l.channels[0], l.readers[0]
	for _, cursor := range []string{"e-1", "e-2", "e-3", "e-4"} {
		if err := ch.acknowledge(cursor, cursor); err != nil {
			t.Fatal(err)
		}
	}
	stream := readers.Named("stream")
	for _, text := range []string{"e-1 e-1", "e-3 e-3", "e-3 e-3", "e-2 e-2", "e-4 other"} {
		cursor, data, _ := strings.Cut(text, " ")
		if err := r.took(stream, readers.Item{Channel: ch.name, Cursor: cursor, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	if lost, repeated, unordered, altered := l.lost(), l.repeated.Load(), l.unordered.Load(), l.altered.Load(); lost != 1 || repeated != 1 || unordered != 1 || altered != 1 || l.sound() {
		t.Errorf("lost %d, repeated %d, out of order %d, altered %d; want 1 of each", lost, repeated, unordered, altered)
	}
	if err := ch.acknowledge("e-4", "another"); err == nil {
		t.Error("an entry is acknowledged with other data than was read")
	}
}
