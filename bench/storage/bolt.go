package main

import (
	"encoding/binary"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// boltStore is one bucket of bbolt.
type boltStore struct {
	db      *bbolt.DB
	clients int
	next    []uint64 // number of each client, which publishes one message at a time; nil: one sequence for all
}

var boltBucket = []byte("messages")

// openBolt opens a store whose keys are client and number: of channels, so that
// each can be read from any place. Or one whose keys are a sequence for all: of
// one channel, to which all clients publish.
func openBolt(byClient bool) func(string, int) (store, error) {
	return func(dir string, clients int) (store, error) {
		db, err := bbolt.Open(filepath.Join(dir, "bolt.db"), 0o644, &bbolt.Options{
			NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 1 << 30,
		})
		if err != nil {
			return nil, err
		}
		// A batch is committed as soon as all clients are in it; without that,
		// after the delay.
		db.MaxBatchSize, db.MaxBatchDelay = clients, time.Millisecond
		s := &boltStore{db: db, clients: clients}
		if byClient {
			s.next = make([]uint64, clients)
		}
		return s, db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket(boltBucket)
			return err
		})
	}
}

func (s *boltStore) publish(client int, data []byte) error {
	put := func(tx *bbolt.Tx) error {
		b := tx.Bucket(boltBucket)
		b.FillPercent = 1 // keys only grow
		key, value := make([]byte, 0, 12), data
		if s.next != nil {
			key = binary.BigEndian.AppendUint32(key, uint32(client))
			key = binary.BigEndian.AppendUint64(key, s.next[client])
			return b.Put(key, value)
		}
		n, err := b.NextSequence()
		if err != nil {
			return err
		}
		value = binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(data)), uint32(client))
		return b.Put(binary.BigEndian.AppendUint64(key, n), append(value, data...))
	}
	if s.next != nil {
		s.next[client]++
	}
	if s.clients == 1 {
		return s.db.Update(put) // there is nobody to wait for
	}
	return s.db.Batch(put)
}

func (s *boltStore) count() (n int, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		n = tx.Bucket(boltBucket).Stats().KeyN
		return nil
	})
	return n, err
}

func (s *boltStore) close() error { return s.db.Close() }
