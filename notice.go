package pabal

import "time"

// A NoticeKind names a notice. On the wire it is the name itself.
type NoticeKind string

// The notices. Each is told in band, on every technique that can carry one.
const (
	NoticeOpen     NoticeKind = "$open"     // before any entry: where this response begins
	NoticeLive     NoticeKind = "$live"     // caught up: the position is the log's end
	NoticeGap      NoticeKind = "$gap"      // entries are missing; the history goes on
	NoticeReset    NoticeKind = "$reset"    // entries are missing; the history was broken
	NoticeSkipped  NoticeKind = "$skipped"  // entries were left out because later ones of their key follow
	NoticeClosed   NoticeKind = "$closed"   // nothing follows
	NoticeExpiring NoticeKind = "$expiring" // the token that allows to read on expires soon; the notice is of no place
)

// A Notice tells a reader something about its place in a channel.
type Notice struct {
	Kind     NoticeKind
	Channel  Channel
	Cursor   Position  // where the reader stands once it has taken the notice
	From, To Position  // of $gap and $reset: what is missing lies between
	Reason   Reason    // of $gap, $reset and $closed
	Count    int       // of $skipped
	Expires  time.Time // of $expiring
}

// ClosedByPublisher is the reason of [NoticeClosed] when the log was closed.
const ClosedByPublisher Reason = "closed"

func (g *Gap) notice(ch Channel) *Notice {
	n := &Notice{Kind: NoticeGap, Channel: ch, Cursor: g.To, From: g.From, To: g.To, Reason: g.Reason}
	if g.Reason.Reset() {
		n.Kind = NoticeReset
	}
	return n
}
