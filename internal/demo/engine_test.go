package demo

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/memory"
	"github.com/pabal/pabal/internal/demo/football"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const seed = 7

// flaky keeps what it is given, and now and then says that it failed.
type flaky struct {
	pabal.Broker
	appends atomic.Int64
	fails   func(n int64) bool
}

func (f *flaky) Append(ctx context.Context, ch pabal.Channel, p pabal.Publish) (pabal.Appended, error) {
	done, err := f.Broker.Append(ctx, ch, p)
	if n := f.appends.Add(1); err == nil && f.fails != nil && f.fails(n) {
		return pabal.Appended{}, errors.New("nobody knows what came of it")
	}
	return done, err
}

// A stage has a hub, and an engine that runs on it.
type stage struct {
	t      *testing.T
	broker *flaky
	hub    *pabal.Hub
	engine *engine
	stop   func()
}

// onStage runs f in a bubble of time.
func onStage(t *testing.T, f func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		kept := memory.New(memory.Config{})
		defer kept.Close()
		s := &stage{t: t, broker: &flaky{Broker: kept}}
		s.hub = pabal.NewHub(s.broker, pabal.Limits{})
		defer s.hub.Close()
		s.start()
		defer func() { s.stop() }()
		f(s)
	})
}

// start runs a new engine, as a server that was started again does.
func (s *stage) start() {
	if s.stop != nil {
		s.stop()
	}
	s.engine = newEngine(s.hub, slog.New(slog.DiscardHandler), seed)
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	e := s.engine
	go func() { e.run(ctx); close(done) }()
	s.stop = func() { cancel(); <-done }
}

// watch lets d go by with somebody there.
func (s *stage) watch(d time.Duration) {
	for d > 0 {
		s.engine.attend()
		step := min(d, 30*time.Second)
		time.Sleep(step)
		d -= step
	}
	synctest.Wait()
}

// log returns what channel ch holds.
func (s *stage) log(ch pabal.Channel) []*pabal.Entry {
	s.t.Helper()
	page, err := s.broker.Read(s.t.Context(), ch, pabal.Query{MaxEntries: 10_000, MaxBytes: 1 << 30})
	if err != nil {
		s.t.Fatal(err)
	}
	return page.Entries
}

func decode[T any](t *testing.T, e *pabal.Entry) (v T) {
	t.Helper()
	if err := json.Unmarshal(e.Data, &v); err != nil {
		t.Fatalf("%s: %v", e.Data, err)
	}
	return v
}

// plays returns the plays of the log, and checks what holds of each log: they
// are numbered one by one, are known by their IDs, and corrections are of plays
// of the same match that came before.
func (s *stage) plays() (all []Play) {
	s.t.Helper()
	known := map[string]bool{}
	for _, e := range s.log(Plays) {
		p := decode[Play](s.t, e)
		if n := len(all); n > 0 && p.Seq != all[n-1].Seq+1 && p.Seq != 1 { // which is another server
			s.t.Fatalf("play %d follows play %d", p.Seq, all[n-1].Seq)
		}
		if known[e.ID] || !strings.HasPrefix(e.ID, p.Match+"-") {
			s.t.Fatalf("the ID of a play is %q, of match %s", e.ID, p.Match)
		}
		if (p.Kind == football.Correction) != (p.Of != "") || p.Of != "" && (!known[p.Of] || !strings.HasPrefix(p.Of, p.Match+"-")) {
			s.t.Fatalf("play %s corrects %q, which is none before it", e.ID, p.Of)
		}
		known[e.ID] = true
		all = append(all, p)
	}
	return all
}

