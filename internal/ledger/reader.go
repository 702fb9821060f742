package ledger

import (
	"fmt"
	"slices"
)

// A Reader is what one got of a log, in its order. Its methods are for one
// goroutine at a time.
type Reader struct {
	Anywhere bool // it may begin at any entry
	Latest   bool // it reads of each key the latest entry only

	log    *Log
	name   string
	begun  bool
	stands uint64 // as far as is known at once
	events []event

	judged uint64            // where it stood after the events that were judged
	at     string            // the cursor of that, if it is known
	came   string            // the kind of event by which it came there
	first  bool              // none was yet
	owed   map[string]uint64 // by key, the last that a reader of the latest was not given, until it gets a later one
}

// An event is an entry that was taken, or a notice.
type event struct {
	kind     string // "", "$gap", "$reset", "moved" or "begin"
	message  *message
	cursor   string // to, if it is known
	from, to uint64
	reason   string
	life     int
}

// Reader returns a reader of g that has got nothing yet, and reads from the
// first entry.
func (g *Log) Reader(name string) *Reader {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	r := &Reader{log: g, name: name, first: true}
	g.readers = append(g.readers, r)
	return r
}

func (r *Reader) wrong(format string, args ...any) error {
	return fmt.Errorf("%s of %s, life %d: %w", r.name, r.log.name, r.log.ledger.life, fmt.Errorf(format, args...))
}

// Begins says where r begins, if nothing else has yet.
func (r *Reader) Begins(cursor string) error {
	r.log.ledger.mu.Lock()
	defer r.log.ledger.mu.Unlock()
	if r.begun {
		return nil
	}
	at, err := offset(cursor)
	if err != nil {
		return err
	}
	r.begun, r.stands = true, at
	r.events = append(r.events, event{kind: "begin", cursor: cursor, to: at, life: r.log.ledger.life})
	return nil
}

// Moved says that r stands at cursor, which is in a new epoch and the place
// where it stood in the old one.
func (r *Reader) Moved(cursor string) error {
	r.log.ledger.mu.Lock()
	defer r.log.ledger.mu.Unlock()
	at, err := offset(cursor)
	if err == nil && at < r.stands {
		err = r.wrong("it stood at offset %d, and is said to be at %s", r.stands, cursor)
	}
	r.stands = at
	r.events = append(r.events, event{kind: "moved", cursor: cursor, to: at, life: r.log.ledger.life})
	return err
}

// Took says that r got e.
func (r *Reader) Took(e Entry) error {
	g := r.log
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	life := g.ledger.life
	had := g.late(e)
	if had != nil {
		life = max(1, had.lost-1, had.trimmed-1, had.deleted)
	} else {
		var err error
		if had, err = g.note(e.Cursor, e.Token, e.Sum); err != nil {
			return r.wrong("%w", err)
		}
	}
	if r.begun && had.offset <= r.stands {
		return r.wrong("it got %v, and stands at offset %d", had, r.stands)
	}
	r.begun, r.stands = true, had.offset
	r.events = append(r.events, event{message: had.message, cursor: e.Cursor, to: had.offset, life: life})
	return nil
}

// TookBare says that r got the message with that token, of which it is not
// said where it is.
func (r *Reader) TookBare(token string, sum uint64) error {
	g := r.log
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	m := g.messages[token]
	if m == nil || m.Sum != sum {
		return r.wrong("nobody has published %q", token)
	}
	r.begun = true
	r.events = append(r.events, event{message: m, life: g.ledger.life})
	return nil
}

// Told says that r was told that entries are missing between two cursors. It
// may not be known what the first is, nor the reason.
func (r *Reader) Told(kind, from, to, reason string) error {
	r.log.ledger.mu.Lock()
	defer r.log.ledger.mu.Unlock()
	e := event{kind: kind, cursor: to, from: r.stands, reason: reason, life: r.log.ledger.life}
	var err error
	if e.to, err = offset(to); err != nil {
		return err
	}
	if from != "" {
		if e.from, err = offset(from); err != nil {
			return err
		}
		if !r.begun {
			r.stands = e.from
			r.events = append(r.events, event{kind: "begin", cursor: from, to: e.from, life: e.life})
		}
	}
	if e.from != r.stands {
		return r.wrong("%s from %s, but it stands at offset %d", kind, from, r.stands)
	}
	r.begun, r.stands = true, e.to
	r.events = append(r.events, e)
	return nil
}

