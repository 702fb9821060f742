package demo

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/demo/football"
)

// The channels of a match.
const (
	Plays  pabal.Channel = "demo/match"
	Scores pabal.Channel = "demo/match/score"
)

// A Play is the data of an entry of demo/match. The entry's ID is the match
// and the number, as in "mf3k2v1c-17".
type Play struct {
	Match   string                   `json:"match"`
	Seq     int                      `json:"seq"` // counts all plays since the server was started
	Minute  int                      `json:"minute"`
	Extra   int                      `json:"extra,omitempty"`
	Kind    football.Kind            `json:"kind"`
	Team    string                   `json:"team,omitempty"`
	Text    football.Text            `json:"text"`
	Score   football.Score           `json:"score"`
	Of      string                   `json:"of,omitempty"`      // of a correction: the ID of the play that it corrects
	Becomes football.Kind            `json:"becomes,omitempty"` // of a correction: the kind that play is after all
	Teams   map[string]football.Text `json:"teams,omitempty"`   // of the first play: what the teams are called
}

// Restart is the kind of a play that says that the match before was broken off.
const Restart football.Kind = "restart"

// A Score is the data of the entries of demo/match/score.
type Score struct {
	Match  string                   `json:"match"`
	Phase  string                   `json:"phase"` // before, playing, half, over
	Minute int                      `json:"minute"`
	Extra  int                      `json:"extra,omitempty"`
	Score  football.Score           `json:"score"`
	Teams  map[string]football.Text `json:"teams"`
	Since  time.Time                `json:"since"` // no play of the match is older: where to begin to read it
}

// A show is one match and how far it has been told.
type show struct {
	id    string
	began time.Time
	plays []football.Play
	seq   int           // of the first play
	next  int           // index of the next play
	at    time.Duration // how long it has gone on, at its own speed
	score Score         // as it was published last
}

// begin returns the match of that seed, which begins now. Of the match before
// it, if it was broken off, broken is what was published last.
func begin(seed uint64, now time.Time, seq int, broken *Score) *show {
	s := &show{id: strconv.FormatInt(now.UnixMilli(), 36), began: now, plays: football.Simulate(seed), seq: seq}
	if broken == nil {
		return s
	}
	s.plays = append([]football.Play{{Kind: Restart, Text: football.Text{
		English: fmt.Sprintf("The server was started again: the match before was broken off in minute %d. A new one begins.", broken.Minute),
		Korean:  fmt.Sprintf("서버가 다시 시작되어 앞 경기는 %d분에 중단됐습니다. 새 경기를 시작합니다.", broken.Minute),
	}}}, s.plays...)
	for i := range s.plays {
		if s.plays[i].Kind == football.Correction {
			s.plays[i].Corrects++
		}
	}
	return s
}

// due reports how long it is until the next play, at the match's own speed;
// ok is false if all are told.
func (s *show) due() (wait time.Duration, ok bool) {
	if s.next == len(s.plays) {
		return 0, false
	}
	return s.plays[s.next].At - s.at, true
}

func (s *show) playID(index int) string { return s.id + "-" + strconv.Itoa(s.seq+index) }

// message returns the next play as it is published.
func (s *show) message() (pabal.Message, error) {
	p := &s.plays[s.next]
	play := Play{
		Match: s.id, Seq: s.seq + s.next, Minute: p.Minute, Extra: p.Extra,
		Kind: p.Kind, Team: p.Team, Text: p.Text, Score: p.Score, Becomes: p.Becomes,
	}
	if p.Kind == football.Correction {
		play.Of = s.playID(p.Corrects)
	}
	if s.next == 0 {
		play.Teams = football.Names()
	}
	data, err := json.Marshal(play)
	return pabal.Message{ID: s.playID(s.next), ContentType: "application/json", Data: data}, err
}

// scored returns the score after the next play; changed is false if it is
// published already.
func (s *show) scored() (score Score, changed bool) {
	p := &s.plays[s.next]
	score = Score{
		Match: s.id, Phase: s.score.Phase, Minute: p.Minute, Extra: p.Extra,
		Score: p.Score, Teams: football.Names(), Since: s.began,
	}
	switch p.Kind {
	case Restart, football.Welcome:
		score.Phase = "before"
	case football.Kickoff, football.Second:
		score.Phase = "playing"
	case football.Half:
		score.Phase = "half"
	case football.Full:
		score.Phase = "over"
	}
	was := &s.score
	return score, was.Match != score.Match || was.Phase != score.Phase || was.Score != score.Score || was.Minute != score.Minute || was.Extra != score.Extra
}

func (s *show) scoreMessage(score *Score) (pabal.Message, error) {
	data, err := json.Marshal(score)
	return pabal.Message{ID: s.playID(s.next) + "-score", Key: "score", ContentType: "application/json", Data: data}, err
}
