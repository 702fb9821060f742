package pabal

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
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
// The cursor of a position reads "epoch-offset". The cursor of several
// channels, a vector, is "~" and base64url.

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
		return Position{}, malformed(cursor)
	}
	return p, nil
}

func malformed(cursor string) error {
	return invalid("cursor %.80q is not one that this server gives out: pass on the bytes you got, unchanged, or use since=all, now or a duration", cursor)
}

// maxVector is the most positions that a vector holds: it fits in 4 KiB of text.
const maxVector = 100

// A Vector is the positions of a reader of several channels.
type Vector struct {
	places []vectorPlace // by epoch and hash
	index  []int         // of the channels, in the order of NewVector, into places; nil if parsed
}

type vectorPlace struct {
	hash uint64
	at   Position
	of   int
}

// NewVector returns a vector with a place for each of channels, at most 100
// and no two alike, in whose order [Vector.Set] counts.
func NewVector(channels []Channel) (*Vector, error) {
	if len(channels) > maxVector {
		return nil, invalid("a vector cursor holds %d channels at most", maxVector)
	}
	v := &Vector{index: make([]int, len(channels))}
	for i, ch := range channels {
		h := ch.hash()
		if slices.ContainsFunc(v.places, func(p vectorPlace) bool { return p.hash == h }) {
			return nil, invalid("channel %q is asked for twice", ch)
		}
		v.places = append(v.places, vectorPlace{hash: h, of: i})
	}
	v.sort()
	return v, nil
}

func (v *Vector) sort() {
	slices.SortFunc(v.places, func(a, b vectorPlace) int {
		return cmp.Or(cmp.Compare(a.at.Epoch, b.at.Epoch), cmp.Compare(a.hash, b.hash))
	})
	for i, p := range v.places {
		v.index[p.of] = i
	}
}

// Set moves the channel that was i-th in [NewVector] to p.
func (v *Vector) Set(i int, p Position) {
	place := &v.places[v.index[i]]
	moved := place.at.Epoch != p.Epoch
	place.at = p
	if moved {
		v.sort()
	}
}

// Of returns the position of ch, if v has one.
func (v *Vector) Of(ch Channel) (Position, bool) {
	h := ch.hash()
	for _, p := range v.places {
		if p.hash == h {
			return p.at, true
		}
	}
	return Position{}, false
}

// String returns v's cursor.
func (v *Vector) String() string { return string(v.Append(nil)) }

// Append appends v's cursor to dst: each epoch, how many channels stand in
// it, and their hashes and offsets.
func (v *Vector) Append(dst []byte) []byte {
	raw := make([]byte, 0, 16+len(v.places)*13)
	for rest := v.places; len(rest) > 0; {
		epoch := rest[0].at.Epoch
		n := 1
		for n < len(rest) && rest[n].at.Epoch == epoch {
			n++
		}
		raw = binary.BigEndian.AppendUint64(raw, uint64(epoch))
		raw = binary.AppendUvarint(raw, uint64(n))
		for _, p := range rest[:n] {
			raw = binary.BigEndian.AppendUint64(raw, p.hash)
			raw = binary.AppendUvarint(raw, uint64(p.at.Offset))
		}
		rest = rest[n:]
	}
	return base64.RawURLEncoding.AppendEncode(append(dst, '~'), raw)
}

// IsVector reports whether cursor is of several channels.
func IsVector(cursor string) bool { return strings.HasPrefix(cursor, "~") }

// ParseVector parses the cursor of several channels. Only the very bytes that
// [Vector.String] makes are well formed.
func ParseVector(cursor string) (*Vector, error) {
	text, ok := strings.CutPrefix(cursor, "~")
	if !ok || len(text) > 4096 {
		return nil, malformed(cursor)
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, malformed(cursor)
	}
	v := &Vector{}
	in := bytes.NewReader(raw)
	for in.Len() > 0 {
		if err := v.readEpoch(in); err != nil {
			return nil, malformed(cursor)
		}
	}
	v.index = make([]int, len(v.places))
	v.sort()
	if v.String() != cursor {
		return nil, malformed(cursor)
	}
	return v, nil
}

func (v *Vector) readEpoch(in *bytes.Reader) error {
	epoch, err := readUint64(in)
	if err != nil {
		return err
	}
	n, err := binary.ReadUvarint(in)
	if err != nil || n == 0 {
		return errors.Join(err, errors.New("an epoch without channels"))
	}
	for range n {
		if len(v.places) == maxVector {
			return errors.New("too many channels")
		}
		hash, err := readUint64(in)
		if err != nil {
			return err
		}
		offset, err := binary.ReadUvarint(in)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(v.places, func(p vectorPlace) bool { return p.hash == hash }) {
			return errors.New("a channel twice")
		}
		v.places = append(v.places, vectorPlace{hash, Position{Epoch(epoch), Offset(offset)}, len(v.places)})
	}
	return nil
}

func readUint64(in *bytes.Reader) (n uint64, err error) {
	err = binary.Read(in, binary.BigEndian, &n)
	return n, err
}
