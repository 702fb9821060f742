package pabal

import (
	"strconv"
	"strings"
)

// An Epoch names one life of a store. A store that comes back without entries
// it may have shown begins a new one.
type Epoch uint64

// An Offset orders the entries of one channel. Offsets grow; they may skip.
type Offset uint64

// A Position is just after one entry of one channel, or before its first.
type Position struct {
	Epoch  Epoch
	Offset Offset
}

// A Cursor is one or several positions as text: opaque to clients, safe in a
// URL, in a header and between quotes, and canonical, so that the same
// positions are the same bytes on every technique and node.
//
// The cursor of a position reads "epoch-offset". That of several channels is
// in package vector.

// String returns p's cursor.
func (p Position) String() string { return string(p.Append(nil)) }

// Append appends p's cursor to dst.
func (p Position) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(p.Epoch), 36)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, uint64(p.Offset), 10)
}

// ParsePosition parses the cursor of one position. Only the very bytes that
// [Position.String] makes are well formed.
func ParsePosition(cursor string) (Position, error) {
	epoch, offset, ok := strings.Cut(cursor, "-")
	e, err1 := strconv.ParseUint(epoch, 36, 64)
	o, err2 := strconv.ParseUint(offset, 10, 64)
	p := Position{Epoch(e), Offset(o)}
	if !ok || err1 != nil || err2 != nil || p.String() != cursor {
		return Position{}, MalformedCursor(cursor)
	}
	return p, nil
}

// MalformedCursor returns the error about a text that is no cursor.
func MalformedCursor(cursor string) error {
	return invalid("cursor %.80q is not one that this server gives out: pass on the bytes you got, unchanged, or use since=all, now or a duration", cursor)
}
