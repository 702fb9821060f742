// Package vector is the cursor of several channels: a position in each, as one
// text. It is for clients that can hold but one, such as an EventSource.
//
// Its text is "~" and base64url, and, as every cursor is, opaque, safe in a URL
// and canonical: the same positions are the same bytes.
package vector

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pabal/pabal"
)

// Most is how many positions a vector holds at most: it fits in 4 KiB of text.
const Most = 100

// A Vector is the positions of a reader of several channels.
type Vector struct {
	places []place // by epoch and hash
	index  []int   // of the channels, in the order of New, into places; nil if parsed
}

type place struct {
	hash uint64
	at   pabal.Position
	of   int
}

// New returns a vector with a place for each of channels, at most 100
// and no two alike, in whose order [Vector.Set] counts.
func New(channels []pabal.Channel) (*Vector, error) {
	if len(channels) > Most {
		return nil, invalid("a vector cursor holds %d channels at most", Most)
	}
	v := &Vector{index: make([]int, len(channels))}
	for i, ch := range channels {
		h := hash(ch)
		if slices.ContainsFunc(v.places, func(p place) bool { return p.hash == h }) {
			return nil, invalid("channel %q is asked for twice", ch)
		}
		v.places = append(v.places, place{hash: h, of: i})
	}
	v.sort()
	return v, nil
}

func (v *Vector) sort() {
	slices.SortFunc(v.places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.at.Epoch, b.at.Epoch), cmp.Compare(a.hash, b.hash))
	})
	for i, p := range v.places {
		v.index[p.of] = i
	}
}

// Set moves the channel that was i-th in [New] to p.
func (v *Vector) Set(i int, p pabal.Position) {
	at := &v.places[v.index[i]]
	moved := at.at.Epoch != p.Epoch
	at.at = p
	if moved {
		v.sort()
	}
}

// Len returns how many channels v is of.
func (v *Vector) Len() int { return len(v.places) }

// Of returns the position of ch, if v has one.
func (v *Vector) Of(ch pabal.Channel) (pabal.Position, bool) {
	h := hash(ch)
	for _, p := range v.places {
		if p.hash == h {
			return p.at, true
		}
	}
	return pabal.Position{}, false
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

// Is reports whether cursor is of several channels.
func Is(cursor string) bool { return strings.HasPrefix(cursor, "~") }

// Parse parses the cursor of several channels. Only the very bytes that
// [Vector.String] makes are well formed.
func Parse(cursor string) (*Vector, error) {
	text, ok := strings.CutPrefix(cursor, "~")
	if !ok || len(text) > 4096 {
		return nil, pabal.MalformedCursor(cursor)
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, pabal.MalformedCursor(cursor)
	}
	v := &Vector{}
	in := bytes.NewReader(raw)
	for in.Len() > 0 {
		if err := v.readEpoch(in); err != nil {
			return nil, pabal.MalformedCursor(cursor)
		}
	}
	v.index = make([]int, len(v.places))
	v.sort()
	if v.String() != cursor {
		return nil, pabal.MalformedCursor(cursor)
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
		if len(v.places) == Most {
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
		if slices.ContainsFunc(v.places, func(p place) bool { return p.hash == hash }) {
			return errors.New("a channel twice")
		}
		v.places = append(v.places, place{hash, pabal.Position{Epoch: pabal.Epoch(epoch), Offset: pabal.Offset(offset)}, len(v.places)})
	}
	return nil
}

func readUint64(in *bytes.Reader) (n uint64, err error) {
	err = binary.Read(in, binary.BigEndian, &n)
	return n, err
}

// hash names ch in a vector.
func hash(ch pabal.Channel) uint64 {
	sum := sha256.Sum256([]byte(ch))
	return binary.BigEndian.Uint64(sum[:])
}

func invalid(format string, args ...any) error {
	return &pabal.InvalidError{Detail: fmt.Sprintf(format, args...)}
}
