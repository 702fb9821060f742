package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
)

// fresh returns a broker of channels that are kept as r says.
func fresh(t testing.TB, c Config, r pabal.Retention) *Broker {
	c.Retention = func(pabal.Channel) pabal.Retention { return r }
	b := New(c)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func put(t *testing.T, b *Broker, ch pabal.Channel, m ...pabal.Message) pabal.Appended {
	t.Helper()
	done, err := b.Append(t.Context(), ch, pabal.Publish{Messages: m})
	if err != nil {
		t.Fatalf("append to %s: %v", ch, err)
	}
	return done
}

func of(size int, key string) pabal.Message {
	return pabal.Message{Key: key, Data: make([]byte, size-len(key))}
}

// limit ends the test unless a publish to ch is refused for the limit's name.
func limit(t *testing.T, b *Broker, ch pabal.Channel, name string, m pabal.Message) (retry time.Duration) {
	t.Helper()
	_, err := b.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{m}})
	var e *pabal.LimitError
	if !errors.As(err, &e) || e.Limit != name {
		t.Fatalf("append to %s: got the error %v, want the limit %s", ch, err, name)
	}
	return e.Retry
}

func TestBytesOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 1000
		b := fresh(t, Config{Bytes: 10 * (each + overhead)}, pabal.Retention{Entries: 5, Age: time.Hour})
		for range 5 {
			put(t, b, "a", of(each, ""))
		}
		time.Sleep(time.Minute)
		for range 5 {
			put(t, b, "b", of(each, ""))
		}
		for range 20 {
			put(t, b, "b", of(each, "")) // takes the room of the oldest
		}
		if retry := limit(t, b, "c", "memory-bytes", of(1, "")); retry < 58*time.Minute || retry > time.Hour {
			t.Errorf("come back in %v, want when the first entries expire", retry)
		}
		_ = limit(t, b, "a", "memory-bytes", of(each+1, ""))
		if l, _, _ := b.find("c"); l != nil {
			t.Errorf("a channel is known to which nothing was published")
		}
		time.Sleep(time.Hour - time.Minute + time.Nanosecond) // what expires makes room at once
		put(t, b, "c", of(each, ""))
		if err := b.Delete(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		if got, want := b.life.bytes.Load(), int64(each+overhead); got != want {
			t.Errorf("%d bytes are kept, want %d", got, want)
		}
	})
}

func TestBytesWithLatest(t *testing.T) {
	const each = 1000
	b := fresh(t, Config{Bytes: 4 * (each + overhead)}, pabal.Retention{Entries: 2, Latest: true})
	put(t, b, "a", of(each, "a"), of(each, "b"), of(each, "c"), of(each, "d"))
	_ = limit(t, b, "a", "memory-bytes", of(each, "e")) // all four are the last of their keys
	put(t, b, "a", of(each, "a"))                       // kept apart until now
	put(t, b, "a", of(each, "d"))                       // was not
	_ = limit(t, b, "a", "memory-bytes", of(each, "e"))
	if got, want := b.life.bytes.Load(), int64(4*(each+overhead)); got != want {
		t.Errorf("%d bytes are kept, want %d", got, want)
	}
}

// known returns how many channels b remembers something of.
func known(b *Broker) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.logs)
}

// Nobody asks for them any more, and yet they go.
func TestIdleChannelsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t, Config{}, pabal.Retention{Age: time.Hour})
		for i := range 100 {
			ch := pabal.Channel(fmt.Sprint("c", i))
			put(t, b, ch, pabal.Message{ID: "x", Data: []byte("x")})
			if i%2 == 0 {
				if err := b.Delete(t.Context(), ch); err != nil {
					t.Fatal(err)
				}
			}
		}
		put(t, b, "followed", of(10, ""))
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := b.Tail(ctx, "followed", func(*pabal.Entry) {}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour + 2*maxPause)
		synctest.Wait()
		if bytes, channels, ids := b.life.bytes.Load(), known(b), b.ids.Len(); bytes != 0 || channels != 1 || ids != 0 {
			t.Errorf("%d bytes, %d channels, %d ids are kept, want the one channel that is followed", bytes, channels, ids)
		}
		cancel()
		time.Sleep(time.Hour + 2*maxPause)
		synctest.Wait()
		if _, floor, _ := b.find("a"); known(b) != 0 || floor != 2 {
			t.Errorf("%d channels are known and the floor is %d, want 0 and 2", known(b), floor)
		}
	})
}

