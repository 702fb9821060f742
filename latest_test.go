package pabal_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
)

var latest = pabal.Options{Latest: true}

func TestLatest(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
	r := newReader(t, h, latest, "a", pabal.FromAll())
	r.next("$live")
	publish(t, h, "a", "x=1", "y=1", "x=2", "z=1", "y=2")
	r.now("$skipped 2", "x=2", "z=1", "y=2")
	publish(t, h, "a", "x=3", "w=1")
	r.now("x=3", "w=1")
	newReader(t, h, latest, "a", pabal.FromAll()).next("$skipped 3", "z=1", "y=2", "x=3", "w=1", "$live")
	newReader(t, h, latest, "a", pabal.FromLast(4)).next("z=1", "y=2", "x=3", "w=1", "$live")
	end := r.Position(0)
	newReader(t, h, latest, "a", pabal.After(pabal.Position{Epoch: end.Epoch, Offset: 1})).next("$skipped 2", "z=1", "y=2", "x=3", "w=1", "$live")
	newReader(t, h, latest, "a", pabal.After(end)).next("$live")
	publish(t, h, "a", "none", "v=1", "none too")
	r.now("$skipped 1", "v=1", "none too")
	closeChannel(t, h, "a")
	r.next("$closed")
	newReader(t, h, latest, "a", pabal.FromAll()).next("$skipped 4", "z=1", "y=2", "x=3", "w=1", "v=1", "none too", "$closed")
}

// Who has left the window gets the latest of each key from the broker, and a
// key that the broker has dropped is a gap.
func TestLatestBehindWindow(t *testing.T) {
	h := newHub(t, newMemory(t, pabal.Retention{Entries: 3, Keys: 4, Latest: true}), pabal.Limits{WindowEntries: 2})
	start := publish(t, h, "a", "x=0").End
	r := newReader(t, h, latest, "a", pabal.After(start))
	r.next("$live")
	publish(t, h, "a", "x=1", "y=1", "z=1", "z=2", "z=3", "z=4")
	r.next("x=1", "y=1", "$skipped 3", "z=4") // by pages of two entries
	publish(t, h, "a", "1=1", "2=1", "3=1")
	newReader(t, h, latest, "a", pabal.After(start)).next("$gap evicted 1-6", "$skipped 3", "z=4", "1=1", "2=1", "3=1", "$live")
}

// What is the latest in a range is worked out once for all that stand there.
func TestLatestIsShared(t *testing.T) {
	const keys, readers = 400, 64
	h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{})
	var all []*reader
	for range readers {
		r := newReader(t, h, latest, "a", pabal.FromNow())
		r.next("$live")
		r.batch.Items = make([]pabal.Item, 0, 2*keys)
		all = append(all, r)
	}
	var data []string
	for i := range 2 * keys {
		data = append(data, fmt.Sprint(i%keys, "=", i))
	}
	publish(t, h, "a", data...)
	all[0].Step(&all[0].batch, 2*keys)
	if n := len(all[0].batch.Items); n != keys+1 {
		t.Fatalf("got %d items, want %d entries and $skipped", n, keys)
	}
	next := 0
	if got := testing.AllocsPerRun(readers-2, func() { next++; all[next].Step(&all[next].batch, 2*keys) }); got > 4 {
		t.Errorf("the latest of %d keys costs each reader %v allocations, want 4 at most", keys, got)
	}
	for i, r := range all {
		if !slices.EqualFunc(r.batch.Items, all[0].batch.Items, func(a, b pabal.Item) bool { return a.Entry == b.Entry }) {
			t.Fatalf("reader %d got other entries than reader 0", i)
		}
	}
}