// Behind returns the last entry of the log if r has not got it yet.
func (r *Reader) Behind() (last string, behind bool) {
	r.log.ledger.mu.Lock()
	defer r.log.ledger.mu.Unlock()
	stands := r.stands
	for _, e := range r.events {
		if e.message != nil && e.message.at != nil {
			stands = max(stands, e.message.at.offset)
		}
	}
	for i := len(r.log.order) - 1; i >= 0; i-- {
		if last := r.log.order[i]; !last.gone() {
			return last.String(), stands < last.offset
		}
	}
	return "", false
}

// Judge holds what readers have got since the last time against what is known.
// It comes after [Log.Hold] has said what there was.
func (g *Log) Judge() error {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	for _, r := range g.readers {
		for i := range r.events {
			if err := r.judge(&r.events[i]); err != nil {
				return err
			}
		}
		if !r.first {
			r.stands = r.judged // if what it got came without its place
		}
		r.events = r.events[:0]
	}
	return nil
}

func (r *Reader) judge(e *event) (err error) {
	if e.message != nil {
		if e.message.at == nil && e.to == 0 {
			return r.wrong("in life %d it got %s, which is not in the log", e.life, e.message.Token)
		}
		if e.to == 0 {
			e.to = e.message.at.offset
		}
		if e.to <= r.judged && !r.first {
			return r.wrong("in life %d it got %s, and stood at offset %d", e.life, e.message.Token, r.judged)
		}
	}
	switch {
	case e.message != nil:
		err = r.judgeEntry(e)
	case e.kind == "moved":
		err = r.judgeMove(e)
	case e.kind == "begin":
		err = r.judgeBegin(e)
	case e.kind == "$gap":
		forgotten := e.reason == "evicted" || e.reason == "" // the store does not know that nothing is missing
		switch {
		case e.to <= r.judged || !forgotten && !r.log.rules.explain(e.reason):
			err = r.wrong("in life %d it was told $gap %q from offset %d to %d", e.life, e.reason, r.judged, e.to)
		case !r.nothing(r.judged, e.to):
			err = r.wrong("in life %d it was told $gap %q from offset %d to %d, of which some is there still", e.life, e.reason, r.judged, e.to)
		}
	case e.kind == "$reset":
		err = r.judgeReset(e)
	}
	r.judged, r.at, r.came, r.first = e.to, e.cursor, e.kind, false
	return err
}

// explain reports whether entries may be gone for reason, if that is known.
func (r *Rules) explain(reason string) bool {
	trimmed := r.Keep > 0 && (reason == "" || reason == "trimmed" || r.Latest && reason == "evicted")
	return trimmed || r.Ages && (reason == "" || reason == "expired" || reason == "evicted")
}

func (r *Reader) judgeBegin(e *event) error {
	if r.log.rules.Keep > 0 || r.log.rules.Ages || r.Anywhere || r.Latest {
		return nil
	}
	for _, had := range r.between(0, e.to) {
		if !had.gone() {
			return r.wrong("in life %d it begins at offset %d, after %v", e.life, e.to, had)
		}
	}
	return nil
}

// judgeMove sees that nothing lies between where r stood and where it is said
// to be.
func (r *Reader) judgeMove(e *event) error {
	for _, had := range r.between(r.judged, e.to) {
		if !isLost(had, e) && !r.skip(had) {
			return r.wrong("in life %d it is said to be at offset %d, and has not got %v before it", e.life, e.to, had)
		}
	}
	return nil
}

