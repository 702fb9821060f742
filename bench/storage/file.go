package main

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// fileStore is a file to which groups are appended, each with one sync or none.
// It finds nothing again: it is what the disk and a queue allow.
type fileStore struct {
	*group
	file   *os.File
	buf    []byte
	synced bool
}

func openFile(synced bool) func(string, int) (store, error) {
	return func(dir string, clients int) (store, error) {
		file, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			return nil, err
		}
		s := &fileStore{file: file, synced: synced}
		s.group = newGroup(clients, s.commit)
		return s, nil
	}
}

func (s *fileStore) commit(orders []order) error {
	s.buf = s.buf[:0]
	for _, o := range orders {
		s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(o.client))
		s.buf = append(s.buf, o.data...)
	}
	if _, err := s.file.Write(s.buf); err != nil || !s.synced {
		return err
	}
	return unix.Fdatasync(int(s.file.Fd()))
}

func (s *fileStore) count() (int, error) {
	info, err := s.file.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size()%(4+payload) != 0 {
		return 0, errors.New("the file ends within a message")
	}
	return int(info.Size() / (4 + payload)), nil
}

func (s *fileStore) close() error {
	s.group.close()
	return s.file.Close()
}
