package pabal

import (
	"context"
	"errors"
	"time"
)

// A Broker keeps each channel's log and tells when it grows. Read is the
// truth; Tail is only haste: a broker whose Tail loses, repeats or delays
// entries is slow, not wrong. Package brokertest states these promises as
// tests.
type Broker interface {
	// Append appends what p holds to ch, all of it or nothing. Once it has
	// returned, Read sees it on every node. An error that is none of this
	// package's leaves the outcome unknown: repeat with the same IDs.
	Append(ctx context.Context, ch Channel, p Publish) (Appended, error)

	// Read returns a part of ch's log. It never waits for an entry. A channel
	// that was never written is an empty log.
	Read(ctx context.Context, ch Channel, q Query) (Page, error)

	// Tail calls fn for each entry appended to ch after end, in order, until
	// ctx ends. fn does not block, and may be called before Tail has returned.
	// fn(nil) says that something may have been missed, or that the log changed
	// otherwise (closed, deleted): whoever follows it must Read.
	Tail(ctx context.Context, ch Channel, fn func(*Entry)) (end Position, err error)

	// Delete forgets ch's log. No position of it is used again, and who reads
	// from before is told by Page.Lost. To delete what is not there is no error.
	Delete(ctx context.Context, ch Channel) error
}

// A Lister is a Broker that can list its channels.
type Lister interface {
	// Channels returns, in byte order, at most limit names of channels that hold
	// a log, beginning with prefix and after the name after.
	Channels(ctx context.Context, prefix string, after Channel, limit int) ([]Channel, error)
}

// A Lossless broker's Tail loses nothing, so a [Hub] need not compare the
// tails it follows with the ends of their logs.
type Lossless interface{ Lossless() bool }

// Publish is what is appended at once.
type Publish struct {
	Messages []Message
	BatchID  string    // names the whole batch, so that a repeat of it is kept once
	If       *Position // append only if this is the log's end
	Close    bool      // close the log after the messages
}

// Appended says where the messages of a [Publish] are.
type Appended struct {
	Positions []Position // of each message
	End       Position   // the last of them, or the log's end if there were none
	Duplicate bool       // they had been there before
}

// What Append refuses. Nothing was appended then.
var (
	ErrClosed   = errors.New("the channel is closed; delete it to begin it anew")
	ErrConflict = errors.New("this id was used within its window for another content; repeat a publish unchanged, or give it a new id")
	ErrPartial  = errors.New("some messages of this batch were published before and some were not; repeat the first batch unchanged, or send only what is new")
	ErrMoved    = errors.New("the channel's end is not where the condition says; read on from there and try again")
)

// Query selects a part of a log.
type Query struct {
	From       From
	Latest     bool // of each key only the last entry of all after From; see Page
	MaxEntries int  // at least 1
	MaxBytes   int  // by Entry.Size; a page holds at least one entry if there is one
}

// From says where reading begins. The zero value is [FromAll].
type From struct {
	kind fromKind
	at   Position
	n    int
	time time.Time
}

type fromKind uint8

const (
	fromAll fromKind = iota
	fromNow
	fromLast
	fromTime
	fromAfter
	fromBefore
)

// FromAll begins at the first entry that is kept.
func FromAll() From { return From{} }

// FromNow begins at the log's end: no entry that is there is read.
func FromNow() From { return From{kind: fromNow} }

// FromLast begins so that at most n entries that are there are read.
func FromLast(n int) From { return From{kind: fromLast, n: n} }

// FromTime begins at the first entry that is not older than t.
func FromTime(t time.Time) From { return From{kind: fromTime, time: t.Round(0)} }

// After begins with the entry that follows p.
func After(p Position) From { return From{kind: fromAfter, at: p} }

// Before reads the newest entries that lie before p, and ends there.
func Before(p Position) From { return From{kind: fromBefore, at: p} }

// After returns p if f is [After] p.
func (f From) After() (p Position, ok bool) { return f.at, f.kind == fromAfter }

// Before returns p if f is [Before] p.
func (f From) Before() (p Position, ok bool) { return f.at, f.kind == fromBefore }

// Last returns n if f is [FromLast] n; [FromNow] is the last 0.
func (f From) Last() (n int, ok bool) { return f.n, f.kind == fromLast || f.kind == fromNow }

// Time returns t if f is [FromTime] t.
func (f From) Time() (t time.Time, ok bool) { return f.time, f.kind == fromTime }

// A Page is a part of a log, as it was at one moment.
//
// With Query.Latest its entries are those after From that are the last of
// their key, in the order of their offsets; Page.More then continues after
// the last of them.
type Page struct {
	Entries []*Entry // in order
	Start   Position // just before the first of Entries, where a reader begins
	First   Position // just before the first entry that is kept, or End
	End     Position // of the log
	More    bool     // the log goes on after Entries
	Closed  bool     // the log is closed: nothing follows End
	Lost    *Gap     // what lies between After's position and Start and is, or may be, missing
	Skipped int      // how many entries Query.Latest left out
}

// A Gap is what a reader does not get: the entries after From up to To.
type Gap struct {
	From, To Position
	Reason   Reason
}

// A Reason says why something is missing, or why a channel was closed.
type Reason string

// Reasons why entries are missing. With the first four reading goes on in the
// same history ([NoticeGap]); the others break it ([NoticeReset]).
const (
	Trimmed Reason = "trimmed" // by the number or bytes of entries kept
	Expired Reason = "expired" // by age
	Evicted Reason = "evicted" // the channel's state, or a key's last entry, was dropped to make room
	Damaged Reason = "damaged" // the store cannot read them any more

	Deleted Reason = "deleted" // the log was deleted
	Lost    Reason = "lost"    // the store came back without them
	Unknown Reason = "unknown" // the epoch is not one of this store's
	Ahead   Reason = "ahead"   // the position is after the log's end
)

// Reset reports whether r breaks the history, so that what the reader holds
// need not be a part of the log any more.
func (r Reason) Reset() bool {
	return r == Deleted || r == Lost || r == Unknown || r == Ahead
}
