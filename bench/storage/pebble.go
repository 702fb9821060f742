package main

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// pebbleStore is what Pabal's disk broker stands on, by itself: a row a message
// by channel and number, in groups, without a sync. It knows no IDs and no
// retention, and tells nobody.
type pebbleStore struct {
	*group
	db   *pebble.DB
	next []uint64 // of each client
	key  [12]byte
}

func openPebble(dir string, clients int) (store, error) {
	o := &pebble.Options{
		MemTableSize: 16 << 20, MemTableStopWritesThreshold: 4, L0CompactionThreshold: 2, L0StopWritesThreshold: 1000,
		BytesPerSync: 1 << 20, Logger: quiet{}, FormatMajorVersion: pebble.FormatValueSeparation,
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(dir, o)
	if err != nil {
		return nil, err
	}
	s := &pebbleStore{db: db, next: make([]uint64, clients)}
	s.group = newGroup(clients, s.commit)
	return s, nil
}

// quiet is a logger that says nothing.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	pebble.DefaultLogger.Fatalf(format, args...)
}

func (s *pebbleStore) commit(orders []order) error {
	b := s.db.NewBatch()
	for _, o := range orders {
		binary.BigEndian.PutUint32(s.key[:], uint32(o.client))
		binary.BigEndian.PutUint64(s.key[4:], s.next[o.client])
		s.next[o.client]++
		if err := b.Set(s.key[:], o.data, nil); err != nil {
			return err
		}
	}
	return b.Commit(pebble.NoSync)
}

func (s *pebbleStore) count() (n int, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n, it.Close()
}

func (s *pebbleStore) close() error {
	s.group.close()
	return s.db.Close()
}
