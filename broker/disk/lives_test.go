package disk

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/pabal/pabal"
)

// The store knows what survived of as many lives as it says, and no more: who
// comes with a cursor of an older one is told that it is not known.
func TestOldLivesAreForgotten(t *testing.T) {
	b := opened(t, vfs.NewMem(), dataConfig("data"))
	const ch = pabal.Channel("never/a")
	var ends []pabal.Position
	for i := range lifetimes + 5 {
		ends = append(ends, publish(t, b, ch, pabal.Publish{Messages: []pabal.Message{{Data: fmt.Append(nil, i)}}}).End)
		b = reopenLosing(t, b, func(pabal.Channel) int { return 0 }).(*Broker)
	}
	lives := len(ends) + 1
	for i, at := range ends {
		page := readPage(t, b, ch, pabal.Query{From: pabal.After(at), MaxEntries: 1000, MaxBytes: 1 << 20})
		if known := i >= lives-lifetimes; known && (page.Lost != nil || len(page.Entries) != len(ends)-1-i) {
			t.Errorf("after %v, of life %d of %d: lost %+v, and %d entries", at, i, lives, page.Lost, len(page.Entries))
		} else if !known && (page.Lost == nil || page.Lost.Reason != pabal.Unknown || len(page.Entries) != len(ends)) {
			t.Errorf("after %v, of life %d of %d: lost %+v, and %d entries; want it unknown, and all", at, i, lives, page.Lost, len(page.Entries))
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantClean(t, b.fs, "data")
}

// What is written of a way to sync is read as the same, and nothing else is.
func TestParseSync(t *testing.T) {
	for s := SyncAlways; s <= SyncNever; s++ {
		if got, err := ParseSync(s.String()); err != nil || got != s {
			t.Errorf("%v is read as %v, %v", s, got, err)
		}
	}
	for _, text := range []string{"", "Always", "sometimes"} {
		if got, err := ParseSync(text); err == nil {
			t.Errorf("%q is read as %v, want an error", text, got)
		}
	}
}

// A list fails with the reason: who asked has left, the broker is closed, or a
// row cannot be read.
func TestListFails(t *testing.T) {
	mem := variedStore(t)
	b := opened(t, mem, dataConfig("data"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := b.Channels(ctx, "", "", 10); err == nil {
		t.Errorf("for who has left: got %v", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Channels(t.Context(), "", "", 10); err == nil {
		t.Errorf("of a closed broker: got %v", got)
	}
	b = opened(t, changed(t, mem, channelKey(nil, "all/z"), []byte{0}), dataConfig("data"))
	if got, err := b.Channels(t.Context(), "", "", 10); err == nil {
		t.Errorf("with a row that is none: got %v", got)
	}
	if got, err := b.Channels(t.Context(), "all/a", "", 10); err != nil || len(got) != 1 {
		t.Errorf("before the row that is none: got %v, %v", got, err)
	}
}
