package disk

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/pabal/pabal"
)

// A tally counts the entries ever appended to a log, and their bytes.
type tally struct {
	n     uint64
	bytes uint64
}

// An edge is a place between two entries of a log, just after one of them.
type edge struct {
	at pabal.Offset
	tally
}

// A mark is what is said of an entry in front of its message.
type mark struct {
	edge  // just after it
	prev  pabal.Offset
	epoch pabal.Epoch
	time  int64 // nanoseconds since 1970
	size  uint64
}

// before returns the place just before the entry.
func (m *mark) before() pabal.Position { return pabal.Position{Epoch: m.epoch, Offset: m.prev} }

func markOf(e *pabal.Entry, after tally) mark {
	return mark{edge{e.Offset, after}, e.Prev, e.Epoch, e.Time.UnixNano(), uint64(e.Size())}
}

var errRow = errors.New("a row of the store is not what it should be")

// appendEntry appends e as it is kept: its place and the lengths of its
// fields, the fields, the data.
func appendEntry(dst []byte, e *pabal.Entry, after tally) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Epoch))
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Time.UnixNano()))
	for _, n := range [...]uint64{
		uint64(e.Offset - e.Prev), after.n, after.bytes,
		uint64(len(e.ID)), uint64(len(e.Type)), uint64(len(e.Key)), uint64(len(e.ContentType)),
	} {
		dst = binary.AppendUvarint(dst, n)
	}
	dst = append(append(append(append(dst, e.ID...), e.Type...), e.Key...), e.ContentType...)
	return append(dst, e.Data...)
}

// parseMark parses what appendEntry has made of the entry at offset. It
// returns the lengths of its fields, and what follows the lengths.
func parseMark(offset pabal.Offset, row []byte) (m mark, lengths [4]int, rest []byte, err error) {
	if len(row) < 16 {
		return m, lengths, nil, errRow
	}
	m.at = offset
	m.epoch = pabal.Epoch(binary.BigEndian.Uint64(row))
	m.time = int64(binary.BigEndian.Uint64(row[8:]))
	r := fields{row[16:], nil}
	m.prev = offset - pabal.Offset(r.uint())
	m.n, m.bytes = r.uint(), r.uint()
	total := 0
	for i := range lengths {
		lengths[i] = r.int()
		total += lengths[i]
	}
	if r.err != nil || total < 0 || total > len(r.rest) {
		return m, lengths, nil, errRow
	}
	m.size = uint64(len(r.rest))
	return m, lengths, r.rest, nil
}

// parseEntry parses what appendEntry has made of ch's entry at offset.
func parseEntry(ch pabal.Channel, offset pabal.Offset, row []byte) (*pabal.Entry, mark, error) {
	m, lengths, rest, err := parseMark(offset, row)
	if err != nil {
		return nil, m, err
	}
	total := 0
	for _, n := range lengths {
		total += n
	}
	text := string(rest[:total])
	cut := func(i int) (field string) {
		field, text = text[:lengths[i]], text[lengths[i]:]
		return field
	}
	e := &pabal.Entry{Channel: ch, Epoch: m.epoch, Offset: offset, Prev: m.prev, Time: time.Unix(0, m.time).UTC()}
	e.ID, e.Type, e.Key, e.ContentType = cut(0), cut(1), cut(2), cut(3)
	e.Data = append([]byte(nil), rest[total:]...)
	return e, m, nil
}

// fields reads what binary.AppendUvarint has written. After an error it reads
// zeros.
type fields struct {
	rest []byte
	err  error
}

func (f *fields) uint() uint64 {
	n, size := binary.Uvarint(f.rest)
	if size <= 0 {
		f.rest, f.err = nil, errRow
		return 0
	}
	f.rest = f.rest[size:]
	return n
}

func (f *fields) int() int {
	n := f.uint()
	if n > 1<<31 {
		f.rest, f.err = nil, errRow
		return 0
	}
	return int(n)
}

func (f *fields) offset() pabal.Offset { return pabal.Offset(f.uint()) }

func (f *fields) time() int64 { return int64(f.uint()) }

// text reads a length and as many bytes.
func (f *fields) text() string {
	n := f.int()
	if n > len(f.rest) {
		f.rest, f.err = nil, errRow
		return ""
	}
	text := string(f.rest[:n])
	f.rest = f.rest[n:]
	return text
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}
