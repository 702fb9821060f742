package disk

import (
	"encoding/binary"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/internal/once"
)

// appendKnown appends k as it is kept, but for its number, which is in the key
// of the row.
func appendKnown(dst []byte, k *once.Known) []byte {
	kind := uint64(0)
	if k.Batch {
		kind = 1
	}
	dst = binary.AppendUvarint(dst, kind)
	dst = appendText(appendText(dst, string(k.Channel)), k.ID)
	dst = append(dst, k.Digest[:]...)
	for _, n := range []uint64{uint64(k.End.Epoch), uint64(k.End.Offset), uint64(k.N), uint64(k.At.UnixNano())} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func parseKnown(key, row []byte) (namespace string, k once.Known, err error) {
	name := fields{key[1:], nil}
	namespace = name.text()
	if name.err != nil || len(name.rest) != 8 {
		return "", k, errRow
	}
	k.Number = binary.BigEndian.Uint64(name.rest)
	f := fields{row, nil}
	k.Batch = f.uint() == 1
	k.Channel, k.ID = pabal.Channel(f.text()), f.text()
	if len(f.rest) < len(k.Digest) {
		return "", k, errRow
	}
	copy(k.Digest[:], f.rest)
	f.rest = f.rest[len(k.Digest):]
	k.End = pabal.Position{Epoch: pabal.Epoch(f.uint()), Offset: f.offset()}
	k.N = f.int()
	k.At = time.Unix(0, f.time()).UTC()
	return namespace, k, f.err
}

// loadIDs reads what was published under which ID.
func (b *Broker) loadIDs() error {
	return b.each(idRow, func(key, value []byte) error {
		namespace, k, err := parseKnown(key, value)
		if err != nil {
			return err
		}
		keep := b.config.Rules(k.Channel).WithDefaults()
		keep.Namespace = namespace
		b.ids.Restore(k, &keep)
		return nil
	})
}

// sweepIDs removes the rows of IDs that are not known any more.
func (w *writer) sweepIDs(*request) {
	w.ids.Sweep(w.now, func(namespace string, first uint64) {
		if w.idsFrom[namespace] < first {
			w.deleteRange(idKey(namespace, w.idsFrom[namespace]), idKey(namespace, first))
			w.idsFrom[namespace] = first
		}
	})
}
