package presence_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/sim"
	"github.com/pabal/pabal/presence"
)

var (
	modelFrom  = flag.Uint64("presence.from", 1, "the first seed; 0: at random")
	modelSeeds = flag.Uint64("presence.seeds", 150, "how many seeds are played")
)

var modelKinds = []sim.Kind{
	{Name: "open", Weight: 8}, {Name: "close", Weight: 6}, {Name: "leave", Weight: 2}, {Name: "hop", Weight: 6}, {Name: "change", Weight: 3},
	{Name: "poll", Weight: 3}, {Name: "time", Weight: 10}, {Name: "instant", Weight: 3},
	{Name: "kill", Weight: 1}, {Name: "stop", Weight: 1}, {Name: "slow", Weight: 1}, {Name: "fast", Weight: 2},
}

const (
	modelNodes = 3
	modelUsers = 6
	modelSteps = 80
	pollStay   = 8 * time.Second
)

// A model is who ought to be present.
type model struct {
	*world
	slots   [modelNodes]*slot
	streams []*stream
	polls   map[string]poll
	wrong   string
}

type slot struct {
	*node
	slow bool
	back time.Time // since when it is not
}

// A stream is what keeps somebody present, from when it is open.
type stream struct {
	who  string
	at   *slot
	open bool
	done chan struct{}

	counted bool
}

// A poll keeps somebody present until some time.
type poll struct {
	at    *slot
	until time.Time
}

// Whatever joins, leaves, changes and hops, on nodes that die, stop or are slow
// for a while: who is present is in the set, at each moment, and in the end
// nobody else is.
func TestModel(t *testing.T) {
	from := *modelFrom
	if from == 0 {
		from = rand.Uint64N(1 << 40)
	}
	for seed := from; seed < from+*modelSeeds; seed++ {
		script := sim.Write(seed, modelSteps, modelKinds)
		if wrong := playModel(t, script); wrong != "" {
			short := sim.Shrink(script, 300, func(less sim.Script) bool { return playModel(t, less) != "" })
			t.Fatalf("seed %d: %s\nin short: %s\n%v", seed, wrong, playModel(t, short), short)
		}
	}
}

func playModel(t *testing.T, script sim.Script) (wrong string) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{world: newWorld(t, 0), polls: map[string]poll{}}
		for i := range m.slots {
			m.slots[i] = &slot{node: m.node(presence.Config{})}
		}
		for i, a := range script {
			m.do(a)
			if m.check(fmt.Sprintf("step %d, %v", i, a)); m.wrong != "" {
				break
			}
		}
		m.finish()
		wrong = m.wrong
		m.end()
		synctest.Wait()
	})
	return wrong
}

// do does one step.
func (m *model) do(a sim.Action) {
	who, at := fmt.Sprint("u", a.Of(0, modelUsers), "/1"), m.slots[a.Of(1, modelNodes)]
	switch a.Kind {
	case "open":
		m.open(who, at)
	case "close", "leave":
		if len(m.streams) > 0 {
			m.shut(m.streams[a.Of(0, len(m.streams))], a.Kind == "leave")
		}
	case "hop":
		if len(m.streams) > 0 {
			old := m.streams[a.Of(0, len(m.streams))]
			if a.Of(2, 2) == 0 {
				m.shut(old, false)
				pass(time.Duration(a.Of(3, 4)) * time.Second)
				m.open(old.who, at)
			} else {
				<-m.open(old.who, at).done
				m.shut(old, false)
			}
		}
	case "change":
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if at.Join(ctx, as(who), "a", fmt.Append(nil, a.N[2]), 0) == nil {
			m.forgetPoll(who, at)
			at.Leave(as(who), "a", false)
		}
		cancel()
	case "poll":
		until := time.Now().Add(pollStay)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if at.Join(ctx, as(who), "a", nil, pollStay) == nil {
			m.polls[who] = poll{at, until}
		}
		cancel()
	case "time":
		pass(time.Duration(a.Of(2, 12_000)) * time.Millisecond)
	case "instant":
		pass(time.Duration(a.Of(2, 60)) * time.Millisecond)
	default:
		m.happen(a, at)
	}
	synctest.Wait()
	for _, s := range m.streams {
		if s.ended() && s.open && !s.counted {
			s.counted = true
			m.forgetPoll(s.who, s.at)
		}
	}
}

