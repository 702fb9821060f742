package pabal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
)

func TestWhereReadingBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
		begin := time.Now()
		var at []pabal.Position
		for _, data := range numbers(1, 5) {
			at = append(at, publish(t, h, "a", data).End)
			time.Sleep(time.Minute)
		}
		for name, c := range map[string]struct {
			from pabal.From
			want []string
		}{
			"all":                {pabal.FromAll(), numbers(1, 5)},
			"the zero value":     {pabal.From{}, numbers(1, 5)},
			"now":                {pabal.FromNow(), nil},
			"the last 0":         {pabal.FromLast(0), nil},
			"the last 2":         {pabal.FromLast(2), numbers(4, 5)},
			"the last 9":         {pabal.FromLast(9), numbers(1, 5)},
			"the beginning":      {pabal.FromTime(begin), numbers(1, 5)},
			"long before":        {pabal.FromTime(begin.Add(-time.Hour)), numbers(1, 5)},
			"just after 2":       {pabal.FromTime(begin.Add(time.Minute + 1)), numbers(3, 5)},
			"just when 3 was":    {pabal.FromTime(begin.Add(2 * time.Minute)), numbers(3, 5)},
			"the future":         {pabal.FromTime(time.Now().Add(time.Hour)), nil},
			"after 2":            {pabal.After(at[1]), numbers(3, 5)},
			"after the last":     {pabal.After(at[4]), nil},
			"before the first":   {pabal.After(pabal.Position{Epoch: at[0].Epoch}), numbers(1, 5)},
			"of an unknown time": {pabal.FromTime(time.Time{}), numbers(1, 5)},
		} {
			poll, err := h.Open(pabal.Grant{}, nil, pabal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := poll.Subscribe("a", c.from); err != nil {
				t.Fatal(err)
			}
			r := reader{t: t, Session: poll}
			if got, state := r.run(); !slices.Equal(got, c.want) || state != pabal.Done {
				t.Errorf("poll %s: got %q, state %v, want %q, and Done", name, got, state, c.want)
			}
			poll.Close()

			live := newReader(t, h, pabal.Options{}, "a", c.from)
			if got, _ := live.run(); !slices.Equal(got, append(slices.Clone(c.want), "$live")) {
				t.Errorf("from %s: got %q, want %q and $live", name, got, c.want)
			}
			defer live.next("6")
		}
		publish(t, h, "a", "6")
	})
}

// Between CatchUp and the first Step, Position is where the response begins:
// where the first entry follows, or the client's own place if something was
// lost. A response cut there resumes to the same.
func TestOpenPosition(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{Entries: 3}), pabal.Limits{})
	first := publish(t, h, "a", "1").End
	end := publish(t, h, "a", "2", "3", "4", "5").End
	at := func(o pabal.Offset) pabal.Position { return pabal.Position{Epoch: end.Epoch, Offset: o} }
	foreign := pabal.Position{Epoch: end.Epoch + 1, Offset: 77}
	for name, c := range map[string]struct {
		from pabal.From
		open pabal.Position
		want []string
	}{
		"all":        {pabal.FromAll(), at(2), numbers(3, 5)},
		"now":        {pabal.FromNow(), end, nil},
		"the last":   {pabal.FromLast(1), at(4), numbers(5, 5)},
		"after 4":    {pabal.After(at(4)), at(4), numbers(5, 5)},
		"trimmed":    {pabal.After(first), first, []string{"$gap trimmed 1-2", "3", "4", "5"}},
		"ahead":      {pabal.After(at(9)), at(9), []string{"$reset ahead 9-5"}},
		"of another": {pabal.After(foreign), foreign, []string{"$reset unknown 77-2", "3", "4", "5"}},
	} {
		r := newReader(t, h, pabal.Options{}, "a", c.from)
		if got := r.Position(0); got != (pabal.Position{}) && got != c.open {
			t.Errorf("%s, before it is known: got %v", name, got)
		}
		if err := r.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.Position(0); got != c.open {
			t.Errorf("%s: opens at %v, want %v", name, got, c.open)
		}
		r.next(append(c.want, "$live")...)
		if got := r.Position(0); got != end {
			t.Errorf("%s: stands at %v, want the end, %v", name, got, end)
		}
	}
}

