package ledger

import (
	"fmt"
	"strings"
	"testing"
)

// A story is told to a ledger of the channel "ch". In it an entry is written
// token@offset, and has the epoch e.
type story struct {
	t       *testing.T
	log     *Log
	tries   map[string]*Publish
	readers map[string]*Reader
	err     error // the first
}

func tell(t *testing.T, rules Rules) *story {
	return &story{t: t, log: New(map[string]Rules{"ch": rules}).Log("ch"), tries: map[string]*Publish{}, readers: map[string]*Reader{}}
}

func (s *story) then(err error) {
	if s.err == nil {
		s.err = err
	}
}

func entry(text string) Entry {
	token, at, _ := strings.Cut(text, "@")
	return Entry{Token: token, Cursor: "e-" + at}
}

func entries(text string) (list []Entry) {
	for _, word := range strings.Fields(text) {
		list = append(list, entry(word))
	}
	return list
}

// try tries to publish what tokens says, as one batch if they are several.
func (s *story) try(tokens string) *story { return s.tryAfter("", tokens) }

func (s *story) tryAfter(after, tokens string) *story {
	var messages []Message
	for _, token := range strings.Fields(tokens) {
		key, _, _ := strings.Cut(token, ".")
		messages = append(messages, Message{Token: token, Key: key})
	}
	p, err := s.log.Try(after, messages...)
	s.then(err)
	s.tries[tokens] = p
	return s
}

// ack acknowledges what was tried as tokens.
func (s *story) ack(placed string) *story { return s.acks(placed, false) }

func (s *story) acks(placed string, duplicate bool) *story {
	var tokens, cursors []string
	for _, e := range entries(placed) {
		tokens, cursors = append(tokens, e.Token), append(cursors, e.Cursor)
	}
	s.then(s.tries[strings.Join(tokens, " ")].Acknowledged(duplicate, cursors...))
	return s
}

// put publishes each of what placed says by itself.
func (s *story) put(placed string) *story {
	for _, word := range strings.Fields(placed) {
		s.try(entry(word).Token).ack(word)
	}
	return s
}

func (s *story) refused(tokens string) *story {
	s.then(s.tries[tokens].Refused())
	return s
}

func (s *story) reader(name string) *Reader {
	if s.readers[name] == nil {
		s.readers[name] = s.log.Reader(name)
	}
	return s.readers[name]
}

// got has the reader named take entries.
func (s *story) got(name, placed string) *story {
	for _, e := range entries(placed) {
		s.then(s.reader(name).Took(e))
	}
	return s
}

func (s *story) bare(tokens string) *story {
	for _, token := range strings.Fields(tokens) {
		s.then(s.reader("raw").TookBare(token, 0))
	}
	return s
}

func (s *story) told(name, kind string, from, to int, reason string) *story {
	s.then(s.reader(name).Told(kind, fmt.Sprintf("e-%d", from), fmt.Sprintf("e-%d", to), reason))
	return s
}

// crash restarts, and finds the log as placed says.
func (s *story) crash(placed string) *story { return s.restart(placed, false) }

func (s *story) restart(placed string, closed bool) *story {
	s.log.ledger.Restarted("")
	s.then(s.log.Hold("", entries(placed), closed))
	s.then(s.log.Judge())
	return s
}

// good expects that nothing was wrong.
func (s *story) good() {
	s.t.Helper()
	if s.err != nil {
		s.t.Errorf("got %v, want no error", s.err)
	}
}

// bad expects what was wrong.
func (s *story) bad(what string) {
	s.t.Helper()
	if s.err == nil || !strings.Contains(s.err.Error(), what) {
		s.t.Errorf("got %v, want an error with %q", s.err, what)
	}
}

func TestAllIsWell(t *testing.T) {
	s := tell(t, Rules{}).put("a@1 b@2").try("c d").try("x")
	s.got("r", "a@1 b@2 c@3").crash("a@1 b@2 c@3 d@4") // c and d were not acknowledged, and are there
	s.acks("c@3 d@4", true).got("r", "d@4").bare("a b c d").put("e@7").crash("a@1 b@2 c@3 d@4 e@7").got("r", "e@7").crash("a@1 b@2 c@3 d@4 e@7").good()
}