// same checks that plays are those of the match of that seed, as far as they go.
func (s *stage) same(plays []Play, seed uint64) {
	s.t.Helper()
	for i, want := range football.Simulate(seed)[:len(plays)] {
		if got := plays[i]; got.Kind != want.Kind || got.Text != want.Text || got.Score != want.Score || got.Minute != want.Minute || got.Becomes != want.Becomes {
			s.t.Fatalf("play %d: got %+v, want %+v", i, got, want)
		}
		if want.Kind == football.Correction && plays[i].Of != plays[i].Match+"-"+itoa(plays[0].Seq+want.Corrects) {
			s.t.Fatalf("play %d corrects %s, want play %d", i, plays[i].Of, want.Corrects)
		}
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// A match is told in its own time, and another follows.
func TestTwoMatches(t *testing.T) {
	onStage(t, func(s *stage) {
		s.watch(13 * time.Minute)
		first, second := football.Simulate(seed), football.Simulate(seed+1)
		plays, entries := s.plays(), s.log(Plays)
		if len(plays) < len(first)+len(second) {
			t.Fatalf("%d plays in 13 minutes, want two matches of %d and %d", len(plays), len(first), len(second))
		}
		s.same(plays[:len(first)], seed)
		s.same(plays[len(first):len(first)+len(second)], seed+1)
		began := entries[0].Time
		for i, p := range first {
			if late := entries[i].Time.Sub(began) - p.At; late < 0 || late > time.Millisecond {
				t.Fatalf("play %d came %v after it was due", i, late)
			}
		}
		if pause := entries[len(first)].Time.Sub(entries[len(first)-1].Time); pause < rest || pause > rest+look {
			t.Errorf("the second match began %v after the first, want %v", pause, rest)
		}
		if !reflect.DeepEqual(plays[0].Teams, football.Names()) || plays[1].Teams != nil {
			t.Error("the first play, and it alone, names the teams")
		}
	})
}

// The last score is that of the last play, and says where its match begins.
func TestScores(t *testing.T) {
	onStage(t, func(s *stage) {
		s.watch(7 * time.Minute)
		end := len(football.Simulate(seed))
		plays := s.plays()
		for i, e := range s.log(Scores) {
			score := decode[Score](t, e)
			if e.Key != "score" || len(score.Teams) != 2 {
				t.Fatalf("score %d: key %q, %s", i, e.Key, e.Data)
			}
			if score.Phase == "over" && score.Score != plays[end-1].Score {
				t.Errorf("the match ended %v, and its last play says %v", score.Score, plays[end-1].Score)
			}
		}
		since := decode[Score](t, s.log(Scores)[0]).Since
		page, err := s.broker.Read(t.Context(), Plays, pabal.Query{From: pabal.FromTime(since), MaxEntries: 1, MaxBytes: 1})
		if err != nil || len(page.Entries) != 1 || decode[Play](t, page.Entries[0]).Seq != 1 {
			t.Errorf("since %v: got %v, %v; want the first play", since, page.Entries, err)
		}
	})
}

// Nobody there: nothing happens. Nobody there any more: it pauses after a
// minute, and goes on from there.
func TestPauses(t *testing.T) {
	onStage(t, func(s *stage) {
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(s.log(Plays)); n != 0 || s.engine.current().Phase != "waiting" {
			t.Fatalf("%d plays, and it is %s, though nobody was there", n, s.engine.current().Phase)
		}
		s.watch(30 * time.Second)
		if got := s.engine.current(); got.Phase != "playing" || got.Seq != len(s.log(Plays)) || got.ID == "" {
			t.Fatalf("got %+v, want it to play", got)
		}
		time.Sleep(patience + 2*look)
		synctest.Wait()
		had := len(s.log(Plays))
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(s.log(Plays)); n != had || s.engine.current().Phase != "paused" {
			t.Fatalf("%d plays after %d, and it is %s, though nobody was there", n, had, s.engine.current().Phase)
		}
		s.watch(2 * time.Second)
		if n := len(s.log(Plays)); n > had+2 {
			t.Errorf("%d plays at once after the pause, want it to go on where it was", n-had)
		}
		s.watch(6 * time.Minute)
		s.same(s.plays()[:len(football.Simulate(seed))], seed)
	})
}

// Who reads one of the channels is there.
func TestReaderKeepsItGoing(t *testing.T) {
	for _, ch := range []pabal.Channel{Plays, Scores} {
		onStage(t, func(s *stage) {
			reader, err := s.hub.Open(pabal.Grant{}, pabal.NewSignal(), pabal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			if err := reader.Subscribe(ch, pabal.FromNow()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(7 * time.Minute)
			synctest.Wait()
			if got, want := len(s.plays()), len(football.Simulate(seed)); got < want {
				t.Errorf("%s: %d plays in 7 minutes, want %d and more", ch, got, want)
			}
		})
	}
}

func TestSpeed(t *testing.T) {
	onStage(t, func(s *stage) {
		s.engine.setSpeed(20)
		s.watch(25 * time.Second)
		if got, want := len(s.plays()), len(football.Simulate(seed)); got < want {
			t.Errorf("%d plays in 25 seconds at twentyfold speed, want the whole match of %d", got, want)
		}
	})
}

// A server that was started again says so, if a match was under way.
func TestRestart(t *testing.T) {
	onStage(t, func(s *stage) {
		s.watch(2 * time.Minute)
		had := s.plays()
		s.start()
		s.watch(7 * time.Minute)
		now := s.plays()[len(had):]
		if p := now[0]; p.Kind != Restart || p.Seq != 1 || p.Match == had[0].Match || !strings.Contains(p.Text.English, "broken off in minute ") || p.Teams == nil {
			t.Fatalf("after a restart the first play is %+v", p)
		}
		want := football.Simulate(seed)
		for i, p := range want {
			if got := now[i+1]; got.Text != p.Text || p.Kind == football.Correction && got.Of != got.Match+"-"+itoa(p.Corrects+2) {
				t.Fatalf("play %d of the new match: got %+v, want %+v", i, got, p)
			}
		}
		s.engine.setSpeed(fastest)
		s.watch(time.Second) // the second match is on
		for s.engine.current().Phase != "over" {
			s.watch(100 * time.Millisecond)
		}
		had = s.plays()
		s.start()
		s.watch(time.Second)
		if p := s.plays()[len(had)]; p.Kind != football.Welcome {
			t.Errorf("no match was broken off, and the first play is %+v", p)
		}
	})
}

// What is published again, since nobody knew what came of it, is kept once.
func TestKeptOnce(t *testing.T) {
	onStage(t, func(s *stage) {
		s.broker.fails = func(n int64) bool { return n%5 == 0 }
		s.watch(10 * time.Minute)
		if got, want := len(s.plays()), len(football.Simulate(seed)); got < want {
			t.Fatalf("%d plays in ten minutes, want the whole match of %d", got, want)
		}
		s.same(s.plays()[:len(football.Simulate(seed))], seed)
		seen := map[string]bool{}
		for _, e := range s.log(Scores) {
			if seen[e.ID] {
				t.Errorf("score %s is there twice", e.ID)
			}
			seen[e.ID] = true
		}
	})
}

// A channel that somebody closed stops the match, which says so, and goes on
// once it was deleted. What is no play is none of the match's.
func TestClosedChannel(t *testing.T) {
	onStage(t, func(s *stage) {
		s.watch(20 * time.Second)
		_, err := s.hub.Publish(t.Context(), pabal.Grant{}, Scores, pabal.Publish{Messages: []pabal.Message{{Data: []byte("hello")}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.hub.Publish(t.Context(), pabal.Grant{}, Plays, pabal.Publish{Close: true}); err != nil {
			t.Fatal(err)
		}
		s.watch(20 * time.Second)
		if got := s.engine.current(); !strings.Contains(got.Error, "channel demo/match: the channel is closed") {
			t.Errorf("got %+v, want it to say why it stands still", got)
		}
		if err := s.hub.Delete(t.Context(), pabal.Grant{}, Plays); err != nil {
			t.Fatal(err)
		}
		s.watch(20 * time.Second)
		if got := s.engine.current(); got.Error != "" || len(s.log(Plays)) < 3 {
			t.Errorf("got %+v and %d plays, want it to go on", got, len(s.log(Plays)))
		}
	})
}
