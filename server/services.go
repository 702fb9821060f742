package server

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pabal/pabal"
	"github.com/pabal/pabal/api"
	"github.com/pabal/pabal/auth"
	"github.com/pabal/pabal/call"
	"github.com/pabal/pabal/presence"
	"github.com/pabal/pabal/server/config"
	"github.com/pabal/pabal/transport"
)

// services are what a node has beside its hub. They need it until they are
// closed.
type services struct {
	access   *auth.Authenticator
	presence *presence.Service
	calls    *call.Service
	log      *slog.Logger
}

func newServices(cfg config.Config, hub *pabal.Hub, log *slog.Logger) (*services, error) {
	p, err := newPolicies(cfg)
	if err != nil {
		return nil, err
	}
	s := &services{log: log}
	if s.access, err = newAccess(cfg, p, log); err != nil {
		return nil, err
	}
	s.presence = presence.New(presence.Config{
		Hub: hub, Log: log,
		Lease:   cfg.Upstream.PresenceLease,
		Linger:  cfg.Upstream.PresenceLinger,
		Members: cfg.Upstream.Members,
		Mode:    p.presence,
	})
	s.calls = call.New(call.Config{
		Hub: hub, Log: log,
		Timeout:       cfg.Policy.CallTimeout,
		TimeoutOf:     p.timeout,
		Hook:          p.hook,
		InFlight:      cfg.Upstream.Calls,
		PerConnection: cfg.Upstream.CallsPerConnection,
	})
	return s, nil
}

// forTransport returns what readers need of s.
func (s *services) forTransport(cfg config.Config) transport.Services {
	return transport.Services{
		Access: s.access, Presence: s.presence, Calls: s.calls,
		CommandRate:      noLimit(cfg.Upstream.CommandRate),
		NoHTTP2WebSocket: cfg.Serving.WebSocketH2 == "off",
	}
}

// newAccess returns what checks tokens, as cfg says.
func newAccess(cfg config.Config, p *policies, log *slog.Logger) (*auth.Authenticator, error) {
	t := &cfg.Tokens
	c := auth.Config{
		JWKS: string(t.JWKSURL), Issuer: t.Issuer, Audience: t.Audience, Leeway: t.Leeway, Forever: t.Forever,
		TokenBytes: int(t.Bytes), Cookie: t.Cookie, AllowOrigins: origins(cfg),
		Anonymous: p.anonymous, TrustEveryone: cfg.Access.Open, Log: log,
	}
	for _, file := range t.SecretFile {
		c.Keys = append(c.Keys, auth.Key{Algorithm: "HS256", File: file})
	}
	for _, text := range t.Key {
		c.Keys = append(c.Keys, auth.Key{Text: text})
	}
	for _, file := range t.KeyFile {
		c.Keys = append(c.Keys, auth.Key{File: file})
	}
	a, err := auth.New(c)
	if err != nil {
		return nil, fmt.Errorf("the keys for tokens cannot be used: %w", err)
	}
	return a, nil
}

// close ends them, in the order in which they need each other: calls are
// answered or failed, and who is present here leaves, before the hub is closed.
func (s *services) close(ctx context.Context) {
	s.calls.Close()
	if err := s.presence.Close(ctx); err != nil {
		s.log.Warn("those present here could not be said to have left; another node says so once the lease is over", "error", err)
	}
	s.access.Close()
}

// View says who is in ch, for api.
func (s *services) View(ctx context.Context, ch pabal.Channel) (api.Present, error) {
	seen, err := s.presence.View(ctx, ch)
	if err != nil {
		return api.Present{}, err
	}
	p := api.Present{Anonymous: seen.Anonymous, Connections: seen.Connections, At: seen.Position}
	for _, u := range seen.Users {
		p.Users = append(p.Users, api.User{Name: u.User, Data: u.Data, Connections: u.Connections})
	}
	return p, nil
}