// A channel is closed before it is forgotten, and for as long as others of its
// kind are remembered.
func TestClosedThenForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t, Config{Channels: 2}, pabal.Retention{Age: time.Hour, CloseAfter: 8 * time.Hour})
		put(t, b, "a", of(1, ""))
		var nils atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := b.Tail(ctx, "a", func(e *pabal.Entry) {
			if e == nil {
				nils.Add(1)
			}
		}); err != nil {
			t.Fatal(err)
		}
		put(t, b, "b", of(1, ""))
		after := func(d time.Duration, closed bool, told int32) {
			time.Sleep(d)
			synctest.Wait()
			page, err := b.Read(t.Context(), "a", pabal.Query{})
			if known(b) != 2 || err != nil || page.Closed != closed || nils.Load() != told {
				t.Fatalf("%d channels are known, closed is %v, told %d times, error %v; want 2, %v, %d", known(b), page.Closed, nils.Load(), err, closed, told)
			}
		}
		after(8*time.Hour-time.Minute, false, 0)
		after(3*time.Minute, true, 1)
		if retry := limit(t, b, "c", "channels", of(1, "")); retry < 50*time.Minute || retry > time.Hour {
			t.Errorf("come back in %v, want when the closed channels are forgotten", retry)
		}
		cancel()
		time.Sleep(time.Hour + 2*maxPause)
		synctest.Wait()
		if known(b) != 0 {
			t.Errorf("%d channels are known after as long as they are remembered, want none", known(b))
		}
	})
}

// An empty channel that would be closed later makes room for another.
func TestEmptyMakesRoomBeforeItCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t, Config{Channels: 1}, pabal.Retention{Age: time.Hour, CloseAfter: 8 * time.Hour})
		put(t, b, "a", of(1, ""))
		time.Sleep(time.Hour + 2*maxPause)
		put(t, b, "b", of(1, ""))
	})
}

func TestChannelsMakeRoom(t *testing.T) {
	b := fresh(t, Config{Channels: 3}, pabal.Retention{})
	put(t, b, "a", of(1, ""))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := b.Tail(ctx, "b", func(*pabal.Entry) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), "c", pabal.Publish{Close: true}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // one holds an entry, one is followed, one is closed
		_ = limit(t, b, "d", "channels", of(1, ""))
	}
	if err := b.Delete(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	put(t, b, "d", of(1, ""))
	_ = limit(t, b, "c", "channels", of(1, ""))
	if _, err := b.Read(t.Context(), "c", pabal.Query{}); err != nil {
		t.Errorf("read of a channel that is not known: %v", err)
	}
}

// Channels come, are deleted, followed and forgotten while others use them.
func TestForgottenWhileUsed(t *testing.T) {
	b := fresh(t, Config{Channels: 4}, pabal.Retention{Entries: 3, CloseAfter: time.Hour})
	var all sync.WaitGroup
	last := make([]pabal.Offset, 4)
	for i := range last {
		ch := pabal.Channel(fmt.Sprint("c", i))
		all.Go(func() {
			for range 500 {
				done, err := b.Append(t.Context(), ch, pabal.Publish{Messages: []pabal.Message{{Data: []byte("x")}}})
				if err != nil {
					t.Errorf("append: %v", err)
				} else if done.End.Offset <= last[i] {
					t.Errorf("%s: offset %d after %d", ch, done.End.Offset, last[i])
				}
				last[i] = done.End.Offset
				page, err := b.Read(t.Context(), ch, pabal.Query{From: pabal.FromLast(1)})
				if err != nil || len(page.Entries) != 1 || page.Entries[0].Offset != last[i] {
					t.Errorf("%s: read %v, error %v, want the entry %d", ch, page.Entries, err, last[i])
				}
				if err := b.Delete(t.Context(), ch); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
		})
		all.Go(func() {
			for range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				_, _ = b.Tail(ctx, ch, func(*pabal.Entry) {})
				cancel()
				b.closeIdle(clock())
				b.sweep(clock(), 4)
				_, _ = b.Channels(t.Context(), "", "", 10)
			}
		})
	}
	all.Wait()
}

func TestClosedBroker(t *testing.T) {
	b := fresh(t, Config{}, pabal.Retention{})
	put(t, b, "a", of(1, ""))
	for range 2 {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	_, appended := b.Append(t.Context(), "a", pabal.Publish{Close: true})
	_, read := b.Read(t.Context(), "a", pabal.Query{})
	_, tailed := b.Tail(t.Context(), "b", func(*pabal.Entry) {})
	_, listed := b.Channels(t.Context(), "", "", 1)
	for _, err := range []error{appended, read, tailed, listed, b.Delete(t.Context(), "a")} {
		if !errors.Is(err, errClosed) {
			t.Errorf("after Close: got the error %v, want %v", err, errClosed)
		}
	}
}

// The clock was set back.
func TestTimeNeverDecreases(t *testing.T) {
	l := newLog(&life{epoch: 1}, "a", pabal.Retention{}.WithDefaults(), 0)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l.append(pabal.Message{}, at)
	for _, later := range []time.Duration{-time.Hour, 0, time.Second} {
		e := l.append(pabal.Message{}, at.Add(later))
		if want := at.Add(max(later, 0)); !e.Time.Equal(want) {
			t.Errorf("an entry %v after the first has the time %v, want %v", later, e.Time, want)
		}
	}
}

func TestNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t, Config{}, pabal.Retention{Entries: -1, Bytes: -1, Age: -1})
		for range 11_000 {
			put(t, b, "a", of(1000, ""))
		}
		if err := b.Delete(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1000 * time.Hour)
		page, err := b.Read(t.Context(), "a", pabal.Query{MaxEntries: 30_000, MaxBytes: 1 << 30})
		if err != nil || len(page.Entries) != 11_000 {
			t.Errorf("got %d entries, error %v, want all 11,000", len(page.Entries), err)
		}
	})
}
