package football

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const matches = 500

func TestSameSeedSameMatch(t *testing.T) {
	for seed := range uint64(20) {
		if !reflect.DeepEqual(Simulate(seed), Simulate(seed)) {
			t.Errorf("seed %d: two matches, want one", seed)
		}
		if reflect.DeepEqual(Simulate(seed), Simulate(seed+1)) {
			t.Errorf("seeds %d and %d: one match, want two", seed, seed+1)
		}
	}
}

// A corrected goal counts no more, or for the same team; and at every play the
// score is what the goals so far add up to.
func TestScoreIsTheSumOfGoals(t *testing.T) {
	for seed := range uint64(matches) {
		goals := map[int]string{} // by index
		plays := Simulate(seed)
		for i, p := range plays {
			switch {
			case p.Kind == Goal:
				goals[i] = p.Team
			case p.Kind == Correction && p.Becomes == Disallowed:
				delete(goals, p.Corrects)
			}
			var want Score
			for _, team := range goals {
				if team == Home {
					want.Home++
				} else {
					want.Away++
				}
			}
			if p.Score != want {
				t.Fatalf("seed %d, play %d: the score is %v, the goals add up to %v", seed, i, p.Score, want)
			}
		}
		if last := plays[len(plays)-1]; last.Kind != Full || len(goals) < 2 {
			t.Errorf("seed %d: the last play is %q after %d goals, want the end, after two at least", seed, last.Kind, len(goals))
		}
	}
}

// What each kind of play may turn out to be.
var mayBecome = map[Kind][]Kind{Goal: {Goal, Disallowed}, Yellow: {Yellow, Red}, Shot: {Corner}}

func TestCorrectionsReferToEarlierPlays(t *testing.T) {
	seen := map[[2]Kind]int{}
	for seed := range uint64(matches) {
		plays, corrected := Simulate(seed), map[int]bool{}
		for i, p := range plays {
			if p.Kind != Correction {
				if p.Becomes != "" || p.Corrects != 0 {
					t.Fatalf("seed %d: play %d is no correction, and corrects %d", seed, i, p.Corrects)
				}
				continue
			}
			if p.Corrects < 0 || p.Corrects >= i || corrected[p.Corrects] {
				t.Fatalf("seed %d: play %d corrects play %d", seed, i, p.Corrects)
			}
			corrected[p.Corrects] = true
			was := plays[p.Corrects]
			allowed := false
			for _, k := range mayBecome[was.Kind] {
				allowed = allowed || k == p.Becomes
			}
			if !allowed || was.Team != p.Team || was.Text == p.Text {
				t.Fatalf("seed %d: %+v is corrected to %+v", seed, was, p)
			}
			seen[[2]Kind{was.Kind, p.Becomes}]++
		}
		if len(corrected) < 2 {
			t.Errorf("seed %d: %d corrections, want two at least", seed, len(corrected))
		}
	}
	for was, list := range mayBecome {
		for _, becomes := range list {
			if seen[[2]Kind{was, becomes}] == 0 {
				t.Errorf("in %d matches no %s became %s", matches, was, becomes)
			}
		}
	}
}

// About six minutes, minute by minute, in order.
func TestTime(t *testing.T) {
	seen := map[Kind]int{}
	least, most, plays := time.Hour, time.Duration(0), 0
	for seed := range uint64(matches) {
		all := Simulate(seed)
		plays += len(all)
		for i, p := range all {
			seen[p.Kind]++
			if i == 0 {
				continue
			}
			q := all[i-1]
			if p.At <= q.At || p.At-q.At > 16*time.Second {
				t.Fatalf("seed %d: play %d comes %v after the one before", seed, i, p.At-q.At)
			}
			if 100*p.Minute+p.Extra < 100*q.Minute+q.Extra || p.Extra > 7 || p.Extra > 0 && p.Minute%45 != 0 {
				t.Fatalf("seed %d: play %d is of minute %d+%d, after %d+%d", seed, i, p.Minute, p.Extra, q.Minute, q.Extra)
			}
		}
		end := all[len(all)-1].At
		least, most = min(least, end), max(most, end)
	}
	if least < 5*time.Minute || most > 7*time.Minute {
		t.Errorf("a match lasts from %v to %v, want about six minutes", least, most)
	}
	for kind := range texts {
		if seen[kind] == 0 {
			t.Errorf("in %d matches there was no %s", matches, kind)
		}
	}
	t.Logf("%d plays a match, %v to %v: %v", plays/matches, least, most, seen)
}

// Both languages are there, filled in, and in their own letters.
func TestTexts(t *testing.T) {
	for seed := range uint64(matches) {
		for i, p := range Simulate(seed) {
			english, korean := p.Text.English, p.Text.Korean
			if english == "" || korean == "" || strings.ContainsAny(english+korean, "{}") {
				t.Fatalf("seed %d: play %d says %q and %q", seed, i, english, korean)
			}
			if strings.ContainsFunc(english, hangul) || !strings.ContainsFunc(korean, hangul) {
				t.Fatalf("seed %d: play %d says %q in English and %q in Korean", seed, i, english, korean)
			}
		}
	}
}

func hangul(r rune) bool { return unicode.Is(unicode.Hangul, r) }

func TestParticle(t *testing.T) {
	for word, want := range map[string]string{"해송": "이", "달내": "가", "탁하람": "이", "추마루": "가", "Kim": "가"} {
		if got := particle(word, "이/가"); got != want {
			t.Errorf("after %s: %q, want %q", word, got, want)
		}
	}
	for word, want := range map[string]string{"한울": "로", "해송": "으로", "달내": "로"} {
		if got := particle(word, "으로/로"); got != want {
			t.Errorf("after %s: %q, want %q", word, got, want)
		}
	}
	if got := particle("해송", ""); got != "" {
		t.Errorf("without a choice: %q, want nothing", got)
	}
}

// No name is there twice.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, team := range teams {
		for _, p := range team.players {
			for _, name := range []string{p.name.English, p.name.Korean} {
				if seen[name] {
					t.Errorf("%s is there twice", name)
				}
				seen[name] = true
			}
		}
	}
	if Names()[Home] == Names()[Away] {
		t.Error("both teams have one name")
	}
}