// However a reader is cut, also inside of what was conflated, and resumes at
// the last cursor it has: it ends with the latest value of each key, and all
// that it did not get was told of, unless it was cut.
func TestLatestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		keep := pabal.Retention{Entries: rapid.IntRange(1, 20).Draw(rt, "kept"), Latest: true}
		b := memory.New(memory.Config{Retention: func(pabal.Channel) pabal.Retention { return keep }})
		defer func() { _ = b.Close() }()
		h := pabal.NewHub(b, pabal.Limits{WindowEntries: rapid.IntRange(1, 20).Draw(rt, "window"), BatchBytes: rapid.IntRange(50, 100).Draw(rt, "batch")})
		defer h.Close()
		truth, got := map[string]string{}, map[string]string{}
		published, seen, cut := 0, 0, false
		var s *pabal.Session
		defer func() { s.Close() }()
		open := func(from pabal.From) {
			var err error
			if s, err = h.Open(pabal.Grant{}, pabal.NewSignal(), latest); err != nil {
				rt.Fatal(err)
			}
			if err := s.Subscribe("a", from); err != nil {
				rt.Fatal(err)
			}
		}
		open(pabal.FromAll())
		step := func(most int) pabal.State {
			var batch pabal.Batch
			state := s.Step(&batch, most)
			if state == pabal.Behind {
				if err := s.CatchUp(t.Context()); err != nil {
					rt.Fatal(err)
				}
			}
			for i, item := range batch.Items {
				switch {
				case item.Entry != nil:
					got[item.Entry.Key] = string(item.Entry.Data)
					seen++
				case item.Notice.Kind == pabal.NoticeSkipped:
					seen += item.Notice.Count
				case item.Notice.Kind != pabal.NoticeLive:
					rt.Fatalf("got %s", show(item))
				}
				if rapid.IntRange(0, 15).Draw(rt, "cut") == 0 && i < len(batch.Items) {
					s.Close()
					open(pabal.After(place(item)))
					cut = true
					return pabal.More
				}
			}
			return state
		}
		for step(1) != pabal.Caught { // it begins before the first entry
		}
		rt.Repeat(map[string]func(*rapid.T){
			"publish": func(rt *rapid.T) {
				var data []string
				for range rapid.IntRange(1, 6).Draw(rt, "n") {
					key := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "key")
					published++
					truth[key] = fmt.Sprint(key, "=", published)
					data = append(data, truth[key])
				}
				publish(t, h, "a", data...)
			},
			"step": func(rt *rapid.T) { step(rapid.IntRange(1, 10).Draw(rt, "most")) },
		})
		for step(3) != pabal.Caught {
		}
		if fmt.Sprint(got) != fmt.Sprint(truth) {
			rt.Fatalf("got %v, want %v", got, truth)
		}
		if !cut && seen != published {
			rt.Fatalf("got, or was told of, %d entries of %d", seen, published)
		}
	})
}

// A throttled reader loses nothing. It gets all there is, in as many batches as
// that takes, and then nothing for an interval.
func TestEvery(t *testing.T) {
	for name, o := range map[string]pabal.Options{"all": {Every: 500 * time.Millisecond}, "latest": {Every: 500 * time.Millisecond, Latest: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, newMemory(t, pabal.Retention{}), pabal.Limits{WindowEntries: 20})
				r := newReader(t, h, o, "a", pabal.FromAll())
				go func() {
					for i := range 200 {
						publish(t, h, "a", fmt.Sprint(i%3, "=", i))
						if i < 100 {
							time.Sleep(33 * time.Millisecond) // in the second half comes a burst
						}
					}
					time.Sleep(10 * time.Second)
					publish(t, h, "a", "end")
					closeChannel(t, h, "a")
				}()
				seen, last := 0, time.Time{}
				var late time.Duration
				for batch, err := range r.Batches(t.Context(), time.Second) {
					if err != nil {
						t.Fatal(err)
					}
					if len(batch.Items) == 0 {
						continue
					}
					if rest := time.Since(last); rest > 0 && rest < o.Every {
						t.Errorf("%d items came %v after the batch before, want %v at least", len(batch.Items), time.Since(last), o.Every)
					}
					last = time.Now()
					for _, item := range batch.Items {
						switch {
						case item.Entry != nil:
							seen++
							late = max(late, time.Since(item.Entry.Time))
						case item.Notice.Kind == pabal.NoticeSkipped:
							seen += item.Notice.Count
						case item.Notice.Kind == pabal.NoticeGap:
							t.Errorf("got %s", show(item))
						}
					}
				}
				if seen != 201 || late > o.Every {
					t.Errorf("got, or was told of, %d entries, up to %v late, want all 201, and %v at most", seen, late, o.Every)
				}
			})
		})
	}
}
