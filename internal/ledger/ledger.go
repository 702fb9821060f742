package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Rules are what a channel promises.
type Rules struct {
	Keep   int  // entries that are kept; 0 is all
	Latest bool // each key's last entry is kept besides
	Ages   bool // entries may be gone for their age
	Lossy  bool // a crash may take back the newest entries
}

// A Message is what one tries to publish.
type Message struct {
	Token string // no other message has it
	Key   string
	Sum   uint64 // of the data
}

// An Entry is what one gets.
type Entry struct {
	Cursor string
	Token  string
	Sum    uint64
}

// A Ledger holds what was tried, acknowledged and read. Its methods may be
// called at once by several goroutines, but for [Ledger.Restarted] and
// [Log.Hold]: nobody may be publishing then, nor have an outcome to tell of
// what was sent before the crash. The first broken promise that a method finds
// is its error.
type Ledger struct {
	mu    sync.Mutex
	life  int            // of the server, from 1
	epoch string         // of its cursors, if that is known
	began map[string]int // the life in which each epoch began, but for the first
	logs  map[string]*Log
}

// New returns a ledger of the channels that rules names.
func New(rules map[string]Rules) *Ledger {
	l := &Ledger{life: 1, began: map[string]int{}, logs: map[string]*Log{}}
	for name, r := range rules {
		l.logs[name] = &Log{ledger: l, name: name, rules: r, messages: map[string]*message{}, records: map[uint64]*record{}}
	}
	return l
}

// Log returns the log of channel.
func (l *Ledger) Log(channel string) *Log { return l.logs[channel] }

// Restarted says that the server was killed, or stopped, and is there again;
// with the epoch of its cursors if that is another each time: then readers may
// still get what they were sent before.
func (l *Ledger) Restarted(epoch string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life++
	l.epoch, l.began[epoch] = epoch, l.life
}

// A Log is what is known of a channel's log.
type Log struct {
	ledger   *Ledger
	name     string
	rules    Rules
	messages map[string]*message // by token
	records  map[uint64]*record  // by offset
	order    []*record           // by offset
	readers  []*Reader
	highest  uint64 // offset that is known
	held     uint64 // what it was at the last Hold: what is new since is above
	deleting bool   // a deletion was tried, and its outcome is not known
	closed   doubt

	counts Counts
}

// Counts are how many entries were known to a log, and what became of them.
type Counts struct {
	Known      int
	Found      int // of them nothing was known before they were there after a crash
	Duplicates int // were published again, and found out
	Lost       int // were taken back by a crash
}

// doubt is whether something is so.
type doubt int

const (
	no doubt = iota
	maybe
	yes
)

// A Publish is one try to publish, and its repetitions.
type Publish struct {
	log      *Log
	messages []*message
	after    uint64 // the log must end there; with conditional
	asked    bool   // that it does
	refused  bool
}

type message struct {
	Message
	of    *Publish
	index int
	at    *record // where it is, or was unless that was lost
}

// A record is an entry that is known: acknowledged, or seen by a reader, or
// found in the log.
type record struct {
	offset  uint64
	cursor  string
	message *message
	// The life of the server from which on it is gone; 0: it is there.
	lost, trimmed, deleted int
}

func (r *record) gone() bool { return r.lost+r.trimmed+r.deleted > 0 }

func (r *record) String() string { return fmt.Sprintf("%s (%s)", r.message.Token, r.cursor) }

// Try says that messages will be published at once; if the log ends at after,
// unless that is empty.
func (g *Log) Try(after string, messages ...Message) (*Publish, error) {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	p := &Publish{log: g, asked: after != ""}
	if p.asked {
		var err error
		if p.after, err = offset(after); err != nil {
			return nil, err
		}
	}
	for i, m := range messages {
		p.messages = append(p.messages, &message{Message: m, of: p, index: i})
		g.messages[m.Token] = p.messages[i]
	}
	return p, nil
}

// Refused says that p was not published, and will not be tried again.
func (p *Publish) Refused() error {
	p.log.ledger.mu.Lock()
	defer p.log.ledger.mu.Unlock()
	p.refused = true
	for _, m := range p.messages {
		if m.at != nil {
			return fmt.Errorf("%s: %v was refused, and is in the log", p.log.name, m.at)
		}
	}
	return nil
}

// Acknowledged says that p's messages are at cursors; duplicate, that they had
// been there before.
func (p *Publish) Acknowledged(duplicate bool, cursors ...string) error {
	g := p.log
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	if len(cursors) != len(p.messages) {
		return fmt.Errorf("%s: %d cursors for %d messages", g.name, len(cursors), len(p.messages))
	}
	if duplicate {
		g.counts.Duplicates += len(cursors)
	}
	last := uint64(0)
	for i, m := range p.messages {
		if r := m.at; r != nil && duplicate && r.cursor == cursors[i] {
			continue // also if it was deleted, or trimmed, since
		}
		r, err := g.noteGone(cursors[i], m, duplicate)
		if err == nil && r == nil {
			r, err = g.note(cursors[i], m.Token, m.Sum)
		}
		if err != nil {
			return fmt.Errorf("acknowledged (duplicate: %v): %w", duplicate, err)
		}
		if r.offset <= last {
			return fmt.Errorf("%s: a batch is not in its order: %v", g.name, cursors)
		}
		last = r.offset
	}
	return nil
}

// Deleting says that the log will be deleted.
func (g *Log) Deleting() {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	g.deleting, g.closed = true, min(g.closed, maybe)
}

