package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// jetStreamStore is a NATS server in this process with one stream in a file,
// and its clients, each with a subject of its own.
type jetStreamStore struct {
	server   *natsd.Server
	conns    []*nats.Conn
	streams  []jetstream.JetStream // of the connections
	subjects []string              // of the clients
	async    bool
}

// connections is how many the clients share: of 1 to 256, 8 and 16 were the
// fastest without syncs, and with syncs it made no difference.
const connections = 8

// asyncClients is how many clients publish without waiting for each answer;
// together they have [inFlight] messages under way. One was the fastest.
const asyncClients = 1

const natsTime = 30 * time.Second // what nothing takes

func openJetStream(synced bool) func(string, int) (store, error) {
	return func(dir string, clients int) (store, error) { return startJetStream(dir, clients, synced, false) }
}

func openJetStreamAsync(dir string, clients int) (store, error) {
	return startJetStream(dir, clients, false, true)
}

func startJetStream(dir string, clients int, synced, async bool) (store, error) {
	options := &natsd.Options{
		DontListen: true, JetStream: true, StoreDir: dir, SyncAlways: synced, NoLog: true, NoSigs: true,
		JetStreamMaxMemory: 1 << 30, JetStreamMaxStore: 1 << 40,
	}
	server, err := natsd.NewServer(options)
	if err != nil {
		return nil, err
	}
	server.Start()
	s := &jetStreamStore{server: server, async: async}
	if !server.ReadyForConnections(natsTime) {
		return nil, errors.Join(errors.New("the NATS server does not start"), s.close())
	}
	if err := s.connect(clients); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *jetStreamStore) connect(clients int) error {
	for range min(clients, connections) {
		conn, err := nats.Connect("", nats.InProcessServer(s.server))
		if err != nil {
			return err
		}
		s.conns = append(s.conns, conn)
		js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(inFlight/asyncClients))
		if err != nil {
			return err
		}
		s.streams = append(s.streams, js)
	}
	for i := range clients {
		s.subjects = append(s.subjects, fmt.Sprint("clients.", i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), natsTime)
	defer cancel()
	_, err := s.streams[0].CreateStream(ctx, jetstream.StreamConfig{
		Name: "clients", Subjects: []string{"clients.>"}, Storage: jetstream.FileStorage, Replicas: 1,
	})
	return err
}

func (s *jetStreamStore) publish(client int, data []byte) error {
	js := s.streams[client%len(s.streams)]
	if s.async {
		_, err := js.PublishAsync(s.subjects[client], data, jetstream.WithStallWait(natsTime))
		return err
	}
	_, err := js.Publish(context.Background(), s.subjects[client], data)
	return err
}

func (s *jetStreamStore) count() (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), natsTime)
	defer cancel()
	for _, js := range s.streams {
		select {
		case <-js.PublishAsyncComplete():
		case <-ctx.Done():
			return 0, errors.New("JetStream does not answer all that was published")
		}
	}
	stream, err := s.streams[0].Stream(ctx, "clients")
	if err != nil {
		return 0, err
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	return int(info.State.Msgs), nil
}

func (s *jetStreamStore) close() error {
	var closing sync.WaitGroup
	for _, conn := range s.conns {
		closing.Go(conn.Close)
	}
	closing.Wait()
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return nil
}
