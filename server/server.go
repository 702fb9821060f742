package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/server/config"
	"github.com/pabal/pabal/server/host"
	"github.com/pabal/pabal/transport"
)

// A Server is one node. [New] makes one; it serves once.
type Server struct {
	cfg    config.Config
	log    *slog.Logger
	parts  parts
	health *health
	cert   *certificate // nil: no TLS
	dev    *development // nil: no development mode
	http   *http.Server

	sockets *streamSockets
}

// parts is what a server puts together.
type parts struct {
	hub      *pabal.Hub
	read     http.Handler                // GET on channels
	commands http.Handler                // what readers do beside reading
	drain    func(context.Context) error // tells who reads that it ends, refuses who comes, and waits for all to leave
	api      http.Handler                // everything else on channels, and who is in them
	pages    http.Handler
	own      func(context.Context, pabal.Channel, pabal.Publish) error // publishes what is Pabal's own, which the hub does not count
	end      func(context.Context)                                     // of what writes to the logs at its end, and needs the hub; nil: there is nothing
	close    func() error                                              // of what keeps the logs

	health func() error // of what keeps the logs: what it cannot do; nil if there is nothing to ask
}

// newServer puts p together as cfg says.
func newServer(cfg config.Config, log *slog.Logger, p parts) (*Server, error) {
	log = redacted(log)
	s := &Server{cfg: cfg, log: log, parts: p, health: &health{storage: p.health}}
	s.dev = newDevelopment(&s.cfg, p.hub, log)
	guard, err := newGuard(cfg.Access.AllowOrigin)
	if err != nil {
		return nil, err
	}
	if cfg.Serving.TLSCert != "" {
		if s.cert, err = newCertificate(cfg.Serving.TLSCert, cfg.Serving.TLSKey, log); err != nil {
			return nil, err
		}
	}
	limit := &rateLimit{perSecond: cfg.Access.RequestRate}
	addresses := addresses{cfg.Access.TrustedProxies}
	handler := s.dev.bodies(addresses.handler(guard.handler(limit.handler(s.routes()))))
	s.http = newHTTPServer(handler, cfg.Delivery.LongPollMax+cfg.Delivery.WriteTimeout+bodyTimeout)
	s.http.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	if s.cert != nil {
		s.http.TLSConfig = s.cert.config()
	}
	s.sockets, err = newStreamSockets(s.http, cfg.Serving.WebSocketH2, log)
	return s, err
}

// Run listens, says so on out, and serves until ctx ends. Then it drains:
// readers are told and have the time that is configured to leave, and what was
// asked before is answered. When it returns, everything is closed. an
// error may say what could not be.
func (s *Server) Run(ctx context.Context, out io.Writer) (err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	listeners, err := listen(ctx, s.cfg.Serving.Listen)
	if err != nil {
		return err
	}
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s.http.BaseContext = s.marks(base, listeners)
	s.http.ConnContext = transport.ConnContext
	stopMetrics := s.publishMetrics(base)
	defer stopMetrics()

	s.dev.serves(listeners[0].Addr().String())
	failed := make(chan error, len(listeners))
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() { failed <- s.serve(l) })
	}
	for _, l := range listeners {
		s.log.Info("listening", "url", origin(l, s.cert != nil))
	}
	s.sockets.test(ctx, listeners, s.cert)
	sayAccess(s.log, &s.cfg)
	s.dev.say()
	if err := announce(out, listeners, s.cert != nil, s.cfg.Access.Open); err != nil {
		s.log.Warn("the addresses could not be printed", "error", err)
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
	}
	s.drain()
	serving.Wait()
	return err
}

// ReloadCertificate reads the TLS certificate anew, if there is one.
func (s *Server) ReloadCertificate() {
	if s.cert != nil {
		s.cert.reload()
	}
}

func (s *Server) serve(l net.Listener) (err error) {
	if s.cert != nil {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(transport.NewListener(l))
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// marks returns what the requests of each listener have for their context.
func (s *Server) marks(base context.Context, listeners []net.Listener) func(net.Listener) context.Context {
	local := make(map[string]loopback)
	for i, l := range listeners {
		if addr, ok := l.Addr().(*net.TCPAddr); ok && addr.IP.IsLoopback() {
			local[addr.String()] = loopback{host: hostname(s.cfg.Serving.Listen[i]), address: origin(l, s.cert != nil)}
		}
	}
	return func(l net.Listener) context.Context {
		if mark, ok := local[l.Addr().String()]; ok {
			return onLoopback(base, mark)
		}
		return base
	}
}

// publishMetrics publishes the metrics of this host, if that is wanted, until
// stop is called. Stop returns when nothing more is published.
func (s *Server) publishMetrics(ctx context.Context) (stop func()) {
	if !s.cfg.Log.HostMetrics {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	publisher := host.Publisher{Stats: s.parts.hub.Stats, Log: s.log, Publish: s.parts.own}
	var running sync.WaitGroup
	running.Go(func() { publisher.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// drain ends what is being served, at the latest when the time for it is over.
func (s *Server) drain() {
	start := time.Now()
	until := start.Add(s.cfg.Serving.Drain)
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	s.health.draining.Store(true)
	s.log.Info("stopping; readers are told to leave", "readers", s.parts.hub.Stats().Sessions, "until", until)
	s.dev.stop()
	// The listeners stay open until the readers have left, so that who comes is told to come again later.
	err := s.parts.drain(ctx)
	s.dev.close(ctx)
	if err == nil {
		err = s.http.Shutdown(ctx)
	}
	took := time.Since(start).Round(time.Millisecond)
	if err == nil {
		s.log.Info("drained", "took", took)
	} else {
		s.log.Warn("not all had left in time; the rest is cut off", "readers", s.parts.hub.Stats().Sessions, "took", took, "error", err)
	}
	if err := s.http.Close(); err != nil {
		s.log.Debug("closing", "error", err)
	}
}

// endTimeout is how long may take what is written at the end.
const endTimeout = 5 * time.Second

func (s *Server) close() error {
	if s.parts.end != nil {
		ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		s.parts.end(ctx)
	}
	s.parts.hub.Close()
	if err := s.parts.close(); err != nil {
		return fmt.Errorf("what keeps the logs could not be closed: %w", err)
	}
	return nil
}
