package football

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// How long a match is in real time, at its own speed.
const (
	minute  = 3500 * time.Millisecond // of the match
	before  = 4 * time.Second         // from the welcome to the kick-off
	between = 12 * time.Second        // the halves
)

// Simulate returns the match of that seed: its plays, in order. Some goals
// count, and some plays are corrected by later ones.
func Simulate(seed uint64) []Play {
	random := rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))
	for {
		s := &match{random: random}
		s.play()
		if s.lively() {
			return s.plays
		}
	}
}

// A match is one that is being made.
type match struct {
	random  *rand.Rand
	plays   []Play
	pending []Play // corrections; At is when each is due
	sides   [2]side
	score   Score

	start time.Duration // of this half
	clock time.Duration // since the match began
	first int           // the minute at which this half began
}

// side is a team during the match.
type side struct {
	*team
	pitch, bench []*player
	booked       map[*player]bool
}

// lively reports whether there is something to tell.
func (s *match) lively() bool {
	goals, corrections, ofGoals := s.score.Home+s.score.Away, 0, 0
	for _, p := range s.plays {
		if p.Kind != Correction {
			continue
		}
		corrections++
		if s.plays[p.Corrects].Kind == Goal {
			ofGoals++
		}
	}
	return goals >= 2 && goals <= 7 && corrections >= 2 && corrections <= 7 && ofGoals >= 1
}

func (s *match) play() {
	for i := range teams {
		t := &teams[i]
		s.sides[i] = side{team: t, booked: map[*player]bool{}}
		for j := range t.players {
			if j < 11 {
				s.sides[i].pitch = append(s.sides[i].pitch, &t.players[j])
			} else {
				s.sides[i].bench = append(s.sides[i].bench, &t.players[j])
			}
		}
	}
	opener := s.random.IntN(2)
	s.first = -1
	s.tell(Welcome, nil, nil)
	s.clock = before
	s.half(0, Kickoff, opener, Half)
	s.clock += between
	s.half(45, Second, 1-opener, Full)
}

// half plays one half, which begins at a minute.
func (s *match) half(from int, begin Kind, opener int, end Kind) {
	s.start, s.first = s.clock, from
	whistle := s.start + 45*minute
	s.tell(begin, s.cast(opener), nil)
	for s.wait(25, 80); s.clock < whistle-minute; s.wait(25, 80) {
		s.chain()
	}
	s.clock = max(s.clock, whistle-minute/2)
	extra := 1 + s.random.IntN(4)
	s.tell(Added, &cast{number: strconv.Itoa(extra)}, nil)
	whistle += time.Duration(extra) * minute
	for s.wait(25, 80); s.clock < whistle-minute; s.wait(25, 80) {
		s.chain()
	}
	s.clock = max(s.clock, whistle-minute/4)
	for i := range s.pending { // what is to be put right is, before all go in
		s.pending[i].At = s.clock
	}
	s.tell(end, nil, nil)
}

// wait lets some seconds of the match go by.
func (s *match) wait(least, most int) {
	s.clock += time.Duration(least+s.random.IntN(most-least)) * minute / 60
}

// pass lets the moment between two plays of one chain go by.
func (s *match) pass() { s.wait(14, 28) }

// cast chooses who attacks and who stands in the way.
func (s *match) cast(attacker int) *cast {
	a, d := &s.sides[attacker], &s.sides[1-attacker]
	p := s.choose(a, midfielder, forward, nil)
	return &cast{player: p, other: s.choose(a, defender, forward, p), team: a.team, against: d.team}
}

// choose returns one who is on the pitch and whose line lies between two, but
// for one.
func (s *match) choose(of *side, from, to int, but *player) *player {
	var all []*player
	for _, p := range of.pitch {
		if p.line >= from && p.line <= to && p != but {
			all = append(all, p)
		}
	}
	return all[s.random.IntN(len(all))]
}

func (s *match) chance(percent int) bool { return s.random.IntN(100) < percent }

// tell has the next play said: one of the texts that are given, or else of
// those of its kind. It returns its index.
func (s *match) tell(kind Kind, c *cast, said []Text) int {
	s.settle()
	if said == nil {
		said = texts[kind]
	}
	p := Play{Kind: kind}
	if c == nil {
		c = &cast{team: s.sides[0].team, against: s.sides[1].team}
	} else if c.team != nil {
		p.Team = c.team.side
	}
	if kind == Save || kind == Block { // that is what the others did
		p.Team = c.against.side
	}
	p.Text = c.say(said[s.random.IntN(len(said))])
	return s.add(p)
}

// add puts p at the end of the match.
func (s *match) add(p Play) int {
	if n := len(s.plays); n > 0 { // no two at once
		s.clock = max(s.clock, s.plays[n-1].At+400*time.Millisecond)
	}
	p.At, p.Score = s.clock, s.score
	if s.first >= 0 {
		played := int((s.clock - s.start) / minute)
		p.Minute, p.Extra = s.first+min(played+1, 45), max(0, played-44)
	}
	s.plays = append(s.plays, p)
	return len(s.plays) - 1
}

// doubt has the play at an index corrected after a while.
func (s *match) doubt(index int, becomes Kind, c *cast, said []Text) {
	s.pending = append(s.pending, Play{
		At: s.clock + time.Duration(30+s.random.IntN(60))*minute/60, Kind: Correction,
		Team: s.plays[index].Team, Text: c.say(said[s.random.IntN(len(said))]), Corrects: index, Becomes: becomes,
	})
	for i := len(s.pending) - 1; i > 0 && s.pending[i].At < s.pending[i-1].At; i-- {
		s.pending[i], s.pending[i-1] = s.pending[i-1], s.pending[i]
	}
}

// settle says the corrections that are due.
func (s *match) settle() {
	for len(s.pending) > 0 && s.pending[0].At <= s.clock {
		due := s.pending[0]
		s.pending = s.pending[1:]
		s.correct(due)
	}
}

// correct says that what was said is not so.
func (s *match) correct(c Play) {
	if c.Becomes == Disallowed {
		s.count(c.Team, -1)
	}
	s.add(c)
}

func (s *match) count(team string, goals int) {
	if team == Home {
		s.score.Home += goals
	} else {
		s.score.Away += goals
	}
}
