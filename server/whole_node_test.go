package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/internal/netsim"
	"github.com/pabal/pabal/transport"
	"github.com/pabal/pabal/web"
)

// A wholeNode is a node of a run, which lives more than once.
type wholeNode struct {
	whole   *whole
	name    string
	address string
	*nodeLife
}

// A nodeLife is a node from its start to its end.
type nodeLife struct {
	server   *Server
	hub      *pabal.Hub
	listener *netsim.Listener
	cut      context.CancelFunc // ends the requests that are being answered
	serving  sync.WaitGroup
}

// start has n serve.
func (n *wholeNode) start() error {
	cfg := n.whole.config
	log := slog.New(storyteller{n.whole.story, n.name})
	broker := n.whole.store.node()
	hub := pabal.NewHub(broker, limits(cfg))
	reads := newTransport(cfg, hub, log)
	s, err := newServer(cfg, log, parts{
		hub: hub, read: reads, drain: reads.Drain, pages: web.Handler(),
		api:   &api.Handler{Hub: hub, Log: log, BodyBytes: int64(cfg.Messages.BodyBytes)},
		close: func() error { return nil }, // the store outlives its nodes
	})
	if err != nil {
		return err
	}
	l, err := n.whole.net.Listen(n.address)
	if err != nil {
		return err
	}
	life := &nodeLife{server: s, hub: hub, listener: l}
	base, cut := context.WithCancel(context.Background())
	life.cut = cut
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	s.http.ConnContext = transport.ConnContext
	inner := s.http.Handler
	s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		life.serving.Add(1)
		defer life.serving.Done()
		inner.ServeHTTP(w, r)
	})
	life.serving.Go(func() {
		if err := s.serve(l); err != nil && !errors.Is(err, net.ErrClosed) { // which is how it is killed
			n.whole.fail(&broken{n.name, nil, fmt.Errorf("serving: %w", err)})
		}
	})
	n.nodeLife = life
	n.whole.story.note(n.name, nil, "starts")
	return nil
}

// drain stops n as SIGTERM does.
func (n *wholeNode) drain() error {
	n.whole.story.note(n.name, nil, "drains")
	n.server.drain()
	return n.end()
}

// kill stops n as kill -9 does.
func (n *wholeNode) kill() error {
	n.whole.story.note(n.name, nil, "is killed")
	n.listener.Kill()
	n.cut()
	_ = n.server.http.Close() // never fails here
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = n.server.parts.drain(ended) // whoever is in the middle of something finds nobody there
	return n.end()
}

// end waits until nothing of n's life is left.
func (n *wholeNode) end() error {
	life := n.nodeLife
	life.cut()
	life.serving.Wait()
	if open := life.hub.Stats().Sessions; open > 0 {
		return &broken{n.name, nil, fmt.Errorf("%d sessions are left, though no request is being answered", open)}
	}
	return life.server.close()
}
