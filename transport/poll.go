package transport

import "github.com/pabal/pabal/internal/wire"

// appendAnswer appends the body that answers a poll or a long poll. The
// entries' bytes are shared by all who ask for them.
func appendAnswer(dst []byte, a *answer) []byte {
	body := wire.Answer{Entries: a.entries, Cursor: a.cursor, Before: a.before, More: a.more}
	for _, n := range a.notices {
		body.Notices = append(body.Notices, wire.NoticeOf(n))
	}
	return append(wire.AppendAnswer(dst, &body), '\n')
}
