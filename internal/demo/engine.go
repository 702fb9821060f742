package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/demo/football"
)

const (
	look     = time.Second      // between two looks whether somebody reads
	tick     = time.Millisecond // between two looks at least
	patience = time.Minute      // for which all goes on though nobody is there
	rest     = 20 * time.Second // between two matches, at their own speed
	retry    = 2 * time.Second  // after what could not be published
	leap     = 3 * time.Second  // at most by which the match goes on at once: after a machine has slept, it does not rush
)

// The speeds that a match may have.
const (
	slowest = 0.1
	fastest = 100
)

// An engine plays one match after another.
type engine struct {
	hub  *pabal.Hub
	log  *slog.Logger
	seed uint64 // of the next match
	bell chan struct{}

	mu      sync.Mutex
	speed   float64
	present time.Time // when somebody was there last
	state   State

	// Of who runs it alone:
	show   *show
	seq    int       // of the last play
	last   time.Time // when the match went on last; zero: it paused since
	failed bool      // what cannot be published was logged
}

// A State is how the match stands.
type State struct {
	ID     string         `json:"id,omitempty"`
	Phase  string         `json:"phase"` // waiting: for the first to read; playing; paused: nobody reads; over: another one follows
	Seq    int            `json:"seq"`   // of the last play
	Minute int            `json:"minute"`
	Score  football.Score `json:"score"`
	Speed  float64        `json:"speed"`
	Error  string         `json:"error,omitempty"` // why it does not go on; it is tried again
}

func newEngine(hub *pabal.Hub, log *slog.Logger, seed uint64) *engine {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return &engine{hub: hub, log: log, seed: seed, bell: make(chan struct{}, 1), speed: 1, state: State{Phase: "waiting"}}
}

// run plays until ctx ends.
func (e *engine) run(ctx context.Context) {
	for {
		wait := e.turn(ctx)
		select {
		case <-ctx.Done():
			return
		case <-e.bell:
		case <-time.After(wait):
		}
	}
}

// attend says that somebody is there.
func (e *engine) attend() {
	e.mu.Lock()
	e.present = time.Now()
	e.mu.Unlock()
	e.ring()
}

func (e *engine) ring() {
	select {
	case e.bell <- struct{}{}:
	default:
	}
}

func (e *engine) setSpeed(speed float64) {
	e.mu.Lock()
	e.speed = speed
	e.mu.Unlock()
	e.ring()
}

func (e *engine) current() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.state
	s.Speed = e.speed
	return s
}

// watched reports whether somebody is there, or was until a moment ago, and
// how fast the match goes.
func (e *engine) watched() (bool, float64) {
	reads := e.hub.Readers(Plays)+e.hub.Readers(Scores) > 0
	e.mu.Lock()
	defer e.mu.Unlock()
	if reads {
		e.present = time.Now()
	}
	return time.Since(e.present) < patience, e.speed
}

// turn publishes what is due, and returns after how long to come again.
func (e *engine) turn(ctx context.Context) time.Duration {
	watched, speed := e.watched()
	if !watched {
		e.last = time.Time{}
		e.say(func(s *State) {
			if s.Phase != "waiting" {
				s.Phase = "paused"
			}
		})
		return look
	}
	if err := e.goOn(ctx, speed); err != nil {
		e.last = time.Time{} // meanwhile the match stands still
		if ctx.Err() == nil {
			e.fail(err)
		}
		return retry
	}
	e.failed = false
	wait, more := e.show.due()
	if !more {
		wait = rest - (e.show.at - e.end())
	}
	return min(look, max(tick, time.Duration(float64(wait)/speed)))
}

func (e *engine) end() time.Duration { return e.show.plays[len(e.show.plays)-1].At }

// goOn has the match go on by the time since it did last, and publishes each
// play that is due. After an error it can be called again.
func (e *engine) goOn(ctx context.Context, speed float64) error {
	now := time.Now()
	if e.show == nil {
		broken, err := e.brokenOff(ctx)
		if err != nil {
			return err
		}
		e.open(now, broken)
	}
	if !e.last.IsZero() {
		e.show.at += time.Duration(float64(min(now.Sub(e.last), leap)) * speed)
	}
	e.last = now
	if _, more := e.show.due(); !more && e.show.at-e.end() >= rest {
		e.open(now, nil)
	}
	for {
		wait, more := e.show.due()
		if !more || wait > 0 {
			e.tell(more)
			return nil
		}
		if err := e.publish(ctx); err != nil {
			return err
		}
		e.show.next++
		e.seq++
	}
}

// open begins the next match.
func (e *engine) open(now time.Time, broken *Score) {
	e.show = begin(e.seed, now, e.seq+1, broken)
	e.seed++
}

// publish publishes the next play, and the score if it is another. To repeat
// it is harmless: its IDs are kept once.
func (e *engine) publish(ctx context.Context) error {
	m, err := e.show.message()
	if err != nil {
		return err
	}
	if err := e.append(ctx, Plays, m); err != nil {
		return err
	}
	score, changed := e.show.scored()
	if !changed {
		return nil
	}
	if m, err = e.show.scoreMessage(&score); err != nil {
		return err
	}
	if err := e.append(ctx, Scores, m); err != nil {
		return err
	}
	e.show.score = score
	return nil
}

// keeping is how long a broker may take to keep a play.
const keeping = 10 * time.Second

func (e *engine) append(ctx context.Context, ch pabal.Channel, m pabal.Message) error {
	ctx, cancel := context.WithTimeout(ctx, keeping)
	defer cancel()
	if _, err := e.hub.Publish(ctx, pabal.Grant{}, ch, pabal.Publish{Messages: []pabal.Message{m}}); err != nil {
		return fmt.Errorf("channel %s: %w", ch, err)
	}
	return nil
}

// brokenOff returns the last score that was published, if it is of a match
// that did not come to its end: of a server that was here before.
func (e *engine) brokenOff(ctx context.Context) (*Score, error) {
	s, err := e.hub.Open(pabal.Grant{Own: true}, nil, pabal.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Subscribe(Scores, pabal.FromLast(1)); err != nil {
		return nil, err
	}
	var batch pabal.Batch
	var last *Score
	for state := pabal.More; state != pabal.Done; {
		if state == pabal.Behind {
			if err := s.CatchUp(ctx); err != nil {
				return nil, err
			}
		}
		state = s.Step(&batch, 10)
		for _, item := range batch.Items {
			var score Score
			if item.Entry != nil && json.Unmarshal(item.Entry.Data, &score) == nil && score.Match != "" {
				last = &score // what somebody else may have published there is none of ours
			}
		}
	}
	if last == nil || last.Phase == "over" {
		return nil, nil
	}
	return last, nil
}

// tell keeps how the match stands, for who asks.
func (e *engine) tell(more bool) {
	e.say(func(s *State) {
		*s = State{ID: e.show.id, Phase: "playing", Seq: e.seq, Minute: e.show.score.Minute, Score: e.show.score.Score}
		if !more {
			s.Phase = "over"
		}
	})
}

func (e *engine) fail(err error) {
	e.say(func(s *State) { s.Error = err.Error() })
	if !e.failed {
		e.failed = true
		e.log.Warn("the match of /demo/match stands still, since it cannot be published; it is tried again", "error", err)
	}
}

func (e *engine) say(change func(*State)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.state)
}
