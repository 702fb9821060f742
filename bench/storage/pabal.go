package main

import (
	"context"
	"fmt"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/broker/disk"
)

// pabalStore is the disk broker, called as the hub does.
type pabalStore struct {
	broker   *disk.Broker
	channels []pabal.Channel // of the clients; one is of all
}

func openPabal(synced, oneChannel bool) func(string, int) (store, error) {
	rules := disk.Rules{Retention: pabal.Retention{Entries: -1, Bytes: -1, Age: -1}, Sync: disk.SyncAlways}
	if !synced {
		rules.Sync = disk.SyncNever
	}
	return func(dir string, clients int) (store, error) {
		broker, err := disk.Open(disk.Config{Dir: dir, Rules: func(pabal.Channel) disk.Rules { return rules }})
		if err != nil {
			return nil, err
		}
		s := &pabalStore{broker: broker}
		if oneChannel {
			clients = 1
		}
		for i := range clients {
			s.channels = append(s.channels, pabal.Channel(fmt.Sprint("clients/", i)))
		}
		return s, nil
	}
}

func (s *pabalStore) publish(client int, data []byte) error {
	_, err := s.broker.Append(context.Background(), s.channels[client%len(s.channels)], pabal.Publish{Messages: []pabal.Message{{Data: data}}})
	return err
}

func (s *pabalStore) count() (n int, err error) {
	for _, ch := range s.channels {
		for q := (pabal.Query{MaxEntries: 1000, MaxBytes: 1 << 20}); ; {
			page, err := s.broker.Read(context.Background(), ch, q)
			if err != nil {
				return 0, err
			}
			if len(page.Entries) == 0 {
				break
			}
			n += len(page.Entries)
			q.From = pabal.After(page.Entries[len(page.Entries)-1].Position())
		}
	}
	return n, nil
}

func (s *pabalStore) close() error { return s.broker.Close() }
