package ledger

import "testing"

// A reader of the latest need not get what a later entry of the same key
// follows, but the last of each.
func TestReaderOfLatest(t *testing.T) {
	latest := func() *story {
		s := tell(t, Rules{}).put("k.1@1 j.1@2 k.2@3 j.2@4")
		s.reader("r").Latest = true
		return s
	}
	s := latest().got("r", "k.2@3 j.2@4").crash("k.1@1 j.1@2 k.2@3 j.2@4")
	s.good()
	if key := s.reader("r").Owed(); key != "" {
		t.Errorf("owes %q, want nothing", key)
	}
	s = latest().got("r", "k.1@1 j.2@4").crash("k.1@1 j.1@2 k.2@3 j.2@4")
	s.good()
	if key := s.reader("r").Owed(); key != "k" {
		t.Errorf("owes %q, want k", key)
	}
	latest().got("r", "k.2@3 k.1@1").bad("stands at offset 3")
	s = tell(t, Rules{}).put("k.1@1 k.2@2").got("r", "k.2@2").crash("k.1@1 k.2@2")
	s.bad("but not k.1 (e-1) before it") // who reads all
}

// What is kept for a time may be gone, from the front, and is told so.
func TestExpired(t *testing.T) {
	s := tell(t, Rules{Ages: true}).put("a@1 b@2 c@3").got("r", "a@1").told("r", "$gap", 1, 2, "expired").got("r", "c@3")
	s.crash("c@3").crash("").good()
	tell(t, Rules{Ages: true}).put("a@1 b@2 c@3").crash("a@1 c@3").bad("b (e-2) is missing")
	tell(t, Rules{Ages: true}).put("a@1 b@2").got("r", "b@2").crash("b@2").good() // a had expired when it began
	tell(t, Rules{}).put("a@1 b@2").got("r", "a@1").told("r", "$gap", 1, 2, "expired").crash("a@1 b@2").bad("$gap")
	s = tell(t, Rules{Ages: true}).try("a").put("b@2").crash("")
	s.acks("a@1", true).good() // it had been there, and nobody knew
}

// A reader that may begin anywhere misses nothing from there on.
func TestAnywhere(t *testing.T) {
	s := tell(t, Rules{}).put("a@1 b@2 c@3")
	s.reader("r").Anywhere = true
	s.got("r", "b@2 c@3").crash("a@1 b@2 c@3").good()
	s = tell(t, Rules{}).put("a@1 b@2 c@3 d@4")
	s.reader("r").Anywhere = true
	s.got("r", "b@2 d@4").crash("a@1 b@2 c@3 d@4").bad("but not c (e-3) before it")
}

// Where epochs are known, a reader may still get what it was sent before a
// crash that took it back; nobody may later.
func TestOnTheWay(t *testing.T) {
	crashed := func() *story {
		s := tell(t, Rules{Lossy: true}).put("a@1 b@2").got("r", "a@1").try("c")
		s.log.ledger.Restarted("f")
		s.then(s.log.Hold("", entries("a@1"), false))
		s.then(s.log.Judge())
		return s
	}
	s := crashed().got("r", "b@2 c@3").told("r", "$reset", 3, 1, "lost")
	s.then(s.log.Judge())
	s.good()
	s = crashed().got("r", "b@2")
	s.then(s.reader("r").Took(Entry{Token: "a", Cursor: "f-5"}))
	s.bad("in the log twice")
	s = crashed()
	s.then(s.reader("r").Took(Entry{Token: "b", Cursor: "f-2"}))
	s.bad("is at the offset of b")
}

// What a gap is said to be of is not there any more.
func TestGapOfWhatIsThere(t *testing.T) {
	for rules, reason := range map[Rules]string{{Keep: 12}: "trimmed", {Ages: true}: "expired", {}: "evicted"} {
		s := tell(t, rules).put("a@1 b@2 c@3")
		s.then(s.reader("r").Begins("e-0"))
		s.told("r", "$gap", 0, 3, reason).crash("a@1 b@2 c@3").bad("some is there still")
	}
}