// judgeEntry looks for what r should have got, or been told of, before e.
func (r *Reader) judgeEntry(e *event) error {
	if r.first && (r.log.rules.Keep > 0 || r.log.rules.Ages || r.Anywhere || r.Latest) {
		return nil
	}
	if had := r.stood(); had != nil && r.came != "begin" && (isLost(had, e) || had.deleted > 0 && had.deleted < e.life && !r.log.rules.Ages) {
		return r.wrong("in life %d it got %s, and stood at %v, which was gone: it was not told", e.life, e.message.Token, had)
	}
	for _, had := range r.between(r.judged, e.to-1) {
		if deleted := r.first && had.deleted > 0; !isLost(had, e) && !deleted && !r.skip(had) {
			return r.wrong("in life %d it got %s, but not %v before it", e.life, e.message.Token, had)
		}
	}
	delete(r.owed, e.message.Key)
	return nil
}

// saidBefore reports whether a notice that goes on after to may have been on its
// way when that was lost, too.
func (r *Reader) saidBefore(to *record) bool {
	stood := r.stood()
	return r.log.ledger.epoch != "" && (stood == nil || stood.lost < to.lost)
}

// stood returns the entry after which r stood, if it is known.
func (r *Reader) stood() *record {
	had := r.log.records[r.judged]
	if had != nil && r.at != "" && r.at != had.cursor {
		return nil
	}
	return had
}

// skip reports whether had may be left out: r reads the latest of each key, and
// gets, or owes, a later one of the same.
func (r *Reader) skip(had *record) bool {
	if r.Latest && r.owed == nil {
		r.owed = map[string]uint64{}
	}
	if r.Latest {
		r.owed[had.message.Key] = had.offset
	}
	return r.Latest
}

// Owed returns a key of which a reader of the latest, who has come to the log's
// end, was not given the latest entry; "" if there is none.
func (r *Reader) Owed() string {
	r.log.ledger.mu.Lock()
	defer r.log.ledger.mu.Unlock()
	for key, offset := range r.owed {
		if had := r.log.records[offset]; had != nil && !had.gone() {
			return key
		}
	}
	return ""
}

// judgeReset holds the history that r is told to be broken against what was.
func (r *Reader) judgeReset(e *event) error {
	wrong := func(why string) error {
		return r.wrong("in life %d it was told $reset %q from offset %d to %d: %s", e.life, e.reason, r.judged, e.to, why)
	}
	reason := e.reason
	if reason == "" && e.to > r.judged {
		reason = "deleted"
	} else if reason == "" {
		reason = "lost"
	}
	switch reason {
	case "lost":
		if r.forgotten(max(e.to, r.judged)) {
			break
		}
		if !r.log.rules.Lossy || e.to > r.judged {
			return wrong("nothing may be lost")
		}
		stood := r.stood()
		if stood != nil && !isLost(stood, e) {
			return wrong(stood.String() + " is there still")
		}
		for _, had := range r.between(e.to, r.judged) {
			if !isLost(had, e) {
				return wrong(had.String() + " is there still")
			}
		}
		if to := r.log.records[e.to]; to != nil && to.cursor == e.cursor && isLost(to, e) && !r.saidBefore(to) {
			return wrong(to.String() + " is lost too")
		}
	case "deleted":
		for _, had := range r.between(r.judged, e.to) {
			if !had.gone() && !r.skip(had) {
				return wrong(had.String() + " is not deleted")
			}
		}
		if e.to <= r.judged {
			return wrong("it goes back")
		}
	default:
		return wrong("there is no reason for that")
	}
	return nil
}

// forgotten reports whether nothing is left of the log up to offset, so that a
// store need not know any more what it held before it came back.
func (r *Reader) forgotten(offset uint64) bool {
	return r.log.rules.Ages && r.nothing(0, offset)
}

// nothing reports whether nothing is left after one offset and up to another.
func (r *Reader) nothing(after, upto uint64) bool {
	return !slices.ContainsFunc(r.between(after, upto), func(had *record) bool { return !had.gone() && !r.skip(had) })
}

// isLost reports whether had was lost when e came.
func isLost(had *record, e *event) bool { return had.lost > 0 && had.lost <= e.life }

// between returns the records after one offset and up to another.
func (r *Reader) between(after, upto uint64) []*record {
	if after >= upto {
		return nil
	}
	return r.log.order[r.log.after(after):r.log.after(upto)]
}