func TestLostIsFound(t *testing.T) {
	tell(t, Rules{}).put("a@1 b@2").crash("a@1").bad("b (e-2) is lost")
	tell(t, Rules{}).put("a@1 b@2 c@3").crash("a@1 c@3").bad("b (e-2) is missing")
	tell(t, Rules{}).put("a@1 b@2 c@3").crash("b@2 c@3").bad("a (e-1) is gone")
	tell(t, Rules{}).put("a@1").try("b").got("r", "a@1 b@2").crash("a@1").bad("b (e-2) is lost") // a reader saw it
	tell(t, Rules{}).put("a@1").try("b").bare("a b").crash("a@1").bad("b, which is not in the log")
	tell(t, Rules{}).put("a@1").crash("").bad("is lost")
	tell(t, Rules{Lossy: true}).put("a@1 b@2 c@3").crash("a@1 c@3").bad("b (e-2) is missing") // only the newest may be
	tell(t, Rules{}).try("a b").crash("a@1").bad("torn")
	tell(t, Rules{}).try("a b").crash("b@2").bad("torn")
	tell(t, Rules{}).try("a b").try("x").crash("a@1 x@2 b@3").bad("torn")
}

func TestRepeatedIsFound(t *testing.T) {
	tell(t, Rules{}).try("a").crash("a@1").ack("a@2").bad("twice")
	tell(t, Rules{}).put("a@1 b@2").crash("a@1 b@2 a@3").bad("twice")
	tell(t, Rules{}).put("a@1 b@2").got("r", "a@1 b@2 a@3").bad("twice")
	tell(t, Rules{}).put("a@1 b@2").got("r", "a@1 b@2 b@2").bad("stands at offset 2")
	tell(t, Rules{}).put("a@1 b@2").got("r", "b@2 a@1").bad("stands at offset 2")
	tell(t, Rules{}).put("a@1 b@2").bare("a b a").crash("a@1 b@2").bad("stood at offset 2")
	tell(t, Rules{}).put("a@1").try("b").acks("b@2", true).crash("a@1 b@2").acks("b@3", true).bad("twice")
}

func TestReusedIsFound(t *testing.T) {
	tell(t, Rules{}).put("a@1 b@1").bad("used twice")
	tell(t, Rules{}).put("a@1").try("b").crash("b@1").bad("used twice")
	tell(t, Rules{Lossy: true}).put("a@1 b@2").crash("a@1").put("c@2").bad("used twice")
	tell(t, Rules{Lossy: true}).put("a@1 c@3").crash("a@1").put("b@2").bad("not after offset 3")
	tell(t, Rules{}).put("a@1 c@3").crash("a@1 c@3").put("b@2").bad("not after offset 3")
}

func TestUnknownIsFound(t *testing.T) {
	tell(t, Rules{}).got("r", "a@1").bad("nobody has published")
	tell(t, Rules{}).bare("a").bad("nobody has published")
	tell(t, Rules{}).try("a").refused("a").crash("a@1").bad("was refused")
	tell(t, Rules{}).try("a").got("r", "a@1").refused("a").bad("was refused")
	s := tell(t, Rules{}).try("a")
	s.then(s.reader("r").Took(Entry{Token: "a", Cursor: "e-1", Sum: 5}))
	s.bad("not what was published")
	tell(t, Rules{}).put("a@1").tryAfter("e-0", "b").crash("a@1 b@2").bad("was to follow offset 0")
	tell(t, Rules{}).put("a@1").tryAfter("e-1", "b").crash("a@1 b@2").good()
}

func TestReaderThatMissesIsFound(t *testing.T) {
	tell(t, Rules{}).put("a@1 b@2 c@3").got("r", "a@1 c@3").crash("a@1 b@2 c@3").bad("but not b (e-2) before it")
	tell(t, Rules{}).put("a@1 b@2").got("r", "b@2").crash("a@1 b@2").bad("but not a (e-1) before it")
	tell(t, Rules{}).put("a@1 b@2").bare("b").crash("a@1 b@2").bad("but not a (e-1) before it")
	tell(t, Rules{}).put("a@1 b@2").got("r", "a@1").told("r", "$gap", 1, 2, "trimmed").crash("a@1 b@2").bad("$gap")
	tell(t, Rules{}).put("a@1 b@2").got("r", "a@1").told("r", "$reset", 1, 0, "unknown").crash("a@1 b@2").bad("no reason")
	if _, behind := tell(t, Rules{}).put("a@1 b@2").reader("r").Behind(); !behind {
		t.Error("a reader that got nothing is not behind")
	}
}

func TestTrimmed(t *testing.T) {
	s := tell(t, Rules{Keep: 2}).put("a@1").got("r", "a@1").put("b@2 c@3 d@4").told("r", "$gap", 1, 2, "trimmed").got("r", "c@3 d@4")
	s.crash("c@3 d@4").got("new", "c@3 d@4").crash("c@3 d@4").good()
	tell(t, Rules{Keep: 2}).put("a@1 b@2 c@3").crash("c@3").bad("only 1 are kept")
	tell(t, Rules{Keep: 2}).put("a@1 b@2 c@3").crash("a@1 b@2 c@3").bad("2 at most")
	tell(t, Rules{Keep: 2}).put("a@1 b@2 c@3").crash("b@2 c@3").put("d@4").crash("a@1 b@2 c@3 d@4").bad("is back")
	tell(t, Rules{Keep: 2}).put("a@1 b@2 c@3 d@4").got("r", "a@1 d@4").crash("c@3 d@4").bad("but not b (e-2) before it")
}