// Deleted says that it was.
func (g *Log) Deleted() {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	g.clear()
}

func (g *Log) clear() {
	g.deleting, g.closed = false, no
	for i := len(g.order) - 1; i >= 0 && g.order[i].deleted == 0; i-- {
		if !g.order[i].gone() {
			g.order[i].deleted = g.ledger.life
		}
	}
}

// Closing says that the log will be closed.
func (g *Log) Closing() {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	g.closed = max(g.closed, maybe)
}

// Closed says that it was.
func (g *Log) Closed() {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	g.closed = yes
}

// End returns the cursor of the last entry up to which the log was whole; "" if
// there is none.
func (g *Log) End() string {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	for _, r := range slices.Backward(g.order) {
		if r.offset <= g.held && !r.gone() {
			return r.cursor
		}
	}
	return ""
}

// Cursor returns the cursor of the message with that token, "" if it is not
// known.
func (g *Log) Cursor(token string) string {
	g.ledger.mu.Lock()
	defer g.ledger.mu.Unlock()
	if m := g.messages[token]; m != nil && m.at != nil {
		return m.at.cursor
	}
	return ""
}

// Counts returns the counts of all logs together.
func (l *Ledger) Counts() (all Counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.logs {
		all.Add(g.counts)
		all.Known += len(g.order)
	}
	return all
}

// Add adds more to c.
func (c *Counts) Add(more Counts) {
	c.Known += more.Known
	c.Found += more.Found
	c.Duplicates += more.Duplicates
	c.Lost += more.Lost
}

// late returns the record of an entry that was on its way to a reader when a
// crash took it back, or it was trimmed or deleted; nil if that is not what e is.
func (g *Log) late(e Entry) *record {
	epoch, _, _ := strings.Cut(e.Cursor, "-")
	at, err := offset(e.Cursor)
	m, r := g.messages[e.Token], g.records[at]
	switch {
	case err != nil || g.ledger.epoch == "" || epoch == g.ledger.epoch || m == nil || m.Sum != e.Sum:
		return nil
	case r != nil && (!r.gone() || r.cursor != e.Cursor || r.message != m):
		return nil
	case r != nil:
		return r
	}
	gone := max(1, g.ledger.began[epoch]) + 1
	switch { // nobody knew it before
	case g.rules.Lossy:
		r = &record{offset: at, cursor: e.Cursor, message: m, lost: gone}
	case g.rules.Ages || g.rules.Keep > 0:
		r = &record{offset: at, cursor: e.Cursor, message: m, trimmed: gone}
		m.at = r
	default:
		return nil
	}
	g.records[at] = r
	g.order = slices.Insert(g.order, g.after(at), r)
	return r
}

// noteGone takes note of an entry that was published before, and was gone from
// a log that does not keep all before it was known. It returns nil if that is
// not so.
func (g *Log) noteGone(cursor string, m *message, duplicate bool) (*record, error) {
	at, err := offset(cursor)
	if err != nil || !duplicate || m.at != nil || at > g.held || g.records[at] != nil || g.rules.Keep == 0 && !g.rules.Ages {
		return nil, err
	}
	m.at = &record{offset: at, cursor: cursor, message: m, trimmed: g.ledger.life}
	g.records[at] = m.at
	g.order = slices.Insert(g.order, g.after(at), m.at)
	return m.at, nil
}

// note takes note of an entry, in the present life.
func (g *Log) note(cursor, token string, sum uint64) (*record, error) {
	wrong := func(format string, args ...any) (*record, error) {
		return nil, fmt.Errorf("%s at %s, life %d: %s", g.name, cursor, g.ledger.life, fmt.Sprintf(format, args...))
	}
	at, err := offset(cursor)
	if err != nil {
		return nil, err
	}
	m := g.messages[token]
	switch {
	case m == nil:
		return wrong("nobody has published %q", token)
	case m.Sum != sum:
		return wrong("%s is not what was published", token)
	case m.of.refused:
		return wrong("%s was refused, and is in the log", token)
	}
	if r := g.records[at]; r != nil {
		switch {
		case r.cursor != cursor:
			return wrong("%s is at the offset of %v", token, r)
		case r.message != m:
			return wrong("the position is used twice, for %v and %s", r, token)
		case r.lost+r.trimmed > 0, r.deleted > 0 && r.deleted < g.ledger.life:
			return wrong("%s was gone, and is back", token)
		}
		return r, nil
	}
	switch {
	case at <= g.held:
		return wrong("%s is new, but not after offset %d, up to which the log was known", token, g.held)
	case m.at != nil:
		return wrong("%s is in the log twice: here and at %s", token, m.at.cursor)
	}
	r := &record{offset: at, cursor: cursor, message: m}
	g.records[at], m.at = r, r
	i := g.after(at)
	g.order = slices.Insert(g.order, i, r)
	g.highest = max(g.highest, at)
	return r, nil
}

// after returns the index of the first record after offset.
func (g *Log) after(offset uint64) int {
	i, found := slices.BinarySearchFunc(g.order, offset, func(r *record, o uint64) int {
		switch {
		case r.offset < o:
			return -1
		case r.offset > o:
			return 1
		}
		return 0
	})
	if found {
		i++
	}
	return i
}

func offset(cursor string) (uint64, error) {
	epoch, text, _ := strings.Cut(cursor, "-")
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || epoch == "" {
		return 0, fmt.Errorf("%q is not the cursor of one channel", cursor)
	}
	return n, nil
}
