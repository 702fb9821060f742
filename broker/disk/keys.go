package disk

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/pabal/pabal"
)

// The rows of the store, by the first byte of their keys. Numbers in keys are
// big endian, so that byte order is their order. No name holds a zero byte.
//
//	s                      the store: see [record]
//	v life                 a life of the store: see [life]
//	f bucket               the floor of the names in a bucket
//	m name                 a channel: see [state]
//	e name 0 offset        an entry
//	l name 0 offset        the key of which this entry is the last
//	k name 0 key           the offset of the last entry with that key
//	i length ns number     an ID that is known, of a namespace
//	x due name             when a channel is to be swept next
const (
	storeRow   = 's'
	lifeRow    = 'v'
	floorRow   = 'f'
	channelRow = 'm'
	entryRow   = 'e'
	lastRow    = 'l'
	keyRow     = 'k'
	idRow      = 'i'
	dueRow     = 'x'
)

func channelKey(dst []byte, ch pabal.Channel) []byte {
	return append(append(dst, channelRow), ch...)
}

// offsetKey returns the key of the row of kind at offset.
func offsetKey(dst []byte, kind byte, ch pabal.Channel, offset pabal.Offset) []byte {
	dst = append(append(dst, kind), ch...)
	dst = append(dst, 0)
	return binary.BigEndian.AppendUint64(dst, uint64(offset))
}

// offsetOf returns the offset at the end of a key.
func offsetOf(key []byte) pabal.Offset {
	return pabal.Offset(binary.BigEndian.Uint64(key[len(key)-8:]))
}

func lastKeyKey(dst []byte, ch pabal.Channel, key string) []byte {
	dst = append(append(dst, keyRow), ch...)
	return append(append(dst, 0), key...)
}

// allOf returns the bounds of all rows of kind that ch has.
func allOf(kind byte, ch pabal.Channel) (from, to []byte) {
	from = append(append(append(make([]byte, 0, len(ch)+2), kind), ch...), 0)
	to = append(append(append(make([]byte, 0, len(ch)+2), kind), ch...), 1)
	return from, to
}

// bounds returns the bounds of all keys that begin with kind.
func bounds(kind byte) (from, to []byte) { return []byte{kind}, []byte{kind + 1} }

func floorKey(bucket int) []byte {
	return binary.BigEndian.AppendUint16([]byte{floorRow}, uint16(bucket))
}

func lifeKey(i int) []byte {
	return binary.BigEndian.AppendUint32([]byte{lifeRow}, uint32(i))
}

func idSpace(namespace string) []byte {
	return append(binary.AppendUvarint([]byte{idRow}, uint64(len(namespace))), namespace...)
}

func idKey(namespace string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(idSpace(namespace), number)
}

func dueKey(dst []byte, due int64, ch pabal.Channel) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, dueRow), uint64(due))
	return append(dst, ch...)
}

// buckets is among how many floors the names are divided, so that a channel
// that is forgotten raises the ends of few others that are not known.
const buckets = 1024

func bucketOf(ch pabal.Channel) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(ch))
	return int(h.Sum32() % buckets)
}

// floors are the ends of names that are not known, by their buckets.
type floors [buckets]pabal.Offset