func TestLatest(t *testing.T) {
	const was = "k.1@1 j.1@2 k.2@3 k.3@4"
	s := tell(t, Rules{Keep: 2, Latest: true}).put(was)
	s.then(s.log.HoldLatest(entries("j.1@2 k.3@4")))
	s.crash("k.2@3 k.3@4")
	s.then(s.log.HoldLatest(entries("j.1@2 k.3@4")))
	s.good()
	s.then(s.log.HoldLatest(entries("k.3@4")))
	s.bad("the latest of each key")
	s = tell(t, Rules{Keep: 2, Latest: true}).put(was)
	s.then(s.log.HoldLatest(entries("j.1@2 k.2@3")))
	s.bad("the latest of each key")
}

// A channel that holds nothing may be forgotten, and its readers be told so.
func TestForgotten(t *testing.T) {
	tell(t, Rules{}).told("r", "$gap", 0, 2, "evicted").put("a@3").got("r", "a@3").crash("a@3").good()
	tell(t, Rules{}).put("a@1 b@3").got("r", "a@1").told("r", "$gap", 1, 2, "evicted").got("r", "b@3").crash("a@1 b@3").good()
	tell(t, Rules{}).told("r", "$gap", 0, 2, "expired").put("a@3").got("r", "a@3").crash("a@3").bad("$gap")
	tell(t, Rules{}).put("a@1 b@2").told("r", "$gap", 0, 2, "evicted").crash("a@1 b@2").bad("$gap")
}

func TestTakenBack(t *testing.T) {
	lost := func() *story {
		return tell(t, Rules{Lossy: true}).put("a@1 b@2 c@3 d@4").got("behind", "a@1").got("ahead", "a@1 b@2 c@3")
	}
	s := lost().crash("a@1 b@2").told("ahead", "$reset", 3, 2, "lost").put("e@9").got("ahead", "e@9").got("behind", "b@2 e@9")
	s.crash("a@1 b@2 e@9").good()
	lost().crash("a@1 b@2").put("e@9").got("ahead", "e@9").crash("a@1 b@2 e@9").bad("was not told")
	lost().crash("a@1 b@2").told("ahead", "$reset", 3, 1, "lost").crash("a@1 b@2").bad("b (e-2) is there still")
	lost().crash("a@1 b@2 c@3").told("ahead", "$reset", 3, 2, "lost").crash("a@1 b@2 c@3").bad("c (e-3) is there still")
	lost().crash("a@1").told("ahead", "$reset", 3, 2, "lost").crash("a@1").bad("b (e-2) is lost too")
	lost().crash("a@1 b@2").told("behind", "$reset", 1, 0, "lost").crash("a@1 b@2").bad("a (e-1) is there still")
	lost().crash("a@1 b@2").got("behind", "b@2 c@3").bad("was gone, and is back")
	lost().crash("a@1 b@2").crash("a@1 b@2 c@3").bad("was gone, and is back")
	lost().crash("a@1 b@2").acks("d@4", true).bad("was gone, and is back")
	tell(t, Rules{}).put("a@1 b@2").got("r", "a@1 b@2").told("r", "$reset", 2, 1, "lost").crash("a@1 b@2").bad("nothing may be lost")
}

func TestClosedAndDeleted(t *testing.T) {
	s := tell(t, Rules{}).put("a@1 b@2").got("r", "a@1")
	s.log.Deleting()
	s.crash("").told("r", "$reset", 1, 3, "deleted")
	s.log.Deleted()
	s.put("c@4").got("r", "c@4")
	s.log.Closing()
	s.log.Closed()
	s.restart("c@4", true).good()
	s.restart("c@4", false).bad("closed is false")

	s = tell(t, Rules{}).put("a@1 b@2").got("r", "a@1 b@2")
	s.log.Deleting()
	s.crash("a@1").bad("is lost")

	deleted := func() *story {
		s := tell(t, Rules{}).put("a@1 b@2").got("r", "a@1")
		s.log.Deleting()
		s.log.Deleted()
		return s.put("c@4")
	}
	deleted().crash("a@1 b@2 c@4").bad("is back")
	deleted().got("r", "c@4").crash("c@4").bad("but not b (e-2) before it")
	deleted().told("r", "$reset", 1, 4, "deleted").crash("c@4").bad("c (e-4) is not deleted")
	tell(t, Rules{}).put("a@1").restart("a@1", true).bad("closed is true")
}
