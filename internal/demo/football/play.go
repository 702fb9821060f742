package football

import "time"

// A Kind says what happened.
type Kind string

// The kinds of a play. Of one that is corrected, Becomes says what kind it is
// after all.
const (
	Welcome      Kind = "welcome" // before the match begins
	Kickoff      Kind = "kickoff"
	Passage      Kind = "passage" // the ball goes from foot to foot
	Colour       Kind = "colour"  // something beside the ball
	Attack       Kind = "attack"
	Shot         Kind = "shot" // and it missed
	Save         Kind = "save"
	Block        Kind = "block"
	Woodwork     Kind = "woodwork"
	Corner       Kind = "corner"
	Offside      Kind = "offside"
	Foul         Kind = "foul"
	Yellow       Kind = "yellow"
	Red          Kind = "red"
	Penalty      Kind = "penalty"
	Goal         Kind = "goal"
	Substitution Kind = "substitution"
	Added        Kind = "added" // how long a half goes on
	Half         Kind = "half"  // the first half is over
	Second       Kind = "second"
	Full         Kind = "full" // the match is over
	Correction   Kind = "correction"

	Disallowed Kind = "disallowed" // what a goal becomes that does not count
)

// A Text is something in both languages.
type Text struct {
	English string `json:"en"`
	Korean  string `json:"ko"`
}

// A Score is how many goals count.
type Score struct {
	Home int `json:"home"`
	Away int `json:"away"`
}

// The teams, as plays name them.
const (
	Home = "home"
	Away = "away"
)

// A Play is one thing that a commentator says.
type Play struct {
	At       time.Duration // since the match began, at its own speed
	Minute   int           // of the match, from 1; 0 before it begins
	Extra    int           // minutes after the 45th or the 90th
	Kind     Kind
	Team     string // whose play it is; empty: of both, or of nobody
	Text     Text   // of a correction: what is to be said instead
	Score    Score  // after it
	Corrects int    // of a correction: the index of the play that it corrects
	Becomes  Kind   // of a correction: the kind that play is after all
}

// Names are what the teams are called.
func Names() map[string]Text {
	return map[string]Text{Home: teams[0].name, Away: teams[1].name}
}