// happen does to a node what its clients have no part in.
func (m *model) happen(a sim.Action, at *slot) {
	switch a.Kind {
	case "kill", "stop":
		if a.Kind == "stop" && !at.slow {
			_ = at.Close(context.Background()) // cannot fail: the broker does not
			at.over = true
			at.hub.Close()
		} else {
			at.kill()
		}
		m.streams = slices.DeleteFunc(m.streams, func(s *stream) bool { return s.at == at })
		for who, p := range m.polls {
			if p.at == at {
				delete(m.polls, who)
			}
		}
		m.slots[a.Of(1, modelNodes)] = &slot{node: m.node(presence.Config{})}
	case "slow":
		at.slow = true
		at.way.stop()
	case "fast":
		at.fast()
	}
}

func (s *slot) fast() {
	if s.slow {
		s.slow, s.back = false, time.Now()
		s.way.clear()
	}
}

// open begins a stream, which is open once its join has returned.
func (m *model) open(who string, at *slot) *stream {
	s := &stream{who: who, at: at, done: make(chan struct{})}
	m.streams = append(m.streams, s)
	go func() {
		defer close(s.done)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		s.open = at.Join(ctx, as(who), "a", nil, 0) == nil
	}()
	synctest.Wait()
	return s
}

// shut ends s.
func (m *model) shut(s *stream, atOnce bool) {
	<-s.done
	m.streams = slices.DeleteFunc(m.streams, func(other *stream) bool { return other == s })
	if s.open {
		s.at.Leave(as(s.who), "a", atOnce)
		m.forgetPoll(s.who, s.at)
		if atOnce { // a stay elsewhere ends once that is read there, if it is written
			delete(m.polls, s.who)
		}
	}
}

// forgetPoll has who be present no longer for a poll at a node: until the next
// join, or until it leaves.
func (m *model) forgetPoll(who string, at *slot) {
	if p, ok := m.polls[who]; ok && p.at == at {
		delete(m.polls, who)
	}
}

// ended reports whether s has been decided.
func (s *stream) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// well reports whether a node is neither slow nor was a moment ago.
func (s *slot) well() bool { return !s.slow && time.Since(s.back) > time.Second }

// owed returns who must be in the set now: all that are present by way of a
// node that is well.
func (m *model) owed() (users []string) {
	for i := range modelUsers {
		who := fmt.Sprint("u", i, "/1")
		by := slices.ContainsFunc(m.streams, func(s *stream) bool { return s.who == who && s.ended() && s.open && s.at.well() })
		if p, ok := m.polls[who]; ok && p.at.well() && time.Until(p.until) > 0 {
			by = true
		}
		if by {
			users = append(users, fmt.Sprint("u", i))
		}
	}
	return users
}

func (m *model) check(when string) {
	set := m.set()
	for _, user := range m.owed() {
		if !slices.Contains(set, user) {
			m.wrong = fmt.Sprintf("%s: %s is missing from %v; the log is: %s", when, user, set, m.told())
			return
		}
	}
}

// finish has all settle, and compares the set with who ought to be in it.
func (m *model) finish() {
	for _, at := range m.slots {
		at.fast()
	}
	pass(2*lease + linger)
	if m.wrong != "" {
		return
	}
	m.check("in the end")
	owed := m.owed()
	for _, user := range m.set() {
		if !slices.Contains(owed, user) && m.wrong == "" {
			m.wrong = fmt.Sprintf("in the end %s is a ghost among %v; the log is: %s", user, owed, m.told())
		}
	}
	view, err := m.slots[0].View(context.Background(), "a")
	if err != nil || view.Connections != len(owed) {
		m.wrong += fmt.Sprintf("the view has %d connections, %v, want %v", view.Connections, err, owed)
	}
}

// told is the end of the log.
func (m *model) told() string {
	var words []string
	for _, e := range m.entries() {
		at, _, _ := strings.Cut(e.Node, ".")
		words = append(words, fmt.Sprintf("%v %s %s@%s %s", e.Time.Format("4:05.000"), e.Type, e.User, at, e.Reason))
	}
	return strings.Join(words[max(0, len(words)-30):], ", ")
}

var _ pabal.Broker = (*way)(nil)