// Position follows each item, and the cursor of each item resumes just there.
func TestResumeAtEachItem(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{Entries: 4}), pabal.Limits{})
	early := publish(t, h, "a", "0").End
	publish(t, h, "a", numbers(1, 6)...)
	r := newReader(t, h, pabal.Options{}, "a", pabal.After(early))
	want := []string{"$gap trimmed 1-3", "3", "4", "5", "6", "$live"}
	for i := 0; i < len(want); {
		switch r.Step(&r.batch, 1) {
		case pabal.Behind:
			if err := r.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		default:
			item := r.batch.Items[0]
			if got := show(item); got != want[i] {
				t.Fatalf("item %d: got %q, want %q", i, got, want[i])
			}
			if r.Position(0) != place(item) {
				t.Errorf("after %q: position %v, want the item's cursor %v", want[i], r.Position(0), place(item))
			}
			i++
			newReader(t, h, pabal.Options{}, "a", pabal.After(place(item))).next(append(slices.Clone(want[min(i, 5):5]), "$live")...)
		}
	}
}

func TestDeleteResets(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
	empty := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
	empty.next("$live")
	publish(t, h, "a", "1", "2")
	caught := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
	caught.next("1", "2", "$live")
	empty.next("1", "2")
	slow := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
	slow.Step(&slow.batch, 1)
	deleteChannel(t, h)
	deleteChannel(t, h)
	caught.next("$reset deleted 2-3")
	publish(t, h, "a", "3")
	caught.next("3")
	empty.next("$reset deleted 2-3", "3")
	slow.next("3", "$live") // it had not begun, and starts never miss anything
	newReader(t, h, pabal.Options{}, "a", pabal.After(pabal.Position{Epoch: caught.Position(0).Epoch, Offset: 1})).next("$reset deleted 1-3", "3", "$live")
	newReader(t, h, pabal.Options{}, "a", pabal.FromAll()).next("3", "$live")
}

// $live is said at the end of what was there, once, and never before an entry
// that was acknowledged when the session subscribed.
func TestLive(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{BatchBytes: 4, WindowEntries: 3})
	last := publish(t, h, "a", "0").End
	for i := range 200 {
		publish(t, h, "a", "x")
		if i%7 == 3 {
			deleteChannel(t, h)
			publish(t, h, "a", "y")
		}
		end := publish(t, h, "a", "z").End
		for _, from := range []pabal.From{pabal.After(last), pabal.FromAll()} {
			r := newReader(t, h, pabal.Options{}, "a", from)
			got, _ := r.run()
			if n := len(got); got[n-1] != "$live" || got[n-2] != "z" || slices.Index(got, "$live") < n-1 || r.Position(0) != end {
				t.Fatalf("round %d: got %q up to %v, want $live once, at the end, %v", i, got, r.Position(0), end)
			}
			r.now()
			r.Close()
		}
		last = end
	}
}

// As in TestLive, while the tail has yet to hear of a deletion.
func TestLiveWaitsForTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		b := &losslessHooked{hooked{Broker: newMemory(t, pabal.Retention{})}}
		b.read = func(ctx context.Context, ch pabal.Channel, q pabal.Query) (pabal.Page, error) {
			<-gate
			return b.Broker.Read(ctx, ch, q)
		}
		h := newHub(t, b, pabal.Limits{})
		old := publish(t, h, "a", "1").End
		r := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
		go func() { gate <- struct{}{}; gate <- struct{}{} }()
		r.next("1", "$live")
		synctest.Wait()
		deleteChannel(t, h)
		publish(t, h, "a", "2")
		s := newReader(t, h, pabal.Options{}, "a", pabal.After(old))
		if state := s.Step(&s.batch, 9); len(s.batch.Items) > 0 || state != pabal.Behind {
			t.Fatalf("before anything was read: got %d items, state %v, want none, and Behind", len(s.batch.Items), state)
		}
		close(gate)
		s.next("$reset deleted 1-2", "2", "$live")
	})
}

type losslessHooked struct{ hooked }

func (*losslessHooked) Lossless() bool { return true }

func TestClosed(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
	caught, behind := newReader(t, h, pabal.Options{}, "a", pabal.FromAll()), newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
	caught.next("$live")
	end := publish(t, h, "a", "1").End
	if _, err := h.Publish(t.Context(), pabal.Grant{}, "a", pabal.Publish{Messages: []pabal.Message{{Data: []byte("last")}}, Close: true}); err != nil {
		t.Fatal(err)
	}
	done := func(r *reader, want ...string) {
		t.Helper()
		r.next(want...)
		if state := r.Step(&r.batch, 9); state != pabal.Done || len(r.batch.Items) > 0 {
			t.Errorf("after $closed: state %v, %d items, want Done and none", state, len(r.batch.Items))
		}
	}
	done(caught, "1", "last", "$closed")
	done(behind, "1", "last", "$closed")
	done(newReader(t, h, pabal.Options{}, "a", pabal.After(end)), "last", "$closed")
	done(newReader(t, h, pabal.Options{}, "a", pabal.FromNow()), "$closed")
	if _, err := h.Publish(t.Context(), pabal.Grant{}, "a", pabal.Publish{Messages: []pabal.Message{{}}}); !errors.Is(err, pabal.ErrClosed) {
		t.Errorf("publish after the close: got %v, want ErrClosed", err)
	}
	deleteChannel(t, h)
	anew := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
	anew.next("$live")
	publish(t, h, "a", "2")
	anew.next("2")
	newReader(t, h, pabal.Options{}, "a", pabal.After(end)).next("$reset deleted 1-3", "2", "$live")

	two := newReader(t, h, pabal.Options{}, "b", pabal.FromAll())
	if err := two.Subscribe("a", pabal.FromNow()); err != nil {
		t.Fatal(err)
	}
	two.next("$live", "$live")
	closeChannel(t, h, "b")
	two.next("$closed")
	publish(t, h, "a", "3")
	two.next("3")
	if !two.Unsubscribe("b") {
		t.Error("b was not there")
	}
	publish(t, h, "a", "4")
	two.next("4")
}

// A store that comes back with a new epoch is followed on; only who had seen
// what was lost is told.
func TestStoreComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newMemory(t, pabal.Retention{})
		b := &hooked{Broker: old}
		b.tail = func(ctx context.Context, ch pabal.Channel, fn func(*pabal.Entry)) (pabal.Position, error) {
			return b.Broker.Tail(ctx, ch, func(e *pabal.Entry) {
				if e != nil {
					fn(e)
				}
			})
		}
		h := newHub(t, b, pabal.Limits{})
		publish(t, h, "a", "1", "2")
		saw := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
		missed := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
		saw.next("1", "2", "$live")
		missed.next("1", "2", "$live")
		publish(t, h, "a", "3", "4")
		saw.next("3", "4")
		synctest.Wait()
		back := old.Reopen(func(pabal.Channel) int { return 2 })
		t.Cleanup(func() { _ = back.Close() })
		b.Broker = back
		if saw.Position(0).Offset != 4 || missed.Position(0).Offset != 2 {
			t.Fatalf("positions: got %v and %v, want 4 and 2", saw.Position(0), missed.Position(0))
		}
		publish(t, h, "a", "5")
		resumed := newReader(t, h, pabal.Options{}, "a", pabal.After(saw.Position(0)))
		resumed.next("$reset lost 4-2", "5", "$live")
		saw.next("$reset lost 4-2", "5")
		// The two entries of the old epoch are still in memory for who stands before.
		if got, _ := missed.run(); fmt.Sprint(got) != "[5]" && fmt.Sprint(got) != "[3 4 $reset lost 4-2 5]" {
			t.Errorf("who had not seen what was lost: got %q", got)
		}
	})
}

// Batches ends with its channels, or says why it cannot go on; in between it
// gives a sign of life.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
		r := newReader(t, h, pabal.Options{}, "a", pabal.FromAll())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		begin, beats := time.Now(), 0
		var got []string
		for batch, err := range r.Batches(ctx, 10*time.Second) {
			if err != nil {
				got = append(got, err.Error())
				continue
			}
			for _, item := range batch.Items {
				got = append(got, show(item))
			}
			if len(batch.Items) > 0 {
				continue
			}
			beats++
			if want := time.Duration(beats) * 10 * time.Second; time.Since(begin) != want {
				t.Errorf("beat %d after %v, want %v", beats, time.Since(begin), want)
			}
			switch beats {
			case 2:
				time.AfterFunc(10*time.Second-1, func() { publish(t, h, "a", numbers(1, 300)...) })
				begin = begin.Add(10*time.Second - 1)
			case 4:
				time.AfterFunc(time.Second, cancel)
			}
		}
		want := append(append([]string{"$live"}, numbers(1, 300)...), context.Canceled.Error())
		if !slices.Equal(got, want) || beats != 4 {
			t.Errorf("got %q and %d beats, want %q and 4", got, beats, want)
		}
		closeChannel(t, h, "a")
		for batch, err := range r.Batches(t.Context(), time.Second) {
			if err != nil || show(batch.Items[0]) != "$closed" {
				t.Errorf("got %v, %v, want $closed", batch, err)
			}
		}
		for _, err := range newReader(t, h, pabal.Options{}, "a", pabal.FromAll()).Batches(t.Context(), time.Second) {
			if err != nil {
				t.Error(err)
			}
			break // may be left at any time
		}
	})
}
